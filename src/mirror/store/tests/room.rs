//! Disk and memory are bounded, and what goes is what was asked for longest ago.

use super::*;
use crate::base::digest::Hasher;
use crate::mirror::room::Room;
use crate::mirror::store::evict;

fn small() -> Bench {
    Bench::with(Settings { max_bytes: 1000, hot_bytes: 0, ..Settings::default() })
}

async fn held(bench: &Bench, keys: &[&str]) -> String {
    let mut held = String::new();
    for key in keys {
        held.push_str(if bench.store.find(key).await.unwrap().is_some() { key } else { "-" });
    }
    held
}

#[tokio::test]
async fn room_is_made_by_what_was_asked_for_longest_ago_but_not_by_what_is_pinned() {
    let bench = Bench::with(Settings { max_bytes: 1000, ..Settings::default() });
    for key in ["a", "b", "c", "d"] {
        bench.keep_later(key, key.repeat(200).as_bytes()).await;
    }
    bench.store.pin("a", true).await.unwrap();
    bench.clock.advance(Duration::from_secs(61));
    bench.store.find_hot("b").unwrap();
    let room = bench.store.reserve(400).await.unwrap();
    assert_eq!(bench.store.totals().bytes, 600);
    drop(room);
    assert_eq!(held(&bench, &["a", "b", "c", "d"]).await, "ab-d");
    let _room = bench.store.reserve(800).await.unwrap();
    assert_eq!(held(&bench, &["a", "b", "c", "d"]).await, "a---");
    assert_eq!(bench.files(), 1);
}

#[tokio::test]
async fn what_can_never_fit_is_refused_at_once() {
    let bench = small();
    bench.keep("a", &[b'a'; 600]).await;
    assert!(matches!(bench.store.reserve(1001).await, Err(Error::Full)));
    assert_eq!(held(&bench, &["a"]).await, "a");
    bench.store.pin("a", true).await.unwrap();
    assert!(matches!(bench.store.reserve(401).await, Err(Error::Full)));
    assert!(bench.store.reserve(400).await.is_ok());
}

#[tokio::test]
async fn room_that_is_promised_is_not_promised_again_until_it_is_given_back() {
    let bench = small();
    bench.keep("a", &[b'a'; 300]).await;
    let first = bench.store.reserve(700).await.unwrap();
    assert_eq!(held(&bench, &["a"]).await, "a");
    let second = bench.store.reserve(300).await.unwrap();
    assert_eq!(held(&bench, &["a"]).await, "-");
    assert!(matches!(bench.store.reserve(1).await, Err(Error::Full)));
    drop((first, second));
    assert!(bench.store.reserve(1000).await.is_ok());
}

#[tokio::test]
async fn bodies_of_unknown_length_are_made_up_for_afterwards() {
    let bench = small();
    for key in ["a", "b", "c"] {
        bench.keep_later(key, key.repeat(400).as_bytes()).await;
    }
    assert_eq!(bench.store.totals().bytes, 1200);
    bench.store.round().await.unwrap();
    assert_eq!(held(&bench, &["a", "b", "c"]).await, "-bc");
}

#[tokio::test]
async fn content_that_others_share_frees_nothing() {
    let bench = small();
    bench.keep_later("a", &[b'x'; 500]).await;
    bench.keep_later("b", &[b'y'; 400]).await;
    bench.keep_later("c", &[b'x'; 500]).await;
    let _room = bench.store.reserve(500).await.unwrap();
    assert_eq!(held(&bench, &["a", "b", "c"]).await, "--c");
}

#[tokio::test]
async fn the_oldest_absences_go_first() {
    let bench = Bench::new();
    for key in ["a", "b", "c"] {
        bench.clock.advance(Duration::from_secs(61));
        bench.store.commit(Draft { status: 404, ..bench.draft(key) }, None).await.unwrap();
    }
    let gone = bench.store.remove_by(|connection| evict::oldest_absences(connection, 2)).await.unwrap();
    assert_eq!(gone, ["a".into(), "b".into()]);
    assert_eq!((held(&bench, &["a", "b", "c"]).await.as_str(), bench.store.totals().absences), ("--c", 1));
}

#[tokio::test]
async fn the_oldest_entries_go_when_there_are_too_many_but_not_what_is_pinned() {
    let bench = Bench::new();
    for key in ["a", "b", "c", "d"] {
        bench.keep_later(key, b"same").await;
    }
    bench.store.pin("a", true).await.unwrap();
    let gone = bench.store.remove_by(|connection| evict::oldest_entries(connection, 2)).await.unwrap();
    assert_eq!(gone, ["b".into(), "c".into()]);
    assert_eq!((held(&bench, &["a", "b", "c", "d"]).await.as_str(), bench.files()), ("a--d", 1));
}

