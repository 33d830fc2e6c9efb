//! A Hex repository, synced.

use std::sync::atomic::Ordering;
use std::time::Duration;

use heliostat::config::{self, Dialect};
use heliostat::mirror::store::Checked;
use heliostat::overlay::tasks::Wish;
use heliostat::registries::replica::{Failure, Outcome};

use super::{A_YEAR, Mounted, changes, news, outcomes};
use crate::support::fault::Fault;
use crate::support::hex::{FakeHex, Package, Release};

async fn mounted(fake: &FakeHex) -> Mounted {
    // The key is fetched, so that it is pinned as well.
    let hex = config::Hex { fingerprint: Some(fake.key().fingerprint()), ..config::Hex::default() };
    Mounted::open(Dialect::Hex(hex), &fake.upstream.url()).await
}

#[tokio::test]
async fn what_was_synced_is_there_when_upstream_is_not() {
    let fake = FakeHex::start();
    let jason = Package::with_versions("jason", &["1.0.0", "1.1.0"]);
    let plug = Package::new("plug").with(Release::depending("plug", "1.0.0", &[("jason", "~> 1.0")]));
    [&jason, &plug].into_iter().for_each(|package| fake.publish(package));
    let mounted = mounted(&fake).await;

    let report = mounted.sync_all("plug", None).await;
    assert_eq!(outcomes(&report), [("1.0.0", &Outcome::Fetched)]);
    assert_eq!(
        (&report.pins[..], news(&report)),
        (&["1.0.0".to_owned(), String::new()][..], vec!["package changed".into()])
    );
    let [need] = &report.needs[..] else { panic!("{:?}", report.needs) };
    assert_eq!(need.package, "jason");
    assert!(mounted.journal.bytes.load(Ordering::Relaxed) > 0 && mounted.told("[1/1] plug 1.0.0: stored"));

    let wish = Wish { ranges: [need.spec.clone()].into(), ..Wish::default() };
    let needed = mounted.sync("jason", wish, None).await.unwrap();
    assert_eq!(outcomes(&needed), [("1.0.0", &Outcome::Fetched), ("1.1.0", &Outcome::Fetched)]);
    let again = mounted.sync_all("jason", Some(&needed)).await;
    assert_eq!(outcomes(&again), [("1.0.0", &Outcome::Held), ("1.1.0", &Outcome::Held)]);
    assert!(again.changes.is_empty() && again.digest == needed.digest);
    assert_eq!(fake.upstream.count("/tarballs/jason-1.0.0.tar"), 1);

    fake.upstream.vanish().await;
    mounted.world.later(A_YEAR);
    for package in [&jason, &plug] {
        let (status, document) = mounted.get(&format!("/packages/{}", package.name)).await;
        assert_eq!((status, document), (200, fake.package_document(package)));
        for release in &package.releases {
            let (status, tarball) = mounted.get(&package.tarball_path(&release.version)).await;
            assert_eq!((status, &tarball), (200, &release.tarball), "{}", release.version);
        }
    }
    let unreachable = mounted.sync("jason", Wish::default(), Some(&needed)).await;
    assert!(matches!(unreachable, Err(Failure::Again { .. })), "{unreachable:?}");
}

#[tokio::test]
async fn what_changes_upstream_is_told_and_one_bad_version_does_not_fail_the_rest() {
    let fake = FakeHex::start();
    let old = Package::with_versions("jason", &["1.0.0", "1.1.0"]);
    fake.publish(&old);
    let mounted = mounted(&fake).await;
    let first = mounted.sync_all("jason", None).await;

    let retired = old.release("1.1.0").clone().retired(2, "leaks");
    let new =
        Package::new("jason").with(retired).with(Release::of("jason", "1.2.0")).with(Release::of("jason", "1.3.0"));
    fake.publish(&new);
    fake.upstream.fail("/tarballs/jason-1.2.0.tar", Fault::FlipBit { offset: 700, bit: 1 });
    let second = mounted.sync_all("jason", Some(&first)).await;
    let [("1.1.0", Outcome::Held), ("1.2.0", Outcome::Failed(why)), ("1.3.0", Outcome::Fetched)] =
        outcomes(&second)[..]
    else {
        panic!("{:?}", second.versions)
    };
    assert!(why.contains("does not prove to be right"), "{why}");
    assert_eq!(second.pins, ["1.1.0", "1.3.0", ""]);
    assert!(second.last_error.as_ref().is_some_and(|error| error.starts_with("1.2.0: ")));
    assert_eq!(second.gone, ["1.0.0"]);
    let told = [
        "version added 1.2.0",
        "version added 1.3.0",
        "version removed 1.0.0",
        "version deprecated 1.1.0 security: leaks",
    ];
    assert_eq!(news(&second), told);

    // What the list has told of must be there; what nobody has is said to be missing.
    let expects = Wish { expects: ["1.4.0".to_owned()].into(), ..Wish::default() };
    let late = mounted.sync("jason", expects, Some(&second)).await;
    assert!(
        matches!(late, Err(Failure::Again { after: Some(pause), .. }) if pause == Duration::from_secs(15)),
        "{late:?}"
    );
    let missing = Wish { versions: ["9.9.9".to_owned()].into(), ..Wish::default() };
    let missing = mounted.sync("jason", missing, Some(&second)).await.unwrap();
    assert!(matches!(outcomes(&missing)[..], [("9.9.9", Outcome::Failed(_))]));
}

