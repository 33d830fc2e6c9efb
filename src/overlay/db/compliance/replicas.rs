//! What was brought up to its upstream.

use std::time::Duration;

use super::tasks::{DONE, PATIENCE, ask, claim_one};
use super::{Stage, actor};
use crate::base::digest::Digest;
use crate::overlay::Overlay;
use crate::overlay::packages::{Change, Edit, EventKind, NewRelease, News, Replaces};
use crate::overlay::replicas::{NewReplica, Pin, Replica, Tombstone};
use crate::overlay::tasks::{Conclusion, Held};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn replica(roll: &[u8]) -> NewReplica<'_> {
    NewReplica { upstream: "https://upstream.example/", roll, digest: Some(Digest::of(roll)) }
}

fn added(version: &str) -> News {
    News { version: Some(version.to_owned()), ..News::of(EventKind::VersionAdded) }
}

/// Has a package synced, with this outcome.
async fn sync(node: &Overlay, package: &str, conclusion: Conclusion<'_>) -> Held {
    ask(node, package, &[]).await;
    let held = claim_one(node, "n").await.held_by("n");
    assert!(node.conclude_task(&held, &conclusion, &PATIENCE).await.unwrap().is_some());
    held
}

async fn told(node: &Overlay) -> Vec<(String, EventKind, Option<String>)> {
    let events = node.events("npm", 0, 100).await.unwrap();
    events.into_iter().map(|event| (event.package, event.kind, event.version)).collect()
}

