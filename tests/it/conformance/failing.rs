//! Upstream fails: nothing wrong is kept or completed, what is held is served, and all heals.

use std::time::Duration;

use super::{FRESH, Provided, Row, STALE, Wish, World};
use crate::support::fault::Fault;
use crate::support::resource::Resource;
use crate::support::wire::Pace;

pub async fn a_corrupt_artifact_is_refused_and_not_kept<R: Row>(world: &World<R>) {
    for size in [4096, 20_000, 200_000] {
        let artifact = world.row.provide(&format!("corrupt-{size}"), &Wish { artifact_size: size, ..FRESH }).artifact;
        // A registry may have none that is so long.
        let offset = world.bytes(&artifact).len() / 2;
        world.upstream().fail(&artifact.upstream_path, Fault::FlipBit { offset, bit: 3 });
        for round in 1..=2 {
            let answer = world.get(&artifact).await;
            assert!(!(answer.completed() && answer.status < 400), "{}", answer.summary());
            assert!(world.count(&artifact) >= round, "a refused body was kept");
        }
        world.upstream().heal(&artifact.upstream_path);
        world.get_right_soon(&artifact).await;
    }
}

pub async fn upstream_down_serves_what_is_held_and_says_so<R: Row>(world: &World<R>) {
    let held = world.row.provide("held", &STALE);
    let unknown = world.row.provide("unknown", &FRESH);
    world.get_right(&held.document).await;
    world.get_right(&held.artifact).await;
    world.upstream().vanish().await;
    let stale = world.get_right(&held.document).await;
    assert!(stale.cache_says("detail=stale") && stale.headers.has("age"), "{:?}", stale.headers);
    world.get_right(&held.artifact).await;
    world.refuses(&world.get(&unknown.document).await, &[502, 503, 504]);
    world.refuses(&world.get(&unknown.artifact).await, &[502, 503, 504]);
    world.upstream().come_back().await;
    world.get_right_soon(&unknown.document).await;
    world.get_right_soon(&unknown.artifact).await;
    assert!(!world.get_right(&held.document).await.cache_says("detail=stale"));
}

pub async fn a_failing_upstream_serves_what_is_held<R: Row>(world: &World<R>) {
    for (name, fault) in [
        ("fails-500", Fault::Status(500)),
        ("fails-503", Fault::Status(503)),
        ("fails-reset", Fault::ResetBeforeHead),
        ("fails-close", Fault::CloseBeforeHead),
        ("fails-stall", Fault::StallBeforeHead),
        ("fails-cut", Fault::CutAt(100)),
        ("fails-garbage", Fault::Garbage),
        ("fails-html", Fault::Html),
        // The last: an upstream that asks for a pause is given one.
        ("fails-429", Fault::TooManyRequests { retry_after: 1 }),
    ] {
        let document = world.row.provide(name, &STALE).document;
        world.get_right(&document).await;
        world.upstream().put(&document.upstream_path, changed());
        world.upstream().fail(&document.upstream_path, fault);
        let stale = world.get_right(&document).await;
        assert!(stale.cache_says("detail=stale"), "{name}: {:?}", stale.headers);
    }
}

/// Something that is not what is held, so that upstream cannot answer 304.
fn changed() -> Resource {
    Resource::new("application/octet-stream", vec![b'?'; 1000])
}

pub async fn a_slow_upstream_is_waited_for<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("slow", &FRESH).artifact;
    let drip = Pace { bytes: 2_000, pause: Duration::from_millis(100) };
    world.upstream().fail(&artifact.upstream_path, Fault::Drip(drip));
    world.get_right(&artifact).await;
    assert_eq!(world.count(&artifact), 1);
}

pub async fn a_stalled_upstream_is_given_up_and_heals<R: Row>(world: &World<R>) {
    for (name, fault) in [("stalled-head", Fault::StallBeforeHead), ("stalled-body", Fault::StallAfter(5_000))] {
        let artifact = world.row.provide(name, &FRESH).artifact;
        world.upstream().fail(&artifact.upstream_path, fault);
        let answer = world.get(&artifact).await;
        world.not_taken_for(&artifact, &answer);
        assert!(answer.took < Duration::from_secs(8), "{name}: {}", answer.summary());
        world.upstream().heal(&artifact.upstream_path);
        world.get_right_soon(&artifact).await;
    }
}

pub async fn a_cut_artifact_is_resumed_or_asked_again<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("cut-once", &FRESH).artifact;
    world.upstream().fail_next(&artifact.upstream_path, 1, Fault::CutAt(10_000));
    world.get_right(&artifact).await;
    let seen = world.upstream().seen(&artifact.upstream_path);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].headers.get("range"), Some("bytes=10000-"), "it goes on where it was cut");
    assert!(seen[1].headers.has("if-range"), "and only if it is still the same");
}

pub async fn absence_is_remembered_for_a_while<R: Row>(world: &World<R>) {
    let (path, upstream_path) = world.row.missing("nowhere");
    for _ in 0..3 {
        world.refuses(&world.heliostat.get(&path).await, &[404]);
    }
    assert_eq!(world.upstream().count(&upstream_path), 1);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    world.refuses(&world.heliostat.get(&path).await, &[404]);
    assert_eq!(world.upstream().count(&upstream_path), 2);
}

pub async fn a_failure_is_never_remembered_as_absence<R: Row>(world: &World<R>) {
    for status in [500, 502, 503, 403] {
        let document = world.row.provide(&format!("failed-{status}"), &FRESH).document;
        world.upstream().fail(&document.upstream_path, Fault::Status(status));
        let answer = world.get(&document).await;
        let is_absence = R::ABSENT == Some(status);
        assert_eq!(answer.status == 404, is_absence, "{status}: {}", answer.summary());
        assert!(answer.status >= 400 && world.row.is_error(&answer), "{}", answer.summary());
        world.upstream().heal(&document.upstream_path);
        world.get_right_soon(&document).await;
    }
}

pub async fn offline_serves_what_is_held_and_asks_nobody<R: Row>(world: &mut World<R>) {
    let held = world.row.provide("held", &STALE);
    let unknown = world.row.provide("unknown", &FRESH);
    world.get_right(&held.document).await;
    world.get_right(&held.artifact).await;
    world.heliostat.stop();
    world.heliostat.reconfigure(|builder| builder.top("offline", "true"));
    world.heliostat.start().await;
    let before = world.upstream().all_seen().len();
    world.get_right(&held.document).await;
    world.get_right(&held.artifact).await;
    world.refuses(&world.get(&unknown.document).await, &[502, 503, 504]);
    world.refuses(&world.get(&unknown.artifact).await, &[502, 503, 504]);
    assert_eq!(world.upstream().all_seen().len(), before, "upstream was asked");
}

pub async fn what_is_held_survives_a_restart<R: Row>(world: &mut World<R>) {
    let Provided { document, artifact } = world.row.provide("kept", &FRESH);
    world.get_right(&document).await;
    world.get_right(&artifact).await;
    world.heliostat.restart().await;
    for wanted in [&document, &artifact] {
        assert!(world.get_right(wanted).await.cache_says("hit"));
        assert_eq!(world.count(wanted), 1);
    }
}