/// Has the index count more than there are: as many as are allowed are more than a test can keep.
async fn miscount(bench: &Bench, sql: &'static str) {
    bench.store.0.writer.write(move |connection| Ok(connection.execute(sql, [])?), |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_round_removes_the_oldest_of_too_many_entries_and_absences_a_batch_at_a_time() {
    let bench = Bench::new();
    for number in 0..100 {
        bench.keep(&format!("p{number}"), b"same").await;
        bench.store.commit(Draft { status: 404, ..bench.draft(&format!("a{number}")) }, None).await.unwrap();
    }
    let gone = bench.store.remove_by(|connection| evict::oldest_entries(connection, 90)).await.unwrap();
    assert_eq!(gone.len(), 64, "one batch");
    let gone = bench.store.remove_by(|connection| evict::oldest_absences(connection, 90)).await.unwrap();
    assert_eq!(gone.len(), 64, "one batch");
    for number in 0..64 {
        bench.keep(&format!("p{number}"), b"same").await;
        bench.store.commit(Draft { status: 404, ..bench.draft(&format!("a{number}")) }, None).await.unwrap();
    }
    bench.keep_later("p", b"same").await;
    bench.store.commit(Draft { status: 404, ..bench.draft("a") }, None).await.unwrap();
    bench.store.round().await.unwrap();
    assert_eq!((bench.store.totals().entries, bench.store.totals().absences), (202, 101));
    // 100 too many of each: one of each is left then.
    miscount(&bench, "UPDATE totals SET entries = entries + 99999 + 3999999, absences = absences + 99999").await;
    bench.store.round().await.unwrap();
    miscount(&bench, "UPDATE totals SET entries = entries - 99999 - 3999999, absences = absences - 99999").await;
    assert_eq!((bench.store.totals().entries, bench.store.totals().absences), (2, 1));
    assert_eq!(held(&bench, &["p", "a"]).await, "pa", "what was asked for last");
}

#[tokio::test]
async fn too_many_entries_that_are_all_pinned_stay() {
    let bench = Bench::new();
    keep(&bench.store, Draft { pinned: true, ..bench.draft("a") }, b"hello").await.unwrap();
    miscount(&bench, "UPDATE totals SET entries = entries + 4000000").await;
    bench.store.round().await.unwrap();
    assert_eq!(held(&bench, &["a"]).await, "a");
}

#[tokio::test]
async fn memory_stays_within_its_bound() {
    let bench = Bench::with(Settings { hot_bytes: 100_000, hot_object_bytes: 10_000, ..Settings::default() });
    for number in 0..100 {
        bench.keep(&format!("p{number}"), &vec![b'x'; 5000 + number]).await;
    }
    assert!(bench.store.0.shared.hot.weight() <= 100_000);
    assert_eq!(bench.store.totals().entries, 100);
}

#[tokio::test]
async fn what_left_memory_before_it_was_written_down_counts_as_asked_for_all_the_same() {
    let bench = Bench::with(Settings { max_bytes: 1000, hot_bytes: 1 << 20, ..Settings::default() });
    bench.keep_later("a", &[b'a'; 300]).await;
    bench.keep_later("b", &[b'b'; 300]).await;
    bench.clock.advance(Duration::from_secs(61));
    bench.store.find_hot("a").unwrap();
    bench.store.0.shared.hot.clear();
    bench.store.0.shared.hot.weight();
    let _room = bench.store.reserve(500).await.unwrap();
    assert_eq!(held(&bench, &["a", "b"]).await, "a-");
}

#[tokio::test]
async fn small_segments_lie_in_memory_though_the_whole_does_not() {
    let bench = Bench::with(Settings { hot_bytes: 16 * 100, hot_object_bytes: 90, ..Settings::default() });
    let body: Vec<u8> = (0..=255).collect();
    let segments = vec![
        segment("large", 0, 100),
        segment("b", 100, 20),
        segment("a", 120, 30),
        segment("a again", 120, 30),
        segment("too much", 150, 60),
        segment("empty", 150, 0),
    ];
    let entry = keep(&bench.store, Draft { segments, ..bench.draft("k") }, &body).await.unwrap();
    for (name, in_memory, expected) in [
        ("large", false, 0..100),
        ("b", true, 100..120),
        ("a", true, 120..150),
        ("a again", true, 120..150),
        ("too much", false, 150..210),
        ("empty", true, 150..150),
    ] {
        let part = entry.segment_body(entry.segment(name).unwrap()).unwrap();
        assert_eq!(matches!(part, Body::Bytes(_)), in_memory, "{name}");
        assert_eq!(bytes(&part), body[expected], "{name}");
    }
}

#[tokio::test]
async fn what_is_held_without_being_kept_is_read_like_any_other() {
    let bench = small();
    let temp = bench.store.temp().unwrap();
    temp.write_all(b"hello").unwrap();
    let draft = Draft { segments: vec![segment("z", 0, 2), segment("a", 2, 3)], ..bench.draft("a") };
    let entry = bench.store.hold(draft, (temp, Digest::of(b"hello"), 5)).await.unwrap();
    assert!(!entry.is_kept());
    assert_eq!(bytes(&entry.body().unwrap()), b"hello");
    assert_eq!(bytes(&entry.segment_body(entry.segment("a").unwrap()).unwrap()), b"llo");
    assert!(bench.store.find("a").await.unwrap().is_none());
    assert_eq!(bench.files(), 0);
}

/// Writes a body into a room, and keeps it if there is one.
async fn keep_in(room: Room, store: &Store, draft: Draft, body: &[u8]) -> Arc<Entry> {
    room.temp.write_all(body).unwrap();
    let mut hasher = Hasher::new(None);
    hasher.update(body);
    room.keep(store, draft, &hasher.finish()).await.unwrap()
}

#[tokio::test]
async fn what_finds_no_room_or_gives_it_back_is_served_and_not_kept() {
    let bench = small();
    for (bytes, is_given_back, is_kept) in [(100, false, true), (100, true, false), (2000, false, false)] {
        let room = Room::make(&bench.store, Some(bytes)).await.unwrap();
        let room = if is_given_back { room.forgo() } else { room };
        let served = keep_in(room, &bench.store, bench.draft("a@1"), b"hello").await;
        assert_eq!(served.is_kept(), is_kept, "{bytes} bytes, given back: {is_given_back}");
    }
}
