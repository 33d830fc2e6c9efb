//! Each limit of `[limits]` on requests and connections, set low, and met.

use std::time::Duration;

use futures_util::future::join_all;

use super::{AUDIT, SOON, World};
use crate::npm::register;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask, Connection};
use crate::support::streams::Streams;
use crate::support::tls::Authority;
use crate::support::upstream::FakeUpstream;
use crate::support::wire::Ending;

const KEPT: &str = "/files/tree/kept";

async fn open(world: &World) -> Connection {
    Connection::open(world.heliostat.address()).await.expect("the mirror listens")
}

/// Sends the start of a request and no more, and reads what comes of it.
async fn sent(world: &World, bytes: &[u8]) -> (Answer, bool) {
    let mut connection = open(world).await;
    connection.send(bytes).await;
    let answer = connection.receive(&Ask::get("/").within(SOON)).await;
    (answer, connection.closes_within(SOON).await)
}

#[tokio::test]
async fn a_head_is_only_so_long() {
    let world = World::start(|builder| builder.set("limits", "request_head_bytes", "\"2KiB\"")).await;
    let (short, long) = ("a".repeat(1_500), "a".repeat(3_000));
    let with = |value: &str| Ask::get(KEPT).header("x-a", value);
    let target = |query: &str| Ask::get(&format!("{KEPT}?{query}"));
    for (ask, status) in [(with(&short), 200), (target(&short), 200), (with(&long), 431), (target(&long), 414)] {
        let answer = world.heliostat.ask(&ask).await;
        assert!(answer.status == status && answer.completed(), "{status}: {}", answer.summary());
    }
}

