//! What was acknowledged is there: after a kill at any step of a publish, and after many publish at once; on one node over
//! SQLite and a directory, and on two over PostgreSQL and an object store. Source: contract npm §7.1.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::base64;
use crate::nodes::world::{PROMISED, SOON, World, soon};
use crate::support::heliostat::Heliostat;
use crate::support::http::Answer;

const STEPS: [&str; 4] = ["announced", "bytes_in_place", "rows_written", COMMITTED];
/// From here on it is published, whoever was told.
const COMMITTED: &str = "committed";
const VARIABLE: &str = "HELIOSTAT_TEST_ABORT_PUBLISH_AT";
/// How many of fifty are acknowledged when a node is killed.
const BEFORE_THE_KILL: usize = 10;
const DOCUMENT: &str = "/npm/@acme/tool";

async fn document(node: &Heliostat) -> Value {
    node.get(DOCUMENT).await.json()
}

fn versions_in(document: &Value) -> BTreeSet<String> {
    document["versions"].as_object().into_iter().flat_map(|versions| versions.keys().cloned()).collect()
}

async fn versions(node: &Heliostat) -> BTreeSet<String> {
    versions_in(&document(node).await)
}

/// Fails unless these versions are all that a node lists, soon, and each can be had.
async fn assert_whole(node: &Heliostat, expected: &BTreeSet<String>) {
    soon("what was published", node, DOCUMENT, |answer| versions_in(&answer.json()) == *expected).await;
    let document = document(node).await;
    for version in expected {
        let tarball = node.get(&tarball(version)).await;
        assert_eq!(tarball.status, 200, "{version}: {}", tarball.summary());
        let integrity = format!("sha512-{}", base64(&Sha512::digest(&tarball.body)));
        assert_eq!(document["versions"][version]["dist"]["integrity"], integrity, "{version}");
    }
}

fn tarball(version: &str) -> String {
    format!("{DOCUMENT}/-/tool-{version}.tgz")
}

/// Starts a node that is down, which is to die at a step of its first publish unless the step is empty.
async fn start(node: &mut Heliostat, step: &str) {
    node.reconfigure(|builder| builder.environment(VARIABLE, step));
    node.start().await;
}

/// Has the first node die at a step of a publish. The last one, which may be the same, tells what is left of it, and
/// takes it again, before the first is back.
async fn die_at(step: &str, world: &mut World, version: &str) {
    let last = world.nodes.len() - 1;
    let (before, blobs) = (document(&world.nodes[last]).await, world.count_blobs());
    world.nodes[0].stop();
    start(&mut world.nodes[0], step).await;
    let answer = world.publish(0, version).await;
    assert!(!answer.completed(), "{step}: nobody is told of what is not over: {}", answer.summary());
    let ended = world.nodes[0].wait(SOON).and_then(|status| status.signal());
    assert_eq!(ended, Some(Signal::ABORT.as_raw()), "it died at {step}");
    let kept = usize::from(step != "announced");
    assert_eq!(world.count_blobs(), blobs + kept, "bytes in their place when {step}");

    if last == 0 {
        start(&mut world.nodes[0], "").await;
    } else {
        // By then it would show what there is of it.
        tokio::time::sleep(PROMISED).await;
    }
    let after = document(&world.nodes[last]).await;
    if step == COMMITTED {
        assert!(versions_in(&after).contains(version), "it is there, though nobody was told: {after}");
    } else {
        assert_eq!(after, before, "no half of it: {step}");
        assert_eq!(world.nodes[last].get(&tarball(version)).await.status, 404, "{step}");
    }
    // Who waits for a lock of the dead for longer than `lock_timeout` is refused.
    let again = world.publish(last, version).await;
    assert_eq!(again.status, if step == COMMITTED { 403 } else { 201 }, "{step}: {}", again.summary());
    assert_eq!(world.count_blobs(), blobs + 1, "the bytes of {step} are there once");
    if last > 0 {
        start(&mut world.nodes[0], "").await;
    }
}

#[tokio::test]
async fn a_kill_at_any_step_shows_no_half_of_a_publish_and_loses_none() {
    for mut world in World::each().await {
        let last = world.nodes.len() - 1;
        let mut expected: BTreeSet<String> = ["0.9.0".to_owned()].into();
        assert_eq!(world.publish(last, "0.9.0").await.status, 201);
        for (number, step) in STEPS.into_iter().enumerate() {
            let version = format!("1.{number}.0");
            die_at(step, &mut world, &version).await;
            expected.insert(version);
            for node in &world.nodes {
                assert_whole(node, &expected).await;
            }
        }
    }
}

