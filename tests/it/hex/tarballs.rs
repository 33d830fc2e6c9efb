//! Tarballs: no byte is handed out that the signed document does not promise.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{World, assert_refused};
use crate::support::beside::command;
use crate::support::hex::{Package, Release};
use crate::support::resource::Resource;

/// Other good bytes under the same name and version.
fn other(name: &str) -> Release {
    Release::depending(name, "1.0.0", &[("other", "~> 1.0")])
}

#[tokio::test]
async fn a_tarball_comes_as_plain_octets_with_a_tag() {
    let world = World::shared().await;
    let package = world.fake.publish_plain("octets");
    let (path, tarball) = (package.tarball_path("1.0.0"), &package.release("1.0.0").tarball);
    for _ in 0..2 {
        let asked = [("accept", "application/x-tar"), ("accept-encoding", "gzip"), ("if-none-match", "")];
        let answer = world.get_with(&path, &asked).await;
        assert!(answer.is(tarball), "{}", answer.summary());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("content-length"), Some(tarball.len().to_string().as_str()));
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=604800"));
        let tag = answer.header("etag").expect("rebar3 needs one").to_owned();
        assert_eq!(world.get_with(&path, &[("if-none-match", &tag)]).await.status, 304);
    }
    assert_eq!(world.fake.upstream.count(&path), 1);
}

#[tokio::test]
async fn a_swapped_tarball_is_refused_whole_and_not_kept() {
    for size in [1_000, 400_000] {
        let world = World::start("").await;
        let release = |name| Release::sized(name, "1.0.0", size);
        let (right, wrong) =
            (Package::new("right").with(release("right")), Package::new("wrong").with(release("wrong")));
        world.fake.publish(&right);
        let path = right.tarball_path("1.0.0");
        let smuggled = &wrong.release("1.0.0").tarball;
        world.fake.upstream.put(&path, Resource::artifact(smuggled.clone()));
        for _ in 0..2 {
            let answer = world.get(&path).await;
            assert_refused(&answer, 502);
            assert!(answer.header("x-hex-message").is_some_and(|message| message.contains("right 1.0.0")));
        }
        assert!(!world.keeps(smuggled));
        world.fake.publish(&right);
        assert!(world.get(&path).await.is(&right.release("1.0.0").tarball));
    }
}

#[tokio::test]
async fn a_wrong_tarball_that_was_signed_by_mistake_is_refused() {
    let world = World::shared().await;
    let good = other("mistaken");
    // The outer checksum is that of these bytes, the inner one is not.
    let package = Package::new("mistaken").with(Release::of("mistaken", "1.0.0").replaced_by(good.tarball.clone()));
    world.fake.publish(&package);
    assert_refused(&world.get(&package.tarball_path("1.0.0")).await, 502);
    assert!(!world.keeps(&good.tarball));
}

#[tokio::test]
async fn document_and_tarball_of_different_moments_are_brought_together() {
    let world = World::shared().await;
    let old = world.fake.publish_plain("moments");
    assert_eq!(world.get("/packages/moments").await.status, 200);
    let new = Package::new("moments").with(other("moments"));
    assert_ne!(old.release("1.0.0").outer, new.release("1.0.0").outer);
    world.fake.publish(&new);
    // The document held is still fresh, and promises bytes that upstream no longer has.
    assert!(world.get(&new.tarball_path("1.0.0")).await.is(&new.release("1.0.0").tarball));
    assert_eq!(world.fake.upstream.count("/packages/moments"), 2);
}

#[tokio::test]
async fn a_version_published_a_moment_ago_is_found_and_one_that_no_document_has_is_never_asked_for() {
    let world = World::shared().await;
    let old = world.fake.publish_plain("moment");
    assert_eq!(world.get("/packages/moment").await.status, 200);
    let new = old.with(Release::of("moment", "1.1.0"));
    world.fake.publish(&new);
    assert!(world.get(&new.tarball_path("1.1.0")).await.is(&new.release("1.1.0").tarball));
    world.fake.upstream.put("/tarballs/moment-9.9.9.tar", Resource::artifact(&b"smuggled"[..]));
    world.fake.upstream.put("/tarballs/ghost-1.0.0.tar", Resource::artifact(&b"smuggled"[..]));
    for path in ["/tarballs/moment-9.9.9.tar", "/tarballs/ghost-1.0.0.tar"] {
        assert_refused(&world.get(path).await, 404);
        assert_eq!(world.fake.upstream.count(path), 0, "{path}");
    }
}

#[tokio::test]
async fn a_release_is_held_to_what_it_was_when_first_seen() {
    let world = World::start("max_ttl = \"0s\"\n").await;
    let old = world.fake.publish_plain("held");
    let path = old.tarball_path("1.0.0");
    assert!(world.get(&path).await.is(&old.release("1.0.0").tarball));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    // That it says to be new does not help: it was seen before.
    let new = Package::new("held").with(Release { published_at: now, ..other("held") });
    world.fake.publish(&new);
    // What was signed cannot be mended: it is served, and listed, once.
    for _ in 0..2 {
        assert!(world.get("/packages/held").await.is(&world.fake.package_document(&new)));
        let incidents = world.heliostat.incidents(Some("held")).await;
        let details: Vec<_> =
            incidents.iter().map(|incident| incident["detail"].as_str().unwrap_or_default()).collect();
        assert!(details.len() == 1 && details[0].starts_with("hex/held@1.0.0 was sha256 "), "{details:?}");
    }
    for _ in 0..2 {
        let answer = world.get(&path).await;
        assert_refused(&answer, 403);
        assert!(answer.header("x-hex-message").is_some_and(|message| message.contains("held 1.0.0")));
    }
    assert!(!world.keeps(&new.release("1.0.0").tarball));
    // Its other releases are none the worse.
    let more = new.with(Release::of("held", "1.1.0"));
    world.fake.publish(&more);
    assert!(world.get(&more.tarball_path("1.1.0")).await.is(&more.release("1.1.0").tarball));
    // As soon as upstream is right again, so is all of it.
    world.fake.publish(&old);
    assert!(world.get(&path).await.is(&old.release("1.0.0").tarball));
}

