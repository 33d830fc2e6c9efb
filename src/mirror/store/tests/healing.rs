//! What is damaged is found out and dropped, and the rest goes on.

use std::sync::atomic::Ordering;

use super::*;
use crate::mirror::store::index;

#[tokio::test]
async fn a_file_that_is_short_or_gone_is_dropped_and_can_be_kept_again() {
    let bench = Bench::new();
    bench.keep("short", b"short").await;
    bench.keep("gone", b"gone").await;
    bench.keep("fine", b"fine").await;
    let bench = bench.restart().await;
    bench.overwrite(b"short", b"sho");
    bench.store.0.content.remove(Digest::of(b"gone")).unwrap();
    assert_eq!((bench.text("short").await, bench.text("gone").await), (None, None));
    assert_eq!((bench.files(), bench.store.totals().entries), (1, 1));
    bench.keep("short", b"short").await;
    assert_eq!(bench.text("short").await.unwrap(), "short");
    assert_eq!(bench.text("fine").await.unwrap(), "fine");
}

#[tokio::test]
async fn a_hit_whose_file_is_gone_says_so_and_is_dropped() {
    let bench = Bench::new();
    let body = [b'x'; 2000];
    bench.keep("a", &body).await;
    bench.keep("b", &body).await;
    bench.store.0.content.remove(Digest::of(&body)).unwrap();
    let entry = bench.store.find_hot("a").unwrap();
    assert!(matches!(entry.body(), Err(Error::Broken(key)) if &*key == "a"));
    bench.store.drop_broken(&entry).await.unwrap();
    assert!(bench.store.find_hot("a").is_none() && bench.store.find_hot("b").is_none());
}

#[tokio::test]
async fn content_that_was_put_back_meanwhile_is_not_dropped() {
    let bench = Bench::new();
    let entry = bench.keep("a", b"hello").await;
    bench.store.drop_broken(&entry).await.unwrap();
    assert_eq!(bench.text("a").await.unwrap(), "hello");
}

#[tokio::test]
async fn after_a_crash_what_that_run_wrote_is_hashed_before_it_is_used() {
    let bench = Bench::new();
    bench.keep("old", b"old").await;
    let bench = bench.restart().await;
    for key in ["bad", "good", "later"] {
        bench.keep(key, key.as_bytes()).await;
    }
    let bench = bench.crash();
    bench.overwrite(b"old", b"OLD");
    bench.overwrite(b"bad", b"BAD");
    assert_eq!(bench.text("old").await.unwrap(), "OLD", "written before: only the scrub looks");
    assert_eq!(bench.text("bad").await, None);
    assert_eq!(bench.text("good").await.unwrap(), "good");
    let bench = bench.restart().await;
    bench.overwrite(b"good", b"GOOD");
    bench.overwrite(b"later", b"LATER");
    assert_eq!(bench.text("good").await.unwrap(), "GOOD", "hashed once, trusted since");
    assert_eq!(bench.text("later").await, None, "suspicion outlives a restart until it is looked into");
}

#[tokio::test]
async fn after_a_crash_what_that_run_wrote_is_found_out_wherever_the_clock_has_stepped() {
    let (hour, begun) = (Duration::from_secs(3600), Bench::new().clock.now());
    for (written, restarted) in [(begun - hour, begun), (begun + hour, begun - hour)] {
        let bench = Bench::new();
        bench.clock.set(written);
        bench.keep("bad", b"bad").await;
        bench.clock.set(restarted);
        let bench = bench.crash();
        bench.overwrite(b"bad", b"BAD");
        assert_eq!(bench.text("bad").await, None, "written at {written:?}, restarted at {restarted:?}");
    }
}

#[tokio::test]
async fn only_the_run_that_crashed_is_suspected_of_two_that_went_on_at_once() {
    let bench = Bench::new();
    let second = bench.second();
    keep(&second, bench.draft("ended"), b"ended").await.unwrap();
    bench.keep("crashed", b"crashed").await;
    second.close().await.unwrap();
    let bench = bench.crash();
    bench.overwrite(b"ended", b"ENDED");
    bench.overwrite(b"crashed", b"CRASHED");
    assert_eq!(bench.text("ended").await.unwrap(), "ENDED");
    assert_eq!(bench.text("crashed").await, None);
}

#[tokio::test]
async fn an_index_that_suspects_a_time_suspects_all_that_was_kept_by_then() {
    for (suspects, ends, suspected) in [
        ("", true, false),
        ("INSERT INTO suspects (since, until) VALUES (1, 2), (3, 4)", true, true),
        ("", false, true),
    ] {
        let bench = Bench::new();
        bench.keep("a", b"hello").await;
        age(&bench, suspects).await;
        let bench = if ends { bench.restart().await } else { bench.crash() };
        bench.keep("b", b"world").await;
        let bench = bench.restart().await;
        bench.overwrite(b"hello", b"HELLO");
        bench.overwrite(b"world", b"WORLD");
        assert_eq!(bench.text("a").await.is_none(), suspected, "{suspects:?}, in order: {ends}");
        assert_eq!(bench.text("b").await.unwrap(), "WORLD");
    }
}

#[tokio::test]
async fn a_run_of_a_former_version_that_crashes_after_the_upgrade_is_suspected() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    age(&bench, "").await;
    let second = bench.second();
    bench.overwrite(b"hello", b"HELLO");
    assert_eq!(text(&second, "a").await.unwrap(), "HELLO", "it still goes on");
    second.close().await.unwrap();
    let bench = bench.crash();
    assert_eq!(bench.text("a").await, None);
}

