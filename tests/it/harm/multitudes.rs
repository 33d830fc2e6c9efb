//! Hundreds of slow clients, thousands of idle ones, and a flood of requests that are taken back.
//!
//! The tests run on several threads: the clients that mean no harm must not wait for those that do on our side.

use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{AUDIT, SOON, World};
use crate::support::crowd::raise_file_limit;
use crate::support::fault::Fault;
use crate::support::http::{Ask, Connection};
use crate::support::streams::Streams;
use crate::support::tls::Authority;

const MIB: u64 = 1 << 20;

/// Slow clients of one kind.
const SLOW: usize = 300;
const IDLE: usize = 4_000;
/// Requests that one connection of the flood begins and takes back, and how many connections follow each other.
const RESETS: usize = 5_000;
const FLOODS: usize = 10;

/// Sends a byte now and then for as long as the server listens; returns whether that had an end.
async fn trickle(address: std::net::SocketAddr, start: String, drip: &'static [u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let (mut answer, begun) = ([0; 1024], Instant::now());
    if stream.write_all(start.as_bytes()).await.is_err() {
        return true;
    }
    while begun.elapsed() < SOON {
        match timeout(Duration::from_millis(200), stream.read(&mut answer)).await {
            // The server has closed, or answered that it does not wait.
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) if !drip.is_empty() && stream.write_all(drip).await.is_err() => return true,
            Err(_) => {}
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_waiting_and_are_let_go() {
    let world = World::start(|builder| {
        builder.set("limits", "head_timeout", "\"3s\"").set("limits", "body_idle_timeout", "\"3s\"")
    })
    .await;
    world.is_unharmed(0).await;
    let (files, memory) = (world.heliostat.open_files(), world.heliostat.memory().0);
    let mut slow = JoinSet::new();
    let body = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: m\r\nContent-Length: 30000\r\n\r\n{{");
    for _ in 0..SLOW {
        let address = world.heliostat.address();
        slow.spawn(trickle(address, "GET /files/tree/kept HTTP/1.1\r\nHost: m\r\nX: ".into(), b"a"));
        // Of those that send a body, the half falls silent in its midst and the other at its start.
        slow.spawn(trickle(address, body("/files/tree/slow"), b""));
        slow.spawn(trickle(address, body(AUDIT) + &" ".repeat(20_000), b""));
    }
    let mut rounds = 1;
    while !slow.is_empty() {
        world.is_unharmed(rounds).await;
        rounds += 1;
        while let Some(ended) = slow.try_join_next() {
            assert!(ended.expect("a client's task"), "a slow client is still listened to");
        }
    }
    println!("{rounds} rounds of 4 requests beside {} slow clients", 3 * SLOW);
    world.has_grown_by_less_than(128 * MIB, memory);
    world.lets_go(files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_idle_connections_cost_little_and_are_given_back() {
    raise_file_limit();
    if getrlimit(Resource::Nofile).current.is_some_and(|most| most < IDLE as u64 + 500) {
        assert!(std::env::var_os("CI").is_none(), "this machine cannot hold {IDLE} connections");
        eprintln!("SKIPPED: this machine cannot hold {IDLE} connections");
        return;
    }
    let world = World::start(|builder| builder.set("limits", "keep_alive_timeout", "\"10m\"")).await;
    world.is_unharmed(0).await;
    let (files, memory) = (world.heliostat.open_files(), world.heliostat.memory().0);
    let mut idle = Vec::new();
    for index in 0..IDLE {
        let mut connection = Connection::open(world.heliostat.address()).await.expect("the mirror listens");
        // Every other one has asked something before.
        if index % 2 == 0 {
            assert_eq!(connection.ask(&Ask::get("/files/tree/kept")).await.status, 200);
        }
        idle.push(connection);
        if index % 500 == 0 {
            world.is_unharmed(index + 1).await;
        }
    }
    let start = Instant::now();
    while world.heliostat.open_files() < files + IDLE - 100 {
        assert!(start.elapsed() < SOON, "{} files are open", world.heliostat.open_files());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for round in 0..20 {
        world.is_unharmed(IDLE + 1 + round).await;
    }
    // Some 34 KiB each in a debug build.
    world.has_grown_by_less_than(256 * MIB, memory);
    drop(idle);
    world.lets_go(files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_taken_back_harms_nobody() {
    let authority = Authority::new("clients believe in it");
    let identity = authority.issue("front");
    let world = World::start(|builder| builder.tls(&authority, &identity)).await;
    let client = authority.client(&["h2", "http/1.1"]);
    world.is_unharmed(0).await;
    let (files, memory) = (world.heliostat.open_files(), world.heliostat.memory().0);
    let address = world.heliostat.address();
    // What is asked for is under way for as long as it can be.
    world.upstream.fail("/stalled", Fault::StallBeforeHead);
    let mut floods = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        floods.spawn(async move {
            let mut begun = 0;
            for round in 0..FLOODS {
                let streams = Streams::open(address, &client).await;
                let target = if round % 2 == 0 { "/files/tree/stalled" } else { "/files/tree/kept" };
                begun += streams.take_back(target, RESETS).await;
            }
            begun
        });
    }
    let (mut rounds, mut begun) = (1, 0);
    while !floods.is_empty() {
        world.is_unharmed(rounds).await;
        rounds += 1;
        while let Some(ended) = floods.try_join_next() {
            begun += ended.expect("a client's task");
        }
    }
    println!("{begun} requests taken back beside {rounds} rounds of 4 requests");
    world.is_unharmed(rounds).await;
    let flood = async || world.heliostat.metric("heliostat_requests_total", &[("mount", "tree")]).await;
    let start = Instant::now();
    // On a busy machine most are taken back before anybody has looked at them.
    while flood().await < (rounds * 3 + 300) as f64 {
        assert!(start.elapsed() < SOON, "{} requests reached the mirror: they are no flood", flood().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun < 4 * FLOODS * RESETS / 2, "nobody had enough of {begun} requests taken back");
    world.has_grown_by_less_than(128 * MIB, memory);
    world.lets_go(files).await;
}
