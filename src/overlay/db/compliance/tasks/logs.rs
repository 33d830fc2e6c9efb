//! The logs of tasks.

use super::*;

async fn write(node: &Overlay, held: &Held, lines: &[&str], received: u64) {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let lost = node.write_lines(vec![Lines { held: held.clone(), lines, received }]).await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");
}

async fn read(node: &Overlay, id: &str, from: u64) -> (Vec<String>, u64) {
    let log = node.task_log(id, from).await.unwrap();
    (log.lines, log.next)
}

pub async fn lines_are_numbered_across_a_take_over(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let tips = Wish { tips: "by hand".to_owned(), ..Wish::default() };
    let id = one.enqueue(vec![new("x", Rank::Asked, tips)], &PATIENCE, &actor()).await.unwrap().remove(0).id;
    let (first, next) = read(&other, &id, 0).await;
    assert_eq!(first, ["[2023-11-14T22:13:20.000Z] 👉 by hand", "[2023-11-14T22:13:20.000Z] 🚧 waiting in the queue"]);
    assert_eq!(next, 2);
    assert_eq!(read(&other, &id, 2).await, (vec![], 2));
    let held = claim_one(&one, "one").await.held_by("one");
    write(&one, &held, &["a", "b\0"], 10).await;
    write(&one, &held, &[], 5).await;
    stage.clock.advance(PATIENCE.lease + Duration::from_secs(1));
    let held = claim_one(&other, "other").await.held_by("other");
    write(&other, &held, &["c", "d", "e"], 1).await;
    assert_eq!(read(&one, &id, 0).await.0[2..], ["a", "b\u{fffd}", "c", "d", "e"]);
    for (from, rest) in [(3, "b\u{fffd} c d e"), (4, "c d e"), (5, "d e"), (6, "e"), (7, ""), (99, "")] {
        let (lines, next) = read(&one, &id, from).await;
        assert_eq!((lines.join(" ").as_str(), next), (rest, 7.max(from)), "{from}");
    }
    let closing = |_: &Followed| vec!["f".to_owned()];
    let conclusion = Conclusion { received: 100, closing: &closing, ..Conclusion::of(DONE) };
    other.conclude_task(&held, &conclusion, &PATIENCE).await.unwrap();
    assert_eq!(read(&one, &id, 6).await, (vec!["e".to_owned(), "f".to_owned()], 8));
    assert_eq!(task(&one, &id).await.received, 116);
    assert_eq!(read(&one, "none", 0).await, (vec![], 0));
}

/// Whoever has read so many lines of a task goes on behind them, though it goes on as another.
pub async fn a_log_goes_on_as_its_task_does(stage: Stage) {
    let node = stage.node().await;
    let id = ask(&node, "x", &[]).await.id;
    let held = claim_one(&node, "n").await.held_by("n");
    write(&node, &held, &["a"], 0).await;
    let twin = ask(&node, "x", &[]).await.id;
    conclude(&node, &held, End::GivenBack).await.unwrap();
    let held = claim_one(&node, "n").await.held_by("n");
    assert_eq!(held.id, twin);
    write(&node, &held, &["b"], 0).await;
    let (lines, next) = read(&node, &id, 0).await;
    assert_eq!((lines.len(), lines[1].as_str(), lines[3].as_str(), next), (4, "a", "b", 4));
    assert_eq!(read(&node, &id, 1).await.0[0], "a");
    assert_eq!(read(&node, &id, 3).await, (vec!["b".to_owned()], 4));
    assert_eq!(read(&node, &twin, 1).await, (vec!["b".to_owned()], 2));
}

pub async fn a_log_has_an_end_and_the_last_line(stage: Stage) {
    let node = stage.node().await;
    let id = ask(&node, "x", &[]).await.id;
    let held = claim_one(&node, "n").await.held_by("n");
    let many = vec!["x"; 15_000];
    for _ in 0..3 {
        write(&node, &held, &many, 0).await;
    }
    let closing = |_: &Followed| vec!["left out".to_owned(), "the end".to_owned()];
    let conclusion = Conclusion { closing: &closing, ..Conclusion::of(DONE) };
    node.conclude_task(&held, &conclusion, &PATIENCE).await.unwrap();
    let (lines, next) = read(&node, &id, 0).await;
    assert_eq!((lines.len(), next), (20_001, 20_001));
    assert!(lines[19_999].ends_with("not written down any more"), "{}", lines[19_999]);
    assert_eq!(lines[20_000], "the end");
}
