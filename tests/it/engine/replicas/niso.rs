//! A niso registry, synced.

use heliostat::config::{self, Dialect};
use heliostat::registries::replica::Outcome;

use super::{A_YEAR, Mounted, changes, news, outcomes};
use crate::support::niso::{App, FakeNiso, Generation};

#[tokio::test]
async fn what_was_synced_is_there_when_upstream_is_not() {
    let fake = FakeNiso::start(Generation::Present);
    let app =
        App::new("app").with("1.0.0", "x86_64", 3_000).with("1.0.0", "aarch64", 4_000).with("1.1.0", "x86_64", 5_000);
    fake.publish(&app.clone().tag("latest", "1.1.0"));
    let mounted = Mounted::open(Dialect::Niso(config::Niso::default()), &fake.upstream.url()).await;
    let report = mounted.sync_all("app", None).await;
    assert_eq!(outcomes(&report), [("1.1.0", &Outcome::Fetched), ("1.0.0", &Outcome::Fetched)]);
    assert_eq!(report.pins, ["1.1.0", "1.0.0", ""]);
    let again = mounted.sync_all("app", Some(&report)).await;
    assert!(again.changes.is_empty() && outcomes(&again).iter().all(|(_, outcome)| **outcome == Outcome::Held));
    fake.upstream.vanish().await;
    mounted.world.later(A_YEAR);
    for build in &app.builds {
        assert_eq!(mounted.get(&app.path(build)).await, (200, build.archive.clone()), "{}", build.version);
    }
    for path in ["versions", "tags", "latest/x86_64"] {
        assert_eq!(mounted.get(&format!("/v1/packages/app/{path}")).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn what_changes_upstream_is_told() {
    let fake = FakeNiso::start(Generation::Present);
    fake.publish(&App::new("app").with("1.0.0", "x86_64", 3_000).tag("latest", "1.0.0"));
    fake.publish(&App::new("other").with("1.0.0", "x86_64", 3_000));
    let mounted = Mounted::open(Dialect::Niso(config::Niso::default()), &fake.upstream.url()).await;
    let [feed] = &mounted.replica().feeds().await.unwrap()[..] else { panic!("one feed") };
    let (start, first) = (mounted.poll(feed, None).await, mounted.sync_all("app", None).await);
    assert!(start.changes.is_empty());

    fake.publish(&App::new("app").with("1.1.0", "x86_64", 4_000).tag("latest", "1.1.0").tag("next", "1.1.0"));
    assert_eq!(changes(&mounted.poll(feed, Some(&start.position)).await), ["app 1.1.0"]);
    let second = mounted.sync_all("app", Some(&first)).await;
    assert_eq!(news(&second), ["version added 1.1.0", "version removed 1.0.0", "package changed"]);
    assert_eq!(mounted.replica().names(None).await.unwrap().names, ["app", "other"]);
}
