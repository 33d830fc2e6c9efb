//! Listens, and ends in good order.
//!
//! - SIGTERM, SIGINT: no more connections; replies on their way are finished, within five seconds.
//! - SIGQUIT: the listeners are handed to a new process that was started with `upgrade`; then as above, within a minute.
//!   Not one connection is refused: what this process does not accept any more waits in the listener's own queue. If
//!   there is no new process, this one goes on.
//! - SIGHUP: the owner is told.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::body::BodyRoom;
use super::crowd::{Crowd, Rates};
use super::ending::{Doors, Gate, Running, Signals};
use super::forwarded::Proxies;
use super::hand_over;
use super::limits::Limits;
use super::mounts::Mounts;
use super::proxy::Proxy;
use super::tls::Tls;
use crate::base::fs::Temp;
use crate::base::roots::Roots;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// How long the last tasks may take to notice that all is over.
const LAST_TASKS: Duration = Duration::from_millis(300);

/// Bytes of each connection's buffers for reading and writing, below TLS. Without it none are needed: a request is read
/// to where it is parsed, and a reply leaves in one piece with its head ([`super::cork`]).
const BUFFERS: (usize, usize) = (4 << 10, 16 << 10);

/// How to listen.
pub struct Settings {
    pub listen: Vec<SocketAddr>,
    /// Without it, plain HTTP is spoken.
    pub tls: Option<Arc<Tls>>,
    /// 0: one a core.
    pub threads: usize,
    pub limits: Limits,
    pub proxies: Proxies,
    /// Our name in `Via`.
    pub via: String,
    /// Take the listeners over from a running process.
    pub upgrade: bool,
    /// Where two processes meet to hand the listeners over.
    pub upgrade_socket: PathBuf,
    pub access_log: bool,
    /// For connections to the upstreams of what is passed through.
    pub connect_timeout: Duration,
    /// Whom to believe on those.
    pub roots: Roots,
}

/// The server, not yet running.
pub struct Front {
    pub settings: Settings,
    pub mounts: Arc<ArcSwap<Mounts>>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
}

/// Hears of the addresses that are listened on.
pub type OnReady = Box<dyn FnOnce(&[SocketAddr]) + Send>;

/// Hears that the configuration is to be read again.
pub type OnReload = Arc<dyn Fn() + Send + Sync>;

