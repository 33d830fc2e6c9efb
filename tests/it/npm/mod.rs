//! npm's read side: what clients get of a registry through the mirror. Source: contract npm §4-6, 10, 11, 18.

mod access;
mod accounts;
pub mod acme;
mod audits;
mod binaries;
mod blocks;
mod cors;
mod dates;
mod deprecations;
mod discover;
mod documents;
mod downloads;
mod factors;
mod files;
mod first_seen;
mod guarded;
mod hooks;
mod lasting;
mod merged;
mod orgs;
mod own;
mod proxy_cache;
mod publisher;
mod publishing;
mod registries;
mod releases;
mod search;
pub mod signing;
mod sources;
mod syncs;
mod tarballs;
mod versions;
mod visitors;
mod web;

use self::publisher::Publisher;
use std::sync::Arc;
use std::time::Duration;

use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::packages::Package;
use crate::support::registry::{ABBREVIATED_ACCEPT, FakeRegistry, Switches};
use crate::support::shared::Shared;

/// What upstream confirmed this short a time ago is not asked for again, however much a client insists.
const JUST_NOW: Duration = Duration::from_millis(1_100);

/// A registry and a process that mirrors it at `/npm`. Tests share one, each with package names of its own.
struct World {
    registry: FakeRegistry,
    heliostat: Heliostat,
}

impl World {
    async fn shared() -> Arc<Self> {
        static SHARED: Shared<World> = Shared::new();
        SHARED.get(async || Self::start(Switches::default(), "").await).await
    }

    /// Starts one with further lines for the mount.
    async fn start(switches: Switches, mount: &str) -> Self {
        let registry = FakeRegistry::start_with(switches);
        let heliostat = Heliostat::builder().npm(registry.url(), mount).start().await;
        Self { registry, heliostat }
    }

    async fn get(&self, path: &str) -> Answer {
        self.heliostat.get(path).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let ask = headers.iter().fold(Ask::get(path), |ask, (name, value)| ask.header(name, value));
        self.heliostat.ask(&ask).await
    }

    async fn abbreviated(&self, path: &str) -> Answer {
        self.get_with(path, &[("accept", ABBREVIATED_ACCEPT)]).await
    }

    /// Returns the text with the registry's URL in tarball and attestation links replaced by the mount's.
    fn rewritten(&self, text: &str) -> String {
        ["\"tarball\":\"", "\"attestations\":{\"url\":\""].iter().fold(text.to_owned(), |text, member| {
            let theirs = format!("{member}{}/", self.registry.url());
            text.replace(&theirs, &format!("{member}{}/npm/", self.heliostat.url()))
        })
    }

    fn full(&self, package: &Package) -> String {
        self.rewritten(&self.registry.document(package))
    }

    /// Returns the path of a version's tarball at the mirror, and what must come.
    fn tarball(package: &Package, version: &str) -> (String, bytes::Bytes) {
        let release = package.release(version);
        (format!("/npm/{}/-/{}-{version}.tgz", package.name, package.unscoped()), release.tarball.clone())
    }
}

/// Makes an account at `/npm`, where everybody may; returns a token of it. Source: contract npm §8.2.
pub async fn register(heliostat: &Heliostat, name: &str) -> String {
    let target = format!("/npm/-/user/org.couchdb.user:{name}");
    let email = format!("{name}@host.example");
    let body = serde_json::json!({ "name": name, "password": "a long password", "email": email }).to_string();
    let ask = Ask::new("PUT", &target).header("content-length", &body.len().to_string()).body(body);
    let answer = heliostat.ask(&ask).await;
    assert_eq!(answer.status, 201, "{}", answer.summary());
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// Fails if a client could take this for what it asked for: an error in npm's shape, or a connection that was cut.
fn assert_unproven(answer: &Answer) {
    match answer.status {
        200 => assert!(!answer.completed(), "{}", answer.summary()),
        _ => assert_refused(answer, 502),
    }
}

/// Fails unless this is a whole answer of that status in npm's error shape. Source: contract npm §2.1.
fn assert_refused(answer: &Answer, status: u16) {
    assert!(answer.status == status && answer.completed(), "wanted {status}: {}", answer.summary());
    let body = answer.json();
    assert!(body["error"].is_string() && body["reason"] == body["message"], "{body}");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
