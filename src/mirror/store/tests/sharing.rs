//! Two processes, two threads: nobody sees what is not there, and nobody keeps seeing what is gone.

use super::*;

#[tokio::test]
async fn what_one_process_writes_the_other_finds_and_what_it_removes_the_other_forgets() {
    let bench = Bench::new();
    let second = bench.second();
    bench.keep("a", b"one").await;
    assert_eq!(text(&second, "a").await.unwrap(), "one");
    keep(&second, bench.draft("a"), b"two").await.unwrap();
    bench.store.glance().await.unwrap();
    assert_eq!(bench.text("a").await.unwrap(), "two");
    second.purge_package("npm", "a").await.unwrap();
    bench.store.glance().await.unwrap();
    assert!(bench.store.find_hot("a").is_none());
    assert_eq!(bench.store.totals().entries, 0);
    second.close().await.unwrap();
}

#[tokio::test]
async fn a_process_does_not_forget_because_of_what_it_writes_itself() {
    let bench = Bench::new();
    bench.keep("a", b"one").await;
    bench.keep("b", b"two").await;
    bench.store.glance().await.unwrap();
    assert!(bench.store.find_hot("a").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_remove_what_the_other_has_just_put_in_place() {
    let bench = Bench::with(Settings { hot_bytes: 0, ..Settings::default() });
    let second = bench.second();
    let work = |store: Store, name: &'static str| {
        let now = bench.clock.now();
        async move {
            for round in 0..60 {
                // The same few bodies from both sides: their content comes and goes all the time.
                let body = format!("body {}", round % 3);
                keep(&store, draft(name, now), body.as_bytes()).await.unwrap();
                assert_eq!(text(&store, name).await.as_deref(), Some(body.as_str()), "{name} {round}");
                store.remove(name).await.unwrap();
            }
        }
    };
    let (one, other) = (tokio::spawn(work(bench.store.clone(), "a")), tokio::spawn(work(second.clone(), "b")));
    one.await.unwrap();
    other.await.unwrap();
    assert_eq!(bench.files(), 0);
    bench.store.glance().await.unwrap();
    assert_eq!(bench.store.totals().bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_put_an_old_state_back_into_memory() {
    let bench = Bench::new();
    let store = bench.store.clone();
    let reading = tokio::spawn(async move {
        for _ in 0..500 {
            store.0.shared.hot.clear();
            store.find("a").await.unwrap();
        }
    });
    for round in 0..100 {
        let body = format!("body {round}");
        bench.keep("a", body.as_bytes()).await;
        assert_eq!(bench.text("a").await.unwrap(), body);
    }
    reading.await.unwrap();
    assert_eq!(bench.text("a").await.unwrap(), "body 99");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_want_content_under_suspicion_are_all_served_once_it_is_hashed() {
    let bench = Bench::new();
    let body = vec![b'x'; 1 << 20];
    bench.keep("a", &body).await;
    let bench = bench.crash();
    let asking: Vec<_> =
        (0..20).map(|_| bench.store.clone()).map(|store| async move { store.find("a").await }).collect();
    for asked in asking.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().unwrap().unwrap().size, body.len() as u64);
    }
}

#[tokio::test]
async fn a_write_that_fails_does_not_undo_those_it_shares_a_transaction_with() {
    let bench = Bench::new();
    bench.keep("a", b"one").await;
    let failing = |connection: &rusqlite::Connection| -> Result<(), Error> {
        assert_eq!(crate::mirror::store::rows::remove(connection, "a").unwrap().len(), 1);
        Err(Error::Full)
    };
    let (second, failed, third) = tokio::join!(
        keep(&bench.store, bench.draft("b"), b"two"),
        bench.store.0.writer.write(failing, |()| {}),
        keep(&bench.store, bench.draft("c"), b"three"),
    );
    assert!(second.is_ok() && matches!(failed, Err(Error::Full)) && third.is_ok());
    for (key, body) in [("a", "one"), ("b", "two"), ("c", "three")] {
        assert_eq!(bench.text(key).await.unwrap(), body);
    }
    assert_eq!(bench.store.totals().entries, 3);
}
