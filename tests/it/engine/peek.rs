//! A look at what an upstream has now.

use std::time::{Duration, Instant};

use heliostat::mirror::{Answer, Error, Peek};
use http::{HeaderName, HeaderValue};

use super::World;
use crate::support::fault::Fault;
use crate::support::resource::Resource;

const LIMIT: u64 = 10_000;

impl World {
    async fn peek(&self, path: &str, patience: Duration) -> Result<Answer, Error> {
        let upstream = self.server();
        let headers = [(HeaderName::from_static("x-opt-in"), HeaderValue::from_static("true"))];
        let url = upstream.join(path).expect("a path");
        let headers = headers.into_iter().collect();
        self.mirror.peek(&Peek { upstream, url, headers, max_answer_bytes: LIMIT, patience }).await
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_feed_is_asked_each_time_with_its_own_headers_and_compressed() {
    let world = World::start();
    let feed = Resource::new("application/json", "[1, 2, 3]").gzipped().cache_control("max-age=1000");
    world.upstream.put("/changes", feed);
    for _ in 0..2 {
        let answer = world.peek("changes?since=7", LONG).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"[1, 2, 3]"[..]));
    }
    let seen = world.upstream.seen("/changes");
    assert_eq!((seen.len(), seen[0].query.as_str()), (2, "since=7"));
    for (name, value) in [("x-opt-in", "true"), ("accept", "application/json"), ("accept-encoding", "gzip")] {
        assert_eq!(seen[0].headers.get(name), Some(value));
    }
    assert_eq!(world.peek("none", LONG).await.unwrap().status, 404);
}

#[tokio::test]
async fn an_upstream_that_has_nothing_new_is_waited_for_longer_than_any_other() {
    let world = World::start();
    world.put("changes", "[]", "no-store");
    // Longer than for anything else here.
    world.upstream.fail("/changes", Fault::Latency(Duration::from_millis(1500)));
    assert_eq!(&world.peek("changes", LONG).await.unwrap().body[..], b"[]");
    world.upstream.heal_all();
    for fault in [Fault::StallBeforeHead, Fault::StallAfter(1)] {
        world.upstream.fail("/changes", fault);
        let start = Instant::now();
        let late = world.peek("changes", Duration::from_millis(200)).await;
        assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        world.upstream.heal_all();
    }
}

#[tokio::test]
async fn an_upstream_that_wants_to_be_left_alone_says_for_how_long_and_is() {
    let world = World::start();
    world.put("changes", "[]", "no-store");
    world.upstream.fail_next("/changes", 1, Fault::TooManyRequests { retry_after: 30 });
    for _ in 0..2 {
        let refused = world.peek("changes", LONG).await;
        let pause = Some(Duration::from_secs(30));
        assert!(
            matches!(&refused, Err(Error::Unreachable { retry_after, .. }) if *retry_after == pause),
            "{refused:?}"
        );
        assert_eq!(world.count("changes"), 1);
    }
    world.later(30);
    assert_eq!(world.peek("changes", LONG).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_feed_that_is_too_long_or_broken_is_no_answer() {
    let world = World::start();
    let long = vec![b' '; LIMIT as usize + 1];
    world.upstream.put("/long", Resource::new("application/json", long.clone()));
    world.upstream.put("/bomb", Resource::new("application/json", long).gzipped());
    let mut broken = Resource::new("application/json", "[]").gzipped();
    broken.gzip = Some("no gzip".into());
    world.upstream.put("/broken", broken);
    world.put("cut", "[]", "no-store");
    world.upstream.fail("/cut", Fault::CutAt(1));
    world.put("down", "[]", "no-store");
    world.upstream.fail("/down", Fault::Status(503));
    for (path, kind) in [
        ("long", "too_large"),
        ("bomb", "too_large"),
        ("broken", "senseless"),
        ("cut", "truncated"),
        ("down", "unreachable"),
    ] {
        assert_eq!(world.peek(path, LONG).await.unwrap_err().kind(), kind, "{path}");
    }
}
