//! Tasks: each runs once at a time, on whichever node, and none is lost.

pub mod bustle;
pub mod ends;
pub mod logs;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::{Stage, actor};
use crate::overlay::Overlay;
use crate::overlay::db::Database;
use crate::overlay::db::sql::values;
use crate::overlay::db::tasks::claim::{Claim, taking};
use crate::overlay::error::Error;
use crate::overlay::tasks::conclude::{Conclusion, End};
use crate::overlay::tasks::journal::Lines;
use crate::overlay::tasks::{
    Cause, Enqueued, Followed, Held, Kind, NewTask, Patience, Queue, Rank, Renewal, State, Task, TaskFilter, Wish,
};

pub(super) const PATIENCE: Patience =
    Patience { attempts: 3, pause: Duration::from_secs(30), lease: Duration::from_secs(15), max_waiting: 100_000 };

pub(super) const DONE: End = End::Done { is_partial: false, error: None };

pub(super) fn new<'a>(subject: &'a str, rank: Rank, wish: Wish) -> NewTask<'a> {
    let cause = if rank == Rank::Asked { Cause::Asked } else { Cause::Feed };
    NewTask { mount: "npm", kind: Kind::Package, subject, wish, cause, rank, parent: None }
}

pub(super) fn wish(versions: &[&str]) -> Wish {
    Wish { versions: set(versions), ..Wish::default() }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) async fn ask(node: &Overlay, subject: &str, versions: &[&str]) -> Enqueued {
    let asked = node.enqueue(vec![new(subject, Rank::Asked, wish(versions))], &PATIENCE, &actor()).await.unwrap();
    asked.into_iter().next().unwrap()
}

async fn claim(node: &Overlay, name: &str, limit: usize) -> Vec<Task> {
    node.claim_tasks(name, limit, &PATIENCE).await.unwrap()
}

/// Claims the only task that is due.
pub(super) async fn claim_one(node: &Overlay, name: &str) -> Task {
    let mut claimed = claim(node, name, 10).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

pub(super) async fn conclude(node: &Overlay, held: &Held, end: End) -> Option<Followed> {
    node.conclude_task(held, &Conclusion::of(end), &PATIENCE).await.unwrap()
}

async fn task(node: &Overlay, id: &str) -> Task {
    node.task(id).await.unwrap().unwrap()
}

fn subjects(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.subject.as_str()).collect()
}

pub async fn a_duplicate_of_a_waiting_task_joins_it(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let first = one.enqueue(vec![new("x", Rank::Planned, wish(&["1.0.0"]))], &PATIENCE, &actor()).await.unwrap();
    assert!(!first[0].joined && first[0].id.len() == 24, "{first:?}");
    stage.clock.advance(Duration::from_secs(60));
    let wanted = vec![
        new("x", Rank::Asked, wish(&["2.0.0"])),
        new("y", Rank::Asked, wish(&[])),
        new("x", Rank::Planned, wish(&["1.0.0"])),
    ];
    let asked = other.enqueue(wanted, &PATIENCE, &actor()).await.unwrap();
    let told: Vec<_> = asked.iter().map(|asked| (asked.subject.as_str(), asked.joined)).collect();
    assert_eq!(told, [("x", true), ("y", false), ("x", true)]);
    assert!(asked[0].id == first[0].id && asked[2].id == first[0].id && asked[1].id != first[0].id);
    let joined = task(&one, &first[0].id).await;
    assert_eq!(
        (joined.rank, &joined.wish, joined.asked_by.as_str()),
        (Rank::Asked, &wish(&["1.0.0", "2.0.0"]), "tester")
    );
    assert_eq!((joined.state, joined.root == joined.id, joined.lines), (State::Waiting, true, 1));
    let line = &one.audit(Some("npm/x npm/y npm/x"), None, 1).await.unwrap()[0];
    assert_eq!((line.verb.as_str(), line.detail.starts_with(&format!("joins {}, task ", joined.id))), ("sync", true));
    let elsewhere = NewTask { mount: "hex", ..new("x", Rank::Asked, wish(&[])) };
    let repair = NewTask { kind: Kind::Repair, ..new("x", Rank::Asked, wish(&[])) };
    let others = one.enqueue(vec![elsewhere, repair], &PATIENCE, &actor()).await.unwrap();
    assert!(others.iter().all(|asked| !asked.joined));
}