#[tokio::test]
async fn a_run_that_still_goes_on_is_not_taken_for_a_crash() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    let second = bench.second();
    bench.overwrite(b"hello", b"HELLO");
    assert_eq!(text(&second, "a").await.unwrap(), "HELLO");
    second.close().await.unwrap();
}

#[tokio::test]
async fn the_scrub_finds_damage_within_its_period_and_looks_at_nothing_twice() {
    let bench = Bench::new();
    bench.keep("bad", b"bad").await;
    bench.keep("good", b"good").await;
    bench.overwrite(b"bad", b"BAD");
    assert!(!bench.store.scrub_one().await.unwrap(), "nothing is due yet");
    bench.clock.advance(bench.settings.scrub_period() * 4 / 5);
    assert!(bench.store.scrub_one().await.unwrap());
    assert!(bench.store.scrub_one().await.unwrap());
    assert!(!bench.store.scrub_one().await.unwrap());
    assert_eq!(bench.store.0.shared.metrics.scrub_broken.get(), 1);
    assert!(bench.store.find_hot("bad").is_none());
    assert_eq!(bench.text("good").await.unwrap(), "good");
}

#[tokio::test(start_paused = true)]
async fn files_that_no_row_knows_of_are_collected() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    bench.overwrite(b"orphan", b"orphan");
    let foreign = bench.directory.path().join("content-v2/sha256/aa/readme");
    bench.store.temp().unwrap().persist(&foreign).unwrap();
    assert_eq!(bench.store.remove_orphans(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(bench.files(), 2);
    assert_eq!(bench.text("a").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_damaged_index_is_put_aside() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    bench.store.close().await.unwrap();
    let file = bench.directory.path().join("index.sqlite");
    let second = tempfile::tempdir().unwrap();
    let other = open(second.path(), &bench.settings, &bench.clock);
    let temp = other.temp().unwrap();
    temp.write_all(&[b'x'; 8192]).unwrap();
    temp.persist(&file).unwrap();
    let bench = bench.crash();
    assert_eq!(bench.text("a").await, None);
    bench.keep("a", b"hello").await;
    assert_eq!(bench.text("a").await.unwrap(), "hello");
    assert!(fs::length(&bench.directory.path().join("index.sqlite.damaged")).unwrap().is_some());
}

#[tokio::test]
async fn an_index_from_the_future_is_refused_and_left_alone() {
    let bench = Bench::new();
    let set = |connection: &rusqlite::Connection| Ok(connection.pragma_update(None, "user_version", 99)?);
    bench.store.0.writer.alone(set).await.unwrap();
    let opened = index::open(bench.directory.path(), "later");
    assert!(matches!(opened.map(drop), Err(Error::TooNew { found: 99, .. })));
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_dropped() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    let spoil = |connection: &rusqlite::Connection| Ok(connection.execute("UPDATE entries SET http = '{'", [])?);
    bench.store.0.writer.write(spoil, |_| {}).await.unwrap();
    let bench = bench.restart().await;
    assert_eq!(bench.text("a").await, None);
    assert_eq!(bench.store.totals().entries, 0);
}

#[tokio::test]
async fn a_disk_that_is_full_keeps_nothing_serves_all_the_same_and_recovers() {
    let bench = Bench::new();
    bench.keep("a", b"old").await;
    let limit = |pages: i64| {
        let set = move |connection: &rusqlite::Connection| {
            Ok(connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0))?)
        };
        bench.store.0.writer.alone(set)
    };
    limit(1).await.unwrap();
    let proofs = vec!["long ".repeat(20_000)];
    let draft = Draft { proofs: proofs.clone(), ..bench.draft("b") };
    let served = keep(&bench.store, draft.clone(), &[b'x'; 2000]).await.unwrap();
    assert!(!served.is_kept());
    assert_eq!(bytes(&served.body().unwrap()), [b'x'; 2000]);
    assert!(bench.store.find("b").await.unwrap().is_none());
    assert_eq!(bench.text("a").await.unwrap(), "old");
    let http = Http { etag: Some("x".repeat(100_000).parse().unwrap()), ..Http::default() };
    let confirmed = bench.store.refresh("a", http.clone(), bench.clock.now()).await.unwrap().unwrap();
    assert_eq!((&confirmed.http, &bench.store.find_hot("a").unwrap().http), (&http, &http));
    limit(1 << 30).await.unwrap();
    assert!(keep(&bench.store, draft, b"new").await.unwrap().is_kept());
    assert_eq!(bench.text("b").await.unwrap(), "new");
}

#[tokio::test]
async fn what_comes_while_the_store_is_being_closed_is_served_and_not_kept() {
    let bench = Bench::new();
    // What `close` does first.
    bench.store.0.closing.store(true, Ordering::Relaxed);
    let served = bench.keep("a", &[b'x'; 2000]).await;
    assert!(!served.is_kept() && bench.store.find_hot("a").is_none());
    assert_eq!(bytes(&served.body().unwrap()), [b'x'; 2000]);
    assert_eq!((bench.files(), bench.store.totals().entries), (0, 0));
    assert!(!bench.store.0.shared.fitness.is_failing(), "a store that is closed is not broken");
    let bench = bench.restart().await;
    assert!(bench.keep("a", b"hello").await.is_kept());
}

#[tokio::test]
async fn what_is_being_hashed_stops_when_the_store_is_closed() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    let bench = bench.crash();
    bench.store.close().await.unwrap();
    assert!(matches!(bench.store.find("a").await, Err(Error::Closed)));
}
