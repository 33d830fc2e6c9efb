//! What packages need, and what that needs.

use super::Bench;
use crate::support::packages::{Package, Release};

#[tokio::test]
async fn what_is_needed_is_fetched_once_whoever_needs_it() {
    let bench = Bench::start("").await;
    let package = |name: &str, needs: &[(&str, &str)]| {
        let release = needs.iter().fold(Release::new("1.0.0"), |release, (name, range)| release.needs(name, range));
        let package = Package::new(name).with(Release::new("0.9.0")).with(release);
        bench.registry.publish(&package);
        package
    };
    // A circle, and two ways to the same.
    let all = [
        package("top", &[("left", "^1.0.0"), ("right", "1.x"), ("@acme/scoped", "latest")]),
        package("left", &[("bottom", ">=1"), ("top", "*")]),
        package("right", &[("bottom", "~1.0.0"), ("left", "1")]),
        package("bottom", &[("top", "1.0.0")]),
        package("@acme/scoped", &[]),
    ];
    let said = bench.sync_well(&["top@1.0.0", "--deps"]);
    assert!(said.contains("packages are up to date"), "{said}");
    for package in &all {
        assert_eq!(bench.asked(package, "1.0.0"), 1, "{}", package.name);
        assert_eq!(bench.asked(package, "0.9.0"), 0, "{}: nobody chooses it", package.name);
    }
    let logs: String = bench
        .tasks(&["list"])
        .lines()
        .map(|line| bench.tasks(&["log", line.split('\t').next().unwrap_or("")]))
        .collect();
    for name in ["left", "right", "@acme/scoped"] {
        assert!(bench.tasks(&["list"]).contains(&format!("success\tnpm/{name}")), "{name}");
    }
    for name in ["left", "right", "@acme/scoped", "bottom"] {
        assert!(logs.contains(&format!("📦 {name}: task ")), "{name}:\n{logs}");
    }
    bench.registry.upstream.vanish().await;
    for package in &all {
        assert_eq!(bench.served(package).await, 1, "{}", package.name);
    }
}

#[tokio::test]
async fn what_is_needed_is_left_alone_unless_it_is_asked_for() {
    let bench = Bench::start("").await;
    let bottom = bench.registry.publish_plain("bottom");
    bench.registry.publish(&Package::new("top").with(Release::new("1.0.0").needs("bottom", "*")));
    bench.sync_well(&["top"]);
    assert_eq!(bench.asked(&bottom, "1.0.0"), 0);
}

#[tokio::test]
async fn too_many_dependencies_are_left_out_and_that_is_told() {
    let bench = Bench::start_with("", |builder| builder.set("sync", "max_dependencies", "2")).await;
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| drop(bench.registry.publish_plain(name)));
    let needs = names.iter().fold(Release::new("1.0.0"), |release, name| release.needs(name, "*"));
    bench.registry.publish(&Package::new("top").with(needs));
    bench.sync_well(&["top", "--deps"]);
    assert_eq!(bench.tasks(&["list"]).lines().count(), 3);
    assert!(bench.log_of("top").contains("2 dependencies are left out"), "{}", bench.log_of("top"));
}
