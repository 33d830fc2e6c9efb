//! What the mirror spares its upstreams and its clients: waiting for what is only just stale, too many requests at once,
//! and requests that an upstream has asked not to be sent.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;

use crate::support::fault::Fault;
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::http::Answer;
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// Long enough that it cannot pass unnoticed.
const PAUSE: Duration = Duration::from_secs(6);

struct World {
    registry: FakeRegistry,
    heliostat: Heliostat,
}

impl World {
    async fn start(mount: &str) -> Self {
        let registry = FakeRegistry::start();
        // Long enough for a crowd on a busy machine to find the first fill still under way.
        let patient = Heliostat::builder().set("fetch", "first_byte_timeout", "\"6s\"");
        let heliostat = patient.npm(registry.url(), mount).start().await;
        Self { registry, heliostat }
    }

    /// Publishes a package, which is fetched and then replaced by one with a version more.
    async fn outdated(&self, name: &str, cache_control: &str) -> (Package, Package) {
        let old = Package::with_versions(name, &["1.0.0"]).cache_control(cache_control);
        self.registry.publish(&old);
        assert!(self.is(&self.get(name).await, &old));
        let new = old.clone().with(Release::new("1.1.0"));
        self.registry.publish(&new);
        (old, new)
    }

    async fn get(&self, name: &str) -> Answer {
        self.heliostat.get(&format!("/npm/{name}")).await
    }

    /// Tells whether an answer is the document of this state of a package.
    fn is(&self, answer: &Answer, package: &Package) -> bool {
        answer.status == 200
            && answer.completed()
            && answer.json()["versions"].as_object().map(serde_json::Map::len) == Some(package.releases.len())
    }

