//! An upstream that cannot be believed, understood or found: what is held is served, nothing is remembered as absent, and
//! all is well afterwards.

use super::proxy::{HOST, Scene};
use super::upstream::Upstream;
use super::{publish, soon};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::tls::{Authority, Identity, Wish};

/// Puts an upstream through a fault of its TLS and back.
async fn strike(upstream: &Upstream, heliostat: &Heliostat, right: &Identity, wrong: Option<&Identity>, name: &str) {
    upstream.server().show(wrong);
    // Connections that are open would be used on.
    upstream.server().vanish().await;
    upstream.server().come_back().await;
    upstream.is_out_of_reach(heliostat, name).await;
    upstream.server().show(Some(right));
    upstream.is_back(heliostat, name).await;
}

#[tokio::test]
async fn an_upstream_that_shows_another_certificate_or_speaks_no_tls_is_out_of_reach() {
    let (authority, stranger) = (Authority::new("the operator's"), Authority::new("a stranger"));
    let right = authority.issue("right");
    let upstream = Upstream::start(&right);
    let heliostat = upstream.mirror().set_path("fetch", "ca_file", &authority.file()).start().await;
    upstream.is_mirrored(&heliostat).await;
    let untrusted = stranger.issue("untrusted");
    let misnamed = authority.issue_for("misnamed", &Wish { names: &[HOST], until: 2999 });
    let expired = authority.issue_for("expired", &Wish { names: &["127.0.0.1"], until: 2001 });
    for (name, wrong) in
        [("untrusted", Some(&untrusted)), ("misnamed", Some(&misnamed)), ("expired", Some(&expired)), ("plain", None)]
    {
        strike(&upstream, &heliostat, &right, wrong, name).await;
    }
    let faults = heliostat.metric("heliostat_upstream_errors_total", &[("kind", "unreachable")]).await;
    assert!(faults >= 12.0, "{faults} faults were counted");
    let passed = heliostat.metric("heliostat_upstream_errors_total", &[("kind", "tls")]).await;
    assert!(passed >= 4.0, "{passed} faults of passages were counted");
}

#[tokio::test]
async fn an_upstream_that_cannot_be_found_is_out_of_reach() {
    for scene in [Scene::over_tls(), Scene::in_the_clear()] {
        // The one that asks the proxy finds it, and the next one, which asks the system, does not.
        let mut heliostat = scene.mirror().environment("RES_OPTIONS", "timeout:1 attempts:1").start().await;
        scene.upstream.is_mirrored(&heliostat).await;
        heliostat.stop();
        heliostat.reconfigure(|builder| builder.set("fetch", "proxy", "\"\""));
        heliostat.start().await;
        scene.upstream.is_out_of_reach(&heliostat, "lost").await;
        heliostat.stop();
        let proxy = scene.proxy_url();
        heliostat.reconfigure(|builder| builder.set("fetch", "proxy", &proxy));
        heliostat.start().await;
        scene.upstream.is_back(&heliostat, "lost").await;
    }
}

#[tokio::test]
async fn a_body_that_is_cut_within_tls_is_gone_on_with() {
    let authority = Authority::new("the operator's");
    let upstream = Upstream::start(&authority.issue("upstream"));
    let builder = upstream.mirror().set("fetch", "attempts", "3").set_path("fetch", "ca_file", &authority.file());
    let heliostat = builder.start().await;
    for (name, fault) in [("closed", Fault::CutAt(50_000)), ("reset", Fault::ResetAt(50_000))] {
        let tarball = publish(&upstream.registry, name, 100_000);
        upstream.server().fail_next(&tarball.upstream_path, 1, fault);
        soon(&heliostat, &tarball.path, &tarball.bytes).await;
        let seen = upstream.server().seen(&tarball.upstream_path);
        assert_eq!(seen.len(), 2, "{name}");
        assert!(seen[1].headers.get("range").is_some_and(|range| range.starts_with("bytes=")), "{:?}", seen[1]);
    }
}
