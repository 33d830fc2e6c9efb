//! TLS on both sides: what clients are shown and served over it, in HTTP/1.1 and in HTTP/2, and whom the mirror itself
//! believes.

mod faults;
mod front;
mod proxy;
mod streams;
mod trust;
mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::support::heliostat::Heliostat;
use crate::support::http::Answer;
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;
use crate::support::streams::Streams;
use crate::support::tls::Authority;

/// Longer than what is withheld until the proofs hold, in bytes, so that it streams.
const LARGE: usize = 400_000;
/// How much of a body's end nobody gets before the proofs hold, in bytes.
const WITHHELD: usize = 16 * 1024;

/// A registry, and a mirror of it that is reached over TLS alone.
struct Secured {
    authority: Authority,
    registry: FakeRegistry,
    heliostat: Heliostat,
}

/// A tarball, seen from both sides.
struct Tarball {
    path: String,
    upstream_path: String,
    bytes: Bytes,
}

// === impl Secured ===

impl Secured {
    async fn start() -> Self {
        let (authority, registry) = (Authority::new("clients believe in it"), FakeRegistry::start());
        let identity = authority.issue("front");
        let heliostat = Heliostat::builder().tls(&authority, &identity).npm(registry.url(), "").start().await;
        Self { authority, registry, heliostat }
    }

    /// Opens a connection that speaks HTTP/2.
    async fn streams(&self) -> Streams {
        Streams::open(self.heliostat.address(), &self.authority.client(&["h2", "http/1.1"])).await
    }

    fn publish(&self, name: &str, size: usize) -> Tarball {
        publish(&self.registry, name, size)
    }

    /// Publishes a package and returns what a client must get as its document.
    fn publish_document(&self, name: &str) -> String {
        let package = self.registry.publish_plain(name);
        rewritten(&self.registry, &self.heliostat, &package)
    }
}

/// Publishes a package of one tarball.
fn publish(registry: &FakeRegistry, name: &str, size: usize) -> Tarball {
    let package = Package::new(name).with(Release::new("1.0.0").size(size));
    registry.publish(&package);
    let release = package.release("1.0.0");
    let upstream_path = package.tarball_path(release);
    Tarball { path: format!("/npm{upstream_path}"), upstream_path, bytes: release.tarball.clone() }
}

/// Returns a document as the mirror serves it: all tarballs are the mirror's own.
fn rewritten(registry: &FakeRegistry, heliostat: &Heliostat, package: &Package) -> String {
    let theirs = format!("\"tarball\":\"{}/", registry.url());
    let ours = format!("\"tarball\":\"{}/npm/", heliostat.url());
    let document = registry.document(package);
    assert!(document.contains(&theirs), "a document names its tarballs");
    document.replace(&theirs, &ours)
}

/// Fails if a tarball, or any streamed part of one, is kept: all else that these tests fetch is small.
fn keeps_no_tarball(heliostat: &Heliostat) {
    let length = |file: &PathBuf| std::fs::metadata(file).expect("content can be read").len();
    let large: Vec<_> = heliostat.contents().into_values().filter(|file| length(file) >= WITHHELD as u64).collect();
    assert!(large.is_empty(), "{large:?}");
}

/// Asks until a whole and right answer comes: a fault may have made the mirror careful for a moment.
async fn soon(heliostat: &Heliostat, path: &str, right: &[u8]) -> Answer {
    let start = Instant::now();
    loop {
        let answer = heliostat.get(path).await;
        if answer.is(right) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{path} does not heal: {}", answer.summary());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
