//! How tasks end, and what follows from them.

use super::*;
use crate::overlay::tasks::follow::MAX_DEPTH;
use crate::overlay::tasks::{Need, TaskResult, put};

fn again(after: Option<u64>) -> End {
    End::Again { error: "upstream is down".to_owned(), after: after.map(Duration::from_secs) }
}

pub async fn a_task_that_fails_is_tried_again_until_it_is_enough(stage: Stage) {
    let node = stage.node().await;
    let id = ask(&node, "x", &[]).await.id;
    let first = claim_one(&node, "n").await;
    conclude(&node, &first.held_by("n"), again(None)).await.unwrap();
    let waiting = task(&node, &id).await;
    let pause = waiting.due_at.duration_since(stage.clock.now()).unwrap();
    assert!((24..=36).contains(&pause.as_secs()), "{pause:?}");
    assert_eq!((waiting.state, waiting.error.as_deref()), (State::Waiting, Some("upstream is down")));
    assert_eq!(claim(&node, "n", 9).await, []);
    stage.clock.advance(Duration::from_secs(37));
    let second = claim_one(&node, "n").await;
    assert_eq!((&second.id, second.tries), (&id, 2));
    conclude(&node, &second.held_by("n"), again(Some(3000))).await.unwrap();
    let pause = task(&node, &id).await.due_at.duration_since(stage.clock.now()).unwrap();
    assert_eq!(pause.as_secs(), 3000, "as long as upstream wants it");
    stage.clock.advance(pause);
    let third = claim_one(&node, "n").await;
    conclude(&node, &third.held_by("n"), again(None)).await.unwrap();
    let ended = task(&node, &id).await;
    assert_eq!((ended.state, ended.error.as_deref()), (State::Error, Some("upstream is down")));
    assert_eq!(conclude(&node, &third.held_by("n"), again(None)).await, None, "once");
}

pub async fn a_task_that_is_put_back_beside_its_twin_goes_on_as_it(stage: Stage) {
    let node = stage.node().await;
    let first = ask(&node, "x", &["1.0.0"]).await;
    let running = claim_one(&node, "n").await;
    let twin = ask(&node, "x", &["2.0.0"]).await;
    conclude(&node, &running.held_by("n"), again(None)).await.unwrap();
    let goes_on = task(&node, &first.id).await;
    assert_eq!((&goes_on.id, goes_on.state), (&twin.id, State::Waiting));
    assert_eq!(goes_on.wish, wish(&["1.0.0", "2.0.0"]));
    assert_eq!(node.queue().await.unwrap().waiting, 1);
    let held = claim_one(&node, "n").await.held_by("n");
    conclude(&node, &held, End::Refused { error: "no such package".to_owned() }).await.unwrap();
    let ended = task(&node, &first.id).await;
    assert_eq!((ended.state, ended.error.as_deref()), (State::Error, Some("no such package")));
}

/// Some put tasks back while others ask for the same: at each moment at most one of them waits, and every wish stands.
pub async fn tasks_that_are_put_back_while_others_ask_are_not_doubled(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let mut asked = BTreeSet::new();
    for round in 0..12 {
        let (before, beside) = (format!("{round}.0.0"), format!("{round}.1.0"));
        ask(&one, "x", &[&before]).await;
        // Those that were put back are due later.
        stage.clock.advance(Duration::from_secs(3600));
        let held = claim_one(&one, "one").await.held_by("one");
        let beside_it = [beside.as_str()];
        let (put_back, joined) = tokio::join!(conclude(&one, &held, End::GivenBack), ask(&other, "x", &beside_it));
        assert!(put_back.is_some());
        asked.extend([before, beside]);
        assert_eq!(
            one.queue().await.unwrap(),
            Queue { waiting: 1, oldest: one.queue().await.unwrap().oldest, ..Queue::default() }
        );
        let waiting = task(&one, &joined.id).await;
        assert_eq!((waiting.state, &waiting.wish.versions), (State::Waiting, &asked));
        assert_eq!(task(&one, &held.id).await.id, waiting.id);
    }
}

