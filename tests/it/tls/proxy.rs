//! `fetch.proxy`: all that upstreams are asked goes by it, and nothing goes around it.

use std::net::SocketAddr;

use super::upstream::Upstream;
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::proxy::{FakeProxy, Manner};
use crate::support::tls::{Authority, Wish};
use crate::support::upstream::FakeUpstream;

/// A host that nobody but the proxy can find: what goes around it, goes nowhere. Source: RFC 6761 §6.4.
pub const HOST: &str = "registry.invalid";

/// `j@e` and `p/w`, as a URL and as a header have them.
const CREDENTIALS: &str = "j%40e:p%2Fw@";
const SHOWN: &str = "Basic akBlOnAvdw==";

/// A registry behind a proxy.
pub struct Scene {
    authority: Authority,
    proxy: FakeProxy,
    pub upstream: Upstream,
}

// === impl Scene ===

impl Scene {
    pub fn over_tls() -> Self {
        let authority = Authority::new("the operator's");
        let server = FakeUpstream::start();
        server.show(Some(&authority.issue_for("upstream", &Wish { names: &[HOST], until: 2999 })));
        Self::of(authority, server, format!("https://{HOST}"))
    }

    pub fn in_the_clear() -> Self {
        Self::of(Authority::new("nobody's"), FakeUpstream::start(), format!("http://{HOST}"))
    }

    fn of(authority: Authority, server: FakeUpstream, url: String) -> Self {
        let proxy = FakeProxy::start();
        let port = if url.starts_with("https") { 443 } else { 80 };
        proxy.resolves(&format!("{HOST}:{port}"), server.address());
        Self { authority, proxy, upstream: Upstream::start_at(server, url) }
    }

    /// Returns the proxy's URL, quoted.
    pub fn proxy_url(&self) -> String {
        format!("{:?}", self.proxy.url(CREDENTIALS))
    }

    pub fn mirror(&self) -> Builder {
        let builder = self.upstream.mirror().set("fetch", "proxy", &self.proxy_url());
        builder.set_path("fetch", "ca_file", &self.authority.file())
    }
}

#[tokio::test]
async fn an_upstream_over_tls_is_reached_by_tunnels_that_show_nothing() {
    let scene = Scene::over_tls();
    let heliostat = scene.mirror().start().await;
    scene.upstream.is_mirrored(&heliostat).await;
    let heads = scene.proxy.heads();
    // One at least for what is kept, and one for what is passed through.
    assert!(heads.len() >= 2, "{heads:?}");
    for head in &heads {
        assert_eq!(head.start, format!("CONNECT {HOST}:443 HTTP/1.1"));
        assert_eq!(head.headers.get("host"), Some(format!("{HOST}:443").as_str()));
        assert_eq!(head.headers.get("proxy-authorization"), Some(SHOWN), "{head:?}");
        assert!(!head.headers.has("authorization"), "{head:?}");
    }
    assert!(!scene.proxy.was_shown(Upstream::TOKEN) && !scene.proxy.was_shown("/trusted"));
    let seen = scene.upstream.server().all_seen();
    let authorization = format!("Bearer {}", Upstream::TOKEN);
    for seen in &seen {
        assert!(!seen.headers.has("proxy-authorization"), "{seen:?}");
        assert_eq!(seen.headers.get("authorization"), Some(authorization.as_str()), "{seen:?}");
    }
    assert!(!heliostat.said().contains("p%2Fw") && !heliostat.said().contains("p/w"), "{}", heliostat.said());
}

