//! A small HTTP/1.1 server, bare or within TLS: it has what it was given, counts what it is asked, and fails on order.
//!
//! It runs on a thread and a runtime of its own, so that it neither slows a test's tasks nor outlives the test: dropping
//! it ends the thread, and fails if a connection is left.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::fault::{Fault, Step, plan};
use super::resource::{Resource, Seen};
use super::tls::Identity;
use super::wire::{Ending, Framing, Head, Reading, Stream, Wire};

/// Longest stall, and longest wait for the next request on a connection.
const PATIENCE: Duration = Duration::from_secs(120);
/// Connections the kernel holds for us before they are accepted.
const BACKLOG: u32 = 1024;
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Answers requests for which no resource was put.
pub type Responder = Arc<dyn Fn(&Seen) -> Option<Resource> + Send + Sync>;

/// The server. Paths are percent-decoded and without query throughout.
pub struct FakeUpstream {
    shared: Arc<Shared>,
    address: SocketAddr,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    open: Most,
    /// Requests that are being answered.
    busy: Most,
}

/// How many there are, and the most there ever were at once.
#[derive(Default)]
struct Most {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Default)]
struct State {
    resources: BTreeMap<String, Resource>,
    fallback: Option<Responder>,
    /// By path; the empty one stands for every path.
    faults: BTreeMap<String, Vec<Ordered>>,
    seen: Vec<Seen>,
    /// Shown to connections from now on; `None` speaks without TLS.
    tls: Option<Arc<ServerConfig>>,
}

/// A fault and how often it strikes.
struct Ordered {
    /// `None` strikes until healed.
    left: Option<usize>,
    fault: Fault,
}

enum Order {
    Vanish(oneshot::Sender<()>),
    ComeBack(oneshot::Sender<()>),
}

/// Listening, or holding the port without listening, so that connections are refused and nobody else gets it.
enum Door {
    Open(TcpListener),
    Shut(#[expect(dead_code, reason = "held for the port it is bound to")] TcpSocket),
}

/// Counts a connection, or a request, for as long as it lives.
struct Counted {
    shared: Arc<Shared>,
    kind: fn(&Shared) -> &Most,
}

// === impl FakeUpstream ===

impl FakeUpstream {
    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_on([127, 0, 0, 1])
    }

    /// Starts on a free port of a loopback address.
    pub fn start_on(address: [u8; 4]) -> Self {
        let listener = std::net::TcpListener::bind(SocketAddr::from((address, 0))).expect("a free loopback port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (orders, received) = mpsc::unbounded_channel();
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("fake-upstream".into())
            .spawn(move || run(listener, &theirs, received))
            .expect("a thread can be started");
        Self { shared, address, orders: Some(orders), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its URL without a trailing slash, of the scheme it speaks now.
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.shared.lock().tls.is_some() { "s" } else { "" }, self.address)
    }

    /// Shows this identity to connections from now on, or speaks to them without TLS.
    pub fn show(&self, identity: Option<&Identity>) {
        self.shared.lock().tls = identity.map(Identity::server);
    }

    pub fn put(&self, path: &str, resource: Resource) {
        self.shared.lock().resources.insert(path.to_owned(), resource);
    }

    pub fn remove(&self, path: &str) {
        self.shared.lock().resources.remove(path);
    }

    /// Returns what was put under a path.
    pub fn resource(&self, path: &str) -> Option<Resource> {
        self.shared.lock().resources.get(path).cloned()
    }

    pub fn answer_with(&self, responder: Responder) {
        self.shared.lock().fallback = Some(responder);
    }

    /// Fails on a path until [`Self::heal`].
    pub fn fail(&self, path: &str, fault: Fault) {
        self.order(path, None, fault);
    }

    /// Fails the next `count` requests for a path.
    pub fn fail_next(&self, path: &str, count: usize, fault: Fault) {
        self.order(path, Some(count), fault);
    }

    /// Fails on every path until [`Self::heal_all`].
    pub fn fail_all(&self, fault: Fault) {
        self.order("", None, fault);
    }

    fn order(&self, path: &str, left: Option<usize>, fault: Fault) {
        self.shared.lock().faults.entry(path.to_owned()).or_default().push(Ordered { left, fault });
    }

    pub fn heal(&self, path: &str) {
        self.shared.lock().faults.remove(path);
    }

    pub fn heal_all(&self) {
        self.shared.lock().faults.clear();
    }

    /// Returns every request for a path so far.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.shared.lock().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// Returns how often a path was asked.
    pub fn count(&self, path: &str) -> usize {
        self.shared.lock().seen.iter().filter(|seen| seen.path == path).count()
    }

    /// Returns every request so far.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Returns how many connections are open, and the most there ever were at once.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.open.read()
    }

    /// Returns how many requests are being answered, and the most there ever were at once.
    pub fn busy(&self) -> (usize, usize) {
        self.shared.busy.read()
    }

    /// Drops every connection and refuses new ones.
    pub async fn vanish(&self) {
        self.tell(Order::Vanish).await;
    }

    /// Listens again on the same port.
    pub async fn come_back(&self) {
        self.tell(Order::ComeBack).await;
    }

    async fn tell(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, waiting) = oneshot::channel();
        let orders = self.orders.as_ref().expect("only drop takes it");
        orders.send(order(done)).expect("the server runs until it is dropped");
        waiting.await.expect("the server obeys");
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.orders = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the fake upstream failed");
            assert_eq!(self.connections().0, 0, "connections left behind");
        }
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Records a request and decides its answer.
    fn decide(&self, seen: Seen) -> Vec<Step> {
        let mut state = self.lock();
        let fault = state.strike(&seen.path);
        let resource = state.resources.get(&seen.path).cloned();
        let fallback = state.fallback.clone();
        state.seen.push(seen.clone());
        drop(state);
        let made = || fallback.and_then(|responder| responder(&seen));
        let resource = resource.or_else(made).unwrap_or_else(Resource::absent);
        plan(&resource, &seen, fault.as_ref())
    }
}

