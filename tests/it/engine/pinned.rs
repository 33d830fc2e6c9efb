//! What is pinned is served, whether upstream is gone or no longer has it; who asks strictly is told.

use std::sync::Arc;
use std::time::Duration;

use heliostat::base::http::CacheState;
use heliostat::mirror::fresh::Demand;
use heliostat::mirror::{Error, Kind};
use http::StatusCode;

use super::{World, key, text};
use crate::support::fault::Fault;

const A_YEAR: u64 = 366 * 86_400;

impl World {
    async fn pin(&self, path: &str) {
        assert!(self.mirror.store().pin(&key(path), true).await.expect("an index"), "{path} is not held");
    }

    async fn cache_of(&self, path: &str, demand: &Demand) -> Result<CacheState, Error> {
        Ok(self.document(path, demand).await?.1)
    }

    /// Asks for a file, and returns it with its status and how it was found.
    async fn file(&self, path: &str, demand: &Demand) -> Result<(StatusCode, String, CacheState), Error> {
        let answer = self.mirror.file(&Arc::new(self.want(path, Kind::File)), demand).await?;
        Ok((answer.status, text(&answer.body), answer.cache))
    }
}

#[tokio::test]
async fn a_pinned_document_stays_when_upstream_no_longer_has_it() {
    let world = World::start();
    world.put("a", "one", "max-age=10");
    world.document("a", &Demand::NONE).await.unwrap();
    world.pin("a").await;
    world.remove("a");
    world.later(10);
    // Said once, it is not asked again for a while, but by who insists.
    for _ in 0..2 {
        assert_eq!(world.document("a", &Demand::NONE).await.unwrap(), ("one".to_owned(), CacheState::Stale));
        assert_eq!(world.count("a"), 2);
    }
    let insisting = Demand { max_age: Some(Duration::ZERO), ..Demand::NONE };
    assert_eq!(world.cache_of("a", &insisting).await.unwrap(), CacheState::Stale);
    let strict = world.document("a", &Demand::NONE.strict()).await;
    assert!(matches!(strict, Err(Error::Absent { for_good: false, .. })), "{strict:?}");
    assert_eq!(world.count("a"), 4);
    world.put("a", "two", "max-age=10");
    assert_eq!(world.document("a", &Demand::NONE.strict()).await.unwrap().0, "two");
    assert_eq!(world.document("a", &Demand::NONE).await.unwrap(), ("two".to_owned(), CacheState::Hit));
    // Still pinned, and a year later too.
    world.remove("a");
    world.later(A_YEAR);
    assert_eq!(world.document("a", &Demand::NONE).await.unwrap(), ("two".to_owned(), CacheState::Stale));
}

#[tokio::test]
async fn what_is_not_pinned_gives_way_to_an_absence() {
    let world = World::start();
    world.put("a", "one", "max-age=10");
    world.document("a", &Demand::NONE).await.unwrap();
    world.remove("a");
    world.later(10);
    let absent = world.document("a", &Demand::NONE).await;
    assert!(matches!(absent, Err(Error::Absent { .. })), "{absent:?}");
    // Nor is there anything left to pin but that.
    world.pin("a").await;
    let absent = world.document("a", &Demand::NONE).await;
    assert!(matches!(absent, Err(Error::Absent { .. })), "{absent:?}");
}

#[tokio::test]
async fn a_pinned_document_stays_when_upstream_refuses_it() {
    let world = World::start();
    world.put("a", "one", "max-age=10");
    world.put("b", "one", "max-age=10");
    for path in ["a", "b"] {
        world.document(path, &Demand::NONE).await.unwrap();
        world.upstream.fail(&format!("/{path}"), Fault::Status(403));
    }
    world.pin("a").await;
    world.later(10);
    assert_eq!(world.cache_of("a", &Demand::NONE).await.unwrap(), CacheState::Stale);
    for (path, demand) in [("a", Demand::NONE.strict()), ("b", Demand::NONE)] {
        let refused = world.document(path, &demand).await;
        assert!(matches!(refused, Err(Error::Refused { status: 403 })), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn what_is_pinned_is_served_for_as_long_as_nobody_answers() {
    let world = World::start();
    let sayings = [("a", "max-age=10"), ("b", "max-age=10, must-revalidate"), ("c", "no-store")];
    for (path, cache_control) in sayings {
        world.put(path, "one", cache_control);
        world.document(path, &Demand::NONE).await.unwrap();
    }
    world.upstream.vanish().await;
    world.later(A_YEAR);
    for (path, _) in sayings {
        let lost = world.document(path, &Demand::NONE).await;
        assert!(matches!(lost, Err(Error::Unreachable { .. })), "{path}: {lost:?}");
        world.pin(path).await;
        assert_eq!(world.document(path, &Demand::NONE).await.unwrap(), ("one".to_owned(), CacheState::Stale));
        let strict = world.document(path, &Demand::NONE.strict()).await;
        assert!(matches!(strict, Err(Error::Unreachable { .. })), "{path}: {strict:?}");
    }
}

#[tokio::test]
async fn a_pinned_file_stays_too() {
    let world = World::start();
    for path in ["a", "b", "c"] {
        world.put(path, "one", "max-age=10, must-revalidate");
        let first = world.file(path, &Demand::NONE).await.unwrap();
        assert_eq!((first.0, first.2), (StatusCode::OK, CacheState::Miss));
        world.landed().await;
    }
    world.pin("a").await;
    world.pin("b").await;
    world.later(A_YEAR);
    let kept = (StatusCode::OK, "one".to_owned(), CacheState::Stale);
    for path in ["a", "c"] {
        world.remove(path);
    }
    assert_eq!(world.file("a", &Demand::NONE).await.unwrap(), kept);
    assert_eq!(world.file("c", &Demand::NONE).await.unwrap().0, StatusCode::NOT_FOUND);
    assert!(matches!(world.file("a", &Demand::NONE.strict()).await, Err(Error::Absent { .. })));
    world.upstream.fail("/b", Fault::Status(503));
    assert_eq!(world.file("b", &Demand::NONE).await.unwrap(), kept);
    world.upstream.vanish().await;
    assert_eq!(world.file("b", &Demand::NONE).await.unwrap(), kept);
}