/// Work that goes on beside the requests.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the server does for its owner.
pub struct Hooks {
    /// Called once when all addresses are listened on, with those.
    pub on_ready: OnReady,
    /// Called at each SIGHUP, where it may block.
    pub on_reload: OnReload,
    /// Runs on the server's own runtime until it stops, and is dropped then.
    pub background: Vec<Background>,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot take over the running server")]
    TakeOver(#[from] hand_over::Error),
    #[error("cannot start threads, hear signals or hold files in memory")]
    System(#[source] io::Error),
    #[error("cannot show the certificate")]
    Tls(#[source] Box<pingora::Error>),
    #[error("the server ended by itself")]
    Ended,
}

// === impl Front ===

impl Front {
    /// Serves until a signal says to stop and what was being answered is answered, or its time is up.
    ///
    /// # Errors
    /// [`Error`]: it could not start. Once it has, it ends well, save for [`Error::Ended`].
    pub fn run(self, hooks: Hooks) -> Result<(), Error> {
        let (fds, addresses) = self.listeners()?;
        let runtime = self.runtime().map_err(Error::System)?;
        let ended = runtime.block_on(self.serve(fds, &addresses, hooks));
        runtime.shutdown_timeout(LAST_TASKS);
        ended
    }

    async fn serve(&self, fds: ListenFds, addresses: &[SocketAddr], hooks: Hooks) -> Result<(), Error> {
        let mut signals = Signals::hear().map_err(Error::System)?;
        let mut running = self.start(fds)?;
        for task in hooks.background {
            let mut shutdown = running.shutdown.subscribe();
            tokio::spawn(async move {
                tokio::select! { () = task => {} _ = shutdown.wait_for(|stop| *stop) => {} }
            });
        }
        self.health.set_listening();
        (hooks.on_ready)(addresses);
        let ending = running.until_told(&mut signals, &hooks.on_reload, &self.settings.upgrade_socket).await;
        self.health.set_stopping();
        running.end(ending.ok_or(Error::Ended)?, &mut signals).await;
        Ok(())
    }

    /// Starts accepting connections.
    fn start(&self, fds: ListenFds) -> Result<Running, Error> {
        let (shutdown, stopped) = watch::channel(false);
        let doors = Doors::default();
        let roots = self.roots_file().map_err(Error::System)?;
        let mut proxy = http_proxy(&Arc::new(self.conf(&roots)), self.proxy());
        self.limit(&mut proxy);
        let gate = self.gate(proxy, doors.clone());
        let mut service = Service::new("front".into(), gate);
        for address in &self.settings.listen {
            service.endpoints().add_listener(self.listener(*address)?);
        }
        let theirs = Arc::clone(&fds);
        let service = tokio::spawn(async move { service.start_service(Some(theirs), stopped, 1).await });
        Ok(Running { fds, service, shutdown, doors })
    }

    /// Sets what pingora itself can limit, which is HTTP/2: what connections it takes, and how long it keeps idle ones.
    fn limit(&self, proxy: &mut HttpProxy<Proxy>) {
        let patience = self.settings.limits.patience;
        let mut options = default_h2_options();
        options.max_header_list_size(u32::try_from(patience.head_bytes).unwrap_or(u32::MAX));
        proxy.h2_options = Some(options);
        let options = proxy.server_options.get_or_insert_default();
        options.h2_idle_timeout = Some(patience.idle);
    }

    fn gate(&self, proxy: HttpProxy<Proxy>, doors: Doors) -> Gate {
        let Limits { connections, connections_per_address, patience, .. } = self.settings.limits;
        let crowd = Arc::new(Crowd::new(connections, connections_per_address));
        let (proxies, metrics) = (self.settings.proxies.clone(), Arc::clone(&self.metrics));
        Gate { proxy: Arc::new(proxy), doors, crowd, proxies, patience, metrics }
    }

    fn listener(&self, address: SocketAddr) -> Result<ListenerConfig, Error> {
        let config = ListenerConfig::tcp(address.to_string());
        match &self.settings.tls {
            Some(tls) => {
                let config = config.l4_buffer(L4BufferSettings::new(BUFFERS.0, BUFFERS.1));
                Ok(config.tls(tls.settings().map_err(Error::Tls)?))
            }
            None => Ok(config.l4_buffer(L4BufferSettings::unbuffered())),
        }
    }

    /// Writes the roots where pingora can read them: it takes a file, and that in place of the system's own.
    fn roots_file(&self) -> io::Result<Temp> {
        let file = Temp::in_memory()?;
        file.write_all(self.settings.roots.print().as_bytes())?;
        Ok(file)
    }

    fn conf(&self, roots: &Temp) -> ServerConf {
        let ca_file = Some(roots.path().to_string_lossy().into_owned());
        ServerConf { threads: self.threads(), ca_file, ..ServerConf::default() }
    }

    fn proxy(&self) -> Proxy {
        Proxy {
            mounts: Arc::clone(&self.mounts),
            limits: self.settings.limits,
            in_flight: Arc::default(),
            rates: Rates::new(self.settings.limits.requests_per_second),
            proxies: self.settings.proxies.clone(),
            bodies: BodyRoom::new(self.settings.limits.request_bodies_bytes),
            metrics: Arc::clone(&self.metrics),
            strays: self.metrics.tally(""),
            scheme: if self.settings.tls.is_some() { "https" } else { "http" },
            via: self.settings.via.clone(),
            connect_timeout: self.settings.connect_timeout,
            access_log: self.settings.access_log,
            request_ids: AtomicU64::new(rand::random()),
        }
    }

    fn threads(&self) -> usize {
        match self.settings.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    fn runtime(&self) -> io::Result<Runtime> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(self.threads()).thread_name("front").enable_all().build()
    }

    /// Listens, or takes over the process that does: what that one does not have is listened on anew.
    fn listeners(&self) -> Result<(ListenFds, Vec<SocketAddr>), Error> {
        let mut fds = if self.settings.upgrade { hand_over::take(&self.settings.upgrade_socket)? } else { Fds::new() };
        let mut addresses = Vec::new();
        for address in &self.settings.listen {
            if fds.get(&address.to_string()).is_some() {
                addresses.push(*address);
                continue;
            }
            let (listener, bound) = bind(*address).map_err(|source| Error::Listen { address: *address, source })?;
            fds.add(address.to_string(), listener.into_raw_fd());
            addresses.push(bound);
        }
        fds.close_unclaimed(&self.settings.listen.iter().map(ToString::to_string).collect());
        Ok((Arc::new(fds.into()), addresses))
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
