//! First digests that an older program remembered in the index are handed on, and not before that forgotten.

use super::*;
use crate::mirror::firsts::First;
use crate::mirror::store::Carried;

/// Makes the index one of version 3 that remembers first digests.
async fn with_firsts(bench: &Bench, count: usize) {
    let rows = (0..count).map(|number| {
        format!(
            "INSERT INTO first_seen VALUES ('npm/a@1.0.{number:04}', x'{}', 1700000000000, 'dist {number}', NULL);",
            Digest::of(number.to_string().as_bytes())
        )
    });
    let rows: Vec<_> = rows.collect();
    age_by(bench, [WITH_FIRSTS, &rows.concat()].concat()).await;
}

/// Returns all that is to be carried, asking until there is no more.
async fn all(store: &Store) -> Vec<Carried> {
    let mut all: Vec<Carried> = Vec::new();
    for _ in 0..10 {
        let after = all.last().map(|last| last.first.release.clone()).unwrap_or_default();
        let page = store.old_firsts(&after).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
    panic!("there is always more");
}

#[tokio::test]
async fn what_an_older_program_remembered_is_handed_on_until_it_is_dropped() {
    let bench = Bench::new();
    bench.keep("a@1", b"hello").await;
    with_firsts(&bench, 1234).await;
    let bench = bench.restart().await;
    for _ in 0..2 {
        let carried = all(&bench.store).await;
        assert_eq!(carried.len(), 1234);
        let first = First {
            release: "npm/a@1.0.0007".to_owned(),
            digest: Digest::of(b"7"),
            testimony: Some("dist 7".to_owned()),
            rival: None,
        };
        let seen_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
        assert_eq!(carried[7], Carried { first, seen_at });
    }
    bench.store.forget_old_first("npm/a@1.0.0007").await.unwrap();
    assert_eq!(all(&bench.store).await.len(), 1233);
    for _ in 0..2 {
        bench.store.drop_old_firsts().await.unwrap();
        bench.store.forget_old_first("npm/a@1.0.0008").await.unwrap();
        assert_eq!(all(&bench.store).await, []);
    }
    assert_eq!(bench.restart().await.text("a@1").await.as_deref(), Some("hello"));
}

#[tokio::test]
async fn what_another_process_may_still_write_to_is_not_dropped_beside_it() {
    let bench = Bench::new();
    with_firsts(&bench, 2).await;
    let second = bench.second();
    second.drop_old_firsts().await.unwrap();
    assert_eq!(all(&second).await.len(), 2);
    second.close().await.unwrap();
    bench.store.drop_old_firsts().await.unwrap();
    assert_eq!(all(&bench.store).await, []);
}

#[tokio::test]
async fn an_index_of_the_first_version_is_brought_up_to_date() {
    let bench = Bench::new();
    bench.keep("a@1", b"hello").await;
    let row = format!("INSERT INTO first_seen (release, digest, seen_at) VALUES ('a', x'{}', 7);", Digest::of(b"a"));
    let older = "ALTER TABLE first_seen DROP COLUMN testimony; ALTER TABLE first_seen DROP COLUMN rival;
        PRAGMA user_version = 1;";
    age_by(&bench, [WITH_FIRSTS, AGE, &row, older].concat()).await;
    let bench = bench.restart().await;
    let carried = all(&bench.store).await;
    assert_eq!((carried.len(), carried[0].first.digest), (1, Digest::of(b"a")));
    assert_eq!((&carried[0].first.testimony, &carried[0].first.rival), (&None, &None));
    assert_eq!(bench.text("a@1").await.as_deref(), Some("hello"));
}
