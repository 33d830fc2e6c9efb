//! Who asks strictly is told how upstream fares.

use std::sync::Arc;

use heliostat::base::digest::Digest;
use heliostat::base::http::CacheState;
use heliostat::mirror::firsts::First;
use heliostat::mirror::fresh::Demand;
use heliostat::mirror::{Error, Kind, Release, Resource};

use super::World;
use crate::support::fault::Fault;

const STRICT: Demand = Demand { newest: true, strict: true, ..Demand::NONE };

#[tokio::test]
async fn a_strict_asker_is_told_of_a_failure_and_all_others_are_served_what_is_held() {
    let world = World::start();
    world.put("a", "one", "max-age=10");
    assert_eq!(Demand::NONE.strict(), STRICT);
    assert_eq!(Demand::NONE.strict().newest(), STRICT);
    assert_eq!(world.document("a", &STRICT).await.unwrap(), ("one".to_owned(), CacheState::Miss));
    for (fault, kind) in
        [(Fault::Status(500), "unreachable"), (Fault::StallBeforeHead, "timeout"), (Fault::CutAt(1), "truncated")]
    {
        // What is held is no answer to a strict asker, fresh or not.
        world.put("a", "two", "max-age=10");
        world.upstream.fail("/a", fault);
        assert_eq!(world.document("a", &STRICT).await.unwrap_err().kind(), kind);
        world.later(10);
        let newest = Demand::NONE.newest();
        assert_eq!(world.document("a", &newest).await.unwrap(), ("one".to_owned(), CacheState::Stale));
        world.landed().await;
        world.upstream.heal_all();
        world.put("a", "one", "max-age=10");
        world.later(10);
        assert_eq!(world.document("a", &STRICT).await.unwrap(), ("one".to_owned(), CacheState::Revalidated));
    }
}

#[tokio::test]
async fn a_strict_asker_passes_over_what_is_remembered_to_be_absent() {
    let world = World::start();
    let absent = |result: Result<_, Error>| matches!(result, Err(Error::Absent { .. }));
    assert!(absent(world.document("a", &Demand::NONE).await));
    world.put("a", "one", "max-age=10");
    assert!(absent(world.document("a", &Demand::NONE).await));
    assert_eq!(world.count("a"), 1);
    assert_eq!(world.document("a", &STRICT).await.unwrap().0, "one");
    assert_eq!(world.document("a", &Demand::NONE).await.unwrap(), ("one".to_owned(), CacheState::Hit));
}

#[tokio::test]
async fn a_strict_asker_is_told_that_the_mirror_is_offline() {
    let world = World::start();
    world.put("a", "one", "max-age=10");
    world.document("a", &Demand::NONE).await.unwrap();
    world.mirror.fetch().set_offline(true);
    assert!(matches!(world.document("a", &STRICT).await, Err(Error::Offline)));
    assert_eq!(world.document("a", &Demand::NONE.newest()).await.unwrap().1, CacheState::Stale);
}

#[tokio::test]
async fn a_strict_asker_asks_again_for_bytes_that_were_refused() {
    let world = World::start();
    world.put("a", "other", "max-age=10");
    let (release, digest) = ("engine/a@1".to_owned(), Digest::of(b"first"));
    let first = First { release: release.clone(), digest, testimony: None, rival: Some("other".to_owned()) };
    world.firsts.0.lock().unwrap().insert(release.clone(), first);
    let want = Resource { release: Some(Release::from(release)), ..world.want("a", Kind::Artifact) };
    let want = Arc::new(want);
    for (demand, asked) in [(&Demand::NONE, 1), (&Demand::NONE, 1), (&STRICT, 2), (&Demand::NONE, 2)] {
        let refused = world.mirror.artifact(&want, demand).await.map(|found| found.cache);
        assert!(matches!(refused, Err(Error::Unproven(_))), "{refused:?}");
        assert_eq!(world.count("a"), asked);
    }
}
