//! First seen, held to: what a release was when it was first proved, it stays, whatever its upstream says later.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Provided, Releases, STALE, Wish, World};
use crate::support::beside::command;
use crate::support::random::hex;

/// Lengths of artifacts: one that is answered when it is proved, and one that streams where the dialect lets it.
const SIZES: [usize; 2] = [5_000, 28_000];

pub async fn other_bytes_of_a_release_are_refused_until_upstream_is_right_again<R: Releases>() {
    let world = World::<R>::start_with("", "").await;
    for size in SIZES {
        let name = format!("rival-{size}");
        let publish = |artifact_size| world.row.provide(&name, &Wish { artifact_size, ..STALE });
        let Provided { document, artifact } = publish(size);
        world.get_right(&document).await;
        world.get_right(&artifact).await;
        settled(&world).await;
        let package = R::package(&name);
        let (well, said) = command(&world.heliostat, "purge", &[R::PATH.trim_start_matches('/'), &package]);
        assert!(well, "{said}");

        let right = world.bytes(&artifact);
        let new = publish(size + 1_000);
        // The server looks every second whether somebody else has written.
        let start = Instant::now();
        while world.get(&artifact).await.is(&right) {
            assert!(start.elapsed() < Duration::from_secs(10), "what was purged is still served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut asked = 0;
        for round in 0..3 {
            world.get(&document).await;
            let answer = world.get(&artifact).await;
            world.refuses(&answer, &[403]);
            // The first time may be before the document is known to have changed.
            asked = if round == 0 { world.count(&artifact) } else { asked };
            let reason =
                "has other bytes upstream than when this mirror first saw it; they are refused until its operator";
            assert!(answer.text().contains(reason), "{}", answer.text());
        }
        let told = incidents(&world, &package).await;
        let of_documents = told.iter().filter(|detail| detail.contains("its document says")).count();
        assert_eq!(of_documents, 1, "once, however often it is asked for: {told:?}");
        assert_eq!(world.count(&artifact), asked, "what was refused is asked for again");
        let rival = hex(&Sha256::digest(world.bytes(&new.artifact)));
        assert!(!world.heliostat.contents().contains_key(&rival), "refused and kept");

        publish(size);
        world.get_right(&document).await;
        world.get_right_soon(&artifact).await;
    }
}

/// Waits until no fill is under way: clients get the last bytes before they are kept.
async fn settled<R: Releases>(world: &World<R>) {
    let start = Instant::now();
    while world.heliostat.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(10), "fills do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns what was said of the releases of a package that are not what they were.
async fn incidents<R: Releases>(world: &World<R>, package: &str) -> Vec<String> {
    let listed = world.heliostat.incidents(Some(package)).await.into_iter();
    let listed = listed.filter(|incident| incident["kind"] == "first-seen");
    listed.map(|incident| incident["detail"].as_str().unwrap_or_default().to_owned()).collect()
}
