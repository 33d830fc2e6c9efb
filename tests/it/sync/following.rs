//! Packages that follow their upstream without being asked for.

use super::Bench;
use crate::support::packages::Package;

/// Looks at feeds again and again.
async fn start(mount: &str) -> Bench {
    Bench::start_with(mount, |builder| builder.set("sync", "poll", "\"200ms\"")).await
}

/// Waits until the feed was read to where it stands: what comes after that is new.
async fn caught_up(bench: &Bench) {
    let registry = &bench.registry.upstream;
    let start = std::time::Instant::now();
    while registry.count("/_changes") < 2 {
        assert!(start.elapsed() < super::SOON, "the feed is not read");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_changes_upstream_is_here_before_anybody_asks() {
    let bench = start("sync = \"listed\"\nsync_names = [\"left\", \"@acme/*\"]").await;
    caught_up(&bench).await;
    let packages = ["left", "@acme/tool", "right"].map(|name| bench.registry.publish_plain(name));
    bench.await_task("success\tnpm/left").await;
    bench.await_task("success\tnpm/@acme/tool").await;
    assert_eq!(packages.each_ref().map(|package| bench.asked(package, "1.0.0")), [1, 1, 0]);
    let more = Package::with_versions("left", &["1.0.0", "1.1.0"]);
    bench.registry.publish(&more);
    let start = std::time::Instant::now();
    while bench.asked(&more, "1.1.0") == 0 {
        assert!(start.elapsed() < super::SOON, "{}", bench.tasks(&["list"]));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!bench.tasks(&["list"]).contains("npm/right"), "nobody lists it");
}

#[tokio::test]
async fn what_is_known_is_brought_what_is_new_of_it() {
    let bench = start("sync = \"known\"").await;
    let older = Package::with_versions("left", &["1.0.0", "1.1.0"]);
    bench.registry.publish(&older);
    bench.sync_well(&["left@1.0.0"]);
    caught_up(&bench).await;
    let newer = Package::with_versions("left", &["1.0.0", "1.1.0", "2.0.0"]);
    bench.registry.publish(&newer);
    let stranger = bench.registry.publish_plain("stranger");
    let start = std::time::Instant::now();
    while bench.asked(&newer, "2.0.0") == 0 {
        assert!(start.elapsed() < super::SOON, "{}", bench.tasks(&["list"]));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(bench.asked(&newer, "1.1.0"), 0, "what was left alone before is left alone");
    assert_eq!(bench.asked(&stranger, "1.0.0"), 0);
}

#[tokio::test]
async fn what_changed_while_a_node_was_dead_is_caught_up_on() {
    let mut bench = start("sync = \"listed\"\nsync_names = [\"p*\"]").await;
    caught_up(&bench).await;
    bench.heliostat.kill();
    let packages: Vec<_> = (0..30).map(|number| bench.registry.publish_plain(&format!("p{number}"))).collect();
    bench.heliostat.start().await;
    let start = std::time::Instant::now();
    // The dead node has the feed until its lease is over.
    while bench.asked(&packages[29], "1.0.0") == 0 {
        assert!(start.elapsed() < super::SOON * 4, "{}", bench.tasks(&["list"]));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    for package in &packages {
        bench.await_task(&format!("success\tnpm/{}\n", package.name)).await;
        assert_eq!(bench.asked(package, "1.0.0"), 1, "{}", package.name);
    }
}
