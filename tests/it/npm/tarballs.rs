//! Tarballs: their paths, their headers, and which proofs let them through.

use super::{JUST_NOW, World, assert_refused, assert_unproven};
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release, Signing, Vouching};
use crate::support::registry::Switches;
use crate::support::upstream::FakeUpstream;

async fn under(mode: &str) -> World {
    World::start(Switches::default(), &format!("signatures = \"{mode}\"")).await
}

/// Publishes a package with one version of each kind of signature and asks for all their tarballs.
async fn statuses(world: &World) -> Vec<(&'static str, u16)> {
    let mut package = Package::new("signatures");
    let kinds = [
        ("right", "1.0.0", Signing::Right),
        ("wrong", "1.0.1", Signing::Wrong),
        ("missing", "1.0.2", Signing::Missing),
        ("unknown key", "1.0.3", Signing::UnknownKey),
    ];
    for (_, version, signature) in kinds {
        package = package.with(Release::new(version).signature(signature));
    }
    world.registry.publish(&package);
    let mut statuses = Vec::new();
    for (kind, version, _) in kinds {
        let (path, tarball) = World::tarball(&package, version);
        let answer = world.get(&path).await;
        match answer.status {
            200 => assert!(answer.is(&tarball), "{kind}: {}", answer.summary()),
            status => assert_refused(&answer, status),
        }
        statuses.push((kind, answer.status));
    }
    statuses
}

#[tokio::test]
async fn a_bad_signature_is_refused_and_a_missing_one_passes() {
    let world = under("verify").await;
    let statuses = statuses(&world).await;
    assert_eq!(statuses[..3], [("right", 200), ("wrong", 502), ("missing", 200)]);
    let incidents = world.heliostat.incidents(Some("signatures")).await;
    assert!(incidents.iter().any(|incident| incident["kind"] == "signature"), "{incidents:?}");
    let failed = world.heliostat.metric("heliostat_proofs_failed_total", &[("kind", "signature")]).await;
    assert!(failed >= 1.0, "{failed}");
    assert_eq!(world.registry.upstream.count("/signatures/-/signatures-1.0.1.tgz"), 0, "the statement is judged first");
}

#[tokio::test]
async fn where_signatures_are_required_a_missing_one_is_refused_too() {
    let statuses = statuses(&under("require").await).await;
    assert_eq!(statuses, [("right", 200), ("wrong", 502), ("missing", 502), ("unknown key", 502)]);
}

#[tokio::test]
async fn where_signatures_are_off_the_hash_alone_decides() {
    let statuses = statuses(&under("off").await).await;
    assert!(statuses.iter().all(|(_, status)| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn required_signatures_without_keys_let_nothing_through() {
    let switches = Switches { signatures: false, ..Switches::default() };
    let world = World::start(switches, "signatures = \"require\"").await;
    let package = world.registry.publish_plain("keyless");
    let (path, _) = World::tarball(&package, "1.0.0");
    assert_refused(&world.get(&path).await, 502);
}

#[tokio::test]
async fn every_path_of_a_tarball_gives_the_same_bytes() {
    let world = World::shared().await;
    let scoped = Package::with_versions("@paths/one", &["1.0.0-rc.1"]);
    let plain = Package::with_versions("paths", &["1.0.0"]);
    world.registry.publish(&scoped);
    world.registry.publish(&plain);
    let tarball = &scoped.releases[0].tarball;
    for path in [
        "@paths/one/-/one-1.0.0-rc.1.tgz",
        "@paths%2fone/-/one-1.0.0-rc.1.tgz",
        "@paths%2Fone/-/one-1.0.0-rc.1.tgz",
        "%40paths%2fone/-/one-1.0.0-rc.1.tgz",
        "@paths/one/-/@paths/one-1.0.0-rc.1.tgz",
        "@paths/one/download/@paths/one-1.0.0-rc.1.tgz",
        "@paths/one/download/one-1.0.0-rc.1.tgz",
    ] {
        let answer = world.get(&format!("/npm/{path}")).await;
        assert!(answer.is(tarball), "{path}: {}", answer.summary());
    }
    assert_eq!(world.registry.upstream.count("/@paths/one/-/one-1.0.0-rc.1.tgz"), 1);
    for path in ["paths/-/paths-1.0.0.tgz", "paths/download/paths-1.0.0.tgz", "paths/-/paths-1.0.0.tgz?t=1&cache=0"] {
        let answer = world.get(&format!("/npm/{path}")).await;
        assert!(answer.is(&plain.releases[0].tarball), "{path}: {}", answer.summary());
    }
}

#[tokio::test]
async fn a_tarball_comes_as_plain_octets_whatever_is_accepted() {
    let world = World::shared().await;
    let package = world.registry.publish_plain("octets");
    let (path, tarball) = World::tarball(&package, "1.0.0");
    let accept = crate::support::registry::ABBREVIATED_ACCEPT;
    for _ in 0..2 {
        let answer = world.get_with(&path, &[("accept", accept), ("accept-encoding", "gzip, br, zstd")]).await;
        assert!(answer.is(&tarball), "{}", answer.summary());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("content-length"), Some(tarball.len().to_string().as_str()));
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000"));
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"octets-1.0.0.tgz\""));
        assert!(answer.header("etag").is_some_and(|tag| tag.starts_with('"')), "{:?}", answer.header("etag"));
    }
    let seen = world.registry.upstream.seen("/octets/-/octets-1.0.0.tgz");
    // Source: contract npm §18.1.
    assert_eq!(seen.iter().map(|seen| seen.headers.get("accept-encoding")).collect::<Vec<_>>(), [Some("identity")]);
}

