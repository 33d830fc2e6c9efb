//! What is kept comes back as it was, and what changes changes everywhere.

use super::*;
use crate::base::digest::Integrity;
use crate::mirror::first_seen::HELD;
use crate::mirror::store::incidents::KEPT;
use crate::mirror::store::keep::PURGED_AT_ONCE;
use crate::mirror::store::{Incident, Listing};

#[tokio::test]
async fn what_is_kept_comes_back_after_a_restart_with_all_its_facts() {
    let bench = Bench::new();
    let source = Some(Digest::of(b"document"));
    let segments = vec![segment("plain", 0, 2), segment("gzip", 2, 3)];
    let lines = [("x-a", &b"1"[..]), ("x-a", b"caf\xe9"), ("x-b", b"")];
    let line = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    let headers = Some(Box::new(lines.into_iter().map(line).collect()));
    let http = Http { headers, ..bench.draft("a@1").http };
    let draft = Draft { source, segments, http, pinned: true, ..bench.draft("a@1") };
    let kept = keep(&bench.store, draft.clone(), b"hello").await.unwrap();
    let bench = bench.restart().await;
    let found = bench.store.find("a@1").await.unwrap().unwrap();
    assert_eq!(bytes(&found.body().unwrap()), b"hello");
    assert_eq!((found.digest, found.size, found.status), (Some(Digest::of(b"hello")), 5, 200));
    assert_eq!((&found.http, &found.proofs, found.source), (&draft.http, &draft.proofs, source));
    assert_eq!((found.stored_at, found.validated_at, found.pinned), (draft.stored_at, draft.validated_at, true));
    assert_eq!((&*found.mount, &*found.package), ("npm", "a"));
    assert_eq!(found.segments, kept.segments);
    assert_eq!(bytes(&found.segment_body(found.segment("gzip").unwrap()).unwrap()), b"llo");
    assert!(found.segment("other").is_none());
}

#[tokio::test]
async fn an_absence_has_no_content() {
    let bench = Bench::new();
    let draft = Draft { status: 404, ..bench.draft("a") };
    bench.store.commit(draft, None).await.unwrap();
    let bench = bench.restart().await;
    let found = bench.store.find("a").await.unwrap().unwrap();
    assert!(found.is_absence() && matches!(found.body(), Ok(Body::Empty)));
    assert_eq!(bench.store.totals().absences, 1);
    bench.keep("a", b"published after all").await;
    assert_eq!(bench.store.totals().absences, 0);
}

#[tokio::test]
async fn a_hit_in_memory_needs_no_file_and_no_index() {
    let bench = Bench::new();
    bench.keep("small", b"small").await;
    bench.keep("large", &[b'x'; 2000]).await;
    assert!(matches!(bench.store.find_hot("small").unwrap().body(), Ok(Body::Bytes(_))));
    assert!(matches!(bench.store.find_hot("large").unwrap().body(), Ok(Body::File(_))));
    assert!(bench.store.find_hot("none").is_none());
}

#[tokio::test]
async fn cacache_finds_and_verifies_what_we_put_there() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    let integrity = Digest::of(b"hello").to_sri().parse().unwrap();
    assert_eq!(cacache::read_hash_sync(bench.directory.path(), &integrity).unwrap(), b"hello");
}

#[tokio::test]
async fn content_goes_with_the_last_entry_that_refers_to_it() {
    let bench = Bench::new();
    bench.keep("a", b"same").await;
    bench.keep("b", b"same").await;
    bench.keep("c", b"other").await;
    bench.keep("c", b"newer").await;
    assert!(bench.store.remove("a").await.unwrap());
    assert!(!bench.store.remove("a").await.unwrap());
    assert_eq!(bench.files(), 2);
    assert_eq!(bench.text("b").await.unwrap(), "same");
    assert_eq!(bench.text("c").await.unwrap(), "newer");
    bench.store.remove("b").await.unwrap();
    assert_eq!((bench.files(), bench.store.totals().bytes), (1, 5));
}

#[tokio::test]
async fn a_confirmed_entry_has_new_facts_and_its_old_content() {
    let bench = Bench::new();
    bench.keep("a", b"hello").await;
    let http = Http { etag: Some(HeaderValue::from_static("\"new\"")), ..Http::default() };
    bench.clock.advance(Duration::from_secs(5));
    let now = bench.clock.now();
    let refreshed = bench.store.refresh("a", http.clone(), now).await.unwrap().unwrap();
    assert_eq!((&refreshed.http, refreshed.validated_at), (&http, now));
    assert_eq!(bench.store.find_hot("a").unwrap().http, http);
    let bench = bench.restart().await;
    let found = bench.store.find("a").await.unwrap().unwrap();
    assert_eq!((&found.http, found.validated_at), (&http, now));
    assert_eq!(bytes(&found.body().unwrap()), b"hello");
    assert!(bench.store.refresh("b", http, now).await.unwrap().is_none());
}

