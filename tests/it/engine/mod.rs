//! The engine by itself, for what no client of a dialect may ask: to be told how upstream fares, to pin,
//! to look at a feed, to be brought up to upstream.

mod peek;
mod pinned;
mod replicas;
mod strict;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use heliostat::base::clock::Clock;
use heliostat::base::digest::Digest;
use heliostat::base::http::{Body, CacheState};
use heliostat::base::roots::Roots;
use heliostat::config;
use heliostat::mirror::first_seen::Chronicle;
use heliostat::mirror::firsts::{First, Firsts, Verdict};
use heliostat::mirror::fresh::Demand;
use heliostat::mirror::resource::{Expires, Redirects};
use heliostat::mirror::store::Store;
use heliostat::mirror::{Error, Fetch, Kind, Mirror, Release, Resource, Rules, Upstream, via};
use heliostat::telemetry::metrics::Metrics;
use http::HeaderMap;
use tempfile::TempDir;

use crate::support::resource;
use crate::support::upstream::FakeUpstream;

/// An upstream, and an engine that mirrors it at a time of its own.
struct World {
    upstream: FakeUpstream,
    mirror: Mirror,
    firsts: Arc<InMemory>,
    clock: Clock,
    rules: Arc<Rules>,
    directory: TempDir,
}

/// What was seen first, for as long as a test runs.
#[derive(Default)]
struct InMemory(Mutex<BTreeMap<String, First>>);

// === impl World ===

impl World {
    /// Starts with what is fresh for ten seconds, and is served stale for twenty more.
    fn start() -> Self {
        // Whoever comes first installs it for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let store = config::Store { hot_bytes: 1 << 20, hot_object_bytes: 1 << 10, ..config::Store::default() };
        let store = Store::open(directory.path(), store, clock.clone(), Arc::clone(&metrics)).expect("an empty store");
        let settings = config::Fetch {
            first_byte_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            attempts: 1,
            breaker_failures: 1_000_000,
            ..config::Fetch::default()
        };
        let name = via("engine").expect("a pseudonym");
        let roots = Roots::load(&[]).expect("the machine's roots");
        let fetch = Fetch::new(settings, &roots, name, clock.clone(), Arc::clone(&metrics)).expect("a client");
        let seconds = Duration::from_secs;
        let rules = Rules {
            min_ttl: Duration::ZERO,
            max_ttl: seconds(10),
            negative_ttl: seconds(60),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: seconds(20),
        };
        let firsts = Arc::new(InMemory::default());
        let mirror = Mirror::new(store, fetch, Arc::clone(&firsts) as Arc<dyn Firsts>, clock.clone(), metrics);
        Self { upstream: FakeUpstream::start(), mirror, firsts, clock, rules: Arc::new(rules), directory }
    }

    fn server(&self) -> Arc<Upstream> {
        let url = format!("{}/", self.upstream.url()).parse().expect("a URL");
        Arc::new(Upstream {
            id: Upstream::id_of(&url),
            url,
            authorization: None,
            allow_private: true,
            artifact_hosts: Vec::new(),
        })
    }

    /// Names what lies at `path`.
    fn want(&self, path: &str, kind: Kind) -> Resource {
        let upstream = self.server();
        Resource {
            key: key(path),
            mount: "engine".into(),
            package: path.to_owned(),
            kind,
            url: upstream.join(path).expect("a path"),
            upstream,
            accept: None,
            headers: HeaderMap::new(),
            keeps: &[],
            expires: Expires::Strict,
            redirects: Redirects::Follow,
            etag: None,
            is_private: false,
            proofs: Vec::new(),
            release: None::<Release>,
            chronicle: None::<Arc<dyn Chronicle>>,
            rules: Arc::clone(&self.rules),
            max_bytes: 1 << 20,
        }
    }

    /// Asks for a document, and returns it with how it was found.
    async fn document(&self, path: &str, demand: &Demand) -> Result<(String, CacheState), Error> {
        let found = self.mirror.document(&Arc::new(self.want(path, Kind::Document)), demand).await?;
        Ok((text(&found.body), found.cache))
    }

    /// Lets upstream have a document.
    fn put(&self, path: &str, text: &str, cache_control: &str) {
        let document = resource::Resource::new("text/plain", text.to_owned()).etag(&format!("\"{text}\""));
        self.upstream.put(&format!("/{path}"), document.cache_control(cache_control));
    }

    fn remove(&self, path: &str) {
        self.upstream.remove(&format!("/{path}"));
    }

    fn count(&self, path: &str) -> usize {
        self.upstream.count(&format!("/{path}"))
    }

    /// Waits until no fill is under way: who is served what is held does not wait for its end.
    async fn landed(&self) {
        let start = Instant::now();
        while self.mirror.metrics().fills_in_flight.get() > 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "fills do not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

// === impl InMemory ===

#[async_trait]
impl Firsts for InMemory {
    async fn find(&self, release: &str) -> Result<Option<First>, Error> {
        Ok(self.0.lock().expect("no panic while it is held").get(release).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<First>, Error> {
        let firsts = self.0.lock().expect("no panic while it is held");
        Ok(firsts.values().filter(|first| first.release.starts_with(prefix)).cloned().collect())
    }

    async fn hold(&self, release: &Release, digest: Digest) -> Result<Verdict, Error> {
        let new = First { release: release.name.clone(), digest, testimony: release.testimony.clone(), rival: None };
        let mut firsts = self.0.lock().expect("no panic while it is held");
        let first = firsts.entry(release.name.clone()).or_insert(new);
        Ok(if first.digest == digest { Verdict::Held } else { Verdict::Other(first.digest) })
    }

    async fn note_rivals(&self, rivals: &[(String, Option<String>)]) -> Result<(), Error> {
        let mut firsts = self.0.lock().expect("no panic while it is held");
        for (release, rival) in rivals {
            if let Some(first) = firsts.get_mut(release) {
                first.rival.clone_from(rival);
            }
        }
        Ok(())
    }
}

fn key(path: &str) -> String {
    format!("engine/{path}")
}

/// Returns a body that lies in memory, as small documents do.
fn text(body: &Body) -> String {
    let Body::Bytes(bytes) = body else { return "not in memory".to_owned() };
    String::from_utf8_lossy(bytes).into_owned()
}