pub async fn what_somebody_waits_for_is_claimed_first(stage: Stage) {
    let node = stage.node().await;
    assert!(claim(&node, "n", 10).await.is_empty());
    for (subject, rank) in [("c", Rank::Planned), ("b", Rank::Followed), ("a1", Rank::Asked), ("a2", Rank::Asked)] {
        node.enqueue(vec![new(subject, rank, wish(&[]))], &PATIENCE, &actor()).await.unwrap();
        stage.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(subjects(&claim(&node, "n", 0).await), Vec::<&str>::new());
    assert_eq!(subjects(&claim(&node, "n", 3).await), ["a1", "a2", "b"]);
    let last = claim_one(&node, "n").await;
    assert_eq!((last.subject.as_str(), last.state, last.tries), ("c", State::Processing, 1));
    assert_eq!(last.begun_at, Some(stage.clock.now()));
    let queue = node.queue().await.unwrap();
    assert_eq!(queue, Queue { waiting: 0, processing: 4, oldest: None, workers: 0 });
}

pub async fn a_queue_has_an_end(stage: Stage) {
    let node = stage.node().await;
    let (few, somebody) = (Patience { max_waiting: 2, ..PATIENCE }, actor());
    let asked = |subject: &'static str| node.enqueue(vec![new(subject, Rank::Asked, wish(&[]))], &few, &somebody);
    asked("a").await.unwrap();
    asked("b").await.unwrap();
    assert!(matches!(asked("c").await, Err(Error::QueueFull { limit: 2 })));
    claim(&node, "n", 1).await;
    // It is counted anew every second.
    stage.clock.advance(Duration::from_secs(1));
    asked("c").await.unwrap();
    assert_eq!(node.queue().await.unwrap().waiting, 2);
}

pub async fn a_processing_task_is_not_joined_and_runs_alone(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let first = ask(&one, "x", &["1.0.0"]).await;
    let running = claim_one(&one, "one").await;
    let second = ask(&other, "x", &["2.0.0"]).await;
    assert!(!second.joined && second.id != first.id);
    assert_eq!(ask(&one, "x", &["3.0.0"]).await.id, second.id);
    assert_eq!(claim(&other, "other", 10).await, []);
    assert_eq!(task(&other, &first.id).await.wish, wish(&["1.0.0"]));
    assert_eq!(conclude(&one, &running.held_by("one"), DONE).await, Some(Followed::default()));
    let running = claim_one(&other, "other").await;
    assert_eq!((&running.id, &running.wish), (&second.id, &wish(&["2.0.0", "3.0.0"])));
    let ended = task(&other, &first.id).await;
    assert_eq!((ended.state, ended.error, ended.ended_at), (State::Success, None, Some(stage.clock.now())));
}

/// The plan is looked at instead of the time: no claim reads tasks that it does not take.
pub async fn two_nodes_share_10_000_tasks_and_each_is_claimed_once(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let names: Vec<String> = (0..10_000).map(|number| format!("p{number}")).collect();
    for (some, node) in names.chunks(2500).zip(nodes.iter().cycle()) {
        let some = some.iter().map(|name| new(name, Rank::Asked, wish(&[]))).collect();
        node.enqueue(some, &PATIENCE, &actor()).await.unwrap();
    }
    let database = stage.open().await;
    claims_read_what_they_take(&stage, &database).await;
    let shares = nodes.iter().enumerate().flat_map(|(number, node)| [(number, 0, node), (number, 1, node)]);
    let share = |(number, half, node)| claim_all(node, format!("node{number}.{half}"));
    let claimed: Vec<Vec<String>> = futures_util::future::join_all(shares.map(share)).await;
    let all: HashSet<&String> = claimed.iter().flatten().collect();
    let count: usize = claimed.iter().map(Vec::len).sum();
    assert_eq!((count, all.len()), (10_000, 10_000), "each once");
    claims_read_what_they_take(&stage, &database).await;
    assert_eq!(nodes[0].queue().await.unwrap().processing, 10_000);
}

/// Claims until nothing waits.
async fn claim_all(node: &Overlay, name: String) -> Vec<String> {
    let mut mine = Vec::new();
    loop {
        let some = node.claim_tasks(&name, 100, &PATIENCE).await.unwrap();
        if some.is_empty() && node.queue().await.unwrap().waiting == 0 {
            return mine;
        }
        assert!(some.len() <= 100);
        mine.extend(some.into_iter().map(|task| task.id));
    }
}

/// Asks the database how it would find what is claimed: by indexes, whatever else there is.
async fn claims_read_what_they_take(stage: &Stage, database: &Database) {
    let is_postgresql = stage.database.starts_with("postgres");
    database.note().await.unwrap().link().run("ANALYZE tasks", values![]).await.unwrap();
    let now = stage.clock.now();
    let claim = Claim { node: "n", limit: 4, now, until: now };
    let (sql, bound) = taking(database.link(), &claim, Rank::Asked, 4);
    let how = if is_postgresql { "EXPLAIN" } else { "EXPLAIN QUERY PLAN" };
    let note = database.note().await.unwrap();
    let rows = note.link().all(&format!("{how} {sql}"), bound).await.unwrap();
    let column = if is_postgresql { 0 } else { 3 };
    let plan: Vec<String> = rows.iter().map(|row| row.get(column).unwrap()).collect();
    let plan = plan.join("\n");
    for index in ["tasks_due", "tasks_running"] {
        assert!(plan.contains(index), "{plan}");
    }
    assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN open") && !plan.contains("SCAN tasks"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
}

/// SQLite has one writer in each process: there a claim waits for its turn, as everything does.
pub async fn claims_do_not_wait_for_a_write(stage: Stage) {
    if !stage.database.starts_with("postgres") {
        return;
    }
    let (node, database) = (stage.node().await, stage.open().await);
    ask(&node, "x", &[]).await;
    let open = database.write(stage.clock.now()).await.unwrap();
    let limit = Duration::from_secs(8);
    let task = tokio::time::timeout(limit, claim_one(&node, "n")).await.expect("a claim does not wait");
    let held = [task.held_by("n")];
    let renewed =
        tokio::time::timeout(limit, node.renew_tasks("n", &held, &PATIENCE)).await.expect("a renewal neither");
    assert_eq!(renewed.unwrap(), [(task.id.clone(), Renewal::Held)]);
    let ended = tokio::time::timeout(limit, conclude(&node, &held[0], DONE)).await.expect("an end neither");
    assert!(ended.is_some());
    drop(open);
}

pub async fn backed_off_tasks_do_not_hide_others(stage: Stage) {
    let node = stage.node().await;
    for subject in ["a", "b", "c"] {
        ask(&node, subject, &[]).await;
    }
    for task in claim(&node, "n", 3).await {
        let end = End::Again { error: "upstream is down".to_owned(), after: None };
        conclude(&node, &task.held_by("n"), end).await.unwrap();
    }
    node.enqueue(vec![new("d", Rank::Planned, wish(&[]))], &PATIENCE, &actor()).await.unwrap();
    assert_eq!(subjects(&claim(&node, "n", 2).await), ["d"]);
    // Whoever asks for one of them does not wait as long as that.
    ask(&node, "b", &[]).await;
    assert_eq!(subjects(&claim(&node, "n", 2).await), ["b"]);
}

pub async fn a_dead_nodes_task_is_taken_over_and_its_holder_writes_nothing_more(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    ask(&one, "x", &["1.0.0"]).await;
    let dead = claim_one(&one, "one").await;
    let held = dead.held_by("one");
    stage.clock.advance(PATIENCE.lease);
    assert_eq!(claim(&other, "other", 10).await, [], "its lease is not over yet");
    stage.clock.advance(Duration::from_millis(1));
    ask(&other, "x", &["2.0.0"]).await;
    let taken = claim_one(&other, "other").await;
    assert_eq!((&taken.id, taken.tries, &taken.wish), (&dead.id, 2, &wish(&["1.0.0"])));
    // The first node lives after all.
    let renewed = one.renew_tasks("one", std::slice::from_ref(&held), &PATIENCE).await.unwrap();
    assert_eq!(renewed, [(dead.id.clone(), Renewal::Lost)]);
    let lines = Lines { held: held.clone(), lines: vec!["late".to_owned()], received: 9 };
    assert_eq!(one.write_lines(vec![lines]).await.unwrap(), std::slice::from_ref(&dead.id));
    assert_eq!(conclude(&one, &held, DONE).await, None);
    let now = task(&one, &dead.id).await;
    assert_eq!((now.state, now.lines, now.received), (State::Processing, 1, 0));
    assert!(conclude(&other, &taken.held_by("other"), DONE).await.is_some());
    assert_eq!(task(&one, &dead.id).await.state, State::Success);
}

pub async fn a_task_that_kills_its_worker_ends(stage: Stage) {
    let node = stage.node().await;
    let asked = ask(&node, "x", &[]).await;
    for tries in 1..=PATIENCE.attempts {
        assert_eq!(claim_one(&node, "n").await.tries, tries);
        stage.clock.advance(PATIENCE.lease + Duration::from_secs(1));
    }
    assert_eq!(claim(&node, "n", 10).await, []);
    let ended = task(&node, &asked.id).await;
    assert_eq!((ended.state, ended.tries, ended.ended_at), (State::TimedOut, 3, Some(stage.clock.now())));
    assert_eq!(ended.error.as_deref(), Some("whoever tried it went away each time"));
    let log = node.task_log(&asked.id, 1).await.unwrap();
    assert!(log.lines[0].ends_with("❌ whoever tried it went away each time"), "{log:?}");
    assert_eq!(node.queue().await.unwrap(), Queue::default());
}

/// What was claimed by an answer that never came is nobody's, though the node lives.
pub async fn what_is_not_named_is_not_renewed(stage: Stage) {
    let node = stage.node().await;
    ask(&node, "x", &[]).await;
    ask(&node, "y", &[]).await;
    let claimed = claim(&node, "n", 10).await;
    let held = claimed[0].held_by("n");
    for _ in 0..2 {
        stage.clock.advance(Duration::from_secs(10));
        let renewed = node.renew_tasks("n", std::slice::from_ref(&held), &PATIENCE).await.unwrap();
        assert_eq!(renewed, [(held.id.clone(), Renewal::Held)]);
    }
    assert_eq!(claim_one(&node, "n").await.id, claimed[1].id);
    assert_eq!(node.renew_tasks("idle", &[], &PATIENCE).await.unwrap(), []);
    assert_eq!(node.queue().await.unwrap().workers, 2);
    stage.clock.advance(Duration::from_secs(16));
    assert_eq!(node.queue().await.unwrap().workers, 0);
}

pub async fn tasks_are_listed_from_the_last_on(stage: Stage) {
    let node = stage.node().await;
    let mut ids = Vec::new();
    for subject in ["a", "b", "c"] {
        ids.push(ask(&node, subject, &[]).await.id);
        stage.clock.advance(Duration::from_millis(1));
    }
    claim(&node, "n", 1).await;
    let listed = async |filter: TaskFilter<'_>, limit| {
        let tasks = node.tasks(&filter, limit).await.unwrap();
        tasks.into_iter().map(|task| task.subject).collect::<Vec<_>>().join(" ")
    };
    let all = TaskFilter::default();
    assert_eq!(listed(all, 10).await, "c b a");
    assert_eq!(listed(all, 2).await, "c b");
    assert_eq!(listed(TaskFilter { before: Some(&ids[1]), ..all }, 2).await, "a");
    assert_eq!(listed(TaskFilter { state: Some(State::Processing), ..all }, 9).await, "a");
    assert_eq!(listed(TaskFilter { mount: Some("npm"), subject: Some("b"), ..all }, 9).await, "b");
    assert_eq!(listed(TaskFilter { root: Some(&ids[2]), state: Some(State::Waiting), ..all }, 9).await, "c");
    assert_eq!(listed(TaskFilter { mount: Some("hex"), ..all }, 9).await, "");
    assert_eq!(node.task("0123").await.unwrap(), None);
}