/// Has many publish at the same moment, each at the node after the one before; tells each answer when it comes.
async fn publish_at_once(world: &World, versions: &[String], hear: impl Fn(&Answer)) -> Vec<Answer> {
    let publish = async |(number, version): (usize, &String)| {
        let answer = world.publish(number % world.nodes.len(), version).await;
        hear(&answer);
        answer
    };
    join_all(versions.iter().enumerate().map(publish)).await
}

fn fifty() -> Vec<String> {
    (0..50).map(|number| format!("1.{number}.0")).collect()
}

#[tokio::test]
async fn fifty_publish_at_once_and_nothing_is_lost() {
    for world in World::each().await {
        let all = fifty();
        let published = publish_at_once(&world, &all, |_| ()).await;
        for answer in &published {
            assert_eq!(answer.status, 201, "{}", answer.summary());
        }
        let revs: BTreeSet<String> = published.iter().map(|answer| rev(&answer.json())).collect();
        assert_eq!(revs.len(), 50, "each was a change of its own");
        for node in &world.nodes {
            assert_whole(node, &all.iter().cloned().collect()).await;
        }

        let same = publish_at_once(&world, &vec!["2.0.0".to_owned(); 20], |_| ()).await;
        let count = |status| same.iter().filter(|answer| answer.status == status).count();
        let said: Vec<_> = same.iter().map(Answer::summary).collect();
        assert_eq!((count(201), count(403)), (1, 19), "one of many that publish one version: {said:?}");
    }
}

/// Has fifty publish, and kills the first node when some are acknowledged. Returns what each was told.
async fn publish_into_a_kill(world: &mut World, versions: &[String]) -> Vec<Answer> {
    let told = Cell::new(0);
    let hear = |answer: &Answer| {
        if answer.status == 201 && told.replace(told.get() + 1) + 1 == BEFORE_THE_KILL {
            world.nodes[0].signal(Signal::KILL);
        }
    };
    let answers = publish_at_once(world, versions, hear).await;
    assert!((BEFORE_THE_KILL..=versions.len()).contains(&told.get()), "it died before: {}", told.get());
    assert!(world.nodes[0].wait(SOON).is_some(), "it was killed");
    answers
}

#[tokio::test]
async fn a_node_that_is_killed_while_fifty_publish_loses_none_that_was_acknowledged() {
    for mut world in World::each().await {
        let (all, nodes) = (fifty(), world.nodes.len());
        let answers = publish_into_a_kill(&mut world, &all).await;
        world.nodes[0].start().await;
        let listed = versions(&world.nodes[0]).await;
        for node in &world.nodes {
            assert_whole(node, &listed).await;
        }
        for (number, (version, answer)) in all.iter().zip(&answers).enumerate() {
            let was_told = answer.status == 201;
            assert!(was_told || number % nodes == 0, "the other node was held up: {}", answer.summary());
            assert!(!was_told || listed.contains(version), "{version} is lost");
            let again = world.publish(nodes - 1, version).await;
            let expected = if listed.contains(version) { 403 } else { 201 };
            assert_eq!(again.status, expected, "{version}: {}", again.summary());
        }
        for node in &world.nodes {
            assert_whole(node, &all.iter().cloned().collect()).await;
        }
    }
}

#[tokio::test]
async fn a_backup_that_is_restored_beside_a_kept_cache_is_what_is_served() {
    let mut world = World::alone().await;
    let (overlay, backup) = (world.nodes[0].data().join("overlay"), tempfile::tempdir().expect("a directory"));
    assert_eq!(world.publish(0, "1.0.0").await.status, 201);
    world.nodes[0].stop();
    copy(&overlay, backup.path());
    world.nodes[0].start().await;
    assert_eq!(world.publish(0, "2.0.0").await.status, 201);
    assert_eq!(versions(&world.nodes[0]).await.len(), 2);
    world.nodes[0].stop();
    std::fs::remove_dir_all(&overlay).expect("a directory can be removed");
    copy(backup.path(), &overlay);
    world.nodes[0].start().await;
    assert_eq!(versions(&world.nodes[0]).await, ["1.0.0".to_owned()].into());
    // The same revision as that of 2.0.0, which is still in the cache.
    assert_eq!(world.publish(0, "1.5.0").await.status, 201);
    assert_whole(&world.nodes[0], &["1.0.0".to_owned(), "1.5.0".to_owned()].into()).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let place = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(&path, &place).expect("a file can be copied");
        }
    }
}

fn rev(answer: &Value) -> String {
    answer["rev"].as_str().expect("a revision").to_owned()
}