    /// Asks until an answer is the document of this state of a package.
    async fn becomes(&self, package: &Package) {
        let start = Instant::now();
        while !self.is(&self.get(&package.name).await, package) {
            assert!(start.elapsed() < Duration::from_secs(20), "{} does not change", package.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn is_stale(answer: &Answer) -> bool {
    answer.cache_says("detail=stale") && answer.headers.has("age")
}

#[tokio::test]
async fn a_document_just_gone_stale_is_served_at_once_and_asked_for_once() {
    // Nothing may be served stale because of an error: who waits for this upstream gets no answer.
    for (mount, cache_control) in [
        ("stale_while_revalidate = \"1h\"\nstale_if_error = \"0s\"", "max-age=0"),
        ("stale_if_error = \"0s\"", "max-age=0, stale-while-revalidate=3600"),
    ] {
        let world = World::start(mount).await;
        let (old, new) = world.outdated("just-stale", cache_control).await;
        world.registry.upstream.fail("/just-stale", Fault::StallBeforeHead);
        for answer in join_all((0..20).map(|_| world.get("just-stale"))).await {
            assert!(world.is(&answer, &old) && is_stale(&answer), "{}", answer.summary());
        }
        // The answers did not wait for the fill, which may reach upstream after them.
        let count = || world.registry.upstream.count("/just-stale");
        for _ in 0..500 {
            if count() > 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(count(), 2, "one fill for all of them");
        world.registry.upstream.heal("/just-stale");
        world.becomes(&new).await;
    }
}

#[tokio::test]
async fn a_document_stale_for_longer_is_waited_for() {
    let world = World::start("stale_while_revalidate = \"1s\"").await;
    let (_, new) = world.outdated("long-stale", "max-age=0").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = world.get("long-stale").await;
    assert!(world.is(&answer, &new) && answer.cache_says("fwd-status=200"), "{}", answer.summary());
}

/// Publishes `count` packages of one tarball and returns the tarballs' paths at a mount, each with what must come.
fn tarballs(registry: &FakeRegistry, mount: &str, count: usize) -> Vec<(String, bytes::Bytes)> {
    let publish = |index| {
        let package = Package::new(&format!("many-{index}")).with(Release::new("1.0.0").size(20_000));
        registry.publish(&package);
        let release = package.release("1.0.0");
        (format!("/{mount}{}", package.tarball_path(release)), release.tarball.clone())
    };
    (0..count).map(publish).collect()
}

fn two_mounts(left: &FakeRegistry, right: &FakeRegistry) -> Builder {
    let mount = |name: &str, registry: &FakeRegistry| {
        let url = registry.url();
        let head = format!("dialect = \"npm\"\nname = \"{name}\"\npath = \"/{name}\"\n");
        format!("{head}[[mount.upstream]]\nurl = \"{url}\"\nallow_private = true\n")
    };
    Heliostat::builder().mount(&mount("npm", left)).mount(&mount("other", right))
}

#[tokio::test]
async fn each_host_is_asked_so_much_at_once_and_no_more() {
    let (left, right) = (FakeRegistry::start(), FakeRegistry::start());
    let heliostat = two_mounts(&left, &right)
        .set("fetch", "connections_per_host", "3")
        // Whoever waits for his turn waits for it within this time.
        .set("fetch", "first_byte_timeout", "\"20s\"")
        .start()
        .await;
    let wanted = [tarballs(&left, "npm", 16), tarballs(&right, "other", 16)].concat();
    for registry in [&left, &right] {
        // A request is over with the last byte of its answer, not with its head.
        registry.upstream.fail_all(Fault::Bandwidth(200_000));
    }
    let answers = join_all(wanted.iter().map(|(path, _)| heliostat.get(path))).await;
    for (answer, (path, right)) in answers.iter().zip(&wanted) {
        assert!(answer.is(right), "{path}: {}", answer.summary());
    }
    assert_eq!((left.upstream.busy().1, right.upstream.busy().1), (3, 3));
}

#[tokio::test]
async fn an_upstream_that_asks_to_be_asked_later_is_asked_later() {
    let date: fn() -> String = || httpdate::fmt_http_date(SystemTime::now() + PAUSE);
    let seconds: fn() -> String = || PAUSE.as_secs().to_string();
    tokio::join!(is_left_alone(429, seconds), is_left_alone(503, seconds), async {
        tokio::join!(is_left_alone(429, date), is_left_alone(503, date))
    });
}

#[tokio::test]
async fn who_can_be_served_stale_does_not_wait_for_an_upstream_that_asks_for_time() {
    let (registry, other) = (FakeRegistry::start(), FakeRegistry::start());
    let patient = two_mounts(&registry, &other).set("fetch", "first_byte_timeout", "\"20s\"");
    let world = World { registry, heliostat: patient.start().await };
    let (old, new) = world.outdated("held", "max-age=0").await;
    let unknown = world.registry.publish_plain("unknown");
    let later = Fault::Later { status: 503, retry_after: PAUSE.as_secs().to_string() };
    world.registry.upstream.fail_next("/held", 1, later);
    let answer = world.get("held").await;
    assert!(world.is(&answer, &old) && is_stale(&answer), "{}", answer.summary());
    // There is nothing else to be had of it: this is worth the wait.
    let answer = world.get("unknown").await;
    assert!(world.is(&answer, &unknown), "{}", answer.summary());
    world.becomes(&new).await;
}

async fn is_left_alone(status: u16, later: fn() -> String) {
    let (registry, other) = (FakeRegistry::start(), FakeRegistry::start());
    let heliostat = two_mounts(&registry, &other).start().await;
    let world = World { registry, heliostat };
    let (old, new) = world.outdated("held", "max-age=0").await;
    let unknown = world.registry.publish_plain("unknown");
    other.publish_plain("unknown");
    let (told, retry_after) = (Instant::now(), later());
    world.registry.upstream.fail_next("/held", 1, Fault::Later { status, retry_after: retry_after.clone() });
    for _ in 0..3 {
        let answer = world.get("held").await;
        assert!(world.is(&answer, &old) && is_stale(&answer), "{status}, {retry_after}: {}", answer.summary());
    }
    let answer = world.get("unknown").await;
    let again = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok()).expect("when to come again");
    assert!(answer.status == 503 && (1..=PAUSE.as_secs()).contains(&again), "{}", answer.summary());
    assert_eq!(answer.json()["error"], "unavailable");
    let counts = || ["/held", "/unknown"].map(|path| world.registry.upstream.count(path));
    assert_eq!(counts(), [2, 0], "nothing of that host is asked for meanwhile");
    assert_eq!(world.heliostat.get("/other/unknown").await.status, 200, "another host is another matter");

    world.becomes(&unknown).await;
    // A date has no parts of a second.
    assert!(told.elapsed() > PAUSE - Duration::from_secs(1), "asked after {:?}", told.elapsed());
    world.becomes(&new).await;
}
