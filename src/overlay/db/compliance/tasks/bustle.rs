//! Everything at once.

use std::sync::Mutex;

use rand::seq::SliceRandom as _;

use super::*;
use crate::overlay::tasks::Need;

const ROUNDS: usize = 20;
const SUBJECTS: usize = 24;

/// The subjects that are run at this moment, over all nodes.
type Running = Mutex<HashSet<String>>;

/// Returns some subjects, in any order.
fn some(count: usize) -> Vec<String> {
    let mut subjects: Vec<_> = (0..SUBJECTS).map(|number| format!("p{number}")).collect();
    subjects.shuffle(&mut rand::rng());
    subjects.truncate(count);
    subjects
}

/// Draws how a try ends: most are done, and lead to others.
fn draw() -> Conclusion<'static> {
    let error = || "upstream is down".to_owned();
    match rand::random_range(0..10) {
        0 => Conclusion::of(End::Again { error: error(), after: None }),
        1 => Conclusion::of(End::GivenBack),
        2 => Conclusion::of(End::Refused { error: error() }),
        _ => {
            let needs = some(3).into_iter().map(|package| Need { package, spec: "*".to_owned() }).collect();
            Conclusion { needs, max_dependencies: 1000, ..Conclusion::of(DONE) }
        }
    }
}

async fn work(node: &Overlay, name: String, running: &Running) {
    for _ in 0..ROUNDS {
        let held: Vec<_> =
            claim(node, &name, 4).await.into_iter().map(|task| (task.held_by(&name), task.subject)).collect();
        for (_, subject) in &held {
            assert!(running.lock().unwrap().insert(subject.clone()), "{subject} is run twice at once");
        }
        let lines =
            |(held, _): &(Held, String)| Lines { held: held.clone(), lines: vec!["line".to_owned()], received: 1 };
        let holds: Vec<Held> = held.iter().map(|(held, _)| held.clone()).collect();
        let written = node.write_lines(held.iter().rev().map(lines).collect());
        let (lost, renewed) = tokio::join!(written, node.renew_tasks(&name, &holds, &PATIENCE));
        assert!(lost.unwrap().is_empty() && renewed.unwrap().iter().all(|(_, renewal)| *renewal != Renewal::Lost));
        for (held, subject) in held {
            running.lock().unwrap().remove(&subject);
            assert!(node.conclude_task(&held, &draw(), &PATIENCE).await.unwrap().is_some());
        }
    }
}

async fn ask_for_some(node: &Overlay) {
    for _ in 0..ROUNDS {
        let subjects = some(8);
        let wanted = subjects.iter().map(|subject| new(subject, Rank::Asked, wish(&["1.0.0"]))).collect();
        node.enqueue(wanted, &PATIENCE, &actor()).await.unwrap();
    }
}

async fn cancel_some(node: &Overlay) {
    for _ in 0..ROUNDS {
        let tasks = node.tasks(&TaskFilter::default(), 40).await.unwrap();
        if let Some(task) = tasks.first() {
            node.cancel_task(&task.root, &actor()).await.unwrap();
        }
    }
}

/// Nodes claim, tell, renew, end and lead on while others ask and cancel: nobody is refused for anybody else, no subject is
/// run twice at once, and each task comes to an end.
pub async fn whatever_happens_at_once_each_task_ends_once(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let running = Running::default();
    tokio::join!(
        work(&one, "one.0".to_owned(), &running),
        work(&one, "one.1".to_owned(), &running),
        work(&other, "other.0".to_owned(), &running),
        work(&other, "other.1".to_owned(), &running),
        ask_for_some(&one),
        ask_for_some(&other),
        cancel_some(&other),
    );
    for round in 0.. {
        assert!(round < 200, "they do not end");
        stage.clock.advance(Duration::from_secs(3600));
        let left = claim(&one, "last", 100).await;
        if left.is_empty() {
            break;
        }
        for task in left {
            conclude(&one, &task.held_by("last"), DONE).await.unwrap();
        }
    }
    let queue = one.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.processing), (0, 0));
    let tasks = one.tasks(&TaskFilter::default(), 10_000).await.unwrap();
    assert!(tasks.iter().all(|task| task.state.is_over() && task.ended_at.is_some()));
    for task in &tasks {
        let log = one.task_log(&task.id, 0).await.unwrap();
        assert!(log.lines.len() as u64 == log.next && log.lines[0].ends_with("waiting in the queue"), "{task:?}");
    }
}
