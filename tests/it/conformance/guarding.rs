//! What never goes upstream: nonsense, credentials of others, requests to neighbours.

use super::{FRESH, Provided, Row, World};
use crate::support::fault::Fault;
use crate::support::http::Ask;
use crate::support::resource::Seen;
use crate::support::upstream::FakeUpstream;

pub async fn nonsense_is_400_and_nothing_is_asked_upstream<R: Row>(world: &World<R>) {
    let before = world.upstream().all_seen().len();
    for path in world.row.nonsense() {
        let answer = world.heliostat.get(&path).await;
        assert!(answer.status == 400 && world.row.is_error(&answer), "{path:?}: {}", answer.summary());
    }
    let seen = world.upstream().all_seen();
    assert_eq!(seen.len(), before, "asked: {:?}", seen.last().map(|seen| &seen.target));
}

pub async fn who_wants_only_what_is_held_is_told_so_and_nobody_is_asked<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("only-if-cached", &FRESH);
    let only = [("cache-control", "only-if-cached")];
    let is_told = async |wanted| {
        let answer = world.ask(wanted, &only).await;
        world.refuses(&answer, &[504]);
        assert!(answer.text().contains("is not held here"), "{}", answer.text());
        assert_eq!(world.count(wanted), 0, "{}", wanted.path);
    };
    is_told(&artifact).await;
    is_told(&document).await;
    world.get_right(&document).await;
    is_told(&artifact).await;
    assert!(world.ask(&document, &only).await.is(&world.bytes(&document)));
    assert_eq!(world.count(&document), 1);
}

pub async fn a_redirect_is_followed_within_the_upstream<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("redirected", &FRESH);
    for wanted in [&document, &artifact] {
        let elsewhere = format!("/moved{}", wanted.upstream_path);
        let upstream = world.upstream();
        upstream.put(&elsewhere, upstream.resource(&wanted.upstream_path).expect("a resource that was provided"));
        upstream.fail(&wanted.upstream_path, Fault::Redirect(format!("{}{elsewhere}", upstream.url())));
        world.get_right(wanted).await;
        assert_eq!(upstream.count(&elsewhere), 1);
    }
}

pub async fn a_redirect_to_a_private_address_or_in_circles_is_refused<R: Row>(world: &World<R>) {
    let neighbour = FakeUpstream::start_on([127, 0, 0, 2]);
    for (name, round) in [("to-neighbour", false), ("round", true)] {
        let Provided { document, artifact } = world.row.provide(name, &FRESH);
        // The artifact's own document must be there first.
        world.get_right(&document).await;
        let target = format!("{}/secret", neighbour.url());
        let fault = if round { Fault::RedirectLoop } else { Fault::Redirect(target) };
        world.upstream().fail(&artifact.upstream_path, fault);
        world.refuses(&world.get(&artifact).await, &[502, 503, 504]);
        assert!(world.count(&artifact) <= 40, "{} requests", world.count(&artifact));
        world.upstream().heal(&artifact.upstream_path);
        world.get_right_soon(&artifact).await;
    }
    assert!(neighbour.all_seen().is_empty(), "the neighbour was asked");
}

pub async fn credentials_stay_at_their_origin<R: Row>(world: &World<R>) {
    let elsewhere = FakeUpstream::start();
    let Provided { document, artifact } = world.row.provide("secret", &FRESH);
    elsewhere.put("/moved", world.upstream().resource(&artifact.upstream_path).expect("a resource that was provided"));
    world.upstream().fail_next(&artifact.upstream_path, 1, Fault::Redirect(format!("{}/moved", elsewhere.url())));
    for wanted in [&document, &artifact] {
        let ask =
            Ask::get(&wanted.path).header("authorization", "Bearer of-the-client").header("cookie", "of=the-client");
        world.heliostat.ask(&ask).await;
    }
    let seen = [world.upstream().all_seen(), elsewhere.all_seen()].concat();
    assert!(seen.iter().all(|seen| !format!("{:?}", seen.headers).contains("the-client")), "{seen:?}");
    let ours = |seen: &Seen| seen.headers.get("authorization") == Some("Bearer upstream-token");
    assert!(world.upstream().all_seen().iter().all(ours));
    assert!(!elsewhere.all_seen().iter().any(ours), "the token left its origin");
    let told = [world.heliostat.said(), world.heliostat.get("/metrics").await.text()].concat();
    assert!(!told.contains("upstream-token"), "the token is shown");
}
