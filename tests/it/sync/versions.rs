//! One package, and which of its versions.

use super::{Bench, slow, tarball};
use crate::support::beside::block;
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release};
use crate::support::resource::Resource;

const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0"];

#[tokio::test]
async fn what_was_synced_is_served_when_its_upstream_is_gone() {
    let bench = Bench::start("max_ttl = \"1s\"\nstale_if_error = \"0s\"").await;
    let package = Package::with_versions("left", &VERSIONS).cache_control("no-cache, must-revalidate");
    bench.registry.publish(&package);
    assert!(bench.sync_well(&["left"]).contains("1 packages are up to date"));
    bench.registry.upstream.vanish().await;
    let document = bench.heliostat.get("/npm/left").await;
    assert_eq!(document.status, 200, "{}", document.summary());
    assert_eq!(document.json()["versions"].as_object().map(|versions| versions.len()), Some(3));
    assert_eq!(bench.served(&package).await, 3);
    for version in VERSIONS {
        assert_eq!(bench.asked(&package, version), 1, "{version}");
    }
}

#[tokio::test]
async fn only_the_versions_that_are_named_are_fetched() {
    let bench = Bench::start("").await;
    let package = Package::with_versions("left", &VERSIONS);
    bench.registry.publish(&package);
    bench.sync_well(&["left@1.0.0"]);
    let asked = || VERSIONS.map(|version| bench.asked(&package, version));
    assert_eq!(asked(), [1, 0, 0]);
    bench.sync_well(&["left@^1"]);
    assert_eq!(asked(), [1, 1, 0]);
    bench.sync_well(&["left"]);
    assert_eq!(asked(), [1, 1, 1], "what is here is not fetched again");
    let (well, said) = bench.sync(&["left@9.9.9"]);
    assert!(!well && said.contains("npm/left"), "{said}");
}

#[tokio::test]
async fn one_bad_version_does_not_fail_the_rest() {
    let bench = Bench::start("").await;
    let package = Package::with_versions("left", &VERSIONS);
    bench.registry.publish(&package);
    let path = package.tarball_path(package.release("1.1.0"));
    bench.registry.upstream.put(&path, Resource::artifact("something else"));
    let (well, said) = bench.sync(&["left"]);
    assert!(!well && said.contains("npm/left partial"), "{said}");
    let id = bench.tasks(&["list"]).split('\t').next().expect("a task").to_owned();
    let shown = bench.tasks(&["show", &id]);
    assert!(shown.lines().any(|line| line.starts_with("1.1.0 failed: ")), "{shown}");
    assert!(bench.log_of("left").lines().any(|line| line.contains("❌") && line.contains("1.1.0")), "{shown}");
    bench.registry.upstream.vanish().await;
    let mut right = Vec::new();
    for version in VERSIONS {
        let answer = bench.heliostat.get(&tarball(&package, version)).await;
        right.push(answer.status == 200 && answer.is(&package.release(version).tarball));
    }
    assert_eq!(right, [true, false, true]);
}

#[tokio::test]
async fn what_upstream_answers_is_in_the_log_and_it_is_tried_again() {
    let bench = Bench::start("").await;
    let package = bench.registry.publish_plain("left");
    bench.registry.upstream.fail("/left", Fault::Status(503));
    let (well, said) = bench.sync(&["left"]);
    assert!(!well && said.contains("npm/left error"), "{said}");
    let log = bench.log_of("left");
    assert_eq!(log.lines().filter(|line| line.contains("attempts: ")).count(), 3, "{log}");
    assert!(log.contains("503"), "{log}");
    bench.registry.upstream.heal("/left");
    let id = bench.tasks(&["list"]).split('\t').next().expect("a task").to_owned();
    bench.tasks(&["retry", &id]);
    bench.await_task("success\tnpm/left").await;
    assert_eq!(bench.served(&package).await, 1);
}

#[tokio::test]
async fn a_version_that_upstream_takes_away_is_told_of_and_stays() {
    let bench = Bench::start("max_ttl = \"1s\"").await;
    let package = Package::with_versions("left", &VERSIONS);
    bench.registry.publish(&package);
    bench.sync_well(&["left"]);
    let less = Package::with_versions("left", &["1.0.0", "2.0.0"]);
    bench.registry.withdraw(&package);
    bench.registry.publish(&less);
    bench.sync_well(&["left"]);
    let log = bench.log_of("left");
    assert!(log.lines().any(|line| line.contains("1.1.0")) && log.contains("1 gone"), "{log}");
    assert_eq!(bench.served(&package).await, 3, "lockfiles that name it are still served");
    let versions = bench.heliostat.get("/npm/left").await.json()["versions"].clone();
    assert!(versions["1.1.0"].is_null() && versions["2.0.0"].is_object(), "{versions}");
    bench.registry.withdraw(&less);
    let (well, said) = bench.sync(&["left"]);
    assert!(well || said.contains("npm/left"), "{said}");
    let document = bench.heliostat.get("/npm/left").await;
    assert_eq!(document.status, 200, "what is pinned stays: {}", document.summary());
}

