//! Replicas of registries that have lists, each of a mount that nobody serves: what is synced is there when upstream is not.

mod hex;
mod nessemble;
mod niso;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use heliostat::base::clock::Clock;
use heliostat::base::http::{Outcome as Answered, Request};
use heliostat::base::secret::{SafeUrl, Secret};
use heliostat::config::{self, Accounts, Dialect, Listen};
use heliostat::overlay::tasks::Wish;
use heliostat::overlay::{self, Overlay};
use heliostat::registries::replica::{Failure, Journal, Mark, Order, Outcome, Poll, Position, Replica, Report, Run};
use heliostat::registries::{self, Opened, Opening, Upstreams, bodies};
use http::{HeaderMap, Method};
use tokio::sync::Semaphore;

use super::World;

const A_YEAR: u64 = 366 * 86_400;

/// A mount over one upstream, and what was told of its syncs.
struct Mounted {
    world: World,
    opened: Opened,
    journal: Told,
}

/// What a run tells.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    bytes: AtomicU64,
}

// === impl Mounted ===

impl Mounted {
    async fn open(dialect: Dialect, upstream: &str) -> Self {
        let world = World::start();
        let directory = world.directory.path().join("overlay");
        std::fs::create_dir(&directory).expect("a directory of our own");
        let overlay = Overlay::open(overlay::Settings {
            database: Secret::new(format!("sqlite:{}", directory.join("overlay.sqlite").display())),
            blobs: overlay::blobs::Place::Directory(directory.join("blobs")),
            key: overlay::vault::Place::File(directory.join("key")),
            grace: Duration::from_secs(60),
            clock: Clock::default(),
        });
        let url = SafeUrl::parse(&format!("{upstream}/")).expect("a URL");
        let upstream = config::Upstream { allow_private: true, ..config::Upstream::open(url) };
        let mount = config::Mount { upstreams: vec![upstream], ..config::Mount::of(dialect) };
        let opened = registries::of(&mount.dialect).open(Opening {
            mirror: world.mirror.clone(),
            mount: &mount,
            upstreams: Upstreams::find(&mount, &Listen::default()),
            max_request_bytes: 1 << 20,
            overlay: Arc::new(overlay.await.expect("an empty overlay")),
            accounts: &Accounts::default(),
            allow_private_hooks: false,
            sync: &config::Sync::default(),
            binaries: Arc::default(),
        });
        Self { world, opened, journal: Told::default() }
    }

    fn replica(&self) -> &dyn Replica {
        &**self.opened.replica.as_ref().expect("it can be synced")
    }

    async fn sync(&self, package: &str, wish: Wish, known: Option<&Report>) -> Result<Report, Failure> {
        let package = self.replica().spell(package).expect("a name");
        let order = Order { package, wish, known: known.map(|report| report.roll.clone()), is_last: true };
        let turns = Semaphore::new(4);
        self.replica().sync(&order, &Run { journal: &self.journal, turns: &turns }).await
    }

    /// Syncs all versions.
    async fn sync_all(&self, package: &str, known: Option<&Report>) -> Report {
        let wish = Wish { all: true, ..Wish::default() };
        self.sync(package, wish, known).await.expect("a sync that comes to an end")
    }

    async fn poll(&self, feed: &str, position: Option<&Position>) -> Poll {
        self.replica().poll(feed, position).await.expect("a list")
    }

    /// Asks the mount as a client does.
    async fn get(&self, path: &str) -> (u16, Bytes) {
        let headers = HeaderMap::new();
        let request = Request {
            method: &Method::GET,
            path,
            query: "",
            headers: &headers,
            base: "http://mirror.example",
            peer: None,
            id: "test",
        };
        let Answered::Reply(reply) = self.opened.handler.handle(&request).await else { return (0, Bytes::new()) };
        (reply.status.as_u16(), bodies::read_all(reply.body).expect("a body that is there"))
    }

    fn told(&self, text: &str) -> bool {
        self.journal.lines.lock().expect("no panic while it is held").iter().any(|line| line.contains(text))
    }
}

// === impl Told ===

impl Journal for Told {
    fn line(&self, mark: Mark, text: &str) {
        self.lines.lock().expect("no panic while it is held").push(format!("{} {text}", mark.as_str()));
    }

    fn received(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn outcomes(report: &Report) -> Vec<(&str, &Outcome)> {
    report.versions.iter().map(|(version, outcome)| (version.as_str(), outcome)).collect()
}

/// Prints what the feed is told: its kind, version and reason.
fn news(report: &Report) -> Vec<String> {
    let tell = |news: &registries::replica::News| {
        let rest = [&news.version, &news.reason].into_iter().flatten().cloned();
        [news.kind.as_str().to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(" ")
    };
    report.changes.iter().map(tell).collect()
}

/// Prints what a feed has told: names, and the versions that must be there.
fn changes(poll: &Poll) -> Vec<String> {
    let tell = |change: &registries::replica::Change| {
        let expects = change.expects.iter().map(String::as_str);
        [change.package.as_str()].into_iter().chain(expects).collect::<Vec<_>>().join(" ")
    };
    poll.changes.iter().map(tell).collect()
}
