//! The process is told things while it works: to give way to a new one, to read its configuration again, to stop. No
//! request fails for that.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use crate::support::beside::{Successor, configuration};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::{self, Answer, Ask, Connection};
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// Clients of each kind: those that keep their connection, and those that open one for each request.
const CLIENTS: usize = 4;
/// Sizes of the tarballs asked for, in bytes: from memory and from disk.
const SIZES: [usize; 3] = [2_000, 50_000, 600_000];
/// An old process ends at most this long after it has given its listeners away.
const GIVE_WAY: Duration = Duration::from_secs(60);
/// Stopping takes 5 s at most, and the machine may be busy.
const STOP: Duration = Duration::from_secs(6);

/// Clients that ask for the same things again and again, and whatever went wrong for them.
struct Load {
    over: Arc<AtomicBool>,
    clients: JoinSet<(usize, Vec<String>)>,
}

struct Scene {
    registry: FakeRegistry,
    heliostat: Heliostat,
    wanted: Vec<(String, Bytes)>,
}

// === impl Load ===

impl Load {
    fn start(scene: &Scene) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for index in 0..2 * CLIENTS {
            let (address, wanted, over) = (scene.heliostat.address(), scene.wanted.clone(), Arc::clone(&over));
            clients.spawn(async move {
                let (mut count, mut failed, mut kept) = (0, Vec::new(), None);
                while !over.load(Ordering::Relaxed) {
                    let (path, right) = &wanted[(index + count) % wanted.len()];
                    let ask = Ask::get(path);
                    let answer = if index < CLIENTS {
                        ask_keeping(&mut kept, address, &ask).await
                    } else {
                        http::ask(address, &ask).await
                    };
                    if !answer.is(right) {
                        failed.push(format!("client {index}, {path}: {}", answer.summary()));
                    }
                    count += 1;
                    sleep(Duration::from_millis(2)).await;
                }
                (count, failed)
            });
        }
        Self { over, clients }
    }

    /// Ends the load; returns how many requests there were. Not one may have failed.
    async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let heard = self.clients.join_all().await;
        let failed: Vec<&String> = heard.iter().flat_map(|(_, failed)| failed).collect();
        assert!(failed.is_empty(), "{} requests failed: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
        heard.iter().map(|(count, _)| count).sum()
    }
}

/// Asks on a kept connection, opening one if the last answer ended it.
async fn ask_keeping(kept: &mut Option<Connection>, address: std::net::SocketAddr, ask: &Ask) -> Answer {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(address).await.expect("somebody listens all the time"),
    };
    let answer = connection.ask(ask).await;
    if answer.completed() && !answer.headers.lists("connection", "close") {
        *kept = Some(connection);
    }
    answer
}

// === impl Scene ===

