//! A mount answers where it was put, and shares nothing with its neighbours.

use rand::seq::SliceRandom;

use super::{FRESH, Provided, Row, Wanted, World};
use crate::support::heliostat::{Heliostat, free_address};
use crate::support::http::{self, Ask};

/// How many names are tried.
const NAMES: usize = 12;

/// Returns the path of what is wanted below its mount.
fn rooted<R: Row>(wanted: &Wanted) -> &str {
    wanted.path.strip_prefix(R::PATH).expect("a path below the mount")
}

pub async fn a_mount_answers_at_its_path_its_host_and_its_port<R: Row>() {
    let (row, own) = (R::start(), free_address());
    let keys = format!("host = \"own.example\"\nlisten = [\"{own}\"]\n");
    let world = World { heliostat: row.mount(Heliostat::builder(), &keys, "").start().await, row };
    let Provided { artifact, .. } = world.row.provide("placed", &FRESH);
    world.get_right(&artifact).await;
    let by_host = world.heliostat.ask(&Ask::get(rooted::<R>(&artifact)).header("host", "own.example")).await;
    assert!(by_host.is(&world.bytes(&artifact)), "{}", by_host.summary());
    let by_port = http::ask(own, &Ask::get(rooted::<R>(&artifact))).await;
    assert!(by_port.is(&world.bytes(&artifact)), "{}", by_port.summary());
    assert_eq!(world.count(&artifact), 1, "one mount, one entry");
    let elsewhere = world.heliostat.ask(&Ask::get(rooted::<R>(&artifact))).await;
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.summary());
}

pub async fn two_mounts_share_nothing<R: Row>() {
    let (row, other) = (R::start(), R::start());
    let builder = row.mount(Heliostat::builder(), "", "");
    let beside = "name = \"beside\"\npath = \"/beside\"\n";
    let world = World { heliostat: other.mount(builder, beside, "").start().await, row };
    let Provided { document, artifact } = world.row.provide("same", &FRESH);
    for wanted in [&document, &artifact] {
        world.get_right(wanted).await;
        let answer = world.heliostat.get(&format!("/beside{}", rooted::<R>(wanted))).await;
        assert_eq!(answer.status, 404, "{}", answer.summary());
    }
}

/// A property: whatever the names, the mounts and the order, what one mount has fetched another fetches for itself, even
/// where both have the same upstream.
pub async fn two_mounts_of_one_upstream_never_share_an_entry<R: Row>() {
    // One name begins with another.
    let places = [R::PATH.to_owned(), "/a".to_owned(), "/a-a".to_owned(), "/a_0".to_owned()];
    let row = R::start();
    let builder = places[1..].iter().fold(row.mount(Heliostat::builder(), "", ""), |builder, path| {
        row.mount(builder, &format!("name = \"{}\"\npath = \"{path}\"\n", &path[1..]), "")
    });
    let world = World { heliostat: builder.start().await, row };
    for _ in 0..NAMES {
        let name = format!("a{:x}", rand::random::<u32>() >> (rand::random::<u32>() % 24));
        let Provided { document, artifact } = world.row.provide(&name, &FRESH);
        for wanted in [document, artifact] {
            asked_once_by_each(&world, &wanted, &places).await;
        }
    }
}

/// Asks for one thing at every place, in any order, twice over: upstream hears of it once for each.
async fn asked_once_by_each<R: Row>(world: &World<R>, wanted: &Wanted, places: &[String]) {
    for is_there in [false, true] {
        let mut order = places.to_vec();
        order.shuffle(&mut rand::rng());
        for place in &order {
            let before = world.count(wanted);
            let answer = world.heliostat.get(&format!("{place}{}", rooted::<R>(wanted))).await;
            assert!(answer.status == 200 && answer.completed(), "{place}: {}", answer.summary());
            let asked = world.count(wanted) - before;
            assert_eq!(asked, usize::from(!is_there), "{} at {place}, in the order {order:?}", wanted.path);
        }
    }
}