#[tokio::test]
async fn a_package_is_purged_in_its_own_mount_only() {
    let bench = Bench::new();
    bench.keep("a@1", b"one").await;
    bench.keep("a@2", b"two").await;
    bench.keep("b@1", b"three").await;
    keep(&bench.store, Draft { mount: "other".into(), ..bench.draft("a@3") }, b"four").await.unwrap();
    bench.store.pin("a@2", true).await.unwrap();
    assert_eq!(bench.store.purge_package("npm", "a").await.unwrap(), 2);
    assert!(bench.text("a@1").await.is_none() && bench.text("a@2").await.is_none());
    assert_eq!((bench.files(), bench.store.totals().entries), (2, 2));
}

#[tokio::test]
async fn what_upstreams_gave_is_listed_and_counted() {
    let bench = Bench::new();
    for key in ["b@1", "a@1", "a@2", "own@1"] {
        bench.keep(key, key.as_bytes()).await;
    }
    let made = Draft { source: Some(Digest::of(b"document")), ..bench.draft("a@forms") };
    keep(&bench.store, made, b"made").await.unwrap();
    keep(&bench.store, Draft { package: "".into(), ..bench.draft("keys") }, b"of no package").await.unwrap();
    keep(&bench.store, Draft { mount: "other".into(), ..bench.draft("a@3") }, b"elsewhere").await.unwrap();
    bench.store.commit(Draft { status: 404, ..bench.draft("c@1") }, None).await.unwrap();
    let list = async |package: Option<&str>, places| {
        let (mount, package, except) = ("npm".to_owned(), package.map(str::to_owned), "own@".to_owned());
        let (count, kept) = bench.store.list(Listing { mount, package, except }, places).await.unwrap();
        (count, kept.into_iter().map(|kept| (kept.package, kept.key, kept.size)).collect::<Vec<_>>())
    };
    let kept = |package: &str, key: &str| (package.to_owned(), key.to_owned(), 3);
    let all = vec![kept("a", "a@1"), kept("a", "a@2"), kept("b", "b@1")];
    assert_eq!(list(None, 0..9).await, (3, all.clone()));
    assert_eq!(list(None, 1..2).await, (3, all[1..2].to_vec()));
    assert_eq!(list(Some("a"), 0..9).await, (2, all[..2].to_vec()));
    assert_eq!(list(Some("c"), 0..9).await, (0, vec![]));
    assert_eq!(list(None, u64::MAX..u64::MAX).await, (3, vec![]));
}

#[tokio::test]
async fn a_mount_is_purged_and_no_other() {
    let bench = Bench::new();
    for number in 0..PURGED_AT_ONCE + 1 {
        let draft = Draft { status: 404, ..bench.draft(&format!("a@{number}")) };
        bench.store.commit(draft, None).await.unwrap();
    }
    keep(&bench.store, Draft { mount: "other".into(), ..bench.draft("b") }, b"elsewhere").await.unwrap();
    assert_eq!(bench.store.purge_mount("npm").await.unwrap(), PURGED_AT_ONCE + 1);
    assert_eq!(bench.store.purge_mount("npm").await.unwrap(), 0);
    assert_eq!(bench.text("b").await.as_deref(), Some("elsewhere"));
}

#[tokio::test]
async fn a_package_is_trimmed_to_what_was_asked_for_last() {
    let bench = Bench::new();
    for key in ["a@1", "a@2", "a@3", "a@4", "b@1"] {
        bench.keep(key, key.as_bytes()).await;
        bench.clock.advance(Duration::from_secs(1));
    }
    bench.store.pin("a@1", true).await.unwrap();
    bench.store.trim_package("npm", "a", 2).await.unwrap();
    assert!(bench.text("a@2").await.is_none());
    for key in ["a@1", "a@3", "a@4", "b@1"] {
        assert_eq!(bench.text(key).await.as_deref(), Some(key));
    }
}

#[tokio::test]
async fn a_key_is_purged_with_what_was_made_of_it_and_nothing_beside_it() {
    let bench = Bench::new();
    for key in ["a@1", "a@1\nform", "a@1\nother form", "a@10", "a@1 ", "a@1\u{b}x", "a@"] {
        bench.keep(key, key.as_bytes()).await;
    }
    bench.store.pin("a@1", true).await.unwrap();
    assert_eq!(bench.store.purge_key("a@1").await.unwrap(), 3);
    assert_eq!(bench.store.purge_key("a@1").await.unwrap(), 0);
    for (key, stays) in [("a@1", false), ("a@1\nform", false), ("a@10", true), ("a@1 ", true), ("a@1\u{b}x", true)] {
        assert_eq!(bench.text(key).await.is_some(), stays, "{key:?}");
    }
}

#[tokio::test]
async fn a_pin_stays_when_the_entry_is_replaced() {
    let bench = Bench::new();
    bench.keep("a", b"one").await;
    assert!(bench.store.pin("a", true).await.unwrap());
    assert!(bench.store.find_hot("a").unwrap().pinned);
    assert!(bench.keep("a", b"two").await.pinned);
    assert!(!bench.store.pin("b", true).await.unwrap());
}