#[tokio::test]
async fn what_is_blocked_stays_away() {
    let bench = Bench::start("").await;
    let package = Package::with_versions("left", &VERSIONS);
    bench.registry.publish(&package);
    let right = bench.registry.publish_plain("right");
    block(&bench.heliostat, &tarball(&package, "1.1.0"), &["npm", "left", "1.1.0"]).await;
    bench.sync_well(&["left"]);
    assert_eq!(VERSIONS.map(|version| bench.asked(&package, version)), [1, 0, 1]);
    block(&bench.heliostat, "/npm/right", &["npm", "right"]).await;
    let (well, said) = bench.sync(&["right"]);
    assert!(!well && said.contains("blocked"), "{said}");
    assert_eq!(bench.asked(&right, "1.0.0"), 0);
}

#[tokio::test]
async fn names_that_are_ours_are_never_asked_for_and_what_is_no_name_neither() {
    let bench = Bench::start("own = [\"@acme/*\"]").await;
    for name in ["@acme/tool", "../left", ".hidden"] {
        let (well, said) = bench.sync(&[name]);
        assert!(!well, "{name}: {said}");
    }
    let seen: Vec<_> = bench.registry.upstream.all_seen().into_iter().map(|seen| seen.target).collect();
    assert!(!seen.iter().any(|target| target.contains("acme") || target.contains("left")), "{seen:?}");
    let (well, said) = bench.sync(&["missing"]);
    assert!(!well && said.contains("npm/missing error"), "{said}");
}

#[tokio::test]
async fn what_waits_is_joined_and_can_be_cancelled() {
    let bench = Bench::start_with("", slow).await;
    let package = Package::with_versions("left", &VERSIONS);
    bench.registry.publish(&package);
    bench.registry.upstream.fail("/left", Fault::StallBeforeHead);
    let first = bench.ask(&["left@1.0.0"]);
    bench.await_task("processing\tnpm/left").await;
    let (second, third) = (bench.ask(&["left@1.1.0"]), bench.ask(&["left@2.0.0"]));
    assert!(first != second && second == third, "what runs is not joined, what waits is");
    bench.tasks(&["cancel", &first[0]]);
    bench.await_task(&format!("{}\t", first[0])).await;
    bench.await_task("cancelled\tnpm/left").await;
    bench.registry.upstream.heal("/left");
    bench.await_task("success\tnpm/left").await;
    assert_eq!(VERSIONS.map(|version| bench.asked(&package, version)), [0, 1, 1], "both wishes were one task's");
}

#[tokio::test]
async fn a_command_works_itself_where_no_server_runs() {
    let mut bench = Bench::start("").await;
    let package = Package::new("left").with(Release::new("1.0.0").size(300_000));
    bench.registry.publish(&package);
    bench.heliostat.stop();
    // A node that has stopped counts as one that may come back for a while.
    let (well, said) = bench.sync(&["left"]);
    assert!(well && said.contains("1 packages are up to date"), "{said}");
    bench.registry.upstream.vanish().await;
    bench.heliostat.start().await;
    assert_eq!(bench.served(&package).await, 1);
}

#[tokio::test]
async fn a_lockfile_brings_what_it_has() {
    let bench = Bench::start("").await;
    let (left, right) = (Package::with_versions("left", &VERSIONS), Package::with_versions("@acme/right", &VERSIONS));
    bench.registry.publish(&left);
    bench.registry.publish(&right);
    let packages = serde_json::json!({
        "": { "name": "project" },
        "node_modules/left": { "version": "1.0.0" },
        "node_modules/@acme/right": { "version": "2.0.0" },
        "node_modules/@acme/right/node_modules/left": { "version": "1.1.0" },
    });
    let lockfile = bench.heliostat.data().with_file_name("package-lock.json");
    let text = serde_json::json!({ "lockfileVersion": 3, "packages": packages }).to_string();
    std::fs::write(&lockfile, text).expect("a temporary directory can be written");
    bench.sync_well(&["--lockfile", &lockfile.to_string_lossy()]);
    let asked = |package: &Package| VERSIONS.map(|version| bench.asked(package, version));
    assert_eq!((asked(&left), asked(&right)), ([1, 1, 0], [0, 0, 1]));
    let (well, said) = bench.sync(&["--lockfile", &lockfile.to_string_lossy(), "--mount", "hex"]);
    assert!(!well && said.contains("there is no mount"), "{said}");
}