impl Scene {
    /// Starts a mirror of one package, all of which it has.
    async fn start() -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().top("offline", "false").set("log", "filter", "\"info\"");
        let heliostat = builder.npm(registry.url(), "").start().await;
        let mut scene = Self { registry, heliostat, wanted: Vec::new() };
        for size in SIZES {
            let (path, right) = scene.publish(&format!("sized-{size}"), size);
            assert!(scene.heliostat.get(&path).await.is(&right));
            scene.wanted.push((path, right));
        }
        let document = scene.heliostat.get("/npm/sized-2000").await;
        scene.wanted.push(("/npm/sized-2000".into(), document.body.into()));
        scene
    }

    /// Publishes a package of one tarball; returns its path at the mirror, and its bytes.
    fn publish(&self, name: &str, size: usize) -> (String, Bytes) {
        let package = Package::new(name).with(Release::new("1.0.0").size(size));
        self.registry.publish(&package);
        let release = package.release("1.0.0");
        (format!("/npm{}", package.tarball_path(release)), release.tarball.clone())
    }

    /// Begins to download something that takes its time, in seconds.
    async fn download(&self, name: &str, seconds: f64) -> (tokio::task::JoinHandle<Answer>, Bytes) {
        let size = 600_000;
        let (path, right) = self.publish(name, size);
        let upstream = path.trim_start_matches("/npm").to_owned();
        self.registry.upstream.fail(&upstream, Fault::Bandwidth((size as f64 / seconds) as usize));
        let address = self.heliostat.address();
        let asking = tokio::spawn(async move { http::ask(address, &Ask::get(&path)).await });
        while self.registry.upstream.count(&upstream) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        (asking, right)
    }

    /// Changes the configuration file and has it read; waits until `done`.
    async fn reconfigure(&self, old: &str, new: &str, done: impl AsyncFn() -> bool) {
        let file = configuration(&self.heliostat);
        let text = std::fs::read_to_string(&file).expect("the file it was started with");
        assert!(text.contains(old), "{text}");
        std::fs::write(&file, text.replacen(old, new, 1)).expect("a temporary directory can be written");
        self.heliostat.signal(Signal::HUP);
        let begun = Instant::now();
        while !done().await {
            assert!(begun.elapsed() < Duration::from_secs(5), "{new} has no effect\n{}", self.heliostat.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn status(&self, path: &str) -> u16 {
        self.heliostat.get(path).await.status
    }

    fn access_lines(&self) -> usize {
        self.heliostat.said().matches("\"target\":\"access\"").count()
    }
}

fn print(text: &str) {
    // Past the test harness, which would swallow it when all is well.
    std::io::stderr().write_all(text.as_bytes()).expect("standard error can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_processes_take_over_under_load_and_no_request_fails() {
    let mut scene = Scene::start().await;
    let load = Load::start(&scene);
    let (under_way, right) = scene.download("under-way", 3.0).await;

    let mut second = Successor::start(&scene.heliostat, "second");
    sleep(Duration::from_millis(500)).await;
    let told = Instant::now();
    scene.heliostat.signal(Signal::QUIT);
    let ended = block_in_place(|| scene.heliostat.wait(GIVE_WAY));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", scene.heliostat.said());
    let first_gone = told.elapsed();
    let answer = under_way.await.expect("a client's task");
    assert!(answer.is(&right), "{}", answer.summary());
    sleep(Duration::from_millis(300)).await;

    // Now the other way round: told to give way before there is anybody to give way to.
    let told = Instant::now();
    second.signal(Signal::QUIT);
    sleep(Duration::from_millis(500)).await;
    let mut third = Successor::start(&scene.heliostat, "third");
    let ended = block_in_place(|| second.wait(GIVE_WAY));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", second.said());
    let second_gone = told.elapsed();
    sleep(Duration::from_millis(300)).await;

    let requests = load.end().await;
    print(&format!(
        "\nupgrade under load: {requests} requests, 0 failed; the first process was gone after {first_gone:.1?} with a \
         download of 3 s under way, the second after {second_gone:.1?}\n"
    ));
    block_in_place(|| third.stop());
    assert_eq!(scene.heliostat.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_nobody_replaces_goes_on() {
    let scene = Scene::start().await;
    let load = Load::start(&scene);
    scene.heliostat.signal(Signal::QUIT);
    let begun = Instant::now();
    while !scene.heliostat.said().contains("no new process took the listeners") {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", scene.heliostat.said());
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_millis(200)).await;
    assert!(load.end().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_configuration_is_read_again_without_a_failed_request() {
    let scene = Scene::start().await;
    let load = Load::start(&scene);

    let mount = format!(
        "[[mount]]\ndialect = \"npm\"\nname = \"other\"\npath = \"/other\"\n[[mount.upstream]]\nurl = \"{}\"\n\
         allow_private = true\n[[mount]]",
        scene.registry.url()
    );
    assert_eq!(scene.status("/other/sized-2000").await, 404);
    scene.reconfigure("[[mount]]", &mount, async || scene.status("/other/sized-2000").await == 200).await;

    assert!(scene.access_lines() > 0);
    let quiet = async || {
        let before = scene.access_lines();
        sleep(Duration::from_millis(300)).await;
        scene.access_lines() == before
    };
    scene.reconfigure("filter = \"info\"", "filter = \"warn\"", quiet).await;

    // A new name each time: an answer given before the change would be remembered.
    let asked = AtomicUsize::new(0);
    let unheard_of = async || scene.status(&format!("/npm/unheard-of-{}", asked.fetch_add(1, Ordering::Relaxed))).await;
    scene.reconfigure("offline = false", "offline = true", async || unheard_of().await == 503).await;
    scene.reconfigure("offline = true", "offline = false", async || unheard_of().await == 404).await;

    let refused = async || scene.heliostat.said().contains("configuration not taken over");
    scene.reconfigure("offline = false", "offline = 7", refused).await;
    assert_eq!(scene.status("/other/sized-2000").await, 200);
    assert!(load.end().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_reload_cannot_change_is_told_until_it_is_changed_back() {
    let scene = Scene::start().await;
    let warned = |changed: &str| {
        let is_warning = |line: &&str| line.contains("settings have changed that need a restart");
        scene.heliostat.said().lines().filter(is_warning).filter(|line| line.contains(changed)).count()
    };
    let read_again = || scene.heliostat.said().matches("configuration read again").count();

    scene.reconfigure("offline = false", "offline = false\nthreads = 3", async || warned("\"threads\"") == 1).await;
    let more = "[store]\nscrub_days = 3\n[limits]\nin_flight = 5\nrequest_body_bytes = \"2MiB\"\n[[mount]]";
    let changed = "\"threads, store, fetch, limits.in_flight\"";
    let text = "attempts = 3";
    scene.reconfigure("attempts = 2", text, async || warned("\"threads, fetch\"") == 1).await;
    scene.reconfigure("[[mount]]", more, async || warned(changed) == 1).await;
    // What needs no restart does not hide what does.
    scene.reconfigure("filter = \"info\"", "filter = \"info,heliostat=info\"", async || warned(changed) == 2).await;

    scene.reconfigure(more, "[[mount]]", async || warned("\"threads, fetch\"") == 2).await;
    scene.reconfigure(text, "attempts = 2", async || warned("\"threads\"") == 2).await;
    let (before, told) = (read_again(), warned(""));
    scene.reconfigure("threads = 3\n", "", async || read_again() == before + 1).await;
    assert_eq!(warned(""), told, "all is as it was at the start");
    assert_eq!(scene.status(&scene.wanted[0].0).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_interrupt_lets_replies_finish_and_idle_connections_do_not_delay_it() {
    let mut scene = Scene::start().await;
    let mut idle = Connection::open(scene.heliostat.address()).await.expect("the mirror listens");
    assert_eq!(idle.ask(&Ask::get("/npm/sized-2000")).await.status, 200);
    let (under_way, right) = scene.download("interrupted", 2.0).await;
    let told = Instant::now();
    scene.heliostat.signal(Signal::INT);
    let ended = block_in_place(|| scene.heliostat.wait(STOP));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", scene.heliostat.said());
    let answer = under_way.await.expect("a client's task");
    assert!(answer.is(&right), "{}", answer.summary());
    assert!(idle.closes_within(Duration::from_secs(1)).await);
    assert!(told.elapsed() < STOP, "{:?}", told.elapsed());
    assert_eq!(scene.heliostat.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reply_that_takes_too_long_does_not_delay_the_stop_and_is_cut() {
    let mut scene = Scene::start().await;
    let (under_way, _) = scene.download("endless", 30.0).await;
    sleep(Duration::from_millis(300)).await;
    let told = Instant::now();
    scene.heliostat.signal(Signal::TERM);
    let ended = block_in_place(|| scene.heliostat.wait(STOP));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", scene.heliostat.said());
    let gone = told.elapsed();
    let answer = under_way.await.expect("a client's task");
    assert!(!answer.completed(), "{}", answer.summary());
    print(&format!("\na stop with a reply of 30 s under way took {gone:.1?}\n"));
    assert_eq!(scene.heliostat.temporary_files(), Vec::<std::path::PathBuf>::new());
    scene.heliostat.start().await;
    assert!(scene.heliostat.get(&scene.wanted[0].0).await.is(&scene.wanted[0].1));
}