pub async fn what_a_run_came_to_is_kept_at_once(stage: Stage) {
    let node = stage.node().await;
    let (pins, gone) = (texts(&["", "1.0.0", "1.1.0"]), texts(&["0.9.0"]));
    let first = Conclusion { replica: Some(replica(b"one")), pins, gone, ..Conclusion::of(DONE) };
    sync(&node, "x", first).await;
    let then = stage.clock.now();
    stage.clock.advance(Duration::from_secs(60));
    let (pins, gone) = (texts(&["0.9.0", "1.0.0"]), texts(&["1.1.0"]));
    sync(&node, "x", Conclusion { replica: Some(replica(b"two")), pins, gone, ..Conclusion::of(DONE) }).await;
    sync(&node, "y", Conclusion { pins: texts(&["1.0.0"]), ..Conclusion::of(DONE) }).await;
    let expected = Replica {
        package: "x".to_owned(),
        upstream: "https://upstream.example/".to_owned(),
        roll: b"two".to_vec(),
        digest: Some(Digest::of(b"two")),
        synced_at: stage.clock.now(),
    };
    assert_eq!(node.replica("npm", "x").await.unwrap(), Some(expected));
    assert_eq!(node.replica("npm", "y").await.unwrap(), None, "nothing is known of it as a whole");
    let listed = async |after: &str| {
        let page = node.replicas("npm", after, 10).await.unwrap();
        page.into_iter().map(|synced| synced.package).collect::<Vec<_>>()
    };
    assert_eq!((listed("").await, listed("x").await), (texts(&["x"]), vec![]));
    // What upstream has again is no longer gone.
    let gone = node.tombstones("npm", "x").await.unwrap();
    assert_eq!(gone, [Tombstone { version: "1.1.0".to_owned(), at: stage.clock.now() }]);
    assert!(then < gone[0].at);
    let pins = async |package, version, limit| {
        let pins = node.pins("npm", (package, version), limit).await.unwrap();
        pins.into_iter().map(|Pin { package, version }| format!("{package}@{version}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(pins("", "", 10).await, "x@ x@0.9.0 x@1.0.0 x@1.1.0 y@1.0.0");
    assert_eq!(pins("x", "0.9.0", 2).await, "x@1.0.0 x@1.1.0");
    assert_eq!(node.pins("hex", ("", ""), 9).await.unwrap(), []);
}

/// Of a package that was never synced it tells as a whole, later of each change, and of very many as a whole again.
pub async fn the_feed_tells_of_what_was_synced(stage: Stage) {
    let node = stage.node().await;
    let synced = |roll: &'static [u8], news| Conclusion { replica: Some(replica(roll)), news, ..Conclusion::of(DONE) };
    let held = sync(&node, "x", synced(b"1", vec![added("1.0.0"), added("1.1.0")])).await;
    let whole = ("x".to_owned(), EventKind::PackageChanged, None);
    assert_eq!(told(&node).await, std::slice::from_ref(&whole));
    let line = &node.audit(Some("npm/x"), None, 1).await.unwrap()[0];
    assert_eq!((line.verb.as_str(), line.detail.as_str()), ("synced", "told of 1 changes"));
    assert_eq!((line.actor.name.as_str(), &line.actor.via), ("sync", &format!("task {}", held.id)));
    let before = node.audit(None, None, 100).await.unwrap().len();
    sync(&node, "x", synced(b"1", Vec::new())).await;
    assert_eq!(node.audit(None, None, 100).await.unwrap().len(), before + 1, "that it was asked for");
    let deprecated = News {
        version: Some("1.0.0".to_owned()),
        reason: Some(format!("bad\0{}", "x".repeat(20_000))),
        ..News::of(EventKind::VersionDeprecated)
    };
    let tagged = News { tag: Some("latest".to_owned()), ..added("2.0.0") };
    sync(&node, "x", synced(b"2", vec![deprecated, tagged])).await;
    let events = node.events("npm", 1, 100).await.unwrap();
    let reason = events[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("bad\u{fffd}x") && reason.len() == 10_240, "{}", reason.len());
    assert_eq!(
        (events[1].tag.as_deref(), events[1].version.as_deref(), events.len()),
        (Some("latest"), Some("2.0.0"), 2)
    );
    let many = (0..1001).map(|number| added(&number.to_string())).collect();
    sync(&node, "x", synced(b"3", many)).await;
    assert_eq!(told(&node).await[3..], [whole]);
}

pub async fn who_lost_a_task_keeps_nothing_of_it(stage: Stage) {
    let node = stage.node().await;
    ask(&node, "x", &[]).await;
    let held = claim_one(&node, "n").await.held_by("n");
    stage.clock.advance(PATIENCE.lease + Duration::from_secs(1));
    claim_one(&node, "other").await;
    let (pins, gone) = (texts(&["1.0.0"]), texts(&["0.9.0"]));
    let late = Conclusion {
        replica: Some(NewReplica { digest: None, ..replica(b"late") }),
        pins,
        gone,
        ..Conclusion::of(DONE)
    };
    let lines = node.audit(None, None, 100).await.unwrap().len();
    assert_eq!(node.conclude_task(&held, &late, &PATIENCE).await.unwrap(), None);
    assert_eq!(node.replica("npm", "x").await.unwrap(), None);
    assert_eq!(
        (node.pins("npm", ("", ""), 9).await.unwrap(), node.tombstones("npm", "x").await.unwrap()),
        (vec![], vec![])
    );
    assert_eq!((told(&node).await, node.audit(None, None, 100).await.unwrap().len()), (vec![], lines));
}

/// Whatever the feed tells of mirrored packages, they are published nowhere, and no node takes them for ours.
pub async fn what_was_synced_is_not_ours(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let beside = async |node: &Overlay| {
        stage.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(510)).await;
        (node.holds("npm", "x").await.unwrap().is_some(), node.has_packages("npm").await.unwrap())
    };
    sync(&one, "x", Conclusion { replica: Some(replica(b"1")), ..Conclusion::of(DONE) }).await;
    assert_eq!(told(&other).await.len(), 1);
    assert_eq!(beside(&other).await, (false, false));
    let release = NewRelease {
        version: "1.0.0",
        variant: "",
        manifest: b"{}",
        publisher: None,
        files: Vec::new(),
        replaces: Replaces::Nothing,
    };
    let edits = [Edit::Publish(release)];
    let change = Change { mount: "npm", package: "x", expected: None, by_owner: None, verb: "test", edits: &edits };
    one.change_package(&change, &actor()).await.unwrap();
    assert_eq!(beside(&other).await, (true, true));
    assert!(!other.has_packages("hex").await.unwrap());
}
