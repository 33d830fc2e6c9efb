//! A repository that points elsewhere: what follows it, and what does not.
//!
//! Everything goes by a proxy, which alone knows where the names are: without one, no redirect leads to this machine.

use super::assert_refused;
use crate::support::heliostat::Heliostat;
use crate::support::hex::{FakeHex, Package, PinnedKey};
use crate::support::http::{Answer, Ask};
use crate::support::proxy::FakeProxy;
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A repository, another server, and a mirror that finds both.
struct Scene {
    fake: FakeHex,
    elsewhere: FakeUpstream,
    heliostat: Heliostat,
    _proxy: FakeProxy,
    _key: PinnedKey,
}

impl Scene {
    async fn start() -> Self {
        let (fake, elsewhere, proxy) = (FakeHex::start(), FakeUpstream::start(), FakeProxy::start());
        proxy.resolves("hex.invalid:80", fake.upstream.address());
        proxy.resolves("elsewhere.invalid:80", elsewhere.address());
        let key = PinnedKey::of(fake.key());
        let lines = format!("{}private = true\n", key.line());
        let builder = Heliostat::builder().dialect("hex", "http://hex.invalid", &lines, "");
        let heliostat = builder.set("fetch", "proxy", &format!("{:?}", proxy.url(""))).start().await;
        Self { fake, elsewhere, heliostat, _proxy: proxy, _key: key }
    }

    async fn get(&self, path: &str) -> Answer {
        self.heliostat.ask(&Ask::get(&format!("/hex{path}")).header("authorization", SECRET)).await
    }
}

fn redirect(to: &str) -> Resource {
    Resource::new("text/plain", "").status(302).header("location", to)
}

#[tokio::test]
async fn documentation_comes_from_upstream_itself() {
    let scene = Scene::start().await;
    let docs = scene.fake.document("moved", "1.0.0", &[("index.html", b"<html>")]);
    scene.elsewhere.put("/docs", Resource::artifact(docs.clone()));
    scene.fake.upstream.put("/docs/at-home", Resource::artifact(docs.clone()));
    let path = "/docs/moved-1.0.0.tar.gz";
    scene.fake.upstream.put(path, redirect("http://elsewhere.invalid/docs"));
    assert_refused(&scene.get(path).await, 502);
    assert!(scene.elsewhere.all_seen().is_empty());
    scene.fake.upstream.put(path, redirect("/docs/at-home"));
    assert!(scene.get(path).await.is(&docs));
}

#[tokio::test]
async fn a_members_credentials_stay_with_the_repository() {
    let scene = Scene::start().await;
    let package = Package::with_versions("vault", &["1.0.0"]);
    for organization in ["acme", "other"] {
        scene.fake.publish_privately(organization, SECRET, &package);
    }
    scene.elsewhere.put("/vault", Resource::new("text/plain", "elsewhere"));
    scene.elsewhere.put("/names", Resource::new("text/plain", "elsewhere"));
    // First a document, for a member who was let in; then the door itself.
    assert_eq!(scene.get("/repos/acme/names").await.status, 200);
    scene.fake.put_privately("acme", "packages/vault", redirect("http://elsewhere.invalid/vault"));
    assert_refused(&scene.get("/repos/acme/packages/vault").await, 502);
    scene.fake.put_privately("other", "names", redirect("http://elsewhere.invalid/names"));
    assert_refused(&scene.get("/repos/other/packages/vault").await, 502);
    for path in ["/vault", "/names"] {
        let seen = scene.elsewhere.seen(path);
        assert!(!seen.is_empty() && seen.iter().all(|seen| !seen.headers.has("authorization")), "{path}: {seen:?}");
    }
    assert!(scene.fake.upstream.seen("/repos/other/names").iter().all(|seen| seen.headers.has("authorization")));
}
