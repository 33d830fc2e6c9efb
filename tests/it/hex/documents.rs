//! Documents: served as the bytes that were signed, or not at all.

use super::{World, assert_refused};
use crate::support::fault::Fault;
use crate::support::hex::{FakeHex, Key};
use crate::support::resource::Resource;

/// What another document of the same repository is called in another's place.
const REPLAYED: &str = "a replayed";

/// Puts the same content into a repository: a package, a policy.
fn fill(fake: &FakeHex) {
    fake.publish_plain("forged");
    fake.publish_plain("other");
    fake.deny("block", "other");
    fake.deny("other", "forged");
}

#[tokio::test]
async fn a_document_is_served_byte_for_byte_and_never_encoded() {
    let world = World::shared().await;
    world.fake.publish_plain("exact");
    world.fake.deny("exact", "exact");
    for path in ["/packages/exact", "/names", "/versions", "/policies/exact"] {
        let theirs = world.fake.upstream.resource(path).expect("what was published").body;
        let asked = [("accept", "application/json"), ("accept-encoding", "gzip, br"), ("if-none-match", "")];
        let answer = world.get_with(path, &asked).await;
        // Other tests publish meanwhile, which changes the lists.
        if path.starts_with("/p") {
            assert!(answer.is(&theirs), "{path}: {}", answer.summary());
        }
        assert_eq!(answer.status, 200, "{path}: {}", answer.summary());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{path}");
        assert_eq!(answer.header("content-encoding"), None, "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"), "{path}");
        assert!(answer.header("etag").is_some_and(|tag| tag.contains('"')), "{path}");
        let seen = world.fake.upstream.seen(path);
        assert!(seen.iter().all(|seen| seen.headers.get("accept-encoding") == Some("identity")), "{path}");
    }
}

#[tokio::test]
async fn clients_paste_base_and_path() {
    let world = World::shared().await;
    let package = world.fake.publish_plain("pasted");
    for path in ["//packages/pasted", "/packages//pasted", "/packages/pasted/"] {
        let answer = world.get(path).await;
        assert!(answer.is(&world.fake.package_document(&package)), "{path}: {}", answer.summary());
    }
}

/// Returns what could be passed off as the document at a path, each with what it is.
fn forgeries(fake: &FakeHex, liars: &[(&str, FakeHex)], path: &str) -> Vec<(String, Resource)> {
    let right = at(fake, path);
    let cut = right.body.slice(..right.body.len() - 1);
    let longer = [right.body.as_ref(), &b"x"[..]].concat();
    let mut forged: Vec<_> = liars.iter().map(|(whose, liar)| ((*whose).to_owned(), at(liar, path))).collect();
    forged.extend([
        ("cut".to_owned(), Resource { body: cut, ..right.clone() }),
        ("longer".to_owned(), Resource { body: longer.into(), ..right.clone() }),
        ("a page".to_owned(), Resource::new("text/html", "<html>")),
        ("a lie".to_owned(), Resource { body: fake.seal(b"\x0a\x01x").into(), ..right }),
    ]);
    let all = ["/names", "/versions", "/packages/forged", "/packages/other", "/policies/block", "/policies/other"];
    let others = all.into_iter().filter(|other| *other != path);
    forged.extend(others.map(|other| (format!("{REPLAYED} {other}"), at(fake, other))));
    forged
}

fn at(fake: &FakeHex, path: &str) -> Resource {
    fake.upstream.resource(path).expect("what was published")
}

#[tokio::test]
async fn every_kind_of_forged_document_is_refused_and_nothing_is_kept() {
    let world = World::start("").await;
    let stranger = FakeHex::start_as("hexpm", Key::stranger());
    let liars = [("a stranger's", stranger), ("another's", FakeHex::start_as("acme", Key::repository()))];
    [&world.fake, &liars[0].1, &liars[1].1].into_iter().for_each(fill);
    for path in ["/names", "/versions", "/packages/forged", "/policies/block"] {
        let right = at(&world.fake, path);
        for (what, resource) in forgeries(&world.fake, &liars, path) {
            world.fake.upstream.put(path, resource.clone());
            for round in 0..2 {
                let before = world.fake.upstream.count(path);
                assert_refused(&world.get(path).await, 502);
                assert!(world.fake.upstream.count(path) > before, "{path}, {what}, {round}: it was kept");
            }
            // What is replayed is right in its own place, and may be kept there.
            assert!(what.starts_with(REPLAYED) || !world.keeps(&resource.body), "{path}, {what}: it was kept");
        }
        world.fake.upstream.put(path, right.clone());
        assert!(world.get(path).await.is(&right.body), "{path} does not heal");
        assert!(world.keeps(&right.body));
    }
    let incidents = world.heliostat.incidents(Some("forged")).await;
    assert!(!incidents.is_empty(), "refused in silence");
}

#[tokio::test]
async fn a_flipped_bit_leaves_what_is_held() {
    let world = World::start("min_ttl = \"0s\"\nmax_ttl = \"0s\"\n").await;
    let package = world.fake.publish_plain("flipped");
    let right = world.fake.package_document(&package);
    assert!(world.get("/packages/flipped").await.is(&right));
    world.fake.publish(&package.with(crate::support::hex::Release::of("flipped", "1.1.0")));
    for offset in [12, 40, 200] {
        world.fake.upstream.fail("/packages/flipped", Fault::FlipBit { offset, bit: 2 });
        let answer = world.get("/packages/flipped").await;
        assert!(answer.is(&right) && answer.cache_says("detail=stale"), "{offset}: {}", answer.summary());
    }
}

#[tokio::test]
async fn what_is_private_is_refused_with_the_reason_and_not_asked_for() {
    let world = World::shared().await;
    let before = world.fake.upstream.count("/repos/acme/packages/secret");
    let package = crate::support::hex::Package::with_versions("secret", &["1.0.0"]);
    world.fake.publish_privately("acme", "key", &package);
    for path in ["/repos/acme/packages/secret", "/repos/acme/tarballs/secret-1.0.0.tar", "/repos/acme/names"] {
        let answer = world.get_with(path, &[("authorization", "key")]).await;
        assert_refused(&answer, 403);
        let message = answer.header("x-hex-message").expect("mix prints this");
        assert!(message.contains("private repository acme") && message.ends_with("; level=fatal"), "{message}");
    }
    assert_eq!(world.fake.upstream.count("/repos/acme/packages/secret"), before);
}