impl State {
    fn strike(&mut self, path: &str) -> Option<Fault> {
        let strikes = |ordered: &&mut Ordered| ordered.left != Some(0);
        let paths = [path, ""];
        let path = paths.into_iter().find(|path| {
            self.faults.get(*path).is_some_and(|faults| faults.iter().any(|ordered| ordered.left != Some(0)))
        })?;
        let ordered = self.faults.get_mut(path)?.iter_mut().find(strikes)?;
        ordered.left = ordered.left.map(|left| left - 1);
        Some(ordered.fault.clone())
    }
}

// === impl Most ===

impl Most {
    fn read(&self) -> (usize, usize) {
        (self.now.load(Ordering::SeqCst), self.most.load(Ordering::SeqCst))
    }
}

// === impl Counted ===

impl Counted {
    fn new(shared: &Arc<Shared>, kind: fn(&Shared) -> &Most) -> Self {
        let Most { now, most } = kind(shared);
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self { shared: shared.clone(), kind }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.kind)(&self.shared).now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(listener: std::net::TcpListener, shared: &Arc<Shared>, orders: mpsc::UnboundedReceiver<Order>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(serve(listener, shared, orders));
}

async fn serve(listener: std::net::TcpListener, shared: &Arc<Shared>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let address = listener.local_addr().expect("a bound socket has an address");
    let mut door = Door::Open(TcpListener::from_std(listener).expect("a listener fits any runtime"));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = accept(&door) => {
                let counted = Counted::new(shared, |shared| &shared.open);
                connections.spawn(converse(stream, counted));
            }
            Some(_) = connections.join_next() => {}
            order = orders.recv() => match order {
                None => break,
                Some(Order::Vanish(done)) => {
                    connections.shutdown().await;
                    drop(door);
                    door = Door::Shut(reserve(address).await);
                    // Who asked may be gone already.
                    let _ = done.send(());
                }
                Some(Order::ComeBack(done)) => {
                    drop(door);
                    door = Door::Open(reserve(address).await.listen(BACKLOG).expect("our own port"));
                    let _ = done.send(());
                }
            }
        }
    }
    connections.shutdown().await;
}

/// Returns the next connection; never while the door is shut.
async fn accept(door: &Door) -> TcpStream {
    let Door::Open(listener) = door else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors or a peer that left already: neither lasts.
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Binds the port again; the kernel may take a moment to let go of it.
async fn reserve(address: SocketAddr) -> TcpSocket {
    let start = Instant::now();
    loop {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket.set_reuseaddr(true).expect("a fresh socket takes options");
        if socket.bind(address).is_ok() {
            return socket;
        }
        assert!(start.elapsed() < Duration::from_secs(2), "the port of the fake upstream is lost");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Answers the requests of one connection, one after the other.
async fn converse(stream: TcpStream, counted: Counted) {
    // Pieces must leave as they are written; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let tls = counted.shared.lock().tls.clone();
    // A peer that does not like what it is shown leaves.
    let Ok(Ok(stream)) = timeout(PATIENCE, Stream::accept(stream, tls.as_ref())).await else { return };
    let mut wire = Wire::new(stream);
    loop {
        let head = match timeout(PATIENCE, wire.head()).await {
            Ok(Ok(Some(head))) => head,
            // Whoever sends what is no HTTP may not understand this; then it is the end of it all the same.
            Ok(Err(Ending::Malformed(_))) => return drop(wire.write(BAD_REQUEST).await),
            _ => return,
        };
        let Some(seen) = read_rest(&mut wire, head).await else { return };
        let leave = seen.headers.lists("connection", "close");
        let _busy = Counted::new(&counted.shared, |shared| &shared.busy);
        match perform(&mut wire, counted.shared.decide(seen)).await {
            false => return,
            true if leave => return wire.close().await,
            true => {}
        }
    }
}

/// Reads a request's body; `None` when it does not come whole.
async fn read_rest(wire: &mut Wire, head: Head) -> Option<Seen> {
    let framing = head.framing(Framing::None).ok()?;
    if head.headers.lists("expect", "100-continue") {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let mut body = Vec::new();
    let ending = timeout(PATIENCE, wire.body(framing, Reading::default(), &mut body)).await.ok()?;
    let mut words = head.start.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let seen = Seen { path, query: query.to_owned(), method, target, headers: head.headers, body };
    (ending == Ending::Complete).then_some(seen)
}

/// Does what was planned; `false` when the connection is over.
async fn perform(wire: &mut Wire, steps: Vec<Step>) -> bool {
    for step in steps {
        let written = match step {
            Step::Write(bytes) => wire.write(&bytes).await,
            Step::Paced(bytes, pace) => {
                for (index, piece) in bytes.chunks(pace.bytes).enumerate() {
                    if index > 0 {
                        sleep(pace.pause).await;
                    }
                    if wire.write(piece).await.is_err() {
                        return false;
                    }
                }
                Ok(())
            }
            Step::Sleep(pause) => {
                sleep(pause).await;
                Ok(())
            }
            Step::Stall => {
                // Either the peer leaves or patience ends: the connection is over both ways.
                let _ = timeout(PATIENCE, wire.drain()).await;
                return false;
            }
            Step::Close => {
                wire.close().await;
                return false;
            }
            Step::Reset => {
                wire.stream().set_zero_linger().expect("a socket takes this option");
                return false;
            }
        };
        if written.is_err() {
            return false;
        }
    }
    true
}