/// Somebody asks for the same, and is not seen yet when the task is put back.
pub async fn a_task_that_is_put_back_meets_its_twin_too_late(stage: Stage) {
    let (node, database) = (stage.node().await, stage.open().await);
    let first = ask(&node, "x", &["1.0.0"]).await.id;
    let held = claim_one(&node, "n").await.held_by("n");
    let note = database.note().await.unwrap();
    let twin = vec![new("x", Rank::Asked, wish(&["2.0.0"]))];
    let twin = put(note.link(), stage.clock.now(), twin, "other").await.unwrap().remove(0).id;
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        note.commit().await.unwrap();
    };
    let (put_back, ()) = tokio::join!(conclude(&node, &held, End::GivenBack), commit);
    assert!(put_back.is_some());
    let goes_on = task(&node, &first).await;
    assert_eq!((&goes_on.id, goes_on.wish), (&twin, wish(&["1.0.0", "2.0.0"])));
}

pub async fn a_node_that_stops_gives_its_tasks_back(stage: Stage) {
    let node = stage.node().await;
    ask(&node, "x", &[]).await;
    for _ in 0..5 {
        let claimed = claim_one(&node, "n").await;
        assert_eq!(claimed.tries, 1);
        conclude(&node, &claimed.held_by("n"), End::GivenBack).await.unwrap();
    }
}

pub async fn a_task_that_is_cancelled_ends_with_what_it_led_to(stage: Stage) {
    let node = stage.node().await;
    let root = ask(&node, "root", &[]).await.id;
    let held = claim_one(&node, "n").await.held_by("n");
    lead_to(&node, &held, &[("runs", "*"), ("waits", "*"), ("wanted", "*")]).await;
    let (running, others): (Vec<_>, _) =
        claim(&node, "n", 9).await.into_iter().partition(|task| task.subject == "runs");
    for task in others {
        conclude(&node, &task.held_by("n"), End::GivenBack).await.unwrap();
    }
    let running = &running[0];
    ask(&node, "wanted", &[]).await;
    assert!(node.cancel_task(&root, &actor()).await.unwrap());
    let held = running.held_by("n");
    let renewed = node.renew_tasks("n", std::slice::from_ref(&held), &PATIENCE).await.unwrap();
    assert_eq!(renewed, [(running.id.clone(), Renewal::Cancelled)]);
    conclude(&node, &held, End::Cancelled).await.unwrap();
    let state = async |subject| {
        node.tasks(&TaskFilter { subject: Some(subject), ..TaskFilter::default() }, 1).await.unwrap()[0].clone()
    };
    assert_eq!(state("runs").await.state, State::Cancelled);
    let cancelled = state("waits").await;
    assert_eq!(cancelled.state, State::Cancelled);
    let log = node.task_log(&cancelled.id, 1).await.unwrap();
    assert!(log.lines[0].ends_with("❌ cancelled by tester"), "{log:?}");
    assert_eq!(state("wanted").await.state, State::Waiting, "somebody else asked for it");
    assert_eq!(state("root").await.state, State::Success, "it was over");
    assert!(!node.cancel_task(&root, &actor()).await.unwrap(), "nothing is left");
    assert!(matches!(node.cancel_task("none", &actor()).await, Err(Error::Absent { .. })));

    let alone = ask(&node, "alone", &[]).await.id;
    assert!(node.cancel_task(&alone, &actor()).await.unwrap());
    assert_eq!(task(&node, &alone).await.state, State::Cancelled);
    let dead = ask(&node, "dead", &[]).await.id;
    let held = claim(&node, "n", 9).await.into_iter().find(|task| task.id == dead).unwrap();
    assert!(node.cancel_task(&dead, &actor()).await.unwrap());
    assert_eq!(task(&node, &dead).await.state, State::Processing);
    stage.clock.advance(Duration::from_secs(16));
    assert!(claim(&node, "n", 9).await.iter().all(|task| task.id != held.id));
    assert_eq!(task(&node, &dead).await.state, State::Cancelled, "nobody takes it over");
}

