//! Parts of a file that is still coming.

use super::mirror::{SUMS, World};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::random::Random;
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

const SIZE: usize = 400_000;

fn ask(path: &str, first: usize, last: usize) -> Ask {
    Ask::get(&format!("/files/t/{path}")).header("range", &format!("bytes={first}-{last}"))
}

#[tokio::test]
async fn a_part_comes_while_the_rest_is_still_on_its_way() {
    let (upstream, body) = (FakeUpstream::start(), Random::new(1).bytes(SIZE));
    let tree = format!("url = \"{}\"\nallow_private = true", upstream.url());
    let mount = format!("dialect = \"files\"\nname = \"t\"\n[[mount.upstream]]\n{tree}\n");
    let heliostat = Heliostat::builder().mount(&mount).set("fetch", "idle_timeout", "\"60s\"").start().await;
    upstream.put("/big.bin", Resource::new("text/plain", body.clone()).cache_control("max-age=300").etag("\"a\""));
    upstream.fail("/big.bin", Fault::StallAfter(300_000));
    let (first, last) = (100_000, 199_999);
    let answer = heliostat.ask(&ask("big.bin", first, last).leave_after(80_000)).await;
    assert_eq!((answer.status, answer.header("content-length")), (206, Some("100000")), "{}", answer.summary());
    assert_eq!(answer.header("content-range"), Some(format!("bytes {first}-{last}/{SIZE}").as_str()));
    assert!(answer.body.len() >= 80_000 && body[first..].starts_with(&answer.body), "{}", answer.summary());
    assert_eq!(upstream.count("/big.bin"), 1);
}

#[tokio::test]
async fn a_part_of_what_proves_to_be_wrong_is_never_completed() {
    let world = World::start(SUMS).await;
    let [right, wrong] = [1, 2].map(|seed| Random::new(seed).bytes(SIZE));
    world.put_sums("SHASUMS256.txt", &[("right.bin", &right), ("wrong.bin", &right)]);
    world.put("right.bin", &right);
    world.put("wrong.bin", &wrong);
    for path in ["right.bin", "wrong.bin"] {
        // Slow enough for a part of what is not all there yet.
        world.upstream.fail(&format!("/tree/{path}"), Fault::Bandwidth(2 * SIZE));
    }
    for (first, last) in [(0, SIZE - 1), (0, 99_999), (100_000, 300_000), (300_000, SIZE - 1), (SIZE - 10, SIZE - 1)] {
        let answer = world.heliostat.ask(&ask("wrong.bin", first, last)).await;
        assert!(!(matches!(answer.status, 200 | 206) && answer.completed()), "{}", answer.summary());
        assert!(answer.body.len() < last + 1 - first || answer.status >= 500, "{}", answer.summary());
    }
    let answer = world.heliostat.ask(&ask("right.bin", 100_000, 300_000)).await;
    assert!(answer.status == 206 && answer.completed() && answer.body == right[100_000..=300_000]);
    assert!(world.get("right.bin").await.is(&right));
    assert_eq!(world.count("right.bin"), 1);
}
