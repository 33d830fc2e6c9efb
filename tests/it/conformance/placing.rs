//! A mount answers where it was put, and shares nothing with its neighbours.

use super::{FRESH, Provided, Row, Wanted, World};
use crate::support::heliostat::{Heliostat, free_address};
use crate::support::http::{self, Ask};

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
