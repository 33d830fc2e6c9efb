//! Two nodes on one PostgreSQL and one object store: what is written at one holds at the other.

pub mod world;

use std::time::{Duration, Instant};

use serde_json::json;

use self::world::{PROMISED, SOON, World, soon, until};
use crate::npm::register;
use crate::npm::signing::{is_verified, keys};
use crate::support::backends::Backends;
use crate::support::beside::command;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// How often that is measured: what a machine was too slow for once or twice, it is not most times.
const ROUNDS: usize = 5;
const TARBALL: &str = "/npm/@acme/tool/-/tool-1.0.0.tgz";

#[tokio::test]
async fn what_one_node_is_told_holds_at_the_other() {
    let Some(world) = World::start().await else { return };
    let (first, second) = world.pair();
    assert_eq!(second.get("/npm/@acme/tool").await.status, 401, "it may be there for who is logged in");
    let published = world.publish(0, "1.0.0").await;
    assert_eq!(published.status, 201, "{}", published.summary());
    soon("a publish", second, "/npm/@acme/tool/1.0.0", |answer| answer.status == 200).await;
    assert_eq!(world.publish(1, "1.1.0").await.status, 201, "the token was made at the other node");
    assert_eq!(world.publish(0, "1.1.0").await.status, 403, "a version is published once");
    soon("a publish at the other node", first, "/npm/@acme/tool/latest", |answer| answer.json()["version"] == "1.1.0")
        .await;
    let documents = [first.get("/npm/@acme/tool").await.json(), second.get("/npm/@acme/tool").await.json()];
    assert_eq!(documents[0]["_rev"], documents[1]["_rev"]);
    let keys = [keys(first).await, keys(second).await];
    assert_eq!(keys[0], keys[1], "they sign with one key");
    for version in ["1.0.0", "1.1.0"] {
        let signatures = documents.each_ref().map(|document| &document["versions"][version]["dist"]["signatures"]);
        assert_eq!(signatures[0], signatures[1]);
        assert!(is_verified(&keys[0], &documents[0]["versions"][version]), "{version}");
    }

    let (well, said) = command(first, "block", &["npm", "@acme/tool", "1.1.0", "--reason", "it steals secrets"]);
    assert!(well, "{said}");
    soon("a block", second, "/npm/@acme/tool/1.1.0", |answer| answer.status == 451).await;
    soon("a block", first, "/npm/@acme/tool/latest", |answer| answer.json()["version"] == "1.0.0").await;

    assert_eq!(world.send(0, "DELETE", &format!("/npm/-/user/token/{}", world.token), &json!({})).await.status, 200);
    let start = Instant::now();
    while world.whoami(1).await != 401 {
        assert!(start.elapsed() < SOON, "a token that was revoked is taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has one node publish, block and revoke something, and returns how long after it has said so the other knew, each.
async fn measure(world: &World, round: usize) -> [Duration; 3] {
    let (first, second) = world.pair();
    let (version, user) = (format!("1.{round}.0"), format!("ann{round}"));
    let path = format!("/npm/@acme/tool/{version}");
    let published = world.publish(0, &version).await;
    assert_eq!(published.status, 201, "{}", published.summary());
    let publish = soon("a publish", second, &path, |answer| answer.status == 200).await;

    let (well, said) = command(first, "block", &["npm", "@acme/tool", &version, "--reason", "it steals secrets"]);
    assert!(well, "{said}");
    let block = soon("a block", second, &path, |answer| answer.status == 451).await;

    let token = register(first, &user).await;
    let whoami = async || world.send_with(&token, 1, ("GET", "/npm/-/whoami"), &json!({})).await;
    until("a token", whoami, |answer| answer.status == 200).await;
    let target = format!("/npm/-/user/token/{token}");
    let revoked = world.send_with(&token, 0, ("DELETE", &target), &json!({})).await;
    assert_eq!(revoked.status, 200, "{}", revoked.summary());
    [publish, block, until("a revocation", whoami, |answer| answer.status == 401).await]
}

/// Returns how long it took at most in more than half of the rounds.
fn median(rounds: impl Iterator<Item = Duration>) -> Duration {
    let mut rounds: Vec<Duration> = rounds.collect();
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

#[tokio::test]
async fn what_one_node_is_told_holds_at_the_other_within_a_second() {
    let Some(world) = World::start().await else { return };
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        rounds.push(measure(&world, round).await);
    }
    let medians = [0, 1, 2].map(|what| median(rounds.iter().map(|round| round[what])));
    assert!(medians.iter().all(|took| *took <= PROMISED), "publish, block, revocation: {medians:?} of {rounds:?}");
}

#[tokio::test]
async fn a_scope_that_one_node_binds_comes_from_there_at_the_other() {
    let Some(world) = World::start().await else { return };
    let corp = FakeRegistry::start();
    for (registry, version) in [(&world.registry, "1.0.0"), (&corp, "2.0.0")] {
        registry.publish(&Package::with_versions("@corp/x", &[version]));
    }
    let (well, said) = command(&world.nodes[0], "user", &["admin", "joe"]);
    assert!(well, "{said}");
    let is_latest = |version: &'static str| move |answer: &Answer| answer.json()["dist-tags"]["latest"] == version;
    for node in &world.nodes {
        soon("unbound", node, "/npm/@corp/x", is_latest("1.0.0")).await;
    }
    let wish = json!({ "name": "corp", "host": corp.url(), "type": "npm", "authToken": "hunter2" });
    let start = Instant::now();
    let made = loop {
        let made = world.send(0, "POST", "/npm/-/registry", &wish).await;
        if made.status != 403 {
            break made;
        }
        assert!(start.elapsed() < SOON, "joe never becomes an admin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(made.status, 200, "{}", made.summary());
    let binding = json!({ "name": "@corp", "registryId": made.json()["id"] });
    let bound = world.send(0, "POST", "/npm/-/scope", &binding).await;
    assert_eq!(bound.status, 200, "{}", bound.summary());
    let document = world.nodes[0].get("/npm/@corp/x").await;
    assert!(is_latest("2.0.0")(&document), "at once where it was bound: {}", document.summary());
    soon("a scope that was bound", &world.nodes[1], "/npm/@corp/x", is_latest("2.0.0")).await;
    let seen = corp.upstream.all_seen();
    assert!(seen.iter().all(|seen| seen.headers.get("authorization") == Some("Bearer hunter2")));
    let path = format!("/npm/-/scope/{}", bound.json()["id"].as_str().expect("an id"));
    assert_eq!(world.send(1, "DELETE", &path, &json!({})).await.status, 200);
    soon("a scope that was unbound", &world.nodes[0], "/npm/@corp/x", is_latest("1.0.0")).await;
}

#[tokio::test]
async fn published_bytes_come_from_the_object_store_once() {
    let Some(world) = World::start().await else { return };
    assert_eq!(world.publish(0, "1.0.0").await.status, 201);
    let node = &world.nodes[1];
    soon("a publish", node, "/npm/@acme/tool", |answer| answer.status == 200).await;
    let whole = world.nodes[0].get(TARBALL).await;
    let all = (0..8).map(|_| node.get(TARBALL));
    for answer in futures_util::future::join_all(all).await {
        assert!(answer.is(&whole.body), "{}", answer.summary());
    }
    let part = node.ask(&Ask::get(TARBALL).header("range", "bytes=5-14")).await;
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[5..15]));
    let head = node.ask(&Ask::head(TARBALL)).await;
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    let etag = whole.header("etag").expect("an entity tag");
    let again = node.ask(&Ask::get(TARBALL).header("if-none-match", etag)).await;
    assert_eq!(again.status, 304);
}

/// Keeps the document and the tarball of a package's one release.
async fn keep(node: &Heliostat, package: &Package) {
    let (name, release) = (&package.name, package.release("1.0.0"));
    assert_eq!(node.get(&format!("/npm/{name}")).await.status, 200);
    assert!(node.get(&format!("/npm/{name}/-/{name}-1.0.0.tgz")).await.is(&release.tarball));
    let start = Instant::now();
    // Clients get the last bytes before they are kept.
    while node.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
        assert!(start.elapsed() < SOON, "fills do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn package(name: &str, size: usize) -> Package {
    Package::new(name).cache_control("max-age=0").with(Release::new("1.0.0").size(size))
}

async fn first_seen_incidents(node: &Heliostat) -> usize {
    node.incidents(None).await.iter().filter(|incident| incident["kind"] == "first-seen").count()
}

#[tokio::test]
async fn what_one_node_saw_first_holds_at_the_other_until_it_is_accepted_at_either() {
    let Some(world) = World::start().await else { return };
    let (old, new) = (package("shared", 5_000), package("shared", 6_000));
    world.registry.publish(&old);
    keep(&world.nodes[0], &old).await;
    let integrity = async |node: &Heliostat| {
        let document = node.get("/npm/shared").await.json();
        document["versions"]["1.0.0"]["dist"]["integrity"].as_str().expect("an integrity").to_owned()
    };
    world.registry.publish(&new);
    for node in &world.nodes {
        assert_eq!(integrity(node).await, old.release("1.0.0").integrity);
    }
    let tarball = "/npm/shared/-/shared-1.0.0.tgz";
    assert!(world.nodes[0].get(tarball).await.is(&old.release("1.0.0").tarball), "what is kept is served");
    assert_eq!(world.nodes[1].get(tarball).await.status, 403);
    assert_eq!(first_seen_incidents(&world.nodes[0]).await, 1);

    let (well, said) = command(&world.nodes[1], "accept", &["npm", "shared@1.0.0"]);
    assert!(well, "{said}");
    for node in &world.nodes {
        soon("what was accepted", node, tarball, |answer| answer.is(&new.release("1.0.0").tarball)).await;
        assert_eq!(integrity(node).await, new.release("1.0.0").integrity);
    }
}

#[tokio::test]
async fn what_was_accepted_while_a_node_was_down_holds_there_when_it_starts() {
    let Some(mut world) = World::start().await else { return };
    let (old, new) = (package("missed", 5_000), package("missed", 6_000));
    let same = package("same", 5_000);
    for package in [&old, &same] {
        world.registry.publish(package);
        for node in &world.nodes {
            keep(node, package).await;
        }
    }
    let (well, said) = command(&world.nodes[0], "accept", &["npm", "same@1.0.0"]);
    assert!(well, "{said}");
    for node in &world.nodes {
        keep(node, &same).await;
    }
    world.nodes[1].stop();
    world.registry.publish(&new);
    let (well, said) = command(&world.nodes[0], "accept", &["npm", "missed@1.0.0"]);
    assert!(well, "{said}");
    let tarball = "/npm/missed/-/missed-1.0.0.tgz";
    let is_new = |answer: &Answer| answer.is(&new.release("1.0.0").tarball);
    soon("what was accepted", &world.nodes[0], tarball, is_new).await;
    world.nodes[1].start().await;
    soon("what was accepted meanwhile", &world.nodes[1], tarball, is_new).await;
    let asked = world.registry.upstream.count(&same.tarball_path(same.release("1.0.0")));
    keep(&world.nodes[1], &same).await;
    let again = world.registry.upstream.count(&same.tarball_path(same.release("1.0.0")));
    assert_eq!(again, asked, "what was accepted, and was the same again, was dropped");
}

#[tokio::test]
async fn of_two_nodes_that_prove_other_bytes_at_once_one_is_refused() {
    let Some(backends) = Backends::start() else { return };
    let registries = [FakeRegistry::start(), FakeRegistry::start()];
    let start =
        async |registry: &FakeRegistry| backends.behind(Heliostat::builder()).npm(registry.url(), "").start().await;
    let nodes = [start(&registries[0]).await, start(&registries[1]).await];
    let mut refused = [0, 0];
    for round in 0..6 {
        let name = format!("both-{round}");
        let packages = [package(&name, 90_000), package(&name, 90_001)];
        let tarball = format!("/npm/{name}/-/{name}-1.0.0.tgz");
        for (registry, package) in registries.iter().zip(&packages) {
            registry.publish(package);
        }
        // Both have read their document when nobody has seen any bytes.
        for node in &nodes {
            assert_eq!(node.get(&format!("/npm/{name}")).await.status, 200);
        }
        let (one, other) = tokio::join!(nodes[0].get(&tarball), nodes[1].get(&tarball));
        let right = [&one, &other].map(|answer| {
            let is_of = |package: &Package| answer.is(&package.release("1.0.0").tarball);
            is_of(&packages[0]) || is_of(&packages[1])
        });
        assert!(right[0] != right[1], "{name}: {} and {}", one.summary(), other.summary());
        let loser = usize::from(right[0]);
        let lost = if loser == 0 { &one } else { &other };
        assert!(lost.status == 403 || lost.status == 200 && !lost.completed(), "{}", lost.summary());
        refused[loser] += 1;
        // Its document is read anew, and speaks of the bytes that were first.
        let first = &packages[1 - loser].release("1.0.0").integrity;
        let document = nodes[loser].get(&format!("/npm/{name}")).await.json();
        assert_eq!(document["versions"]["1.0.0"]["dist"]["integrity"].as_str(), Some(first.as_str()));
    }
    for (node, refused) in nodes.iter().zip(refused) {
        // Of the bytes, and of the document when it was read anew.
        assert_eq!(first_seen_incidents(node).await, 2 * refused);
    }
}

#[tokio::test]
async fn a_mirror_goes_on_while_the_database_is_down_and_writes_nothing() {
    let Some(mut world) = World::start().await else { return };
    world.registry.publish(&Package::with_versions("left", &["1.0.0"]));
    assert_eq!(world.publish(0, "1.0.0").await.status, 201);
    for path in ["/npm/left", "/npm/left/-/left-1.0.0.tgz", "/npm/@acme/tool", TARBALL] {
        assert_eq!(world.nodes[0].get(path).await.status, 200, "{path}");
    }
    assert_eq!(world.whoami(0).await, 200);
    let (stale, unkept) = (package("stale", 5_000), Package::with_versions("unkept", &["1.0.0"]));
    world.registry.publish(&stale);
    world.registry.publish(&unkept);
    keep(&world.nodes[0], &stale).await;
    assert_eq!(world.nodes[0].get("/npm/unkept").await.status, 200);
    let before = world.nodes[0].get("/npm/stale").await;
    world.stop_database();
    world.registry.publish(&package("stale", 6_000));
    tokio::time::sleep(Duration::from_millis(700)).await;
    for _ in 0..3 {
        for path in ["/npm/left", "/npm/left/-/left-1.0.0.tgz", "/npm/@acme/tool", TARBALL, "/npm/left/1.0.0"] {
            let answer = world.nodes[0].get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.summary());
        }
        assert_eq!(world.whoami(0).await, 200, "a token that was known");
    }
    // Nobody can say what these were when they were first seen.
    for path in ["/npm/left-alone", "/npm/unkept/-/unkept-1.0.0.tgz"] {
        world.registry.publish(&Package::with_versions("left-alone", &["1.0.0"]));
        let answer = world.nodes[0].get(path).await;
        assert!(answer.status == 503 && answer.completed(), "{path}: {}", answer.summary());
    }
    assert!(world.nodes[0].get("/npm/stale").await.is(&before.body), "what was held to it once is served on");
    assert_eq!(world.publish(0, "2.0.0").await.status, 503);
    assert_eq!(world.nodes[0].get("/npm/@acme/new").await.status, 401, "a name that is ours is never asked upstream");
    assert!(!world.registry.upstream.all_seen().iter().any(|seen| seen.path.contains("acme")));
}