#[tokio::test]
async fn an_upstream_in_the_clear_is_asked_for_by_its_whole_url() {
    let scene = Scene::in_the_clear();
    let heliostat = scene.mirror().start().await;
    scene.upstream.is_mirrored(&heliostat).await;
    for head in scene.proxy.heads() {
        let target = head.start.split(' ').nth(1).unwrap_or_default();
        assert!(target.starts_with(&format!("http://{HOST}/")), "{}", head.start);
        assert_eq!(head.headers.get("proxy-authorization"), Some(SHOWN), "{head:?}");
    }
    let passed = scene.proxy.asked().iter().filter(|start| start.contains("/-/v1/search")).count();
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn upstreams_behind_one_proxy_are_told_apart() {
    let (authority, proxy) = (Authority::new("the operator's"), FakeProxy::start());
    let identity = authority.issue_for("upstream", &Wish { names: &[HOST], until: 2999 });
    let mut builder = Heliostat::builder().set("fetch", "proxy", &format!("{:?}", proxy.url("")));
    let mut upstreams = Vec::new();
    for port in [8441, 8442] {
        let server = FakeUpstream::start();
        server.show(Some(&identity));
        proxy.resolves(&format!("{HOST}:{port}"), server.address());
        let url = format!("https://{HOST}:{port}");
        let mount = format!("dialect = \"npm\"\nname = \"at-{port}\"\n[[mount.upstream]]\nurl = \"{url}\"\n");
        builder = builder.mount(&mount);
        let upstream = Upstream::start_at(server, url);
        upstream.registry.publish_plain(&format!("only-{port}"));
        upstreams.push(upstream);
    }
    let heliostat = builder.set_path("fetch", "ca_file", &authority.file()).start().await;
    // Twice, so that connections are there to be used again, by the wrong one too.
    for port in [8441, 8442, 8441, 8442] {
        let found = heliostat.get(&format!("/at-{port}/-/v1/search?text=only")).await.json();
        let names: Vec<_> =
            found["objects"].as_array().into_iter().flatten().map(|each| &each["package"]["name"]).collect();
        assert_eq!(names, [&format!("only-{port}")]);
        assert_eq!(heliostat.get(&format!("/at-{port}/only-{port}")).await.status, 200);
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_a_fault_and_no_absence() {
    let over_tls = [Manner::Refuse(407), Manner::Refuse(403), Manner::Refuse(502), Manner::Garbage, Manner::Silent];
    // Without a tunnel a proxy's other words, and its silence, cannot be told from the upstream's own.
    let in_the_clear = [Manner::Refuse(407), Manner::Garbage];
    for (scene, manners) in [(Scene::over_tls(), &over_tls[..]), (Scene::in_the_clear(), &in_the_clear[..])] {
        let mut heliostat = scene.mirror().start().await;
        scene.upstream.is_mirrored(&heliostat).await;
        for (round, manner) in manners.iter().enumerate() {
            // Tunnels that are open would be used on: a new process has none.
            heliostat.restart().await;
            scene.proxy.behave(*manner);
            let unheld = format!("unheld-{round}");
            scene.upstream.is_out_of_reach(&heliostat, &unheld).await;
            scene.proxy.behave(Manner::Serve);
            scene.upstream.is_back(&heliostat, &unheld).await;
        }
    }
}

#[tokio::test]
async fn without_a_proxy_to_be_reached_nothing_goes_around_it() {
    let server = FakeUpstream::start();
    let url = server.url();
    let upstream = Upstream::start_at(server, url);
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let heliostat = upstream.mirror().set("fetch", "proxy", &format!("\"http://{nobody}\"")).start().await;
    upstream.is_refused(&heliostat).await;
}

#[tokio::test]
async fn a_private_address_is_not_asked_for_by_a_proxy_either() {
    let scene = Scene::in_the_clear();
    let address = scene.upstream.server().address();
    let mount = format!("dialect = \"npm\"\n[[mount.upstream]]\nurl = \"http://{address}\"\n");
    let proxy = format!("{:?}", scene.proxy.url(""));
    let heliostat = Heliostat::builder().mount(&mount).set("fetch", "proxy", &proxy).start().await;
    for path in ["/npm/trusted", "/npm/-/v1/search?text=x"] {
        let answer = heliostat.get(path).await;
        assert!(answer.status >= 400 && answer.status != 404, "{path}: {}", answer.summary());
    }
    assert!(scene.proxy.heads().is_empty(), "{:?}", scene.proxy.asked());
}