#[tokio::test]
async fn a_head_has_only_so_many_headers() {
    let world = World::start(|builder| builder.set("limits", "request_headers", "10")).await;
    let with = |count| (0..count).fold(Ask::get(KEPT), |ask, index| ask.header(&format!("x-{index}"), "a"));
    // Host is one.
    for (count, status) in [(9, 200), (10, 431)] {
        let answer = world.heliostat.ask(&with(count)).await;
        assert!(answer.status == status && answer.completed(), "{status}: {}", answer.summary());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hold_for_http_2() {
    let authority = Authority::new("clients believe in it");
    let identity = authority.issue("front");
    let limited = |builder: crate::support::heliostat::Builder| {
        let builder = builder.set("limits", "request_headers", "10").set("limits", "request_head_bytes", "\"2KiB\"");
        builder.tls(&authority, &identity)
    };
    let world = World::start(limited).await;
    let client = authority.client(&["h2", "http/1.1"]);
    let streams = Streams::open(world.heliostat.address(), &client).await;
    let many = (0..11).fold(Ask::get(KEPT), |ask, index| ask.header(&format!("x-{index}"), "a"));
    let long = Ask::get(KEPT).header("x-a", &"a".repeat(3_000));
    for ask in [many, long] {
        let answer = streams.ask(&ask).await;
        assert!(answer.status == 431 || matches!(answer.ending, Ending::Reset(_)), "{}", answer.summary());
        assert!(streams.get(KEPT).await.is(b"GET /kept "), "the connection goes on");
    }
    streams.close(SOON).await.expect("it ends in good order");
}

#[tokio::test]
async fn a_head_has_only_so_much_time() {
    let world = World::start(|builder| builder.set("limits", "head_timeout", "\"1s\"")).await;
    let (answer, closed) = sent(&world, b"GET /files/tree/kept HTTP/1.1\r\nHost: m").await;
    assert!(answer.status == 408 && closed, "{}", answer.summary());
    // The second one of a connection no less than the first.
    let mut connection = open(&world).await;
    assert!(connection.ask(&Ask::get(KEPT)).await.is(b"GET /kept "));
    connection.send(b"GET /files").await;
    let answer = connection.receive(&Ask::get("/").within(SOON)).await;
    assert!(answer.status == 408 && connection.closes_within(SOON).await, "{}", answer.summary());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start(|builder| builder.set("limits", "body_idle_timeout", "\"1s\"")).await;
    for path in ["/files/tree/passed", AUDIT] {
        let start = format!("POST {path} HTTP/1.1\r\nHost: m\r\nContent-Length: 100\r\n\r\n{{");
        let (answer, closed) = sent(&world, start.as_bytes()).await;
        assert!(closed && !(200..300).contains(&answer.status), "{path}: {}", answer.summary());
    }
    world.is_unharmed(0).await;
}

#[tokio::test]
async fn a_body_is_only_so_long() {
    let world = World::start(|builder| builder.set("limits", "request_body_bytes", "\"1KiB\"")).await;
    for path in ["/files/tree/passed", AUDIT] {
        let answer = world.heliostat.ask(&Ask::post(path, vec![b' '; 1025])).await;
        assert!(answer.status == 413 && answer.completed(), "{path}: {}", answer.summary());
    }
}

#[tokio::test]
async fn bodies_have_only_so_much_memory_together() {
    const PACKAGE: &str = "/npm/@acme%2ftool";
    const LONG: usize = 700 << 10;
    let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
    let builder = builder.set("limits", "request_bodies_bytes", "\"1MiB\"");
    let heliostat = builder.npm(&FakeUpstream::start().url(), "own = [\"@acme/*\"]").start().await;
    let token = format!("Bearer {}", register(&heliostat, "joe").await);
    let put = |length: usize| {
        let ask = Ask::new("PUT", PACKAGE).header("authorization", &token);
        ask.header("content-length", &length.to_string()).body(vec![b' '; length]).within(SOON)
    };
    let mut first = Connection::open(heliostat.address()).await.expect("a connection");
    let head = format!("PUT {PACKAGE} HTTP/1.1\r\nHost: m\r\nAuthorization: {token}\r\nContent-Length: {LONG}\r\n\r\n");
    first.send(head.as_bytes()).await;
    first.send(&vec![b' '; LONG - 1]).await;
    let (long, short) = (put(LONG), put(1 << 10));
    let waits = async || {
        let mut second = Box::pin(heliostat.ask(&long));
        match tokio::time::timeout(Duration::from_millis(300), &mut second).await {
            // The first has not had its share yet.
            Ok(_) => None,
            Err(_) => Some(second),
        }
    };
    let mut second = None;
    for _ in 0..50 {
        if second.is_none() {
            second = waits().await;
        }
    }
    let second = second.expect("two such bodies are never held at once");
    assert_eq!(heliostat.ask(&short).await.status, 422, "a short one passes");
    first.send(b" ").await;
    assert_eq!(first.receive(&short).await.status, 422);
    assert_eq!(second.await.status, 422, "its turn has come");
}

#[tokio::test]
async fn a_connection_without_a_request_is_kept_only_so_long() {
    let world = World::start(|builder| builder.set("limits", "keep_alive_timeout", "\"1s\"")).await;
    let mut used = open(&world).await;
    assert!(used.ask(&Ask::get(KEPT)).await.is(b"GET /kept "));
    let mut unused = open(&world).await;
    for connection in [&mut used, &mut unused] {
        let answer = connection.receive(&Ask::get("/").within(SOON)).await;
        assert_eq!((answer.status, answer.ending), (0, Ending::Cut("no answer".into())));
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    for (all, of_one) in [("4", "0"), ("100", "4")] {
        let world = World::start(|builder| {
            builder.set("limits", "connections", all).set("limits", "connections_per_address", of_one)
        })
        .await;
        let mut held = Vec::new();
        while held.len() < 5 {
            let mut connection = open(&world).await;
            if !connection.ask(&Ask::get(KEPT)).await.is(b"GET /kept ") {
                break;
            }
            held.push(connection);
        }
        // One that asked whether the server is ready may still be counted.
        assert!((3..=4).contains(&held.len()), "{} connections", held.len());
        drop(held);
        let start = std::time::Instant::now();
        while !world.heliostat.get(KEPT).await.is(b"GET /kept ") {
            assert!(start.elapsed() < SOON, "there is room again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(world.heliostat.metric("heliostat_connections_refused_total", &[]).await >= 1.0);
    }
}

#[tokio::test]
async fn one_address_asks_only_so_much_a_second() {
    let world = World::start(|builder| builder.set("limits", "requests_per_second", "2")).await;
    let burst = join_all((0..30).map(|_| world.heliostat.get(KEPT))).await;
    let refused: Vec<&Answer> = burst.iter().filter(|answer| answer.status != 200).collect();
    assert!(burst.iter().any(|answer| answer.is(b"GET /kept ")) && !refused.is_empty());
    for answer in refused {
        let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
        assert!(
            answer.status == 429 && answer.completed() && wait.is_some_and(|wait| wait >= 1),
            "{}",
            answer.summary()
        );
    }
    // Its own pages tell an operator what is the matter.
    assert_eq!(world.heliostat.get("/readyz").await.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.heliostat.get(KEPT).await.is(b"GET /kept "), "who waits is let in");
}
