//! A store that is small, shared or damaged: clients get the right bytes all the same.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::support::audit::Auditor;
use crate::support::beside::command;
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::packages::{Package, Release};
use crate::support::random::hex;
use crate::support::registry::FakeRegistry;

/// The budget of a small store, in bytes.
const BUDGET: u64 = 2 << 20;
/// What is asked for within it: more than ten times as much.
const TARBALLS: usize = 120;
const TARBALL: usize = 200_000;
/// Longer than what is kept in memory, so that every answer comes from disk.
const LARGE: usize = 600_000;

fn small(registry: &FakeRegistry) -> Builder {
    Heliostat::builder().set("store", "max_bytes", &BUDGET.to_string()).npm(registry.url(), "")
}

/// Publishes a package of one tarball; returns its path at the mirror, that at upstream, and its bytes.
fn publish(registry: &FakeRegistry, name: &str, size: usize) -> (String, String, Bytes) {
    let package = Package::new(name).cache_control("max-age=0").with(Release::new("1.0.0").size(size));
    registry.publish(&package);
    let release = package.release("1.0.0");
    let path = package.tarball_path(release);
    (format!("/npm{path}"), path, release.tarball.clone())
}

fn content_of(heliostat: &Heliostat, bytes: &[u8]) -> Option<PathBuf> {
    let hex = hex(&Sha256::digest(bytes));
    let root = heliostat.data().join("cache/v1/content-v2/sha256");
    let file = root.join(&hex[..2]).join(&hex[2..4]).join(&hex[4..]);
    file.exists().then_some(file)
}

