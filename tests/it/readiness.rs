//! A store that fails: the process says so, goes on as far as it can, and recovers by itself.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::heliostat::Heliostat;
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// Opens the index of a running process, as a second program would.
fn index(heliostat: &Heliostat) -> Connection {
    let connection = Connection::open(heliostat.data().join("cache/v1/index.sqlite")).expect("an index");
    connection.busy_timeout(Duration::from_secs(5)).expect("SQLite waits");
    connection
}

/// Waits until `/readyz` gives these reasons and no others.
async fn becomes(heliostat: &Heliostat, reasons: &[&str]) {
    let start = Instant::now();
    loop {
        let answer = heliostat.get("/readyz").await;
        let status = if reasons.is_empty() { 200 } else { 503 };
        let body = answer.json();
        if answer.status == status && body["reasons"] == serde_json::json!(reasons) {
            assert_eq!(body["ready"], reasons.is_empty());
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "wanted {reasons:?}: {}", answer.summary());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_so_is_its_recovery() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let index = index(&heliostat);
    let package = |name: &str| {
        let package = Package::new(name).with(Release::new("1.0.0").size(5_000));
        registry.publish(&package);
        package
    };
    package("before");
    assert_eq!(heliostat.get("/npm/before").await.status, 200);
    for round in 1..=2 {
        index.execute_batch("ALTER TABLE entries RENAME TO elsewhere").expect("SQLite renames");
        // Whoever asks is served all the same; it shows that nothing can be found and nothing kept.
        let name = format!("meanwhile-{round}");
        package(&name);
        assert_eq!(heliostat.get(&format!("/npm/{name}")).await.status, 200);
        becomes(&heliostat, &["the store cannot be read", "the store cannot be written"]).await;
        assert_eq!(heliostat.metric("heliostat_store_failing", &[]).await, 1.0);
        assert_eq!(heliostat.get("/healthz").await.status, 200, "it is alive");

        index.execute_batch("ALTER TABLE elsewhere RENAME TO entries").expect("SQLite renames");
        // Nobody asks for anything meanwhile: it finds out by itself.
        becomes(&heliostat, &[]).await;
        assert_eq!(heliostat.metric("heliostat_store_failing", &[]).await, 0.0);
        let before = registry.upstream.count(&format!("/{name}"));
        for _ in 0..3 {
            assert_eq!(heliostat.get(&format!("/npm/{name}")).await.status, 200);
        }
        assert_eq!(registry.upstream.count(&format!("/{name}")), before + 1, "it is kept again");
    }
}

#[tokio::test]
async fn an_index_that_nobody_uses_is_seen_to_fail() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let index = index(&heliostat);
    index.execute_batch("ALTER TABLE totals RENAME TO elsewhere").expect("SQLite renames");
    becomes(&heliostat, &["the store cannot be read", "the store cannot be written"]).await;
    index.execute_batch("ALTER TABLE elsewhere RENAME TO totals").expect("SQLite renames");
    becomes(&heliostat, &[]).await;
}