#[tokio::test]
async fn a_tarball_that_no_document_knows_is_not_asked_for() {
    let world = World::shared().await;
    let package = world.registry.publish_plain("known");
    world
        .registry
        .upstream
        .put("/known/-/known-9.9.9.tgz", crate::support::resource::Resource::artifact(&b"smuggled"[..]));
    world
        .registry
        .upstream
        .put("/ghost/-/ghost-1.0.0.tgz", crate::support::resource::Resource::artifact(&b"ghost"[..]));
    for path in ["known/-/known-9.9.9.tgz", "known/-/other-1.0.0.tgz", "known/-/known.tgz", "ghost/-/ghost-1.0.0.tgz"] {
        assert_refused(&world.get(&format!("/npm/{path}")).await, 404);
        assert_eq!(world.registry.upstream.count(&format!("/{path}")), 0, "{path}");
    }
    for path in ["known/-/known-1.tgz", "known/-/known-x.y.z.tgz", "known/-/known-1.0.0%2f..%2fx.tgz"] {
        let answer = world.get(&format!("/npm/{path}")).await;
        assert!([400, 404, 422].contains(&answer.status), "{path}: {}", answer.summary());
    }
    let (path, tarball) = World::tarball(&package, "1.0.0");
    assert!(world.get(&path).await.is(&tarball));
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_a_while() {
    let world = World::start(Switches::default(), "").await;
    let package = world.registry.publish_plain("sparse");
    assert_eq!(world.get("/npm/sparse").await.status, 200);
    for version in ["7.0.0", "7.0.0", "8.0.0", "7.0.0", "7.0.0"] {
        assert_refused(&world.get(&format!("/npm/sparse/-/sparse-{version}.tgz")).await, 404);
    }
    // The other version is asked for by itself where this takes more than a second.
    assert!(world.registry.upstream.count("/sparse") <= 3, "each request cost upstream one");
    let (path, tarball) = World::tarball(&package, "1.0.0");
    assert!(world.get(&path).await.is(&tarball));
}

#[tokio::test]
async fn a_version_published_a_moment_ago_is_found() {
    let world = World::shared().await;
    let old = world.registry.publish_plain("moment");
    assert_eq!(world.get("/npm/moment").await.status, 200);
    let new = old.with(Release::new("1.1.0"));
    world.registry.publish(&new);
    tokio::time::sleep(JUST_NOW).await;
    // The document held is still fresh and lacks it: it is looked up before anybody is told "not found".
    let (path, tarball) = World::tarball(&new, "1.1.0");
    assert!(world.get(&path).await.is(&tarball));
}

#[tokio::test]
async fn a_shasum_proves_where_there_is_no_better() {
    let world = World::shared().await;
    let package = Package::new("old-days")
        .with(Release::new("1.0.0").vouching(Vouching::ShasumOnly).signature(Signing::Missing))
        .with(Release::new("1.0.1").vouching(Vouching::ShasumOnly).signature(Signing::Missing))
        .with(Release::new("1.0.2").vouching(Vouching::Nothing).signature(Signing::Missing));
    world.registry.publish(&package);
    for version in ["1.0.0", "1.0.2"] {
        let (path, tarball) = World::tarball(&package, version);
        assert!(world.get(&path).await.is(&tarball), "{version}");
    }
    world.registry.upstream.fail("/old-days/-/old-days-1.0.1.tgz", Fault::FlipBit { offset: 50, bit: 1 });
    assert_unproven(&world.get(&World::tarball(&package, "1.0.1").0).await);
}

#[tokio::test]
async fn the_strongest_hash_decides() {
    let world = World::shared().await;
    let right = Release::new("1.0.0").signature(Signing::Missing);
    // A right SHA-1 does not make up for a wrong SHA-512.
    let integrity = Package::with_versions("elsewhere", &["3.0.0"]).releases[0].integrity.clone();
    let package = Package::new("strongest").with(right).with(Release { integrity, ..Release::new("1.0.1") });
    world.registry.publish(&package);
    assert_eq!(world.get(&World::tarball(&package, "1.0.0").0).await.status, 200);
    assert_unproven(&world.get(&World::tarball(&package, "1.0.1").0).await);
}

#[tokio::test]
async fn an_odd_place_upstream_is_hidden_behind_the_usual_path() {
    let world = World::shared().await;
    let package = Package::new("@odd/place").with(Release::new("1.0.0").tarball_at("/files/xyz.tar.gz?v=1"));
    world.registry.publish(&package);
    let tarball = package.releases[0].tarball.clone();
    world.registry.upstream.put("/files/xyz.tar.gz", crate::support::resource::Resource::artifact(tarball.clone()));
    let document = world.get("/npm/@odd%2fplace").await.json();
    let url = format!("{}/npm/@odd/place/-/place-1.0.0.tgz", world.heliostat.url());
    assert_eq!(document["versions"]["1.0.0"]["dist"]["tarball"], url);
    assert!(world.get("/npm/@odd/place/-/place-1.0.0.tgz").await.is(&tarball));
    assert_eq!(world.registry.upstream.seen("/files/xyz.tar.gz")[0].query, "v=1");
}

#[tokio::test]
async fn a_tarball_on_a_foreign_host_is_not_fetched() {
    let foreign = FakeUpstream::start_on([127, 0, 0, 3]);
    let world = World::shared().await;
    let url = format!("{}/x.tgz", foreign.url());
    let package = Package::new("foreign").with(Release::new("1.0.0").tarball_at(&url));
    foreign.put("/x.tgz", crate::support::resource::Resource::artifact(package.releases[0].tarball.clone()));
    world.registry.publish(&package);
    let answer = world.get(&World::tarball(&package, "1.0.0").0).await;
    assert!((400..=503).contains(&answer.status), "{}", answer.summary());
    assert_refused(&answer, answer.status);
    assert!(foreign.all_seen().is_empty());
}