/// Waits until the answer that was just given is also kept.
async fn kept(heliostat: &Heliostat, bytes: &[u8]) -> PathBuf {
    let begun = Instant::now();
    loop {
        if let Some(file) = content_of(heliostat, bytes) {
            return file;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "it is not kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_body_larger_than_the_whole_store_is_served_and_not_kept() {
    let registry = FakeRegistry::start();
    let heliostat = small(&registry).start().await;
    let (path, upstream, right) = publish(&registry, "huge", 3_000_000);
    for round in 1..=2 {
        let answer = heliostat.get(&path).await;
        assert!(answer.is(&right), "{}", answer.summary());
        assert_eq!(registry.upstream.count(&upstream), round);
    }
    assert_eq!(content_of(&heliostat, &right), None);

    let (modest, modest_upstream, modest_right) = publish(&registry, "modest", 50_000);
    assert!(heliostat.get(&modest).await.is(&modest_right));
    let document = registry.publish_big("huge-document", 3_000_000, 50);
    for _ in 0..2 {
        let answer = heliostat.get("/npm/huge-document").await;
        assert!(answer.status == 200 && answer.completed(), "{}", answer.summary());
        assert_eq!(answer.json()["versions"].as_object().map(serde_json::Map::len), Some(document.releases.len()));
    }
    assert!(heliostat.metric("heliostat_store_bytes", &[]).await <= BUDGET as f64);
    assert!(heliostat.get(&modest).await.is(&modest_right));
    assert_eq!(registry.upstream.count(&modest_upstream), 1, "what finds no room must not push out what did");
    assert_eq!(heliostat.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_budget_is_kept_under_load() {
    let registry = FakeRegistry::start();
    let heliostat = small(&registry).start().await;
    let mut auditor = Auditor::new(&heliostat.data());
    let published: Vec<_> = (0..TARBALLS).map(|index| publish(&registry, &format!("p{index}"), TARBALL)).collect();
    let mut most = 0.0_f64;
    let answers = stream::iter(&published).map(async |(path, _, right)| {
        let answer = heliostat.get(path).await;
        assert!(answer.is(right), "{}", answer.summary());
        heliostat.metric("heliostat_store_bytes", &[]).await
    });
    let mut answers = answers.buffer_unordered(6);
    while let Some(bytes) = answers.next().await {
        most = most.max(bytes);
    }
    drop(answers);
    let begun = Instant::now();
    let mut found = auditor.look();
    while found.bytes > BUDGET && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        found = auditor.look();
    }
    let line = format!(
        "\nbudget of {BUDGET} bytes, {} asked for: at most {most} kept, {} on disk at the end\n",
        TARBALLS * TARBALL,
        found.bytes
    );
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
    assert!(most <= BUDGET as f64, "{most} bytes were kept");
    assert!(found.wrong.is_empty() && found.bytes <= BUDGET, "{found:?}");
    assert!(found.bytes > BUDGET / 2, "what fits is kept: {} bytes", found.bytes);
    // What was asked for last is still there.
    let (path, upstream, right) = &published[TARBALLS - 1];
    assert!(heliostat.get(path).await.is(right));
    assert_eq!(registry.upstream.count(upstream), 1);
}

#[tokio::test]
async fn what_is_purged_beside_the_server_is_fetched_anew() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let (path, upstream, right) = publish(&registry, "purged", 5_000);
    let (other, other_upstream, other_right) = publish(&registry, "unpurged", 5_000);
    for _ in 0..2 {
        assert!(heliostat.get(&path).await.is(&right));
        assert!(heliostat.get(&other).await.is(&other_right));
    }
    let (well, said) = command(&heliostat, "purge", &["npm", "purged"]);
    assert!(well && said.contains("of purged removed from npm") && !said.contains("0 entries"), "{said}");
    // The server looks every second whether somebody else has written.
    let begun = Instant::now();
    while registry.upstream.count(&upstream) < 2 {
        assert!(heliostat.get(&path).await.is(&right));
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still served from the store");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(heliostat.get(&other).await.is(&other_right));
    assert_eq!((registry.upstream.count(&upstream), registry.upstream.count(&other_upstream)), (2, 1));
}

#[tokio::test]
async fn one_thing_is_purged_beside_the_server_by_its_key() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let release = |version: &str| Release::new(version).size(5_000);
    let package = Package::new("by-key").with(release("1.0.0")).with(release("1.1.0"));
    registry.publish(&package);
    let paths: Vec<String> = package.releases.iter().map(|release| package.tarball_path(release)).collect();
    let ask_all = async || {
        for (path, release) in paths.iter().zip(&package.releases) {
            assert!(heliostat.get(&format!("/npm{path}")).await.is(&release.tarball));
        }
    };
    ask_all().await;
    kept(&heliostat, &package.releases[1].tarball).await;
    // What one upstream gave is named after its URL.
    let upstream = &hex(&Sha256::digest(format!("{}/", registry.url())))[..8];
    let key = format!("npm@{upstream}/tarball/by-key/1.0.0");
    let (well, said) = command(&heliostat, "purge", &["npm", "--key", &key]);
    assert!(well && said.contains(&format!("1 entries under {key} removed from npm")), "{said}");
    let begun = Instant::now();
    while registry.upstream.count(&paths[0]) < 2 {
        ask_all().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still served from the store");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((registry.upstream.count(&paths[1]), registry.upstream.count("/by-key")), (1, 0));
}

#[tokio::test]
async fn a_release_with_new_bytes_is_refused_until_an_operator_accepts_it() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let (path, _, first) = publish(&registry, "replaced", 5_000);
    assert!(heliostat.get(&path).await.is(&first));
    kept(&heliostat, &first).await;
    let (_, _, second) = publish(&registry, "replaced", 6_000);
    let (well, said) = command(&heliostat, "purge", &["npm", "replaced"]);
    assert!(well, "{said}");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let answer = heliostat.get(&path).await;
    assert!(answer.status == 403 && answer.completed(), "{}", answer.summary());
    let incidents = heliostat.incidents(Some("replaced")).await;
    assert!(incidents.iter().any(|incident| incident["kind"] == "first-seen"), "{incidents:?}");
    assert_eq!(content_of(&heliostat, &second), None);

    let (well, said) = command(&heliostat, "accept", &["npm", "replaced@1.0.0"]);
    assert!(well, "{said}");
    let answer = heliostat.get(&path).await;
    assert!(answer.is(&second), "{}", answer.summary());
    kept(&heliostat, &second).await;
}

/// How a file is damaged.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Truncated,
    Emptied,
    Removed,
    Flipped,
}

fn damage(file: &std::path::Path, how: Damage) {
    let mut bytes = std::fs::read(file).expect("a content file can be read");
    let middle = bytes.len() / 2;
    match how {
        Damage::Truncated => bytes.truncate(middle),
        Damage::Emptied => bytes.clear(),
        Damage::Removed => return std::fs::remove_file(file).expect("a content file can be removed"),
        Damage::Flipped => bytes[middle] ^= 1,
    }
    std::fs::write(file, bytes).expect("a content file can be written");
}

#[tokio::test]
async fn damaged_content_is_found_dropped_and_fetched_anew() {
    let registry = FakeRegistry::start();
    let mut heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    for how in [Damage::Truncated, Damage::Emptied, Damage::Removed, Damage::Flipped] {
        for running in [true, false] {
            // A flipped bit is found when the store has reason to doubt itself: after a crash, and by the scrub.
            let flipped = matches!(how, Damage::Flipped);
            if flipped && running {
                continue;
            }
            let name = format!("{how:?}-{running}").to_lowercase();
            let (path, upstream, right) = publish(&registry, &name, LARGE);
            assert!(heliostat.get(&path).await.is(&right));
            let file = kept(&heliostat, &right).await;
            assert!(heliostat.get(&path).await.is(&right));
            match (running, flipped) {
                (true, _) => damage(&file, how),
                (false, false) => {
                    heliostat.stop();
                    damage(&file, how);
                    heliostat.start().await;
                }
                (false, true) => {
                    heliostat.kill();
                    damage(&file, how);
                    heliostat.start().await;
                }
            }
            let before = heliostat.said().matches("\"level\":\"WARN\"").count();
            for _ in 0..2 {
                let answer = heliostat.get(&path).await;
                assert!(answer.is(&right), "{name}: {}", answer.summary());
            }
            assert_eq!(registry.upstream.count(&upstream), 2, "{name}");
            assert!(heliostat.said().matches("\"level\":\"WARN\"").count() > before, "{name}: nobody was warned");
            kept(&heliostat, &right).await;
            assert_eq!(Auditor::new(&heliostat.data()).look().wrong, Vec::<String>::new(), "{name}");
        }
    }
}
