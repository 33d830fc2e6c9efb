//! SIGKILL at random moments, hundreds of times over, each time on what the one before has left.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{START, document, print};
use crate::support::audit::{Audit, Auditor};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::{self, Ask};
use crate::support::packages::{Package, Release, Signing};
use crate::support::random::Random;
use crate::support::registry::FakeRegistry;

/// Data directories that are killed over at the same time.
const LANES: u64 = 4;
/// Kills under load in each of them.
const ROUNDS: usize = 125;
/// Every so many rounds, one more kill while it starts, and in between, one while it stops.
const EVERY: usize = 8;
const CLIENTS: usize = 6;
/// What each client asks for at most in a round.
const ASKED: usize = 40;
/// So little that something is evicted in most rounds.
const MAX_BYTES: &str = "\"3MiB\"";
/// What is asked for again in later rounds.
const REMEMBERED: usize = 60;

/// A path, and every body that is right for it.
#[derive(Clone)]
struct Wanted {
    path: String,
    right: Vec<Bytes>,
    slowly: bool,
}

/// What came of one client's requests.
#[derive(Default)]
struct Heard {
    right: usize,
    wrong: Vec<String>,
    /// What was asked when the process died.
    cut: Option<Wanted>,
}

/// What came of all rounds.
#[derive(Default)]
struct Tally {
    under_load: usize,
    at_start: usize,
    at_stop: usize,
    right: usize,
    cut: usize,
    orphans: usize,
    starts: Vec<Duration>,
    wrong: Vec<String>,
}

/// One data directory, and the processes that live and die over it.
struct Lane {
    random: Random,
    registry: FakeRegistry,
    heliostat: Heliostat,
    auditor: Auditor,
    known: Vec<Wanted>,
    /// A document that changes every round.
    moving: Wanted,
    cut: Vec<Wanted>,
    tally: Tally,
    _data: TempDir,
}

// === impl Lane ===

impl Lane {
    async fn start(seed: u64) -> Self {
        let registry = FakeRegistry::start();
        let data = tempfile::tempdir().expect("a temporary directory");
        let builder = Heliostat::builder().data(data.path()).set("store", "max_bytes", MAX_BYTES);
        // A machine that is busy with three other lanes is no upstream that is down.
        let builder = builder.set("fetch", "first_byte_timeout", "\"15s\"").set("fetch", "idle_timeout", "\"15s\"");
        let mut heliostat = builder.set("log", "access", "false").npm(registry.url(), "").start().await;
        heliostat.stop();
        let moving = Wanted { path: "/npm/moving".into(), right: Vec::new(), slowly: false };
        Self {
            random: Random::new(seed),
            registry,
            heliostat,
            auditor: Auditor::new(data.path()),
            known: Vec::new(),
            moving,
            cut: Vec::new(),
            tally: Tally::default(),
            _data: data,
        }
    }

    async fn run(mut self) -> Tally {
        for round in 0..ROUNDS {
            self.publish(round);
            if round % EVERY == 0 {
                self.kill_at_start().await;
            }
            self.start_and_check().await;
            if round % EVERY == EVERY / 2 {
                self.kill_at_stop().await;
                self.start_and_check().await;
            }
            self.kill_under_load().await;
        }
        self.finish().await
    }

    fn milliseconds(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis((from + self.random.below(to - from)) as u64)
    }

