//! The process itself: what it is told by flag, environment and file, how it stops, and what it costs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;

use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Ask, Connection};
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// Publishes a package with one tarball of `size` bytes; returns its path at the mirror and at upstream, and the bytes.
fn publish(registry: &FakeRegistry, name: &str, size: usize) -> (String, String, bytes::Bytes) {
    let package = Package::new(name).with(Release::new("1.0.0").size(size));
    registry.publish(&package);
    let path = package.tarball_path(package.release("1.0.0"));
    (format!("/npm{path}"), path, package.release("1.0.0").tarball.clone())
}

#[tokio::test]
async fn health_and_metrics_are_answered_and_count() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    assert_eq!(heliostat.get("/healthz").await.status, 200);
    assert_eq!(heliostat.get("/readyz").await.status, 200);
    let (path, _, tarball) = publish(&registry, "counted", 50_000);
    for _ in 0..3 {
        assert!(heliostat.get(&path).await.is(&tarball));
    }
    let of_tarballs = [("mount", "npm"), ("action", "tarball"), ("status", "200")];
    // A request is counted when it is over, a moment after its client has all of it.
    for _ in 0..100 {
        if heliostat.metric("heliostat_requests_total", &of_tarballs).await == 3.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let count = async |cache| {
        let labels = [of_tarballs.as_slice(), &[("cache", cache)]].concat();
        heliostat.metric("heliostat_requests_total", &labels).await
    };
    assert_eq!((count("miss").await, count("hit").await + count("joined").await), (1.0, 2.0));
    assert!(heliostat.metric("heliostat_bytes_in_total", &[]).await >= 50_000.0);
    assert!(heliostat.metric("heliostat_bytes_out_total", &[]).await >= 150_000.0);
    assert!(heliostat.metric("heliostat_store_entries", &[]).await >= 2.0);
    assert!(heliostat.metric("heliostat_store_bytes", &[]).await >= 50_000.0);
    assert_eq!(heliostat.metric("heliostat_fills_in_flight", &[]).await, 0.0);
    assert!(heliostat.incidents(None).await.is_empty());
}

#[tokio::test]
async fn a_server_that_is_told_of_no_mount_has_one_of_each_dialect_that_finds_its_upstream() {
    let npm = ("NPM_CONFIG_REGISTRY", "https://registry.example");
    let heliostat = Heliostat::builder().environment(npm.0, npm.1).top("offline", "true").start().await;
    for (path, status) in [
        ("/readyz", 200),
        ("/npm/left-pad", 503),
        ("/hex/packages/jason", 503),
        ("/niso/v1/packages", 503),
        ("/nessemble/package/sound", 503),
        ("/nessemble/status", 200),
        ("/files/node/index.json", 404),
    ] {
        let answer = heliostat.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.summary());
    }
}

#[tokio::test]
async fn a_flag_overrides_the_environment_and_that_the_file() {
    let registry = FakeRegistry::start();
    registry.publish_plain("told");
    let base = Heliostat::builder().npm(registry.url(), "");
    for (builder, status) in [
        (base.clone().top("offline", "true"), 503),
        (base.clone().environment("HELIOSTAT_OFFLINE", "true"), 503),
        (base.clone().argument("--offline"), 503),
        (base.clone().top("offline", "true").environment("HELIOSTAT_OFFLINE", "false"), 200),
        (base.clone().environment("HELIOSTAT_OFFLINE", "false").argument("--offline"), 503),
        (base.clone().environment("HELIOSTAT_FETCH__ATTEMPTS", "1"), 200),
    ] {
        let heliostat = builder.start().await;
        let answer = heliostat.get("/npm/told").await;
        assert_eq!(answer.status, status, "{}", answer.summary());
    }
}

#[tokio::test]
async fn another_process_goes_on_with_the_same_data() {
    let registry = FakeRegistry::start();
    let data = tempfile::tempdir().expect("a temporary directory");
    let (path, upstream_path, tarball) = publish(&registry, "inherited", 50_000);
    let builder = Heliostat::builder().npm(registry.url(), "").data(data.path());
    for _ in 0..2 {
        let heliostat = builder.clone().start().await;
        assert!(heliostat.get(&path).await.is(&tarball));
    }
    assert_eq!(registry.upstream.count(&upstream_path), 1);
}

#[tokio::test]
async fn replies_under_way_are_finished_before_it_stops() {
    let registry = FakeRegistry::start();
    let mut heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let (path, upstream_path, tarball) = publish(&registry, "under-way", 500_000);
    registry.upstream.fail(&upstream_path, Fault::Bandwidth(400_000));
    let mut connection = Connection::open(heliostat.address()).await.expect("the mirror listens");
    let asking = tokio::spawn(async move { connection.ask(&Ask::get(&path)).await });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let start = Instant::now();
    heliostat.signal(Signal::TERM);
    let answer = asking.await.expect("the client's task");
    assert!(answer.is(&tarball), "{}", answer.summary());
    let status = heliostat.wait(Duration::from_secs(6));
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", heliostat.said());
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_wrong_behind() {
    let registry = FakeRegistry::start();
    let mut heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let (kept_path, _, kept) = publish(&registry, "kept-over-kill", 50_000);
    assert!(heliostat.get(&kept_path).await.is(&kept));
    let (path, upstream_path, tarball) = publish(&registry, "killed", 500_000);
    registry.upstream.fail(&upstream_path, Fault::Bandwidth(500_000));
    heliostat.ask(&Ask::get(&path).leave_after(100_000)).await;
    heliostat.kill();
    registry.upstream.heal(&upstream_path);
    heliostat.start().await;
    assert!(heliostat.ready_after < Duration::from_secs(3), "{:?}", heliostat.ready_after);
    assert!(heliostat.get(&kept_path).await.is(&kept));
    assert!(heliostat.get(&path).await.is(&tarball));
}

#[tokio::test]
async fn many_slow_clients_cost_little_memory_and_leave_nothing_open() {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder().npm(registry.url(), "").start().await;
    let (path, upstream_path, tarball) = publish(&registry, "heavy", 20_000_000);
    let (small, _, _) = publish(&registry, "light", 2_000);
    assert_eq!(heliostat.get(&small).await.status, 200);
    let (memory, files) = (heliostat.memory().0, heliostat.open_files());
    let slow = Ask::get(&path).slowly(2_000_000, Duration::from_millis(50));
    let answers = join_all((0..64).map(|_| heliostat.ask(&slow))).await;
    assert!(answers.iter().all(|answer| answer.is(&tarball)));
    assert_eq!(registry.upstream.count(&upstream_path), 1);
    let grown = heliostat.memory().1.saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes more at the peak");
    let start = Instant::now();
    // Client connections close at their own pace; idle ones to upstream may stay.
    while heliostat.open_files() > files + 8 {
        assert!(start.elapsed() < Duration::from_secs(10), "{} files open, {files} before", heliostat.open_files());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
