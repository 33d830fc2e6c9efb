//! Files that the checksum file that is held does not list: a newer one may.

use std::time::Duration;

use super::mirror::{SUMS, World, refused};
use crate::support::http::Ask;

const REQUIRED: &str = "checksums = \"SHASUMS256.txt\"\nchecksums_required = true";

#[tokio::test]
async fn a_file_that_a_newer_list_names_is_proved_before_it_is_kept() {
    for keys in [SUMS, REQUIRED] {
        let world = World::start(keys).await;
        world.put_sums("SHASUMS256.txt", &[("a.bin", b"a")]);
        world.put("a.bin", b"a");
        assert!(world.get("a.bin").await.is(b"a"));
        world.put_sums("SHASUMS256.txt", &[("a.bin", b"a"), ("b.bin", b"b"), ("c.bin", b"c")]);
        world.put("b.bin", b"b");
        world.put("c.bin", b"another");
        assert!(world.get("b.bin").await.is(b"b"));
        assert_eq!(world.count("SHASUMS256.txt"), 2, "the newer one is asked for");
        refused(&world.get("c.bin").await, 502);
    }
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_a_while() {
    for (keys, status) in [(SUMS, 200), (REQUIRED, 403)] {
        let world = World::start(keys).await;
        world.put_sums("SHASUMS256.txt", &[("a.bin", b"a")]);
        ["a.bin", "x.bin", "y.bin"].iter().for_each(|path| world.put(path, b"a"));
        assert!(world.get("a.bin").await.is(b"a"));
        for path in ["x.bin", "x.bin", "y.bin", "x.bin", "x.bin?again"] {
            let answer = world.get(path).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.summary());
        }
        // The other file is asked for by itself where this takes more than a second.
        let asked = world.count("SHASUMS256.txt") - 1;
        assert!((1..=2).contains(&asked), "{asked} requests");
    }
}

#[tokio::test]
async fn what_a_list_that_may_be_too_old_lacks_is_not_said_to_be_listed_nowhere() {
    for more in ["max_ttl = \"0s\"", "stale_if_error = \"0s\""] {
        let world = World::start(&format!("{REQUIRED}\n{more}")).await;
        world.put_sums("SHASUMS256.txt", &[("a.bin", b"a")]);
        assert_eq!(world.get("SHASUMS256.txt").await.status, 200);
        world.upstream.vanish().await;
        let answer = world.get("b.bin").await;
        refused(&answer, 503);
        assert!(!answer.text().contains("lists"), "{}", answer.summary());
        world.upstream.come_back().await;
        refused(&world.get("b.bin").await, 403);
    }
}

#[tokio::test]
async fn what_no_list_has_is_served_on_while_no_newer_one_can_be_had() {
    let world = World::start(&format!("{SUMS}\nnegative_ttl = \"0s\"\nstale_if_error = \"0s\"")).await;
    world.put_sums("SHASUMS256.txt", &[("a.bin", b"a")]);
    world.put("b.bin", b"b");
    assert!(world.get("b.bin").await.is(b"b"));
    world.settle().await;
    // For a second after it was asked for, no list is taken for too old.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let held = Ask::get("/files/t/b.bin").header("cache-control", "only-if-cached");
    assert!(world.heliostat.ask(&held).await.is(b"b"), "who wants no fetch gets what is held");
    world.upstream.vanish().await;
    assert!(world.get("b.bin").await.is(b"b"));
    world.upstream.come_back().await;
}
