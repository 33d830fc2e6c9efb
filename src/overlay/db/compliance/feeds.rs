//! Feeds of upstreams, and schedules.

use std::time::Duration;

use super::tasks::new;
use super::{Stage, actor};
use crate::overlay::Overlay;
use crate::overlay::feeds::{Feed, FeedHold, Step};
use crate::overlay::tasks::{Cause, NewTask, Rank, TaskFilter, Wish};

const FEED: (&str, &str) = ("npm", "changes");
const LEASE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(30);

async fn lease(node: &Overlay, name: &str) -> Option<(Feed, FeedHold)> {
    node.lease_feed(FEED, name, LEASE).await.unwrap()
}

fn changed<'a>(names: &[&'a str]) -> Vec<NewTask<'a>> {
    names.iter().map(|name| new(name, Rank::Followed, Wish::default())).collect()
}

fn step<'a>(cursor: &'a str, names: &[&'a str]) -> Step<'a> {
    Step { cursor, memory: Some(b"memory"), is_at_head: true, behind: None, pause: PAUSE, tasks: changed(names) }
}

async fn subjects(node: &Overlay) -> Vec<String> {
    let mut tasks = node.tasks(&TaskFilter::default(), 100).await.unwrap();
    tasks.sort_by(|one, other| one.subject.cmp(&other.subject));
    tasks.into_iter().map(|task| task.subject).collect()
}

pub async fn a_feed_is_read_by_one_node_and_goes_on_at_another(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let (feed, hold) = lease(&one, "one").await.unwrap();
    assert_eq!((feed.cursor, feed.memory, feed.caught_up_at, feed.moves), (None, None, None, 0));
    assert_eq!(lease(&other, "other").await, None);
    assert!(lease(&one, "one").await.is_some(), "it is renewed");
    let made = one.move_feed(&hold, step("7", &["x", "y"])).await.unwrap().unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!(lease(&one, "one").await, None, "it is left alone for a while");
    let task = one.task(&made[0].id).await.unwrap().unwrap();
    assert_eq!((task.cause, task.asked_by.as_str()), (Cause::Feed, "feed changes"));
    // The one node is gone; the other reads on where it stood.
    stage.clock.advance(LEASE + Duration::from_secs(1));
    let (feed, hold) = lease(&other, "other").await.unwrap();
    assert_eq!((feed.cursor.as_deref(), feed.memory.as_deref()), (Some("7"), Some(&b"memory"[..])));
    let again = other.move_feed(&hold, Step { is_at_head: false, ..step("9", &["y", "z"]) }).await.unwrap().unwrap();
    assert_eq!((again[0].joined, again[1].joined), (true, false));
    assert_eq!(subjects(&one).await, ["x", "y", "z"]);
    let feed = &one.feeds().await.unwrap()[0];
    let (now, first) = (stage.clock.now(), stage.clock.now() - LEASE - Duration::from_secs(1));
    assert_eq!((feed.read_at, feed.caught_up_at, feed.due_at), (Some(now), Some(first), now + PAUSE));
    assert_eq!((feed.memory.as_ref(), feed.cursor.as_deref()), (None, Some("9")));
    assert_eq!(one.oldest_followed().await.unwrap(), [("npm".to_owned(), first)]);
}

/// What a node has read that lost the feed meanwhile is not written: neither its tasks nor its cursor.
pub async fn who_lost_a_feed_moves_nothing(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let (_, slow) = lease(&one, "one").await.unwrap();
    stage.clock.advance(LEASE + Duration::from_secs(1));
    let (_, hold) = lease(&other, "other").await.unwrap();
    assert_eq!(one.move_feed(&slow, step("5", &["late"])).await.unwrap(), None);
    one.fail_feed(&slow, "late", (PAUSE, None)).await.unwrap();
    // Somebody has it read from elsewhere on, while the other reads.
    let set = one.set_feed(FEED, Some("100"), &actor()).await.unwrap();
    assert_eq!((set.cursor.as_deref(), set.failures), (Some("100"), 0));
    assert_eq!(other.move_feed(&hold, step("6", &["late"])).await.unwrap(), None);
    assert!(subjects(&one).await.is_empty());
    let (feed, hold) = lease(&other, "other").await.unwrap();
    assert_eq!((feed.cursor.as_deref(), feed.memory.as_ref()), (Some("100"), None));
    assert!(other.move_feed(&hold, step("101", &["x"])).await.unwrap().is_some());
    // Without a cursor it is only asked sooner.
    let set = one.set_feed(FEED, None, &actor()).await.unwrap();
    assert_eq!((set.cursor.as_deref(), set.due_at), (Some("101"), stage.clock.now()));
    let lines = one.audit(Some("feed npm/changes"), None, 9).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| line.detail.as_str()).collect();
    assert_eq!(told, ["", "from 100"]);
}

pub async fn a_feed_that_fails_is_left_alone(stage: Stage) {
    let node = stage.node().await;
    let (_, hold) = lease(&node, "n").await.unwrap();
    node.fail_feed(&hold, "it is\0down", (PAUSE, None)).await.unwrap();
    let feed = node.feed("npm", "changes").await.unwrap().unwrap();
    let pause = feed.due_at.duration_since(stage.clock.now()).unwrap();
    assert!((24..=36).contains(&pause.as_secs()), "{pause:?}");
    assert_eq!((feed.failures, feed.error.as_deref()), (1, Some("it is\u{fffd}down")));
    node.fail_feed(&hold, "429", (PAUSE, Some(Duration::from_secs(999)))).await.unwrap();
    let feed = node.feed("npm", "changes").await.unwrap().unwrap();
    assert_eq!((feed.failures, feed.due_at), (2, stage.clock.now() + Duration::from_secs(999)));
    assert_eq!(lease(&node, "n").await, None);
    stage.clock.advance(Duration::from_secs(999));
    let (_, hold) = lease(&node, "n").await.unwrap();
    node.move_feed(&hold, step("1", &[])).await.unwrap().unwrap();
    let feed = node.feed("npm", "changes").await.unwrap().unwrap();
    assert_eq!((feed.failures, feed.error), (0, None));
}

pub async fn a_schedule_makes_its_tasks_once_over_all_nodes(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let begun = stage.clock.now();
    assert_eq!(nodes[0].last_fired("nightly").await.unwrap(), begun, "not at once");
    stage.clock.advance(Duration::from_secs(3600));
    assert_eq!(nodes[1].last_fired("nightly").await.unwrap(), begun);
    let at = stage.clock.now() - Duration::from_secs(60);
    let fire = |node| Overlay::fire_schedule(node, "nightly", at, changed(&["x"]));
    let (one, other) = tokio::join!(fire(&nodes[0]), fire(&nodes[1]));
    let made = [one.unwrap(), other.unwrap()];
    assert_eq!(made.iter().flatten().count(), 1, "{made:?}");
    assert_eq!(nodes[0].last_fired("nightly").await.unwrap(), at);
    assert_eq!(fire(&nodes[0]).await.unwrap(), None);
    assert_eq!(nodes[1].fire_schedule("nightly", begun, changed(&["y"])).await.unwrap(), None, "never backwards");
    assert_eq!(subjects(&nodes[0]).await, ["x"]);
}
