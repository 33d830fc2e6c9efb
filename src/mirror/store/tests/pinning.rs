//! What is pinned is counted, and bounded; and what is kept can be looked at.

use super::*;
use crate::mirror::store::Checked;

/// A store in which ten bytes may be pinned.
fn narrow() -> Bench {
    Bench::with(Settings { max_pinned_bytes: 10, ..Settings::default() })
}

#[tokio::test]
async fn what_is_pinned_is_counted_once_however_many_refer_to_it() {
    let bench = Bench::new();
    bench.keep("a", b"same").await;
    bench.keep("b", b"same").await;
    bench.keep("c", b"other").await;
    for (key, pinned, bytes) in
        [("a", true, 4), ("b", true, 4), ("c", true, 9), ("a", false, 9), ("b", false, 5), ("b", false, 5)]
    {
        assert!(bench.store.pin(key, pinned).await.unwrap());
        assert_eq!(bench.store.pinned_bytes(), bytes, "{key} {pinned}");
    }
    // A pin goes with what it is on, and stays when that is replaced.
    bench.keep("c", b"another").await;
    assert_eq!(bench.store.pinned_bytes(), 7);
    let bench = bench.restart().await;
    assert_eq!(bench.store.pinned_bytes(), 7);
    bench.store.commit(Draft { status: 404, ..bench.draft("c") }, None).await.unwrap();
    assert_eq!(bench.store.pinned_bytes(), 0);
    keep(&bench.store, Draft { pinned: true, ..bench.draft("d") }, b"pinned at once").await.unwrap();
    assert_eq!(bench.store.pinned_bytes(), 14);
    bench.store.remove("d").await.unwrap();
    assert_eq!(bench.store.pinned_bytes(), 0);
}

#[tokio::test]
async fn no_more_is_pinned_than_may_be() {
    let bench = narrow();
    bench.keep("a", b"sixsix").await;
    bench.keep("b", b"five5").await;
    bench.keep("c", b"four").await;
    assert!(bench.store.pin("a", true).await.unwrap());
    assert_eq!(bench.store.room_for_pins(), 4);
    assert!(matches!(bench.store.pin("b", true).await, Err(Error::PinsFull)));
    assert_eq!(bench.store.pinned_bytes(), 6);
    assert!(!bench.store.find_hot("b").unwrap().pinned && !bench.store.find("b").await.unwrap().unwrap().pinned);
    assert!(bench.store.pin("c", true).await.unwrap());
    // What has grown since stays pinned, and may be pinned again; nothing else may.
    bench.keep("c", b"more than four").await;
    assert_eq!((bench.store.pinned_bytes(), bench.store.room_for_pins()), (20, 0));
    assert!(bench.store.pin("c", true).await.unwrap());
    assert!(matches!(bench.store.pin("b", true).await, Err(Error::PinsFull)));
    assert!(bench.store.pin("c", false).await.unwrap());
    assert!(!bench.store.pin("none", true).await.unwrap());
}

#[tokio::test]
async fn an_older_index_has_its_pins_counted() {
    let bench = Bench::new();
    for key in ["a", "b", "c"] {
        bench.keep(key, b"same").await;
        bench.store.pin(key, key != "c").await.unwrap();
    }
    bench.keep("d", b"other").await;
    age_by(&bench, WITH_FIRSTS.to_owned()).await;
    let bench = bench.restart().await;
    assert_eq!(bench.store.pinned_bytes(), 4);
    bench.store.remove("a").await.unwrap();
    assert_eq!(bench.store.pinned_bytes(), 4);
    bench.store.remove("b").await.unwrap();
    assert_eq!(bench.store.pinned_bytes(), 0);
    // Brought up to date once and for all.
    assert_eq!(bench.restart().await.text("d").await.as_deref(), Some("other"));
}

#[tokio::test]
async fn what_is_kept_is_looked_at_and_dropped_where_it_is_damaged() {
    let bench = Bench::new();
    // Too long for memory, where damage would not be seen.
    let (good, bad) = (vec![b'g'; 2000], vec![b'b'; 2000]);
    bench.keep("good", &good).await;
    bench.keep("bad", &bad).await;
    bench.store.pin("bad", true).await.unwrap();
    bench.store.commit(Draft { status: 404, ..bench.draft("absent") }, None).await.unwrap();
    bench.overwrite(&bad, &vec![b'x'; 2000]);
    for (key, expected) in
        [("good", Checked::Whole), ("bad", Checked::Damaged), ("bad", Checked::Missing), ("absent", Checked::Missing)]
    {
        assert_eq!(bench.store.check(key).await.unwrap(), expected, "{key}");
    }
    assert_eq!((bench.text("bad").await, bench.store.pinned_bytes()), (None, 0));
    assert_eq!(bench.text("good").await.unwrap().len(), 2000);
}

#[tokio::test]
async fn packages_are_listed_page_by_page() {
    let bench = Bench::new();
    for key in ["b@1", "a@1", "a@2", "c@1"] {
        bench.keep(key, key.as_bytes()).await;
    }
    keep(&bench.store, Draft { package: "".into(), ..bench.draft("keys") }, b"of no package").await.unwrap();
    keep(&bench.store, Draft { mount: "other".into(), ..bench.draft("z@1") }, b"elsewhere").await.unwrap();
    bench.store.commit(Draft { status: 404, ..bench.draft("absent@1") }, None).await.unwrap();
    for (after, limit, expected) in
        [("", 9, &["a", "b", "c"][..]), ("", 2, &["a", "b"]), ("b", 2, &["c"]), ("c", 2, &[]), ("", 0, &[])]
    {
        assert_eq!(bench.store.packages("npm", after, limit).await.unwrap(), expected, "{after} {limit}");
    }
}
