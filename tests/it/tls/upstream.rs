//! A registry that a mirror is to reach, and what it means that it does, does not, or does again.

use super::{Tarball, publish, rewritten, soon};
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::http::{Answer, Ask};
use crate::support::packages::Package;
use crate::support::registry::{FakeRegistry, Switches};
use crate::support::tls::Identity;
use crate::support::upstream::FakeUpstream;

const SEARCH: &str = "/npm/-/v1/search?text=trusted";

/// A registry of one package and one large tarball, whose documents are stale at once.
pub struct Upstream {
    pub registry: FakeRegistry,
    package: Package,
    tarball: Tarball,
}

// === impl Upstream ===

impl Upstream {
    /// What it is shown by mirrors.
    pub const TOKEN: &str = "upstream-token";

    /// Starts one that shows this identity.
    pub fn start(identity: &Identity) -> Self {
        let server = FakeUpstream::start();
        server.show(Some(identity));
        let url = server.url();
        Self::start_at(server, url)
    }

    /// Makes one of a server, which calls itself by this URL.
    pub fn start_at(server: FakeUpstream, url: String) -> Self {
        let registry = FakeRegistry::start_at(server, url, Switches { max_age: 0, ..Switches::default() });
        registry.advise("trusted");
        let (package, tarball) = (registry.publish_plain("trusted"), publish(&registry, "trusted-tarball", 100_000));
        Self { registry, package, tarball }
    }

    pub fn server(&self) -> &FakeUpstream {
        &self.registry.upstream
    }

    /// Starts to build a mirror of it.
    pub fn mirror(&self) -> Builder {
        let token = format!("token = \"{}\"", Self::TOKEN);
        Heliostat::builder().set("fetch", "attempts", "1").npm_with(self.registry.url(), "", &token)
    }

    fn document(&self, heliostat: &Heliostat) -> String {
        rewritten(&self.registry, heliostat, &self.package)
    }

    /// Fails unless all of it comes through a mirror: a document, a tarball, a search and an audit.
    pub async fn is_mirrored(&self, heliostat: &Heliostat) {
        let document = heliostat.get("/npm/trusted").await;
        assert!(document.is(self.document(heliostat).as_bytes()), "{}", document.summary());
        assert!(!document.cache_says("detail=stale"), "{:?}", document.headers);
        let tarball = heliostat.get(&self.tarball.path).await;
        assert!(tarball.is(&self.tarball.bytes), "{}", tarball.summary());
        let search = heliostat.get(SEARCH).await;
        assert_eq!(search.json()["objects"][0]["package"]["name"], "trusted", "{}", search.summary());
        let audit = Ask::post("/npm/-/npm/v1/security/advisories/bulk", r#"{"trusted":["1.0.0"]}"#);
        let audit = heliostat.ask(&audit.header("content-type", "application/json")).await;
        assert!(audit.json()["trusted"].is_array(), "{}", audit.summary());
    }

    /// Fails unless all of it is refused as a fault of the upstream's, which has not been asked a thing.
    pub async fn is_refused(&self, heliostat: &Heliostat) {
        for path in ["/npm/trusted", self.tarball.path.as_str(), SEARCH] {
            is_fault(path, &heliostat.get(path).await);
        }
        assert!(self.server().all_seen().is_empty(), "who is not believed is told nothing");
    }

    /// Fails unless what is held is served, and said to be stale, what is not held is refused as a fault of the
    /// upstream's, and nothing is asked of it.
    pub async fn is_out_of_reach(&self, heliostat: &Heliostat, unheld: &str) {
        let asked = self.server().all_seen().len();
        let document = heliostat.get("/npm/trusted").await;
        assert!(document.is(self.document(heliostat).as_bytes()), "{}", document.summary());
        assert!(document.cache_says("detail=stale") && document.headers.has("age"), "{:?}", document.headers);
        assert!(heliostat.get(&self.tarball.path).await.is(&self.tarball.bytes));
        for path in [format!("/npm/{unheld}"), format!("/npm/{unheld}/-/{unheld}-1.0.0.tgz"), SEARCH.to_owned()] {
            is_fault(&path, &heliostat.get(&path).await);
        }
        assert_eq!(self.server().all_seen().len(), asked, "upstream was asked");
    }

    /// Fails unless all of it comes again, and what was refused as well: no fault was remembered as an absence.
    pub async fn is_back(&self, heliostat: &Heliostat, unheld: &str) {
        let package = self.registry.publish_plain(unheld);
        let document = rewritten(&self.registry, heliostat, &package);
        soon(heliostat, &format!("/npm/{unheld}"), document.as_bytes()).await;
        let release = package.release("1.0.0");
        soon(heliostat, &format!("/npm{}", package.tarball_path(release)), &release.tarball).await;
        self.is_mirrored(heliostat).await;
    }
}

/// Fails unless this is an error in npm's shape that blames the upstream, and no absence. Source: contract npm §2.1.
fn is_fault(path: &str, answer: &Answer) {
    let body = answer.json();
    let is_npms = body["error"].is_string() && body["reason"].is_string() && body["reason"] == body["message"];
    assert!(matches!(answer.status, 502..=504) && answer.completed() && is_npms, "{path}: {}", answer.summary());
}