pub async fn a_task_that_is_over_can_be_tried_again(stage: Stage) {
    let node = stage.node().await;
    let first = ask(&node, "x", &["1.0.0"]).await;
    assert!(matches!(node.retry_task(&first.id, &PATIENCE, &actor()).await, Err(Error::InUse(_))));
    let held = claim_one(&node, "n").await.held_by("n");
    let results =
        vec![TaskResult { version: "1.0.0".to_owned(), outcome: "failed".to_owned(), detail: Some("a\0b".to_owned()) }];
    let end = End::Done { is_partial: true, error: Some("1.0.0: a\0b".to_owned()) };
    node.conclude_task(&held, &Conclusion { results, received: 7, ..Conclusion::of(end) }, &PATIENCE).await.unwrap();
    let ended = task(&node, &first.id).await;
    assert_eq!((ended.state, ended.error.as_deref(), ended.received), (State::Partial, Some("1.0.0: a\u{fffd}b"), 7));
    let results = node.task_results(&first.id).await.unwrap();
    assert_eq!((results.len(), results[0].detail.as_deref()), (1, Some("a\u{fffd}b")));
    let again = node.retry_task(&first.id, &PATIENCE, &actor()).await.unwrap();
    assert!(!again.joined && again.id != first.id);
    assert_eq!(claim_one(&node, "n").await.wish, wish(&["1.0.0"]));
}

/// Ends a task that leads to names, and returns what followed.
async fn lead_to(node: &Overlay, held: &Held, needs: &[(&str, &str)]) -> Followed {
    lead_to_at_most(node, held, needs, 100).await
}

async fn lead_to_at_most(node: &Overlay, held: &Held, needs: &[(&str, &str)], max_dependencies: u64) -> Followed {
    let need = |(package, spec): &(&str, &str)| Need { package: (*package).to_owned(), spec: (*spec).to_owned() };
    let needs = needs.iter().map(need).collect();
    let conclusion = Conclusion { needs, max_dependencies, ..Conclusion::of(DONE) };
    node.conclude_task(held, &conclusion, &PATIENCE).await.unwrap().unwrap()
}

/// A leads to B and C, B to A and D, C to D and to B again: each comes once, in each words.
pub async fn dependencies_are_followed_once_below_a_root(stage: Stage) {
    let node = stage.node().await;
    let root = ask(&node, "a", &[]).await.id;
    let edges = |subject: &str| -> &'static [(&'static str, &'static str)] {
        match subject {
            "a" => &[("b", "^1"), ("c", "*"), ("b", "^2"), ("b", "^1")],
            "b" => &[("a", "^1"), ("d", "*")],
            "c" => &[("d", "*"), ("b", "^1")],
            _ => &[],
        }
    };
    let mut ran: Vec<(String, u64, Vec<String>)> = Vec::new();
    while let Some(task) = claim(&node, "n", 1).await.pop() {
        assert_eq!((&task.root, task.asked_by.as_str()), (&root, "tester"));
        lead_to(&node, &task.held_by("n"), edges(&task.subject)).await;
        ran.push((task.subject, task.depth, task.wish.ranges.into_iter().collect()));
        stage.clock.advance(Duration::from_millis(1));
        assert!(ran.len() < 20, "{ran:?}");
    }
    ran.sort();
    let ran: Vec<_> =
        ran.iter().map(|(subject, depth, ranges)| format!("{subject}{depth} {}", ranges.join(" "))).collect();
    assert_eq!(ran, ["a0 ", "a2 ^1", "b1 ^1 ^2", "c1 *", "d2 *"]);
    // Another root leads to all of it anew.
    ask(&node, "a", &[]).await;
    let held = claim_one(&node, "n").await.held_by("n");
    assert_eq!(lead_to(&node, &held, edges("a")).await.tasks.len(), 2);
}

