//! Many clients, slow clients and leaving clients share one fill, and one connection keeps its requests apart.

use std::time::Duration;

use futures_util::future::join_all;

use super::{FRESH, Provided, Row, Wish, World};
use crate::support::fault::Fault;
use crate::support::http::{Answer, Ask, Connection};

pub async fn a_hundred_clients_make_one_fetch<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("hundred", &Wish { artifact_size: 300_000, ..FRESH });
    for wanted in [&document, &artifact] {
        world.upstream().fail(&wanted.upstream_path, Fault::Latency(Duration::from_millis(200)));
        let answers = join_all((0..100).map(|_| world.get(wanted))).await;
        let bytes = world.bytes(wanted);
        let wrong: Vec<_> = answers.iter().filter(|answer| !answer.is(&bytes)).map(Answer::summary).collect();
        assert!(wrong.is_empty(), "{} of 100, first {}", wrong.len(), wrong[0]);
        assert_eq!(world.count(wanted), 1, "{}", wanted.path);
    }
}

pub async fn a_client_that_leaves_does_not_stop_the_fill<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("left", &Wish { artifact_size: 300_000, ..FRESH }).artifact;
    world.upstream().fail(&artifact.upstream_path, Fault::Bandwidth(600_000));
    let left = world.heliostat.ask(&Ask::get(&artifact.path).leave_after(1_000)).await;
    assert!(left.body.len() < 200_000, "{}", left.summary());
    world.get_right(&artifact).await;
    assert_eq!(world.count(&artifact), 1);
}

pub async fn a_slow_client_holds_nobody_back<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("slow-client", &Wish { artifact_size: 4_000_000, ..FRESH }).artifact;
    let slow = Ask::get(&artifact.path).slowly(world.bytes(&artifact).len() / 10, Duration::from_millis(200));
    let (slow, quick) = tokio::join!(world.heliostat.ask(&slow), world.get_right(&artifact));
    assert!(slow.is(&world.bytes(&artifact)), "{}", slow.summary());
    assert!(quick.took < slow.took, "{:?} and {:?}", quick.took, slow.took);
}

pub async fn requests_on_one_connection_are_kept_apart<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("apart", &FRESH);
    let (missing, _) = world.row.missing("apart-missing");
    let mut connection = Connection::open(world.heliostat.address()).await.expect("the mirror listens");
    for _ in 0..3 {
        assert!(connection.ask(&Ask::get(&document.path)).await.is(&world.bytes(&document)));
        let head = connection.ask(&Ask::head(&artifact.path)).await;
        assert_eq!(head.status, 200);
        // Clients that would wait for a body are let go.
        if head.header("connection") == Some("close") {
            connection = Connection::open(world.heliostat.address()).await.expect("the mirror listens");
        }
        assert!(connection.ask(&Ask::get(&artifact.path)).await.is(&world.bytes(&artifact)));
        assert_eq!(connection.ask(&Ask::get(&missing)).await.status, 404);
        assert_eq!(connection.leftover(), b"");
    }
}
