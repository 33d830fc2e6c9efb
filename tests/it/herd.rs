//! A herd: a thousand clients that all want one artifact nobody has yet cost its upstream one request, and the mirror a
//! bounded memory.
//!
//! In debug builds the artifact is smaller and its upstream slower: there it is the machine that limits a thousand
//! streams. The printed lines say which it was; `benches/compare` has the full size in a release build.

use std::io::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::support::crowd::{self, Came};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::packages::{Package, Release};
use crate::support::random::hex;
use crate::support::registry::FakeRegistry;

const CLIENTS: usize = 1_000;
/// Bytes of the artifact.
const SIZE: usize = if cfg!(debug_assertions) { 4_000_000 } else { 20_000_000 };
/// Bytes a second that its upstream sends.
const RATE: usize = if cfg!(debug_assertions) { 2_000_000 } else { 10_000_000 };
/// Bytes that memory may grow by over idle.
const GROWTH: u64 = if cfg!(debug_assertions) { 128 << 20 } else { 64 << 20 };

/// Herds come one at a time: they are measured.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A mirror that knows the document of a package, and not its tarball.
struct Scene {
    registry: FakeRegistry,
    heliostat: Heliostat,
    /// Of the tarball at upstream.
    path: String,
    sha256: String,
    /// Resident memory before the herd, in bytes.
    idle: u64,
}

impl Scene {
    async fn start() -> Self {
        crowd::raise_file_limit();
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("log", "access", "false").set("fetch", "attempts", "8");
        let heliostat = builder.set("fetch", "idle_timeout", "\"10s\"").npm(registry.url(), "").start().await;
        // The registry's keys are fetched with the first tarball.
        let small = registry.publish_plain("small");
        let package = Package::new("cold").with(Release::new("1.0.0").size(SIZE));
        registry.publish(&package);
        let release = package.release("1.0.0");
        for path in [format!("/npm{}", small.tarball_path(small.release("1.0.0"))), "/npm/cold".into()] {
            assert_eq!(heliostat.get(&path).await.status, 200);
        }
        let path = package.tarball_path(release);
        registry.upstream.fail(&path, Fault::Bandwidth(RATE));
        let idle = heliostat.memory().0;
        Self { registry, heliostat, path, sha256: hex(&Sha256::digest(&release.tarball)), idle }
    }

    fn target(&self) -> String {
        format!("/npm{}", self.path)
    }

    async fn herd(&self) -> Vec<Came> {
        crowd::ask(self.heliostat.address(), &self.target(), CLIENTS).await
    }

    /// Checks what every client got and what it cost, and prints it.
    fn judge(&self, name: &str, herd: &[Came], lone: Option<Duration>) {
        let faults: Vec<&Came> = herd.iter().filter(|came| !self.is_right(came)).collect();
        assert!(faults.is_empty(), "{} of {} clients, first {:?}", faults.len(), herd.len(), faults[0]);
        let hashed = herd.iter().filter(|came| came.sha256.is_some()).count();
        let slowest = herd.iter().map(|came| came.took).max().unwrap_or_default().as_secs_f64();
        let requests = self.registry.upstream.count(&self.path);
        let growth = self.heliostat.memory().1.saturating_sub(self.idle);
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let ratio = lone.map_or_else(String::new, |lone| {
            let lone = lone.as_secs_f64();
            format!(", a lone client {lone:.2} s, ratio {:.2}", slowest / lone)
        });
        let line = format!(
            "\nherd, {name}: {} clients ({hashed} hashed) on {} MB at {} MB/s, {build} build: {requests} upstream GETs, \
             memory +{:.1} MiB, slowest {slowest:.2} s{ratio}\n",
            herd.len(),
            SIZE / 1_000_000,
            RATE / 1_000_000,
            growth as f64 / f64::from(1 << 20),
        );
        // Past the test harness, which would swallow it when all is well.
        std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
        assert!(growth < GROWTH, "{growth} bytes more at the peak");
    }

    fn is_right(&self, came: &Came) -> bool {
        let whole = came.fault.is_none() && came.status == 200 && came.bytes == SIZE as u64;
        whole && came.sha256.as_ref().is_none_or(|sha256| *sha256 == self.sha256)
    }
}

/// Measures how long one client takes, over a mirror of its own.
async fn lone() -> Duration {
    let scene = Scene::start().await;
    let came = crowd::ask(scene.heliostat.address(), &scene.target(), 1).await;
    assert!(scene.is_right(&came[0]), "{came:?}");
    came[0].took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_make_one_fetch() {
    let _alone = ALONE.lock().await;
    let lone = lone().await;
    let scene = Scene::start().await;
    let herd = scene.herd().await;
    scene.judge("all at once", &herd, Some(lone));
    assert_eq!(scene.registry.upstream.count(&scene.path), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_a_thousand_leaves_and_nobody_notices() {
    let _alone = ALONE.lock().await;
    let scene = Scene::start().await;
    let (address, target) = (scene.heliostat.address(), scene.target());
    let leaving = Ask::get(&target).leave_after(1_000_000);
    let (left, herd) = tokio::join!(scene.heliostat.ask(&leaving), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        crowd::ask(address, &target, CLIENTS).await
    });
    assert!(left.body.len() < SIZE / 2, "{}", left.summary());
    scene.judge("the first one leaves", &herd, None);
    assert_eq!(scene.registry.upstream.count(&scene.path), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_of_a_thousand_dies_once_and_is_resumed_from() {
    let _alone = ALONE.lock().await;
    let scene = Scene::start().await;
    let middle = Duration::from_secs_f64(SIZE as f64 / RATE as f64 * 0.45);
    let (herd, ()) = tokio::join!(scene.herd(), async {
        while scene.registry.upstream.count(&scene.path) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(middle).await;
        scene.registry.upstream.vanish().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.registry.upstream.come_back().await;
    });
    scene.judge("upstream dies once", &herd, None);
    let seen = scene.registry.upstream.seen(&scene.path);
    assert_eq!(seen.len(), 2, "{seen:?}");
    let range = seen[1].headers.get("range").expect("it is resumed, not begun anew");
    let from: usize = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap();
    assert!(from > SIZE / 10, "{range}");
    assert!(seen[1].headers.has("if-range"), "{:?}", seen[1].headers);
}