    /// Publishes what this round asks for: small things, at times a big one, and a change.
    fn publish(&mut self, round: usize) {
        for index in 0..3 {
            let big = index == 0 && round.is_multiple_of(10);
            let sizes =
                [self.random.below(40_000) + 1_000, if big { 800_000 } else { self.random.below(4_000) + 1_000 }];
            self.publish_one(&format!("round-{round}-{index}"), sizes, index == 2);
        }
        let more = format!(r#","round":{round}"#);
        let moving = Package::new("moving").cache_control("max-age=0").with(Release { more, ..Release::new("1.0.0") });
        self.registry.publish(&moving);
        self.moving.right.push(document(&self.registry, self.heliostat.address(), &moving));
        let forgotten = self.known.len().saturating_sub(REMEMBERED);
        self.known.drain(..forgotten);
    }

    fn publish_one(&mut self, name: &str, sizes: [usize; 2], slow_upstream: bool) {
        let unsigned = Release::new("1.0.0").size(sizes[0]).signature(Signing::Missing);
        let package = Package::new(name).with(unsigned).with(Release::new("1.1.0").size(sizes[1]));
        self.registry.publish(&package);
        let body = document(&self.registry, self.heliostat.address(), &package);
        self.known.push(Wanted { path: format!("/npm/{name}"), right: vec![body], slowly: false });
        for release in &package.releases {
            let path = package.tarball_path(release);
            if slow_upstream {
                self.registry.upstream.fail(&path, Fault::Bandwidth(400_000));
            }
            let right = vec![release.tarball.clone()];
            self.known.push(Wanted { path: format!("/npm{path}"), right, slowly: self.random.below(4) == 0 });
        }
    }

    /// Starts, and looks at what the dead process has left: what it was asked last must be right now.
    async fn start_and_check(&mut self) {
        self.heliostat.start().await;
        self.tally.starts.push(self.heliostat.ready_after);
        let runs = self.auditor.runs().len();
        if runs != 1 {
            self.tally.wrong.push(format!("{} directories of dead runs are left", runs - 1));
        }
        let found = self.look();
        self.tally.orphans += found.orphans.len();
        for wanted in std::mem::take(&mut self.cut) {
            // The document that changes has changed since.
            let wanted = if wanted.path == self.moving.path { self.moving.clone() } else { wanted };
            self.check(&wanted).await;
        }
    }

    fn look(&mut self) -> Audit {
        let mut found = self.auditor.look();
        self.tally.wrong.append(&mut found.wrong);
        found
    }

    async fn check(&mut self, wanted: &Wanted) {
        let answer = self.heliostat.get(&wanted.path).await;
        if wanted.right.iter().any(|right| answer.is(right)) {
            self.tally.right += 1;
        } else {
            self.tally.wrong.push(format!("{}: {}", wanted.path, answer.summary()));
        }
    }

    async fn kill_at_start(&mut self) {
        let moment = self.milliseconds(0, 120);
        // Ready or not.
        let _ = timeout(moment, self.heliostat.start()).await;
        self.heliostat.kill();
        self.tally.at_start += 1;
    }

    async fn kill_at_stop(&mut self) {
        let (first, last) = (self.milliseconds(0, 30), self.milliseconds(0, 500));
        let address = self.heliostat.address();
        let heard = self.load(address);
        let (heard, ()) = tokio::join!(heard, async {
            sleep(first).await;
            self.heliostat.signal(Signal::TERM);
            sleep(last).await;
            self.heliostat.kill();
        });
        self.tally.at_stop += 1;
        self.take(heard);
    }

    async fn kill_under_load(&mut self) {
        let moment = self.milliseconds(5, 150);
        let address = self.heliostat.address();
        let heard = self.load(address);
        let (heard, ()) = tokio::join!(heard, async {
            sleep(moment).await;
            self.heliostat.kill();
        });
        self.tally.under_load += 1;
        self.take(heard);
    }

    /// Returns clients that ask for new and old things until the process is gone.
    fn load(&mut self, address: SocketAddr) -> impl Future<Output = Vec<Heard>> + use<> {
        let newest = self.known.len().saturating_sub(9);
        let lists: Vec<Vec<Wanted>> = (0..CLIENTS)
            .map(|_| {
                (0..ASKED)
                    .map(|_| match self.random.below(8) {
                        0 => self.moving.clone(),
                        1 | 2 => self.known[self.random.below(self.known.len())].clone(),
                        _ => self.known[newest + self.random.below(self.known.len() - newest)].clone(),
                    })
                    .collect()
            })
            .collect();
        join_all(lists.into_iter().map(move |list| ask_all(address, list)))
    }

    fn take(&mut self, heard: Vec<Heard>) {
        for mut each in heard {
            self.tally.right += each.right;
            self.tally.wrong.append(&mut each.wrong);
            self.tally.cut += usize::from(each.cut.is_some());
            self.cut.extend(each.cut);
        }
    }

    /// Starts for the last time, asks for everything once more, hashes everything and stops in good order.
    async fn finish(mut self) -> Tally {
        self.start_and_check().await;
        for wanted in self.known.clone().iter().chain([&self.moving.clone()]) {
            self.check(wanted).await;
        }
        self.auditor.forget();
        self.look();
        self.heliostat.stop();
        self.look();
        self.tally
    }
}

/// Asks for one thing after the other, until the process is gone.
async fn ask_all(address: SocketAddr, list: Vec<Wanted>) -> Heard {
    let mut heard = Heard::default();
    for wanted in list {
        let ask = Ask::get(&wanted.path);
        let ask = if wanted.slowly { ask.slowly(4_096, Duration::from_millis(2)) } else { ask };
        let answer = http::ask(address, &ask).await;
        if wanted.right.iter().any(|right| answer.is(right)) {
            heard.right += 1;
        } else if answer.completed() {
            heard.wrong.push(format!("{}: {}", wanted.path, answer.summary()));
        } else {
            heard.cut = Some(wanted);
            break;
        }
    }
    heard
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.under_load += other.under_load;
        self.at_start += other.at_start;
        self.at_stop += other.at_stop;
        self.right += other.right;
        self.cut += other.cut;
        self.orphans += other.orphans;
        self.starts.extend(other.starts);
        self.wrong.extend(other.wrong);
    }

    fn print(&mut self, seed: u64, took: Duration) {
        self.starts.sort_unstable();
        let median = self.starts[self.starts.len() / 2].as_millis();
        let slowest = self.starts.last().map_or(0, Duration::as_millis);
        let Self { under_load, at_start, at_stop, right, cut, orphans, .. } = self;
        print(&format!(
            "\nSIGKILL at random moments, seed {seed}, {LANES} data directories, {:.0} s\n\
             under load  at start  at stop  right answers  cut  WRONG  orphans  start median  slowest (ms)\n\
             {under_load:>10}{at_start:>10}{at_stop:>9}{right:>15}{cut:>5}{:>7}{orphans:>9}{median:>14}{slowest:>9}\n",
            took.as_secs_f64(),
            self.wrong.len(),
        ));
    }
}

/// Returns the seed of all moments: `HELIOSTAT_TEST_SEED`, else the time.
fn seed() -> u64 {
    let given = std::env::var("HELIOSTAT_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_millis() as u64);
    given.unwrap_or(now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_killed_hundreds_of_times_never_answers_or_keeps_anything_wrong() {
    let (seed, begun) = (seed(), Instant::now());
    let lanes = (0..LANES).map(|lane| tokio::spawn(async move { Lane::start(seed + (lane << 32)).await.run().await }));
    let mut tally = Tally::default();
    for lane in join_all(lanes).await {
        tally.add(lane.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    tally.print(seed, begun.elapsed());
    assert!(tally.under_load >= 500, "{} kills", tally.under_load);
    tally.wrong.truncate(10);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.starts.last().is_some_and(|slowest| *slowest < START), "{:?}", tally.starts.last());
}