#[tokio::test]
async fn what_an_operator_accepts_is_proved_and_held_to_instead() {
    let world = World::start("max_ttl = \"0s\"\n").await;
    let (old, new) = (Package::new("accepted").with(other("accepted")), Package::with_versions("accepted", &["1.0.0"]));
    let path = old.tarball_path("1.0.0");
    world.fake.publish(&old);
    assert!(world.get(&path).await.is(&old.release("1.0.0").tarball));
    world.fake.publish(&new);
    assert_refused(&world.get(&path).await, 403);
    let (is_well, said) = command(&world.heliostat, "accept", &["hex", "accepted@1.0.0"]);
    assert!(is_well, "{said}");
    let start = Instant::now();
    while !world.get(&path).await.is(&new.release("1.0.0").tarball) {
        assert!(start.elapsed() < Duration::from_secs(5), "the new bytes are not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.fake.publish(&old);
    assert_refused(&world.get(&path).await, 403);
}

#[tokio::test]
async fn releases_that_a_document_loses_are_counted() {
    let world = World::start("max_ttl = \"0s\"\n").await;
    let old = Package::with_versions("lost", &["1.0.0"]);
    let new = old.clone().with(Release::of("lost", "1.1.0"));
    world.fake.publish(&new);
    assert!(world.get(&new.tarball_path("1.1.0")).await.is(&new.release("1.1.0").tarball));
    world.fake.publish(&old);
    for _ in 0..2 {
        assert!(world.get("/packages/lost").await.is(&world.fake.package_document(&old)));
        assert_eq!(world.heliostat.metric("heliostat_releases_lost_total", &[]).await, 1.0);
    }
    assert_refused(&world.get(&new.tarball_path("1.1.0")).await, 404);
}

#[tokio::test]
async fn a_release_may_be_replaced_in_its_first_hour() {
    let world = World::start("max_ttl = \"0s\"\n").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let fresh = |release: Release| Package::new("young").with(Release { published_at: now, ..release });
    for release in [Release::of("young", "1.0.0"), other("young")] {
        let package = fresh(release);
        world.fake.publish(&package);
        let answer = world.get(&package.tarball_path("1.0.0")).await;
        assert!(answer.is(&package.release("1.0.0").tarball), "{}", answer.summary());
    }
}

#[tokio::test]
async fn what_a_release_was_in_its_first_hour_is_held_to_once_that_is_over() {
    let world = World::start("max_ttl = \"0s\"\n").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let young = Package::new("grown").with(Release { published_at: now, ..Release::of("grown", "1.0.0") });
    let path = young.tarball_path("1.0.0");
    world.fake.publish(&young);
    assert!(world.get(&path).await.is(&young.release("1.0.0").tarball));
    // The same bytes, by a document that says that their time is over: this is a hit, and settles what the release is.
    let grown = Package::with_versions("grown", &["1.0.0"]);
    world.fake.publish(&grown);
    for _ in 0..2 {
        assert!(world.get(&path).await.is(&young.release("1.0.0").tarball));
    }
    assert_eq!(world.fake.upstream.count(&path), 1);
    let rival = Package::new("grown").with(other("grown"));
    world.fake.publish(&rival);
    assert_refused(&world.get(&path).await, 403);
    assert!(!world.keeps(&rival.release("1.0.0").tarball));
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_a_while() {
    let world = World::start("").await;
    let package = world.fake.publish_plain("sparse");
    assert!(world.get(&package.tarball_path("1.0.0")).await.is(&package.release("1.0.0").tarball));
    for version in ["7.0.0", "7.0.0", "8.0.0", "7.0.0", "7.0.0"] {
        assert_refused(&world.get(&package.tarball_path(version)).await, 404);
    }
    assert!(world.fake.upstream.count("/packages/sparse") <= 3, "each request cost upstream one");
}

#[tokio::test]
async fn what_upstream_forbids_is_missing() {
    let world = World::shared().await;
    let (package, path) = (world.fake.publish_plain("forbidden"), "/docs/forbidden-1.0.0.tar.gz");
    let refusal = || Resource::new("text/xml", "<Error>AccessDenied</Error>").status(403);
    for path in [path, "/packages/absent", "/installs/rebar3-1.x.csv", &package.tarball_path("1.0.0")] {
        world.fake.upstream.put(path, refusal());
        assert_refused(&world.get(path).await, 404);
    }
    world.fake.upstream.put("/installs/hex-1.x.csv", refusal());
    let answer = world.get("/installs/hex-1.x.csv").await;
    assert!(answer.is(b""), "no update: {}", answer.summary());
    // None of it was kept.
    let docs = world.fake.document("forbidden", "1.0.0", &[("index.html", b"<html>")]);
    assert!(world.get(path).await.is(&docs));
}
