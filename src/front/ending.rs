//! How a server ends: hears the signal, accepts no more, answers what it has, and leaves.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::proxy::HttpProxy;
use pingora::server::{ListenFds, ShutdownWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cork::Corked;
use super::crowd::Crowd;
use super::forwarded::Proxies;
use super::hand_over;
use super::patience::{Patience, Patient, peer};
use super::proxy::Proxy;
use crate::telemetry::metrics::Metrics;

/// How to end.
#[derive(Clone, Copy)]
pub struct Ending {
    /// How long a connection that was just accepted may take to be counted: it may be shaking hands for TLS.
    settle: Duration,
    /// How long connections without a request are kept: one may be on its way.
    patience: Duration,
    /// How long replies may take.
    limit: Duration,
}

/// Told to stop: gone within five seconds.
const STOP: Ending = Ending {
    settle: Duration::from_millis(300),
    patience: Duration::from_millis(300),
    limit: Duration::from_millis(3500),
};

/// Another process has taken over, and nobody waits for us to be gone. A busy client gets to ask once more, and to read
/// that this connection ends.
const HAND_OVER: Ending =
    Ending { settle: Duration::from_secs(1), patience: Duration::from_secs(10), limit: Duration::from_secs(60) };

/// The signals that a server hears.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
}

/// What a signal tells.
enum Word {
    Stop,
    HandOver,
    Reload,
}

/// A server that accepts connections.
pub struct Running {
    pub fds: ListenFds,
    pub service: JoinHandle<()>,
    pub shutdown: watch::Sender<bool>,
    pub doors: Doors,
}

/// What the two sides of a [`Gate`] tell each other. Cloning shares it.
#[derive(Clone, Default)]
pub struct Doors {
    connections: Arc<watch::Sender<usize>>,
    /// Set when nothing is accepted any more.
    closed: Arc<watch::Sender<bool>>,
    /// Set when connections that wait for a request are to be closed.
    close_idle: Arc<watch::Sender<bool>>,
}

/// Stands between the listener and the proxy: counts connections, closes what is one too many, and keeps idle ones open
/// for a while at the end.
pub struct Gate {
    pub proxy: Arc<HttpProxy<Proxy>>,
    pub doors: Doors,
    pub crowd: Arc<Crowd>,
    pub proxies: Proxies,
    pub patience: Patience,
    pub metrics: Arc<Metrics>,
}

/// A connection that is counted.
struct Inside<'a>(&'a watch::Sender<usize>);

// === impl Signals ===

impl Signals {
    /// Begins to hear; until then the system's defaults apply, which end the process.
    ///
    /// # Errors
    /// The system's.
    pub fn hear() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Stop,
            _ = self.interrupt.recv() => Word::Stop,
            _ = self.quit.recv() => Word::HandOver,
            _ = self.hang_up.recv() => Word::Reload,
        }
    }

    /// Waits for a word to stop, whatever else is said.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Word::Stop) {}
    }
}

// === impl Running ===

impl Running {
    /// Serves until it is time to end, and returns how; `None` when the listeners have ended by themselves.
    pub async fn until_told(
        &mut self,
        signals: &mut Signals,
        on_reload: &Arc<dyn Fn() + Send + Sync>,
        socket: &Path,
    ) -> Option<Ending> {
        loop {
            let word = tokio::select! {
                word = signals.next() => word,
                _ = &mut self.service => return None,
            };
            match word {
                Word::Stop => return Some(STOP),
                Word::HandOver if hand_over::give(&self.fds, socket).await => return Some(HAND_OVER),
                Word::HandOver => {}
                Word::Reload => drop(tokio::task::spawn_blocking({
                    let on_reload = Arc::clone(on_reload);
                    move || on_reload()
                })),
            }
        }
    }

    /// Accepts no more, and waits until every connection is done with, or its time is up. A signal to stop hurries it.
    pub async fn end(&mut self, mut ending: Ending, signals: &mut Signals) {
        let began = Instant::now();
        // From now on a reply ends its connection.
        self.shutdown.send_replace(true);
        let doors = self.doors.clone();
        let mut all_done = Box::pin(async move { doors.all_done(ending.settle).await });
        loop {
            tokio::select! {
                () = &mut all_done => break,
                () = sleep_until(began + ending.patience), if !self.doors.idle_are_closed() => self.doors.close_idle(),
                () = sleep_until(began + ending.limit) => {
                    tracing::warn!(connections = *self.doors.connections.borrow(), "ended before all was answered");
                    break;
                }
                () = signals.stop() => {
                    ending.limit = ending.limit.min(began.elapsed() + STOP.limit);
                    ending.patience = STOP.patience;
                }
            }
        }
        self.doors.close_idle();
        // With no connection left there is nothing that the service could wait for.
        let _ = timeout(STOP.patience, &mut self.service).await;
    }
}

// === impl Doors ===

impl Doors {
    async fn all_done(&self, settle: Duration) {
        // Neither can fail: we hold the sender.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
        sleep(settle).await;
        let _ = self.connections.subscribe().wait_for(|count| *count == 0).await;
    }

    fn close_idle(&self) {
        self.close_idle.send_replace(true);
    }

    fn idle_are_closed(&self) -> bool {
        *self.close_idle.borrow()
    }
}

// === impl Gate ===

#[async_trait]
impl ServerApp for Gate {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _inside = Inside::enter(&self.doors.connections);
        // Behind a proxy are many: none of them has all its connections.
        let counted = peer(&stream).filter(|peer| !self.proxies.has(*peer));
        let Some(_seat) = self.crowd.enter(counted) else {
            self.metrics.connections_refused.inc();
            return None;
        };
        let is_plain = stream.get_ssl_digest().is_none();
        let stream = if is_plain { Box::new(Corked::new(stream)) } else { stream };
        self.proxy.process_new(Box::new(Patient::new(stream, self.patience)), shutdown).await
    }

    /// Called by pingora when nothing is accepted any more.
    async fn cleanup(&self) {
        self.doors.closed.send_replace(true);
        // Cannot fail: we hold the sender.
        let _ = self.doors.close_idle.subscribe().wait_for(|close| *close).await;
        self.proxy.cleanup().await;
    }
}

// === impl Inside ===

impl<'a> Inside<'a> {
    fn enter(connections: &'a watch::Sender<usize>) -> Self {
        connections.send_modify(|count| *count += 1);
        Self(connections)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_is_done_when_the_last_connection_has_left_a_closed_door() {
        let doors = Doors::default();
        let inside = Inside::enter(&doors.connections);
        let mut done = Box::pin(doors.all_done(Duration::from_secs(1)));
        assert!(timeout(Duration::from_secs(5), &mut done).await.is_err());
        doors.closed.send_replace(true);
        assert!(timeout(Duration::from_secs(5), &mut done).await.is_err());
        drop(inside);
        assert!(timeout(Duration::from_secs(5), &mut done).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_accepted_last_has_time_to_be_counted() {
        let doors = Doors::default();
        doors.closed.send_replace(true);
        assert!(timeout(Duration::from_millis(900), doors.all_done(Duration::from_secs(1))).await.is_err());
    }
}
