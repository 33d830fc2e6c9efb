//! What is pinned is there when upstream is not, and when upstream no longer has it.

use super::{Row, STALE, Wish, World};
use crate::support::fault::Fault;

/// So that nothing may be served stale that is not pinned.
const STRICT: Wish = Wish { cache_control: "public, max-age=0, must-revalidate", ..STALE };

pub async fn what_is_pinned_is_served_whatever_upstream_has<R: Row>(world: &mut World<R>) {
    let pinned = world.row.provide("lasting", &STRICT);
    let loose = world.row.provide("passing", &STRICT);
    for provided in [&pinned, &loose] {
        world.get_right(&provided.document).await;
        world.get_right(&provided.artifact).await;
    }
    let count = world.heliostat.pin(|key| key.contains("lasting")).await;
    assert!(count >= 2, "{count} entries pinned");
    // A file's sums are asked for with it: both are gone.
    let gone = R::ABSENT.unwrap_or(404);
    for wanted in [&pinned.document, &pinned.artifact, &loose.document] {
        world.upstream().fail(&wanted.upstream_path, Fault::Status(gone));
    }
    let stale = world.get_right(&pinned.document).await;
    assert!(stale.cache_says("detail=stale"), "{:?}", stale.headers);
    world.get_right(&pinned.artifact).await;
    world.refuses(&world.get(&loose.document).await, &[404, 410]);
    world.upstream().vanish().await;
    world.get_right(&pinned.document).await;
    world.get_right(&pinned.artifact).await;
    world.refuses(&world.get(&loose.document).await, &[404, 502, 503, 504]);
    world.upstream().come_back().await;
    world.upstream().heal_all();
    world.get_right_soon(&loose.document).await;
    assert!(!world.get_right(&pinned.document).await.cache_says("detail=stale"));
}