pub async fn dependencies_are_followed_so_far_and_no_further(stage: Stage) {
    let node = stage.node().await;
    ask(&node, "x", &[]).await;
    let held = claim_one(&node, "n").await.held_by("n");
    let followed = lead_to_at_most(&node, &held, &[("a", "1"), ("b", "1"), ("c", "1")], 2).await;
    assert_eq!((followed.tasks.len(), followed.left_out), (2, 1));
    let child = claim(&node, "n", 1).await.remove(0);
    let followed = lead_to_at_most(&node, &child.held_by("n"), &[("d", "1")], 2).await;
    assert_eq!((followed.tasks.len(), followed.left_out), (0, 1), "all names of a root count");
    let deep = claim_one(&node, "n").await;
    let sql = "UPDATE tasks SET depth = $2 WHERE id = $1";
    let note = stage.open().await.note().await.unwrap();
    note.link().run(sql, values![deep.id.as_str(), MAX_DEPTH]).await.unwrap();
    note.commit().await.unwrap();
    let followed = lead_to(&node, &deep.held_by("n"), &[("e", "1")]).await;
    assert_eq!((followed.tasks.len(), followed.left_out), (0, 1));
    // What was left out since there was no room is followed by the next that needs it.
    let full = Patience { max_waiting: 0, ..PATIENCE };
    ask(&node, "y", &[]).await;
    let held = claim_one(&node, "n").await.held_by("n");
    let needs = vec![Need { package: "f".to_owned(), spec: "1".to_owned() }];
    let conclusion = Conclusion { needs, max_dependencies: 9, ..Conclusion::of(DONE) };
    let followed = node.conclude_task(&held, &conclusion, &full).await.unwrap().unwrap();
    assert_eq!((followed.tasks.len(), followed.left_out), (0, 1));
}

pub async fn old_tasks_are_forgotten_with_all_that_belongs_to_them(stage: Stage) {
    let node = stage.node().await;
    const KEEP: Duration = Duration::from_secs(1000);
    for round in 0..3 {
        let names: Vec<String> = (0..70).map(|number| format!("p{round}.{number}")).collect();
        let some = names.iter().map(|name| new(name, Rank::Asked, wish(&[]))).collect();
        node.enqueue(some, &PATIENCE, &actor()).await.unwrap();
    }
    for task in claim(&node, "n", 210).await {
        let results = vec![TaskResult { version: "1".to_owned(), outcome: "failed".to_owned(), detail: None }];
        let needs = vec![Need { package: "shared".to_owned(), spec: "1".to_owned() }];
        let conclusion = Conclusion { results, needs, max_dependencies: 9, ..Conclusion::of(DONE) };
        node.conclude_task(&task.held_by("n"), &conclusion, &PATIENCE).await.unwrap();
    }
    assert_eq!(node.fold_tasks(KEEP).await.unwrap(), 0);
    stage.clock.advance(KEEP + Duration::from_millis(1));
    let recent = ask(&node, "recent", &[]).await.id;
    let held = claim(&node, "n", 9).await.into_iter().find(|task| task.id == recent).unwrap().held_by("n");
    conclude(&node, &held, DONE).await.unwrap();
    assert_eq!(node.fold_tasks(KEEP).await.unwrap(), 210);
    let database = stage.open().await;
    for (table, left) in [("tasks", 2_u64), ("task_logs", 2), ("task_results", 0), ("visits", 0)] {
        let row = database.link().first(&format!("SELECT COUNT(*) FROM {table}"), values![]).await.unwrap().unwrap();
        assert_eq!((table, row.get::<u64>(0).unwrap()), (table, left));
    }
    assert_eq!(task(&node, &recent).await.state, State::Success);
}
