//! Keys, documentation, builds, the old registry.

use std::time::{Duration, Instant};

use super::{World, assert_refused};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::hex::{FakeHex, Key, PinnedKey};
use crate::support::http::Ask;
use crate::support::random::hex;
use crate::support::resource::{Resource, gzip};

#[tokio::test]
async fn the_pinned_key_is_shown_in_the_form_that_every_client_takes() {
    let world = World::shared().await;
    let answer = world.get("/public_key").await;
    assert!(answer.status == 200 && answer.text().starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", answer.summary());
}

#[tokio::test]
async fn a_key_that_is_known_by_its_fingerprint_is_asked_for_and_no_other_is_taken() {
    let fake = FakeHex::start_as("acme", Key::repository());
    let package = fake.publish_plain("pinned");
    for (pinned, right) in [(Key::repository(), true), (Key::stranger(), false)] {
        let lines = format!("repository = \"acme\"\nfingerprint = \"{}\"\n", pinned.fingerprint());
        let heliostat = Heliostat::builder().dialect("hex", &fake.upstream.url(), &lines, "").start().await;
        for (path, expected) in [
            ("/hex/packages/pinned", fake.package_document(&package)),
            ("/hex/tarballs/pinned-1.0.0.tar", package.release("1.0.0").tarball.clone()),
        ] {
            let answer = heliostat.ask(&Ask::get(path)).await;
            if right {
                assert!(answer.is(&expected), "{path}: {}", answer.summary());
            } else {
                assert_refused(&answer, 502);
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_was_admitted_is_not_needed_again() {
    let fake = FakeHex::start_as("acme", Key::repository());
    let first = fake.publish_plain("first");
    let lines =
        format!("repository = \"acme\"\nfingerprint = \"{}\"\nmax_ttl = \"0s\"\n", Key::repository().fingerprint());
    let mut heliostat = Heliostat::builder().dialect("hex", &fake.upstream.url(), &lines, "").start().await;
    let document = fake.package_document(&first);
    assert!(heliostat.get("/hex/packages/first").await.is(&document));
    for status in [404, 403] {
        fake.upstream.put("/public_key", Resource::new("text/plain", "gone").status(status));
        assert!(heliostat.get("/hex/packages/first").await.is(&document), "{status}");
        heliostat.restart().await;
        assert!(heliostat.get("/hex/packages/first").await.is(&document), "{status}, after a restart");
    }
    assert_eq!(fake.upstream.count("/public_key"), 1, "what has a fingerprint never changes");
}

#[tokio::test]
async fn a_build_that_the_list_held_does_not_have_yet_is_no_absence_while_upstream_is_down() {
    const BUILD: &str = "/installs/1.14.0/hex-2.0.7.ez";
    let world = World::start("max_ttl = \"0s\"\n").await;
    world.fake.publish_build("2.0.6", "1.14.0", b"a build");
    assert!(world.get("/installs/1.14.0/hex-2.0.6.ez").await.is(b"a build"));
    world.fake.publish_build("2.0.7", "1.14.0", b"another build");
    world.fake.upstream.vanish().await;
    for _ in 0..2 {
        assert_refused(&world.get(BUILD).await, 503);
    }
    world.fake.upstream.come_back().await;
    let start = Instant::now();
    while !world.get(BUILD).await.is(b"another build") {
        assert!(start.elapsed() < Duration::from_secs(10), "it is taken for absent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_list_of_builds_and_its_signature_are_of_one_moment() {
    const LIST: &str = "/installs/hex-1.x.csv";
    const SIGNATURE: &str = "/installs/hex-1.x.csv.signed";
    let world = World::start("").await;
    world.fake.publish_build("2.0.6", "1.14.0", b"a build");
    let theirs = |path: &str| world.fake.upstream.resource(path).expect("what was published").body;
    let first = (theirs(LIST), theirs(SIGNATURE));
    assert!(world.get(LIST).await.is(&first.0) && world.get(SIGNATURE).await.is(&first.1));
    world.fake.publish_build("2.0.7", "1.14.0", b"another build");
    let second = (theirs(LIST), theirs(SIGNATURE));
    world.fake.upstream.fail(SIGNATURE, Fault::Status(503));
    // Who was just told is not asked again within a second.
    let (start, before) = (Instant::now(), world.fake.upstream.count(LIST));
    while world.fake.upstream.count(LIST) == before {
        assert!(start.elapsed() < Duration::from_secs(10), "the list is not asked for");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = world.get(LIST).await;
        assert!(answer.is(&first.0), "{}", answer.summary());
    }
    assert!(world.get(LIST).await.is(&first.0) && world.get(SIGNATURE).await.is(&first.1));
    world.fake.upstream.heal(SIGNATURE);
    while !world.get(LIST).await.is(&second.0) {
        assert!(start.elapsed() < Duration::from_secs(30), "the new pair is not served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(world.get(SIGNATURE).await.is(&second.1));
}

#[tokio::test]
async fn what_an_operators_key_opens_is_for_no_other_cache() {
    let fake = FakeHex::start();
    let (package, key) = (fake.publish_plain("closed"), PinnedKey::of(fake.key()));
    let more = "authorization = \"0123456789abcdef\"\n";
    let heliostat = Heliostat::builder().dialect("hex", &fake.upstream.url(), &key.line(), more).start().await;
    for (path, expected) in [
        (package.tarball_path("1.0.0"), "private, max-age=86400"),
        ("/packages/closed".to_owned(), "private, max-age=3600"),
        ("/installs/hex-1.x.csv".to_owned(), "private, no-cache"),
    ] {
        let answer = heliostat.get(&format!("/hex{path}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some(expected)), "{path}");
        let seen = fake.upstream.seen(&path);
        assert!(seen.iter().all(|seen| seen.headers.get("authorization") == Some("0123456789abcdef")), "{path}");
    }
}

#[tokio::test]
async fn documentation_is_kept_if_it_is_whole_and_keeps_to_itself() {
    let world = World::shared().await;
    let docs = world.fake.document("told", "1.0.0", &[("index.html", b"<html>")]);
    for _ in 0..2 {
        let answer = world.get("/docs/told-1.0.0.tar.gz").await;
        assert!(answer.is(&docs) && answer.headers.has("etag"), "{}", answer.summary());
    }
    assert_eq!(world.fake.upstream.count("/docs/told-1.0.0.tar.gz"), 1);
    for (version, body) in [("1.0.1", docs.slice(..docs.len() - 4)), ("1.0.2", "<html>".into())] {
        let path = format!("/docs/told-{version}.tar.gz");
        world.fake.upstream.put(&path, Resource::artifact(body.clone()));
        assert_refused(&world.get(&path).await, 502);
        assert!(!world.keeps(&body));
    }
}

#[tokio::test]
async fn builds_are_held_to_their_list() {
    let world = World::start("negative_ttl = \"0s\"\n").await;
    let none = world.get("/installs/hex-1.x.csv").await;
    assert!(none.is(b""), "no update: {}", none.summary());
    assert_refused(&world.get("/installs/hex-1.x.csv.signed").await, 404);
    world.fake.publish_build("2.0.6", "1.14.0", b"a build");
    for path in ["/installs/hex-1.x.csv", "/installs/hex-1.x.csv.signed", "/installs/1.14.0/hex-2.0.6.ez"] {
        let theirs = world.fake.upstream.resource(path).expect("what was published").body;
        let answer = world.get(path).await;
        assert!(answer.is(&theirs), "{path}: {}", answer.summary());
    }
    let other = "/installs/1.14.0/hex-2.0.7.ez";
    world.fake.publish_build("2.0.7", "1.14.0", b"another build");
    world.fake.upstream.put(other, Resource::artifact(&b"other bytes!!"[..]));
    let answer = world.get(other).await;
    assert!(!(answer.status == 200 && answer.completed()), "{}", answer.summary());
    assert!(!world.keeps(b"other bytes!!"));
    assert_refused(&world.get("/installs/1.14.0/hex-9.9.9.ez").await, 404);
    world.fake.upstream.put("/installs/hex.csv", Resource::new("text/html", "<html>"));
    assert_refused(&world.get("/installs/hex.csv").await, 502);
}

#[tokio::test]
async fn the_old_registry_is_held_to_its_signature() {
    let world = World::start("negative_ttl = \"0s\"\n").await;
    assert_refused(&world.get("/registry.ets.gz").await, 404);
    world.fake.publish_v1(b"a table of everything");
    world.fake.upstream.fail("/registry.ets.gz", Fault::FlipBit { offset: 14, bit: 1 });
    assert_refused(&world.get("/registry.ets.gz").await, 502);
    world.fake.upstream.heal("/registry.ets.gz");
    // The signature that is held is of another moment, and is asked for again.
    world.fake.publish_v1(b"another table");
    for path in ["/registry.ets.gz", "/registry.ets.gz.signed"] {
        let theirs = world.fake.upstream.resource(path).expect("what was published").body;
        let answer = world.get(path).await;
        assert!(answer.is(&theirs), "{path}: {}", answer.summary());
    }
}

#[tokio::test]
async fn the_old_registry_may_be_signed_in_a_header() {
    let world = World::start("").await;
    let table = gzip(b"a table of everything");
    let put = |signature: &str| {
        let resource = Resource::new("application/octet-stream", table.clone()).header("x-hex-signature", signature);
        world.fake.upstream.put("/registry.ets.gz", resource);
    };
    let signature = hex(&world.fake.key().sign(&table));
    for wrong in ["00", &hex(&world.fake.key().sign(b"another table"))] {
        put(wrong);
        assert_refused(&world.get("/registry.ets.gz").await, 502);
        assert!(!world.keeps(&table));
    }
    put(&signature);
    let before = world.fake.upstream.count("/registry.ets.gz");
    for _ in 0..2 {
        let answer = world.get("/registry.ets.gz").await;
        assert!(answer.is(&table), "{}", answer.summary());
        assert_eq!(answer.header("x-hex-signature"), Some(signature.as_str()));
    }
    assert_eq!(world.fake.upstream.count("/registry.ets.gz"), before + 1);
}