#[tokio::test]
async fn what_is_held_to_a_digest_goes_and_nothing_else() {
    let bench = Bench::new();
    let made = |key: &str| Draft { source: Some(Digest::of(b"document")), ..bench.draft(key) };
    let mended = |key: &str| Draft { proofs: vec!["packument".into(), HELD.into()], ..bench.draft(key) };
    bench.keep("a@1", b"one").await;
    bench.keep("a@2", b"two").await;
    keep(&bench.store, mended("a@document"), b"document").await.unwrap();
    keep(&bench.store, made("a@forms"), b"forms").await.unwrap();
    keep(&bench.store, mended("b@document"), b"another document").await.unwrap();
    bench.keep("b@1", b"one").await;
    assert!(bench.store.remove_held("npm", "a", Digest::of(b"one")).await.unwrap());
    for (key, stays) in
        [("a@1", false), ("a@2", true), ("a@document", false), ("a@forms", false), ("b@document", true), ("b@1", true)]
    {
        assert_eq!(bench.text(key).await.is_some(), stays, "{key}");
    }
    assert!(!bench.store.remove_held("npm", "a", Digest::of(b"one")).await.unwrap());
}

#[tokio::test]
async fn kept_bytes_tell_whether_they_have_a_hash() {
    let bench = Bench::new();
    // Longer than what is read at once.
    let body = vec![b'x'; 300_000];
    bench.keep("a", &body).await;
    let promised = |bytes: &[u8]| Integrity::parse(&Digest::of(bytes).to_sri()).unwrap();
    let is_of = |promised: &Integrity| bench.store.is_of(Digest::of(&body), promised).unwrap();
    assert_eq!((is_of(&promised(&body)), is_of(&promised(b"y"))), (Some(true), Some(false)));
    bench.overwrite(&body, b"damaged");
    assert_eq!(is_of(&promised(b"damaged")), None);
    bench.store.remove("a").await.unwrap();
    assert_eq!(is_of(&promised(&body)), None);
}

#[tokio::test]
async fn the_newest_incidents_are_remembered() {
    let bench = Bench::new();
    let incident = |number: i64| Incident {
        at: bench.clock.now(),
        mount: "npm".into(),
        key: format!("key {number}"),
        package: "a".into(),
        kind: "digest".into(),
        detail: "not what was promised".into(),
    };
    let all: Vec<_> = (0..KEPT + 5).map(incident).collect();
    let add = move |connection: &rusqlite::Connection| {
        all.iter().try_for_each(|one| crate::mirror::store::incidents::add(connection, one))
    };
    bench.store.0.writer.write(add, |()| {}).await.unwrap();
    bench.store.report(incident(-1)).await.unwrap();
    let listed = bench.store.incidents(3).await.unwrap();
    assert_eq!(listed, [incident(-1), incident(KEPT + 4), incident(KEPT + 3)]);
    let listed = bench.store.incidents(usize::MAX).await.unwrap();
    assert_eq!((listed.len(), &*listed.last().unwrap().key), (KEPT as usize, "key 6"));
}

#[tokio::test]
async fn totals_are_exact_whatever_was_done() {
    let bench = Bench::new();
    let mut dice = 7_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for _ in 0..400 {
        let key = format!("p{}@{}", roll(5), roll(4));
        match roll(8) {
            6..8 => drop(bench.store.pin(&key, roll(3) > 0).await.unwrap()),
            0 => drop(bench.store.remove(&key).await.unwrap()),
            1 => drop(bench.store.commit(Draft { status: 404, ..bench.draft(&key) }, None).await.unwrap()),
            2 => drop(bench.store.purge_package("npm", &format!("p{}", roll(5))).await.unwrap()),
            _ => drop(bench.keep(&key, &vec![b'x'; roll(9) as usize * 100]).await),
        }
    }
    bench.store.sweep().await.unwrap();
    let counted = bench.store.read(count).await.unwrap();
    let totals = bench.store.totals();
    assert!(totals.pinned > 0 && totals.pinned < totals.bytes, "{totals:?}");
    assert_eq!(
        [totals.entries, totals.absences, totals.bytes, totals.pinned],
        counted.map(|number: i64| number as u64)
    );
    let files = fs::files_below(&bench.directory.path().join("content-v2")).unwrap();
    let on_disk: u64 = files.iter().map(|file| fs::length(file).unwrap().unwrap()).sum();
    assert_eq!(totals.bytes, on_disk);
}

fn count(connection: &rusqlite::Connection) -> Result<[i64; 4], Error> {
    let sql = "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM entries WHERE digest IS NULL),
        (SELECT coalesce(sum(size), 0) FROM contents WHERE digest IN (SELECT digest FROM entries)),
        (SELECT coalesce(sum(size), 0) FROM contents WHERE digest IN (SELECT digest FROM entries WHERE pinned))";
    Ok(connection.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?)
}
