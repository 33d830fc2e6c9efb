//! An HTTP proxy: it tunnels and forwards, knows the names it was told, remembers all it hears, and refuses on order.
//!
//! It runs on a thread and a runtime of its own, as the fake upstream does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::{Ask, Connection};
use super::wire::{Framing, Head, Headers, Reading, Stream, Wire};

/// Longest silence on any connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// The proxy. It resolves nothing but the names it was told and addresses.
pub struct FakeProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How it meets requests.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    Serve,
    /// Answers with this status.
    Refuse(u16),
    /// Never answers.
    Silent,
    /// Answers with no HTTP.
    Garbage,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// Host and port → address.
    names: BTreeMap<String, SocketAddr>,
    manner: Option<Manner>,
    heads: Vec<Head>,
    /// What clients sent through tunnels.
    tunnelled: Vec<u8>,
}

// === impl FakeProxy ===

impl FakeProxy {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("fake-proxy".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(serve(listener, &theirs, stopped));
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread.expect("a thread can be started")) }
    }

    /// Returns its URL, with these credentials: `user:password@`, or nothing.
    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    /// Tells where `host:port` is.
    pub fn resolves(&self, authority: &str, address: SocketAddr) {
        self.shared.lock().names.insert(authority.to_owned(), address);
    }

    /// Meets requests so from now on; open tunnels stay.
    pub fn behave(&self, manner: Manner) {
        self.shared.lock().manner = Some(manner);
    }

    /// Returns the first line and headers of every request so far.
    pub fn heads(&self) -> Vec<Head> {
        self.shared.lock().heads.clone()
    }

    /// Returns the first lines of every request so far.
    pub fn asked(&self) -> Vec<String> {
        self.heads().into_iter().map(|head| head.start).collect()
    }

    /// Tells whether any of this text was shown to it, in a head or through a tunnel.
    pub fn was_shown(&self, text: &str) -> bool {
        let state = self.shared.lock();
        let tunnelled = state.tunnelled.windows(text.len()).any(|window| window == text.as_bytes());
        tunnelled || state.heads.iter().any(|head| head.print().contains(text))
    }
}

impl Drop for FakeProxy {
    fn drop(&mut self) {
        self.stop = None;
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the fake proxy failed");
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn find(&self, authority: &str) -> Option<SocketAddr> {
        self.lock().names.get(authority).copied().or_else(|| authority.parse().ok())
    }
}

async fn serve(listener: std::net::TcpListener, shared: &Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).expect("a listener fits any runtime");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("descriptors suffice for a test");
                connections.spawn(converse(stream, Arc::clone(shared)));
            }
        }
    }
    connections.shutdown().await;
}

/// Answers the requests of one connection, until one of them makes a tunnel of it.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let mut wire = Wire::new(Stream::Plain(stream));
    while let Ok(Ok(Some(head))) = timeout(PATIENCE, wire.head()).await {
        shared.lock().heads.push(head.clone());
        let manner = shared.lock().manner.unwrap_or(Manner::Serve);
        match manner {
            Manner::Serve => {}
            Manner::Silent => return drop(timeout(PATIENCE, wire.drain()).await),
            Manner::Garbage => return drop(wire.write(b"\x00\x01 no HTTP\r\n\r\n").await),
            Manner::Refuse(status) => return drop(wire.write(refusal(status).as_bytes()).await),
        }
        let mut words = head.start.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if method == "CONNECT" {
            return tunnel(wire, shared.find(target), &shared).await;
        }
        if !forward(&mut wire, &head, &shared).await {
            return;
        }
    }
}

fn refusal(status: u16) -> String {
    let who = if status == 407 { "proxy-authenticate: Basic realm=\"test\"\r\n" } else { "" };
    format!("HTTP/1.1 {status} No\r\n{who}content-length: 0\r\nconnection: close\r\n\r\n")
}

/// Carries bytes both ways until either side ends.
async fn tunnel(mut wire: Wire, to: Option<SocketAddr>, shared: &Shared) {
    let upstream = match to {
        Some(address) => TcpStream::connect(address).await.ok(),
        None => None,
    };
    let Some(mut upstream) = upstream else { return drop(wire.write(refusal(502).as_bytes()).await) };
    if wire.write(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_err() {
        return;
    }
    let Stream::Plain(mut client) = wire.into_stream() else { return };
    let (mut sent, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let carried = tokio::select! {
            read = client.read(&mut sent) => match read {
                Ok(read @ 1..) => {
                    shared.lock().tunnelled.extend_from_slice(&sent[..read]);
                    upstream.write_all(&sent[..read]).await
                }
                _ => return,
            },
            read = upstream.read(&mut answered) => match read {
                Ok(read @ 1..) => client.write_all(&answered[..read]).await,
                _ => return,
            },
        };
        if carried.is_err() {
            return;
        }
    }
}

/// Sends a request on and its whole answer back; `false` when the connection is over. Source: RFC 9112 §3.2.2.
async fn forward(wire: &mut Wire, head: &Head, shared: &Shared) -> bool {
    let mut words = head.start.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((authority, path)) = target.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
        return wire.write(refusal(400).as_bytes()).await.is_ok();
    };
    let mut body = Vec::new();
    let Ok(framing) = head.framing(Framing::None) else { return false };
    wire.body(framing, Reading::default(), &mut body).await;
    let ours = |name: &str| name.starts_with("proxy-") || ["connection", "transfer-encoding"].contains(&name);
    let headers = head.headers.0.iter().filter(|(name, _)| !ours(&name.to_ascii_lowercase()));
    let ask = Ask::new(method, &format!("/{path}")).body(body);
    let ask = headers.fold(ask, |ask, (name, value)| ask.header(name, value));
    // Without a port it is that of HTTP.
    let address = shared.find(authority).or_else(|| shared.find(&format!("{authority}:80")));
    let answer = match address {
        Some(address) => Connection::open(address).await.ok(),
        None => None,
    };
    let Some(mut upstream) = answer else { return wire.write(refusal(502).as_bytes()).await.is_ok() };
    let answer = upstream.ask(&ask).await;
    if !answer.completed() {
        return false;
    }
    let mut headers = Headers::default();
    let lines =
        answer.headers.0.iter().filter(|(name, _)| !ours(&name.to_ascii_lowercase()) && name != "content-length");
    lines.for_each(|(name, value)| headers.push(name, value));
    headers.push("content-length", answer.body.len());
    let head = Head { start: format!("HTTP/1.1 {} Forwarded", answer.status), headers }.print();
    wire.write(&[head.as_bytes(), &answer.body].concat()).await.is_ok()
}
