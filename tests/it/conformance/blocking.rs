//! What an operator blocks is served by no route and to nobody, kept or not, until it is blocked no longer.

use super::{FRESH, Provided, Releases, Row, Wanted, World};
use crate::support::beside::{block, command};
use crate::support::http::{Answer, Ask};

const WHY: &str = "it steals secrets";

pub async fn what_is_blocked_is_withheld_on_every_route_until_it_is_no_longer<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("blocked", &FRESH);
    let beside = world.row.provide("beside-blocked", &FRESH);
    for wanted in [&document, &artifact, &beside.artifact] {
        world.get_right(wanted).await;
    }
    block(&world.heliostat, &artifact.path, &[mount::<R>(), &R::package("blocked")]).await;
    let asked = world.upstream().all_seen().len();
    for wanted in [&document, &artifact] {
        for answer in every_way(world, wanted).await {
            assert_eq!(answer.status, 451, "{}", answer.summary());
        }
        let answer = world.get(wanted).await;
        world.refuses(&answer, &[451]);
        assert!(answer.text().contains(WHY), "{}", answer.text());
    }
    assert_eq!(world.upstream().all_seen().len(), asked, "upstream was asked for what is blocked");
    world.get_right(&beside.artifact).await;

    let (well, said) = command(&world.heliostat, "blocks", &[mount::<R>()]);
    assert!(well && said.contains(&R::package("blocked")) && said.contains(WHY), "{said}");
    let unblock = || command(&world.heliostat, "unblock", &[mount::<R>(), &R::package("blocked")]);
    let (well, said) = unblock();
    assert!(well, "{said}");
    world.get_right_soon(&artifact).await;
    world.get_right(&document).await;
    assert!(!unblock().0, "what is not blocked was unblocked");
}

pub async fn a_blocked_version_is_withheld_though_it_is_kept<R: Releases>() {
    let world = World::<R>::start().await;
    let Provided { artifact, .. } = world.row.provide("blocked-version", &FRESH);
    world.get_right(&artifact).await;
    let package = R::package("blocked-version");
    let (well, said) = command(&world.heliostat, "block", &[mount::<R>(), &package, "<1.0.0-rc.1", "--reason", WHY]);
    assert!(well, "{said}");
    block(&world.heliostat, &artifact.path, &[mount::<R>(), &package, "1.0.0 || 1.x"]).await;
    for answer in every_way(&world, &artifact).await {
        assert_eq!(answer.status, 451, "{}", answer.summary());
    }
    let (well, said) = command(&world.heliostat, "block", &[mount::<R>(), "x", "not versions", "--reason", WHY]);
    assert!(!well && said.contains("names no versions"), "{said}");
}

fn mount<R: Row>() -> &'static str {
    R::PATH.rsplit('/').next().expect("a path")
}

async fn every_way<R: Row>(world: &World<R>, wanted: &Wanted) -> Vec<Answer> {
    let mut answers = vec![world.heliostat.ask(&Ask::head(&wanted.path)).await];
    for headers in [
        &[("range", "bytes=0-9")][..],
        &[("if-none-match", "*")],
        &[("cache-control", "only-if-cached")],
        &[("accept", "*/*"), ("accept-encoding", "gzip")],
    ] {
        answers.push(world.ask(wanted, headers).await);
    }
    answers
}
