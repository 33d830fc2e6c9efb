//! First seen, held to: what a version's tarball was when it was first proved, it stays, until an operator says otherwise.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{World, assert_refused};
use crate::support::beside::command;
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release};
use crate::support::random::hex;
use crate::support::registry::Switches;

const SMALL: usize = 5_000;
/// Longer than what is withheld until the proofs hold: such a tarball streams.
const LARGE: usize = 100_000;

/// A package of two versions, whose document is always asked for anew. The tarball of the later one has `size` bytes.
fn package(name: &str, size: usize) -> Package {
    let package = Package::new(name).cache_control("max-age=0").with(Release::new("0.9.0").size(3_000));
    package.with(Release::new("1.0.0").size(size))
}

/// Asks for both tarballs, which are kept then, and must be right.
async fn keep(world: &World, package: &Package) {
    for version in ["0.9.0", "1.0.0"] {
        let (path, tarball) = World::tarball(package, version);
        let answer = world.get(&path).await;
        assert!(answer.is(&tarball), "{version}: {}", answer.summary());
    }
    settled(world).await;
}

/// Waits until no fill is under way: clients get the last bytes before they are kept.
async fn settled(world: &World) {
    let start = Instant::now();
    while world.heliostat.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(10), "fills do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the `dist` of a version in every form that clients get.
async fn dists(world: &World, name: &str, version: &str) -> Vec<Value> {
    let path = format!("/npm/{name}");
    let [full, short] = [world.get(&path).await.json(), world.abbreviated(&path).await.json()];
    let manifest = world.get(&format!("{path}/{version}")).await.json();
    vec![
        full["versions"][version]["dist"].clone(),
        short["versions"][version]["dist"].clone(),
        manifest["dist"].clone(),
    ]
}

async fn incidents(world: &World, name: &str) -> Vec<Value> {
    let listed = world.heliostat.incidents(Some(name)).await.into_iter();
    listed.filter(|incident| incident["kind"] == "first-seen").collect()
}

#[tokio::test]
async fn a_document_that_names_other_hashes_is_held_to_the_first_and_listed_once() {
    for size in [SMALL, LARGE] {
        let mut world = World::start(Switches::default(), "").await;
        let old = package("twice", size);
        world.registry.publish(&old);
        keep(&world, &old).await;
        let right = dists(&world, "twice", "1.0.0").await;
        let (path, first) = World::tarball(&old, "1.0.0");
        let mut new = package("twice", size + 1_000);
        for round in 1..=3 {
            // Each time another document, with a version more.
            new = new.with(Release::new(&format!("1.{round}.0")));
            world.registry.publish(&new);
            assert_eq!(dists(&world, "twice", "1.0.0").await, right, "the first hashes stay, in every form");
            assert!(world.get(&path).await.is(&first), "and the first bytes with them");
            let (later, tarball) = World::tarball(&new, &format!("1.{round}.0"));
            assert!(world.get(&later).await.is(&tarball), "what is new is served");
            if round == 2 {
                world.heliostat.restart().await;
            }
        }
        // All else is as upstream has it.
        let mut expected: Value = serde_json::from_str(&world.full(&new)).expect("our own document");
        expected["versions"]["1.0.0"]["dist"] = right[0].clone();
        assert_eq!(world.get("/npm/twice").await.json(), expected);
        let listed = incidents(&world, "twice").await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        let claim = &new.release("1.0.0").integrity;
        let detail = listed[0]["detail"].as_str().expect("a sentence");
        assert!(detail.starts_with("npm/twice@1.0.0 ") && detail.contains(claim), "{detail}");
    }
}

#[tokio::test]
async fn the_first_hashes_stay_when_nothing_else_is_kept_and_other_bytes_are_refused_with_the_reason() {
    for size in [SMALL, LARGE] {
        let world = World::start(Switches::default(), "").await;
        let old = package("forgotten", size);
        world.registry.publish(&old);
        keep(&world, &old).await;
        let right = dists(&world, "forgotten", "1.0.0").await;
        let (well, said) = command(&world.heliostat, "purge", &["npm", "forgotten"]);
        assert!(well, "{said}");
        let new = package("forgotten", size + 1_000);
        world.registry.publish(&new);
        let (path, second) = World::tarball(&new, "1.0.0");
        // The server looks every second whether somebody else has written.
        let start = Instant::now();
        while incidents(&world, "forgotten").await.is_empty() {
            world.get("/npm/forgotten").await;
            assert!(start.elapsed() < Duration::from_secs(5), "the new document is not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(dists(&world, "forgotten", "1.0.0").await, right);
        let answer = world.get(&path).await;
        assert_refused(&answer, 403);
        let reason = answer.json()["reason"].as_str().expect("a sentence").to_owned();
        assert!(reason.starts_with("forgotten@1.0.0 has other bytes upstream"), "{reason}");
        assert_eq!(answer.header("npm-notice"), Some(reason.as_str()));
        assert!(!world.heliostat.contents().contains_key(&hex(&Sha256::digest(&second))), "refused and kept");
        let failed = world.heliostat.metric("heliostat_proofs_failed_total", &[("kind", "first-seen")]).await;
        assert_eq!(failed, 2.0, "once for the document, once for the bytes");
        let (other, tarball) = World::tarball(&new, "0.9.0");
        assert!(world.get(&other).await.is(&tarball));
    }
}

/// Fails unless the first bytes are held to, though upstream has others and nothing is kept.
async fn assert_held(world: &World, new: &Package, right: &[Value]) {
    assert_eq!(dists(world, &new.name, "1.0.0").await, right, "the first hashes stay");
    let (path, _) = World::tarball(new, "1.0.0");
    assert_refused(&world.get(&path).await, 403);
    assert_eq!(incidents(world, &new.name).await.len(), 2, "of the document, and of the bytes");
}

#[tokio::test]
async fn what_was_first_seen_outlives_the_cache() {
    let mut world = World::start(Switches::default(), "").await;
    let (old, new) = (package("outlived", SMALL), package("outlived", SMALL + 1_000));
    world.registry.publish(&old);
    keep(&world, &old).await;
    let right = dists(&world, "outlived", "1.0.0").await;
    world.heliostat.stop();
    std::fs::remove_dir_all(world.heliostat.data().join("cache")).expect("the cache may be deleted");
    world.registry.publish(&new);
    world.heliostat.start().await;
    assert_held(&world, &new, &right).await;
}

#[tokio::test]
async fn what_an_older_index_remembers_is_carried_over() {
    let mut world = World::start(Switches::default(), "").await;
    let (old, new) = (package("carried", SMALL), package("carried", SMALL + 1_000));
    world.registry.publish(&old);
    keep(&world, &old).await;
    let right = dists(&world, "carried", "1.0.0").await;
    let (well, said) = command(&world.heliostat, "purge", &["npm", "carried"]);
    assert!(well, "{said}");
    world.heliostat.stop();
    let file = |name: &str| world.heliostat.data().join(name);
    let index = Connection::open(file("cache/v1/index.sqlite")).expect("an index");
    let overlay = file("overlay/overlay.sqlite").display().to_string();
    // As it was before: in the index, of version 3, and nowhere else.
    index.execute("ATTACH ?1 AS overlay", [overlay]).expect("both are files of SQLite");
    let moved =
        "CREATE TABLE main.first_seen (release TEXT PRIMARY KEY, digest BLOB NOT NULL, seen_at INTEGER NOT NULL,
            testimony TEXT, rival TEXT) WITHOUT ROWID;
        INSERT INTO main.first_seen SELECT release, digest, seen_at, testimony, rival FROM overlay.first_seen;
        DELETE FROM overlay.first_seen;
        DROP TRIGGER main.pin_added; DROP TRIGGER main.pin_removed; DROP TRIGGER main.pin_moved;
        DROP TRIGGER main.content_pinned;
        ALTER TABLE main.contents DROP COLUMN pins;
        ALTER TABLE main.totals DROP COLUMN pinned;
        PRAGMA main.user_version = 3;";
    index.execute_batch(moved).expect("the tables are as they should be");
    let is_carried = || {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'first_seen')";
        index.query_row(sql, [], |row| row.get::<_, bool>(0)).expect("a truth")
    };
    world.registry.publish(&new);
    world.heliostat.start().await;
    assert!(is_carried());
    assert_held(&world, &new, &right).await;
}

#[tokio::test]
async fn what_an_operator_accepts_is_fetched_proved_and_served() {
    let world = World::start(Switches::default(), "").await;
    let old = package("@accepted/one", SMALL);
    world.registry.publish(&old);
    keep(&world, &old).await;
    let new = package("@accepted/one", SMALL + 1_000);
    world.registry.publish(&new);
    let right = dists(&world, "@accepted/one", "1.0.0").await;
    let (path, first) = World::tarball(&old, "1.0.0");
    assert!(world.get(&path).await.is(&first));
    assert_eq!(incidents(&world, "@accepted/one").await.len(), 1);

    let (well, said) = command(&world.heliostat, "accept", &["npm", "@accepted/one@1.0.0"]);
    assert!(well, "{said}");
    let second = &new.release("1.0.0").tarball;
    let start = Instant::now();
    while !world.get(&path).await.is(second) {
        assert!(start.elapsed() < Duration::from_secs(5), "the new bytes are not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    settled(&world).await;
    let accepted = dists(&world, "@accepted/one", "1.0.0").await;
    assert!(accepted.iter().all(|dist| dist["integrity"] == new.release("1.0.0").integrity), "{accepted:?}");
    assert_ne!(accepted, right);
    // Now these are the first, and the old ones the rival.
    world.registry.publish(&old);
    assert_eq!(dists(&world, "@accepted/one", "1.0.0").await, accepted);
    assert!(world.get(&path).await.is(second));
    assert_eq!(incidents(&world, "@accepted/one").await.len(), 2);
}

#[tokio::test]
async fn a_rival_that_upstream_takes_back_is_listed_again_when_it_comes_again() {
    let world = World::shared().await;
    let (old, new) = (package("wavering", SMALL), package("wavering", SMALL + 1_000));
    world.registry.publish(&old);
    keep(&world, &old).await;
    let right = world.full(&old);
    for round in 1..=2 {
        world.registry.publish(&new);
        world.get("/npm/wavering").await;
        assert_eq!(incidents(&world, "wavering").await.len(), round);
        world.registry.publish(&old);
        assert_eq!(world.get("/npm/wavering").await.text(), right);
    }
}

#[tokio::test]
async fn a_tarball_whose_document_changes_while_it_comes_is_served_and_not_kept() {
    let world = World::shared().await;
    let (old, new) = (package("overtaken", 4 * LARGE), package("overtaken", 4 * LARGE + 1_000));
    world.registry.publish(&old);
    let (path, first) = World::tarball(&old, "1.0.0");
    let upstream_path = old.tarball_path(old.release("1.0.0"));
    world.registry.upstream.fail_next(&upstream_path, 1, Fault::Bandwidth(LARGE));
    let (answer, ()) = tokio::join!(world.get(&path), async {
        let start = Instant::now();
        while world.registry.upstream.count(&upstream_path) == 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "the tarball is not asked for");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Nothing is proved yet: the document is taken as it is.
        world.registry.publish(&new);
        assert_eq!(world.get("/npm/overtaken").await.text(), world.full(&new));
    });
    assert!(answer.is(&first), "{}", answer.summary());
    settled(&world).await;
    assert!(
        !world.heliostat.contents().contains_key(&hex(&Sha256::digest(&first))),
        "kept beside a document that denies it"
    );
    let (_, second) = World::tarball(&new, "1.0.0");
    assert!(world.get(&path).await.is(&second), "document and tarball agree");
    assert!(incidents(&world, "overtaken").await.is_empty());
}
