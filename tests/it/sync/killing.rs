//! A node that is killed in the middle of its tasks.

use std::time::Duration;

use super::Bench;
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release};

/// Packages, and versions of each.
const PACKAGES: usize = 6;
const VERSIONS: [&str; 4] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"];
/// How often the node is killed.
const KILLS: usize = 4;

/// Makes packages whose tarballs take a while.
fn publish(bench: &Bench) -> Vec<Package> {
    let of = |number: usize| {
        let release = |version: &&str| Release::new(version).size(40_000);
        let package = VERSIONS.iter().map(release).fold(Package::new(&format!("p{number}")), Package::with);
        bench.registry.publish(&package);
        for version in &package.releases {
            let path = package.tarball_path(version);
            bench.registry.upstream.fail(&path, Fault::Bandwidth(80_000));
        }
        package
    };
    (0..PACKAGES).map(of).collect()
}

#[tokio::test]
async fn what_a_killed_node_had_begun_is_done_when_it_is_back_and_nothing_twice() {
    let mut bench = Bench::start("").await;
    let packages = publish(&bench);
    let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
    let tasks = bench.ask(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for kill in 0..KILLS {
        bench.await_task("processing\t").await;
        tokio::time::sleep(Duration::from_millis(150 * (kill as u64 + 1))).await;
        bench.heliostat.kill();
        bench.heliostat.start().await;
    }
    for task in &tasks {
        let log = bench.tasks(&["log", "--follow", task]);
        assert!(log.lines().last().is_some_and(|line| line.contains("🟢")), "{log}");
    }
    let listed = bench.tasks(&["list"]);
    assert_eq!(listed.lines().count(), PACKAGES, "no task was doubled:\n{listed}");
    assert!(listed.lines().all(|line| line.contains("\tsuccess\t")), "{listed}");
    for package in &packages {
        assert_eq!(bench.served(package).await, VERSIONS.len(), "{}", package.name);
        for version in VERSIONS {
            let asked = bench.asked(package, version);
            assert!(asked <= 1 + KILLS, "{}@{version} was asked for {asked} times", package.name);
        }
    }
    let asked: usize = packages.iter().flat_map(|package| VERSIONS.map(|version| bench.asked(package, version))).sum();
    // Of each kill, no more is begun anew than was under way.
    assert!(asked <= PACKAGES * VERSIONS.len() + KILLS * 8, "{asked} tarballs were asked for");
}
