//! A nessemble registry, synced.

use heliostat::config::{self, Dialect};
use heliostat::registries::replica::Outcome;

use super::{A_YEAR, Mounted, changes, outcomes};
use crate::support::nessemble::{FakeNessemble, Library, Oddity};

async fn mounted(fake: &FakeNessemble) -> Mounted {
    Mounted::open(Dialect::Nessemble(config::Nessemble::default()), &fake.upstream.url()).await
}

#[tokio::test]
async fn what_was_synced_is_there_when_upstream_is_not() {
    let fake = FakeNessemble::start(Oddity::None);
    let library = Library::new("foo").with("1.0.0", 3_000);
    fake.publish(&library);
    let mounted = mounted(&fake).await;
    let report = mounted.sync_all("foo", None).await;
    assert_eq!(outcomes(&report), [("1.0.0", &Outcome::Fetched)]);
    assert_eq!(report.pins, ["1.0.0", ""]);
    let again = mounted.sync_all("foo", Some(&report)).await;
    assert!(again.changes.is_empty());
    assert_eq!(outcomes(&again), [("1.0.0", &Outcome::Held)]);
    for (path, count) in [("/package/foo", 2), ("/package/foo/1.0.0", 1), ("/package/foo/1.0.0/data", 1)] {
        assert_eq!(fake.upstream.count(path), count, "{path}");
    }
    fake.upstream.vanish().await;
    mounted.world.later(A_YEAR);
    for path in ["/package/foo", "/package/foo/1.0.0", "/package/foo/README"] {
        assert_eq!(mounted.get(path).await.0, 200, "{path}");
    }
    for path in ["/package/foo/data", "/package/foo/1.0.0/data"] {
        assert_eq!(mounted.get(path).await, (200, library.versions[0].archive.clone()), "{path}");
    }
}

#[tokio::test]
async fn what_the_list_does_not_tell_is_asked_for_in_turn() {
    let fake = FakeNessemble::start(Oddity::None);
    for title in ["bar", "foo"] {
        fake.publish(&Library::new(title).with("1.0.0", 3_000));
    }
    let mounted = mounted(&fake).await;
    let [feed] = &mounted.replica().feeds().await.unwrap()[..] else { panic!("one feed") };
    let start = mounted.poll(feed, None).await;
    assert!(start.changes.is_empty());
    fake.publish(&Library::new("baz").with("1.0.0", 3_000));
    let poll = mounted.poll(feed, Some(&start.position)).await;
    assert_eq!(changes(&poll), ["baz", "bar", "foo"]);
    assert_eq!(mounted.replica().names(None).await.unwrap().names, ["bar", "baz", "foo"]);
}
