//! What every verb relies on: tables, transactions, numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Stage, actor};
use crate::overlay::audit::Entry;
use crate::overlay::db::migrations::NEWEST;
use crate::overlay::db::sql::values;
use crate::overlay::db::{Database, Head, Write};
use crate::overlay::error::Error;

async fn commit(write: Write, subject: &str) -> u64 {
    let (actor, number) = (actor(), write.number);
    let entry = Entry { actor: &actor, verb: "test", subject: subject.to_owned(), detail: String::new() };
    write.commit(&entry).await.unwrap();
    number
}

pub async fn nodes_that_start_at_once_make_the_tables_once(stage: Stage) {
    let stage = Arc::new(stage);
    let starts = (0..6).map(|_| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.try_node().await.map(drop) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    let database = stage.open().await;
    let row = database.link().first("SELECT COUNT(*), MAX(version) FROM migrations", values![]).await.unwrap().unwrap();
    assert_eq!((row.get::<u64>(0).unwrap(), row.get::<u64>(1).unwrap()), (NEWEST, NEWEST));
}

pub async fn a_database_of_a_newer_program_is_left_alone(stage: Stage) {
    let database = stage.open().await;
    let note = database.note().await.unwrap();
    note.link().run("INSERT INTO migrations (version) VALUES (99)", values![]).await.unwrap();
    note.commit().await.unwrap();
    assert!(matches!(stage.try_node().await.map(drop), Err(Error::TooNew { found: 99, known: NEWEST })));
}

pub async fn a_commit_is_on_the_disk(stage: Stage) {
    let database = stage.open().await;
    let note = database.note().await.unwrap();
    if stage.database.starts_with("sqlite:") {
        let row = note.link().first("PRAGMA synchronous", values![]).await.unwrap().unwrap();
        assert_eq!(row.get::<u64>(0).unwrap(), 2, "FULL");
        let row = note.link().first("PRAGMA journal_mode", values![]).await.unwrap().unwrap();
        assert_eq!(row.get::<String>(0).unwrap(), "wal");
    } else {
        let row = note.link().first("SHOW synchronous_commit", values![]).await.unwrap().unwrap();
        assert_eq!(row.get::<String>(0).unwrap(), "on");
    }
}

pub async fn a_write_that_is_dropped_leaves_nothing_and_no_gap(stage: Stage) {
    let database = stage.open().await;
    let dropped = database.write(stage.clock.now()).await.unwrap();
    dropped.turn(Head::Identity).await.unwrap();
    assert_eq!(dropped.number, 1);
    drop(dropped);
    let write = database.write(stage.clock.now()).await.unwrap();
    assert_eq!(write.number, 1);
    commit(write, "kept").await;
    let heads = database.heads().await.unwrap();
    assert_eq!((heads.writes, heads.identity), (1, 0));
    let node = stage.node().await;
    let lines = node.audit(None, None, 10).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].subject.as_str(), &lines[0].actor, lines[0].at), ("kept", &actor(), stage.clock.now()));
    assert_eq!(node.audit(Some("other"), None, 10).await.unwrap(), []);
    assert_eq!(node.audit(Some("kept"), Some(1), 10).await.unwrap(), []);
}

pub async fn whatever_is_told_of_a_write_is_written(stage: Stage) {
    let database = stage.open().await;
    let strange = super::Actor { reason: Some("a\0b".to_owned()), address: None, ..actor() };
    let write = database.write(stage.clock.now()).await.unwrap();
    let entry = Entry { actor: &strange, verb: "test", subject: "\0".to_owned(), detail: "ä".to_owned() };
    write.commit(&entry).await.unwrap();
    let line = &stage.node().await.audit(None, None, 1).await.unwrap()[0];
    assert_eq!((line.subject.as_str(), line.detail.as_str()), ("\u{fffd}", "ä"));
    assert_eq!((line.actor.reason.as_deref(), line.actor.address), (Some("a\u{fffd}b"), None));
}