#[tokio::test]
async fn what_upstream_has_no_longer_is_told_and_stays() {
    let fake = FakeHex::start();
    let package = Package::with_versions("jason", &["1.0.0", "1.1.0"]);
    fake.publish(&package);
    let mounted = mounted(&fake).await;
    let first = mounted.sync_all("jason", None).await;
    fake.withdraw(&package);
    let gone = mounted.sync_all("jason", Some(&first)).await;
    assert_eq!((news(&gone), gone.digest), (vec!["unpublished".to_owned()], None));
    assert_eq!(gone.gone, ["1.0.0", "1.1.0"]);
    assert_eq!(mounted.get("/packages/jason").await, (200, fake.package_document(&package)));
    let unknown = mounted.sync("nobody", Wish::default(), None).await;
    assert!(matches!(unknown, Err(Failure::Refused(_))), "{unknown:?}");
}

#[tokio::test]
async fn what_is_damaged_is_mended_when_it_is_forced() {
    let fake = FakeHex::start();
    fake.publish(&Package::new("jason").with(Release::sized("jason", "1.0.0", 50_000)));
    let mounted = mounted(&fake).await;
    mounted.sync_all("jason", None).await;
    let store = mounted.world.mirror.store();
    let keys = store.keys_below("hex").await.unwrap();
    let key = keys.iter().find(|key| key.contains("/tarball/")).expect("a tarball that is kept");
    let digest = store.find(key).await.unwrap().and_then(|entry| entry.digest).expect("a content").to_hex();
    let place = mounted.world.directory.path().join("content-v2/sha256").join(&digest[..2]).join(&digest[2..4]);
    std::fs::write(place.join(&digest[4..]), vec![b'x'; 50_000]).expect("a file of our own");
    let force = Wish { all: true, force: true, ..Wish::default() };
    let mended = mounted.sync("jason", force, None).await.unwrap();
    assert_eq!(outcomes(&mended), [("1.0.0", &Outcome::Fetched)]);
    assert!(mounted.told("was damaged"));
    assert_eq!(store.check(key).await.unwrap(), Checked::Whole);
}

#[tokio::test]
async fn the_list_of_versions_tells_what_has_changed() {
    let fake = FakeHex::start();
    fake.publish(&Package::with_versions("jason", &["1.0.0"]));
    fake.publish(&Package::with_versions("plug", &["1.0.0"]));
    let mounted = mounted(&fake).await;
    let [feed] = &mounted.replica().feeds().await.unwrap()[..] else { panic!("one feed") };
    let start = mounted.poll(feed, None).await;
    assert!(start.changes.is_empty() && start.is_at_head);
    assert!(mounted.poll(feed, Some(&start.position)).await.changes.is_empty());
    fake.publish(&Package::with_versions("jason", &["1.0.0", "1.1.0"]));
    fake.publish(&Package::with_versions("new", &["0.1.0"]));
    let news = mounted.poll(feed, Some(&start.position)).await;
    assert_eq!(changes(&news), ["jason 1.0.0 1.1.0", "new 0.1.0"]);
    assert!(mounted.poll(feed, Some(&news.position)).await.changes.is_empty());
    let names = mounted.replica().names(None).await.unwrap();
    assert_eq!((names.names.join(" "), names.next), ("jason new plug".to_owned(), None));
    fake.upstream.fail("/versions", Fault::Status(503));
    let down = mounted.replica().poll(feed, Some(&news.position)).await;
    assert!(matches!(down, Err(Failure::Again { .. })), "{down:?}");
}
