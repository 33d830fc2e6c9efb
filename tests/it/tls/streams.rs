//! HTTP/2: many streams on one connection, each of them whole, or reset.
//!
//! The tests run on several threads: a connection is to go on answering while the end of a test waits for the process.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;

use super::{LARGE, Secured, Tarball, WITHHELD, keeps_no_tarball, soon};
use crate::support::fault::Fault;
use crate::support::http::{Answer, Ask};
use crate::support::resource::Resource;
use crate::support::wire::Ending;

/// Stopping takes 5 s at most, and the machine may be busy.
const STOP: Duration = Duration::from_secs(6);

fn is_npm_error(answer: &Answer, status: u16) -> bool {
    let body = answer.json();
    answer.status == status && answer.completed() && body["error"].is_string() && body["reason"] == body["message"]
}

/// Fails unless the client was given a true part of the tarball, and then the stream alone was reset.
fn is_cut(answer: &Answer, tarball: &Tarball) {
    assert!(answer.status == 200 && matches!(answer.ending, Ending::Reset(_)), "{}", answer.summary());
    assert!(!answer.body.is_empty() && answer.body.len() <= LARGE - WITHHELD, "{} bytes", answer.body.len());
    assert_eq!(answer.header("content-length"), Some(tarball.bytes.len().to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_tarballs_come_whole_and_name_https() {
    let world = Secured::start().await;
    let (document, tarball) = (world.publish_document("streamed"), world.publish("streamed-tarball", LARGE));
    let streams = world.streams().await;
    for cache in ["fwd=uri-miss", "hit"] {
        for (path, right) in [("/npm/streamed", document.as_bytes()), (&tarball.path, &tarball.bytes)] {
            let answer = streams.get(path).await;
            assert!(answer.is(right) && answer.cache_says(cache), "{path}: {}", answer.summary());
        }
    }
    let missing = streams.get("/npm/nowhere").await;
    assert!(is_npm_error(&missing, 404), "{}", missing.summary());
    streams.close(Duration::from_secs(5)).await.expect("it ends in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_conditions_and_ranges_mean_the_same() {
    let world = Secured::start().await;
    let (document, tarball) = (world.publish_document("same"), world.publish("same-tarball", LARGE));
    let streams = world.streams().await;
    for (path, length) in [("/npm/same", document.len()), (tarball.path.as_str(), LARGE)] {
        let cold = streams.ask(&Ask::head(path)).await;
        assert!(cold.status == 200 && cold.completed() && cold.body.is_empty(), "{}", cold.summary());
        let get = streams.get(path).await;
        let head = streams.ask(&Ask::head(path)).await;
        for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
        let tag = get.header("etag").expect("an entity tag");
        let same = streams.ask(&Ask::get(path).header("if-none-match", tag)).await;
        assert!(same.status == 304 && same.completed() && same.body.is_empty(), "{}", same.summary());
        assert_eq!(same.header("etag"), Some(tag));
    }
    let fresh = world.publish("same-cold", LARGE);
    for tarball in [&tarball, &fresh] {
        let part = streams.ask(&Ask::get(&tarball.path).header("range", "bytes=100-299")).await;
        assert!(part.status == 206 && part.completed() && part.body == tarball.bytes[100..300], "{}", part.summary());
        assert_eq!(part.header("content-range"), Some(format!("bytes 100-299/{LARGE}").as_str()));
    }
    let parts = streams.ask(&Ask::get(&tarball.path).header("range", "bytes=0-9, -10")).await;
    let bytes: Vec<u8> = parts.parts().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(bytes, [&tarball.bytes[..10], &tarball.bytes[LARGE - 10..]].concat());
    let beyond = streams.ask(&Ask::get(&tarball.path).header("range", "bytes=999999-")).await;
    assert!(beyond.status == 416 && beyond.completed(), "{}", beyond.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_streams_of_one_connection_make_one_fetch() {
    let world = Secured::start().await;
    let tarball = world.publish("hundred", LARGE);
    world.registry.upstream.fail(&tarball.upstream_path, Fault::Latency(Duration::from_millis(200)));
    let streams = world.streams().await;
    let answers = join_all((0..100).map(|_| streams.get(&tarball.path))).await;
    assert!(answers.iter().all(|answer| answer.is(&tarball.bytes)), "{}", answers[0].summary());
    assert_eq!(world.registry.upstream.count(&tarball.upstream_path), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_artifact_is_reset_and_never_ended() {
    let world = Secured::start().await;
    let document = world.publish_document("beside");
    let tarball = world.publish("corrupt", LARGE);
    let mut wrong = tarball.bytes.to_vec();
    wrong[LARGE / 2] ^= 1;
    world.registry.upstream.put(&tarball.upstream_path, Resource::artifact(wrong));
    // Slow enough that it is being read when its proof fails.
    world.registry.upstream.fail(&tarball.upstream_path, Fault::Bandwidth(1_000_000));
    let streams = world.streams().await;
    assert!(streams.get("/npm/beside").await.is(document.as_bytes()));
    let (first, second) = tokio::join!(streams.get(&tarball.path), streams.get(&tarball.path));
    is_cut(&first, &tarball);
    is_cut(&second, &tarball);
    assert!(streams.get("/npm/beside").await.is(document.as_bytes()), "the connection goes on");
    keeps_no_tarball(&world.heliostat);
    assert_eq!(world.heliostat.incidents(Some("corrupt")).await.len(), 1);
    world.registry.upstream.heal(&tarball.upstream_path);
    world.registry.upstream.put(&tarball.upstream_path, Resource::artifact(tarball.bytes.clone()));
    soon(&world.heliostat, &tarball.path, &tarball.bytes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_upstream_cuts_is_reset_and_never_ended() {
    let world = Secured::start().await;
    let streams = world.streams().await;
    let tarballs = ["cut", "reset"].map(|name| world.publish(name, LARGE));
    for (tarball, fault) in tarballs.iter().zip([Fault::CutAt(LARGE / 2), Fault::ResetAt(LARGE / 2)]) {
        world.registry.upstream.fail(&tarball.upstream_path, fault);
        let answer = streams.get(&tarball.path).await;
        is_cut(&answer, tarball);
        assert_eq!(answer.body, tarball.bytes[..answer.body.len()]);
    }
    keeps_no_tarball(&world.heliostat);
    world.registry.upstream.heal_all();
    for tarball in &tarballs {
        soon(&world.heliostat, &tarball.path, &tarball.bytes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_a_stream_or_reads_slowly_holds_nobody_back() {
    let world = Secured::start().await;
    let (left, slow) = (world.publish("left", 4_000_000), world.publish("slow", 4_000_000));
    let streams = world.streams().await;
    let leaving = streams.ask(&Ask::get(&left.path).leave_after(1_000)).await;
    assert_eq!(leaving.ending, Ending::Abandoned);
    let slowly = Ask::get(&slow.path).slowly(1_000_000, Duration::from_millis(300));
    let (slowly, quick) = tokio::join!(streams.ask(&slowly), streams.get(&left.path));
    assert!(slowly.is(&slow.bytes) && quick.is(&left.bytes), "{} and {}", slowly.summary(), quick.summary());
    assert!(quick.took < slowly.took, "{:?} and {:?}", quick.took, slowly.took);
    assert_eq!(world.registry.upstream.count(&left.upstream_path), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_streams_cost_little_memory() {
    let world = Secured::start().await;
    let heavy = world.publish("heavy", 20_000_000);
    assert_eq!(world.heliostat.get("/npm/heavy").await.status, 200);
    let before = world.heliostat.memory().0;
    let streams = world.streams().await;
    // They leave midway: by then each has been slow for long enough to be buffered for.
    let slow = Ask::get(&heavy.path).slowly(500_000, Duration::from_millis(500)).leave_after(3_000_000);
    let answers = join_all((0..64).map(|_| streams.ask(&slow))).await;
    assert!(answers.iter().all(|answer| answer.ending == Ending::Abandoned), "{}", answers[0].summary());
    let grown = world.heliostat.memory().1.saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more at the peak");
    assert_eq!(world.registry.upstream.count(&heavy.upstream_path), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_and_audit_are_passed_through() {
    let world = Secured::start().await;
    world.registry.publish_plain("found");
    world.registry.advise("found");
    let streams = world.streams().await;
    let search = streams.get("/npm/-/v1/search?text=found").await;
    assert!(search.status == 200 && search.completed(), "{}", search.summary());
    assert_eq!(search.json()["objects"][0]["package"]["name"], "found");
    let question = Ask::new("POST", "/npm/-/npm/v1/security/advisories/bulk")
        .header("content-type", "application/json")
        .body(r#"{"found":["1.0.0"]}"#);
    // Without a length too, which HTTP/2 does not need and HTTP/1.1 upstream does.
    for question in [question.clone().header("content-length", "19"), question.clone()] {
        let audit = streams.ask(&question).await;
        assert!(audit.status == 200 && audit.json()["found"].is_array(), "{}", audit.summary());
    }
    let long = streams.ask(&question.body(vec![b' '; 2 << 20])).await;
    assert!(is_npm_error(&long, 413), "{}", long.summary());
    assert_eq!(streams.get("/npm/found").await.status, 200, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_stream_finish() {
    let mut world = Secured::start().await;
    let tarball = world.publish("finishing", 1_000_000);
    assert_eq!(world.heliostat.get("/npm/finishing").await.status, 200);
    world.registry.upstream.fail(&tarball.upstream_path, Fault::Bandwidth(500_000));
    let (busy, idle) = (world.streams().await, world.streams().await);
    assert_eq!(idle.get("/npm/finishing").await.status, 200);
    let path = tarball.path.clone();
    let asking = tokio::spawn(async move {
        let answer = busy.get(&path).await;
        (answer, busy.close(STOP).await)
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let start = Instant::now();
    world.heliostat.signal(Signal::TERM);
    // At once: the server waits for no client that has nothing to ask.
    let leaving = tokio::spawn(idle.close(STOP));
    let (answer, closed) = asking.await.expect("the client's task");
    assert!(answer.is(&tarball.bytes), "{}", answer.summary());
    assert_eq!(closed, Ok(()), "the connection ends in good order");
    assert_eq!(leaving.await.expect("the client's task"), Ok(()), "and so does one without a request");
    let status = world.heliostat.wait(STOP);
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", world.heliostat.said());
    assert!(start.elapsed() < STOP, "{:?}", start.elapsed());
}