pub async fn text_that_one_database_cannot_hold_is_refused_by_both(stage: Stage) {
    let database = stage.open().await;
    for text in ["a\0", "\0"] {
        let asked = database.link().all("SELECT name FROM users WHERE name = $1", values![text]).await;
        assert!(matches!(asked, Err(Error::Malformed { .. })), "{text:?}");
    }
    assert!(database.link().all("SELECT name FROM users WHERE name = $1", values!["\u{1}"]).await.is_ok());
}

/// More writes at once than there are connections that write.
pub async fn who_reads_does_not_wait_for_who_writes(stage: Stage) {
    let database = stage.open().await;
    let held = database.write(stage.clock.now()).await.unwrap();
    let now = stage.clock.now();
    let wait = |database: Database| async move { commit(database.write(now).await.unwrap(), "waits").await };
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(wait(database.clone()))).collect();
    for _ in 0..50 {
        assert_eq!(database.heads().await.unwrap().writes, 0);
    }
    assert!(waiting.iter().all(|task| !task.is_finished()));
    commit(held, "first").await;
    for task in waiting {
        assert!(task.await.unwrap() > 1);
    }
}

pub async fn writes_of_all_nodes_stand_in_one_line(stage: Stage) {
    let databases = [stage.open().await, stage.open().await];
    let now = stage.clock.now();
    let one = |database: Database| async move { commit(database.write(now).await.unwrap(), "line").await };
    let tasks: Vec<_> = (0..40).map(|index| tokio::spawn(one(databases[index % 2].clone()))).collect();
    let mut numbers = BTreeSet::new();
    for task in tasks {
        numbers.insert(task.await.unwrap());
    }
    assert!(numbers.into_iter().eq(1..=40));
    assert_eq!(databases[0].heads().await.unwrap().writes, 40);
}

pub async fn a_snapshot_does_not_see_what_is_written_meanwhile(stage: Stage) {
    let database = stage.open().await;
    let snapshot = database.snapshot().await.unwrap();
    let count = "SELECT writes FROM heads";
    let before: u64 = snapshot.link().first(count, values![]).await.unwrap().unwrap().get(0).unwrap();
    commit(database.write(stage.clock.now()).await.unwrap(), "meanwhile").await;
    let after: u64 = snapshot.link().first(count, values![]).await.unwrap().unwrap().get(0).unwrap();
    assert_eq!((before, after), (0, 0));
    assert_eq!(database.heads().await.unwrap().writes, 1);
}

/// Whoever reads on from the last number that it saw, sees every number once, in order, while writers come and go, some
/// of them slow, some of them undone.
pub async fn a_feed_has_no_holes_while_others_write(stage: Stage) {
    const WRITES: u64 = 30;
    let databases = [stage.open().await, stage.open().await];
    let now = stage.clock.now();
    let write = |database: Database, index: u64| async move {
        let write = database.write(now).await.unwrap();
        let first = write.number_changes(2).await.unwrap();
        for number in [first, first + 1] {
            let sql = "INSERT INTO changes (number, at, mount, package, kind) VALUES ($1, $2, 'npm', 'x', 'test')";
            write.link().run(sql, values![number, now]).await.unwrap();
            tokio::task::yield_now().await;
        }
        // Every third thinks better of it.
        if !index.is_multiple_of(3) {
            commit(write, "change").await;
        }
    };
    let writers = (0..WRITES).map(|index| tokio::spawn(write(databases[index as usize % 2].clone(), index)));
    let writers: Vec<_> = writers.collect();
    let (mut seen, expected) = (0, (WRITES - WRITES / 3) * 2);
    loop {
        // Before reading: what they wrote by then is read in this round.
        let is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let sql = "SELECT number FROM changes WHERE number > $1 ORDER BY number LIMIT 3";
        let rows = databases[1].link().all(sql, values![seen]).await.unwrap();
        let has_more = !rows.is_empty();
        for row in rows {
            let number: u64 = row.get(0).unwrap();
            assert_eq!(number, seen + 1, "a number was passed over");
            seen = number;
        }
        if seen == expected || is_over && !has_more {
            break;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, expected);
}
