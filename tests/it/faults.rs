//! The fault matrix: whatever an upstream does, no wrong byte is completed to a client, none is kept, and the mirror is
//! well afterwards.
//!
//! Every resource is asked for three times: while its upstream is healthy enough to give the documents, under its fault,
//! and healed. Between the second and the third nothing may have been added to the store. A table of it is printed.

mod dialects;
mod resuming;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use sha2::{Digest, Sha256};

use crate::support::fault::{Fault, LengthLie};
use crate::support::heliostat::Heliostat;
use crate::support::http::Answer;
use crate::support::packages::{Package, Release, Signing};
use crate::support::random::{Random, hex};
use crate::support::registry::{FakeRegistry, Switches};
use crate::support::upstream::FakeUpstream;
use crate::support::wire::Pace;

/// The tarball whose every cut point is tried, in bytes.
const SMALL: usize = 4096;
/// Longer than what is withheld until the proofs hold, so that it streams.
const LARGE: usize = 100_000;
/// How many faults strike a body that is streamed while it is proved.
const STREAMED: usize = 128;
/// How much of a body's end nobody gets before the proofs hold, in bytes.
const WITHHELD: usize = 16 * 1024;
const FLIPS: usize = 1_000;
/// Versions of one package: few enough for quick documents.
const VERSIONS: usize = 64;
const AT_ONCE: usize = 64;

/// One resource under one fault, or several after one another.
struct Case {
    path: String,
    upstream_path: String,
    /// Each with how often it strikes; `None`: until healed.
    faults: Vec<(Option<usize>, Fault)>,
    right: Bytes,
}

/// What a client was left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Right,
    Refused,
    Cut,
    Wrong,
}

/// One line of the table.
struct Line {
    name: String,
    cases: usize,
    outcomes: Vec<Outcome>,
    kept: usize,
    healed: usize,
    took: Duration,
}

struct World {
    registry: FakeRegistry,
    heliostat: Heliostat,
    /// A loopback address that the mount's upstream has nothing to do with.
    neighbour: FakeUpstream,
}

/// An upstream that lies on order, and the process that mirrors it.
struct Field<'a> {
    upstream: &'a FakeUpstream,
    heliostat: &'a Heliostat,
}

// === impl World ===

impl World {
    async fn start() -> Self {
        Self::start_with(1).await
    }

    /// Starts a mirror that tries so often.
    async fn start_with(attempts: usize) -> Self {
        let registry = FakeRegistry::start_with(Switches { max_age: 86_400, ..Switches::default() });
        let heliostat = Heliostat::builder()
            .set("fetch", "attempts", &attempts.to_string())
            .npm(registry.url(), "max_ttl = \"1d\"\nmin_ttl = \"1d\"")
            .start()
            .await;
        let world = Self { registry, heliostat, neighbour: FakeUpstream::start_on([127, 0, 0, 2]) };
        // The registry's keys must be held before anything is counted.
        let first = world.artifact_case("first", SMALL, &Fault::Status(500));
        assert!(world.heals(&first).await, "a healthy upstream is mirrored");
        world
    }

    /// Publishes packages of small unsigned tarballs and returns one case for each fault.
    fn tarball_cases(&self, prefix: &str, size: usize, faults: Vec<Fault>) -> Vec<Case> {
        let mut cases = Vec::new();
        for (number, faults) in faults.chunks(VERSIONS).enumerate() {
            let mut package = Package::new(&format!("{prefix}-{number}"));
            for index in 0..faults.len() {
                let release = Release::new(&format!("1.0.{index}")).size(size).signature(Signing::Missing);
                package = package.with(release);
            }
            self.registry.publish(&package);
            cases.extend(package.releases.iter().zip(faults).map(|(release, fault)| tarball(&package, release, fault)));
        }
        cases
    }

    /// Publishes a package of one signed tarball.
    fn artifact_case(&self, name: &str, size: usize, fault: &Fault) -> Case {
        let package = Package::new(name).with(Release::new("1.0.0").size(size));
        self.registry.publish(&package);
        tarball(&package, package.release("1.0.0"), fault)
    }

    fn document_case(&self, name: &str, fault: &Fault) -> Case {
        let package = self.registry.publish_plain(name);
        let ours = format!("\"tarball\":\"{}/npm/", self.heliostat.url());
        let theirs = format!("\"tarball\":\"{}/", self.registry.url());
        let right = self.registry.document(&package).replace(&theirs, &ours).into();
        let faults = vec![(None, fault.clone())];
        Case { path: format!("/npm/{name}"), upstream_path: format!("/{name}"), faults, right }
    }

    /// Asks for the documents of the cases' tarballs, and for a tarball they do not know, so that all that is made of
    /// them is made, and afterwards only tarballs can be added to the store.
    async fn warm(&self, cases: &[Case]) {
        let documents: BTreeSet<&str> = cases.iter().filter_map(|case| case.path.split("/-/").next()).collect();
        for path in documents {
            let answer = self.heliostat.get(path).await;
            assert!(answer.status == 200 && answer.completed(), "{path}: {}", answer.summary());
            let name = path.rsplit('/').next().unwrap_or(path);
            assert_eq!(self.heliostat.get(&format!("{path}/-/{name}-0.0.0-none.tgz")).await.status, 404);
        }
    }

    fn field(&self) -> Field<'_> {
        Field { upstream: &self.registry.upstream, heliostat: &self.heliostat }
    }

    async fn run(&self, name: &str, cases: &[Case]) -> Line {
        self.field().run(name, cases).await
    }

    async fn heals(&self, case: &Case) -> bool {
        self.field().heals(case).await
    }

    /// Runs one named fault over a small and a large tarball and a document.
    async fn run_named(&self, name: &str, fault: Fault) -> Line {
        let id = name.replace(' ', "-");
        let mut cases = vec![
            self.artifact_case(&format!("{id}-small"), SMALL, &fault),
            self.artifact_case(&format!("{id}-large"), LARGE, &fault),
        ];
        self.warm(&cases).await;
        let tarballs = self.run(name, &cases).await;
        cases = vec![self.document_case(&format!("{id}-document"), &fault)];
        tarballs.join(self.run(name, &cases).await)
    }
}

// === impl Field ===

impl Field<'_> {
    /// Runs cases under their faults and healed.
    async fn run(&self, name: &str, cases: &[Case]) -> Line {
        let start = Instant::now();
        let before = self.kept().await;
        for case in cases {
            case.faults.iter().for_each(|(left, fault)| self.strike(&case.upstream_path, *left, fault.clone()));
        }
        let outcomes =
            self.ask_all(cases, async |case| judge(&self.heliostat.get(&case.path).await, &case.right)).await;
        let right: BTreeSet<String> = cases.iter().map(|case| hex(&Sha256::digest(&case.right))).collect();
        let after = self.kept().await;
        let rightly = outcomes.iter().filter(|outcome| **outcome == Outcome::Right).count();
        // A body that came whole and right in spite of its fault may be kept.
        let kept = after.difference(&before).filter(|digest| rightly == 0 || !right.contains(*digest)).count();
        cases.iter().for_each(|case| self.upstream.heal(&case.upstream_path));
        let healed = self.ask_all(cases, async |case| self.heals(case).await).await;
        let healed = healed.into_iter().filter(|healed| *healed).count();
        Line { name: name.to_owned(), cases: cases.len(), outcomes, kept, healed, took: start.elapsed() }
    }

    fn strike(&self, path: &str, left: Option<usize>, fault: Fault) {
        match left {
            Some(count) => self.upstream.fail_next(path, count, fault),
            None => self.upstream.fail(path, fault),
        }
    }

    /// Returns the addresses of all content, once no fill is under way: clients get the last bytes before the commit.
    async fn kept(&self) -> BTreeSet<String> {
        let start = Instant::now();
        while self.heliostat.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
            assert!(start.elapsed() < Duration::from_secs(10), "fills do not end");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.heliostat.contents().into_keys().collect()
    }

    async fn ask_all<T>(&self, cases: &[Case], ask: impl AsyncFn(&Case) -> T) -> Vec<T> {
        let ask = &ask;
        stream::iter(cases).map(|case| async move { ask(case).await }).buffered(AT_ONCE).collect().await
    }

    async fn heals(&self, case: &Case) -> bool {
        let start = Instant::now();
        while !self.heliostat.get(&case.path).await.is(&case.right) {
            if start.elapsed() > Duration::from_secs(10) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        true
    }
}

// === impl Line ===

impl Line {
    /// Adds the line of a document to that of its artifacts. A document that is refused may not be kept either, one that
    /// is right is kept with its prepared forms.
    fn join(mut self, document: Self) -> Self {
        self.kept += if document.outcomes == [Outcome::Right] { 0 } else { document.kept };
        self.cases += document.cases;
        self.healed += document.healed;
        self.outcomes.extend(document.outcomes);
        self.took += document.took;
        self
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|each| **each == outcome).count()
    }

    fn holds(&self) -> bool {
        self.count(Outcome::Wrong) == 0 && self.kept == 0 && self.healed == self.cases
    }

    fn print(&self, into: &mut String) {
        let counts =
            [Outcome::Right, Outcome::Refused, Outcome::Cut, Outcome::Wrong].map(|outcome| self.count(outcome));
        let [right, refused, cut, wrong] = counts;
        let (name, cases, kept, healed) = (&self.name, self.cases, self.kept, self.healed);
        let seconds = self.took.as_secs_f64();
        let _ = writeln!(
            into,
            "{name:<32}{cases:>7}{right:>7}{refused:>9}{cut:>6}{wrong:>7}{kept:>6}{healed:>8}{seconds:>8.1}"
        );
    }
}

fn tarball(package: &Package, release: &Release, fault: &Fault) -> Case {
    let upstream_path = package.tarball_path(release);
    let path = format!("/npm{upstream_path}");
    Case { path, upstream_path, faults: vec![(None, fault.clone())], right: release.tarball.clone() }
}

fn judge(answer: &Answer, right: &[u8]) -> Outcome {
    match answer.status {
        _ if answer.is(right) => Outcome::Right,
        _ if !answer.completed() => Outcome::Cut,
        400.. => Outcome::Refused,
        _ => Outcome::Wrong,
    }
}

/// Returns every other fault by name; those that make the mirror leave the host alone for a while come last.
fn named(neighbour: &str, other: Bytes) -> Vec<(&'static str, Fault)> {
    let milliseconds = Duration::from_millis;
    vec![
        ("stall before head", Fault::StallBeforeHead),
        ("stall in body", Fault::StallAfter(100)),
        ("close before head", Fault::CloseBeforeHead),
        ("cut in body", Fault::CutAt(100)),
        ("reset before head", Fault::ResetBeforeHead),
        ("reset in body", Fault::ResetAt(100)),
        ("length too long", Fault::Length(LengthLie::Longer)),
        ("length too short", Fault::Length(LengthLie::Shorter)),
        ("length absent", Fault::Length(LengthLie::Absent)),
        ("length no number", Fault::Length(LengthLie::Garbage)),
        ("slow drip", Fault::Drip(Pace { bytes: 10_000, pause: milliseconds(50) })),
        ("latency", Fault::Latency(milliseconds(300))),
        ("low bandwidth", Fault::Bandwidth(200_000)),
        ("500", Fault::Status(500)),
        ("503", Fault::Status(503)),
        ("403", Fault::Status(403)),
        ("flipped bit", Fault::FlipBit { offset: 0, bit: 6 }),
        ("other version's bytes", Fault::OtherBytes(other)),
        ("html", Fault::Html),
        ("lying 304", Fault::NotModified),
        ("redirect to neighbour", Fault::Redirect(format!("{neighbour}/secret"))),
        ("redirect to link-local", Fault::Redirect("http://169.254.169.254/latest/meta-data/".into())),
        ("redirect to a file", Fault::Redirect("file:///etc/hostname".into())),
        ("redirect loop", Fault::RedirectLoop),
        ("no HTTP", Fault::Garbage),
        ("429", Fault::TooManyRequests { retry_after: 1 }),
    ]
}

/// Faults under which the right bytes still come, and must.
const HARMLESS: [&str; 4] = ["slow drip", "latency", "low bandwidth", "length absent"];

/// Returns the seed of the bit flips: `HELIOSTAT_TEST_SEED`, else the time.
fn seed() -> u64 {
    let given = std::env::var("HELIOSTAT_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_millis() as u64);
    given.unwrap_or(now)
}

fn flips(seed: u64, count: usize, size: usize) -> Vec<Fault> {
    let mut random = Random::new(seed);
    (0..count).map(|_| Fault::FlipBit { offset: random.below(size), bit: random.below(8) as u8 }).collect()
}

/// Returns offsets all over a body, the last bytes and those around the withheld tail among them.
fn spread(count: usize, size: usize) -> impl Iterator<Item = usize> {
    let tail = size - WITHHELD;
    (0..count).map(move |index| index * size / count).chain([tail - 1, tail, tail + 1, size - 2, size - 1])
}

#[tokio::test]
async fn no_cut_and_no_flipped_bit_is_completed_or_kept() {
    let world = World::start().await;
    let seed = seed();
    let cuts = world.tarball_cases("cut", SMALL, (0..SMALL).map(Fault::CutAt).collect());
    world.warm(&cuts).await;
    let cuts = world.run("every cut point of 4 KiB", &cuts).await;
    let flips = world.tarball_cases("flip", SMALL, flips(seed, FLIPS, SMALL));
    world.warm(&flips).await;
    let flips = world.run("random bit flips", &flips).await;
    // These have handed out most of themselves when the proof fails.
    let streamed_cuts = world.tarball_cases("streamed-cut", LARGE, spread(STREAMED, LARGE).map(Fault::CutAt).collect());
    world.warm(&streamed_cuts).await;
    let streamed_cuts = world.run("cut points of 100 KB", &streamed_cuts).await;
    let streamed_flips = world.tarball_cases("streamed-flip", LARGE, self::flips(seed, STREAMED, LARGE));
    world.warm(&streamed_flips).await;
    let streamed_flips = world.run("random bit flips in 100 KB", &streamed_flips).await;
    let lines = [cuts, flips, streamed_cuts, streamed_flips];
    report(&format!("seed {seed}"), &lines);
    for line in &lines {
        assert!(line.holds() && line.count(Outcome::Right) == 0, "{} does not hold", line.name);
    }
    let failed = world.heliostat.metric("heliostat_proofs_failed_total", &[]).await;
    assert!(failed >= FLIPS as f64, "{failed} failed proofs were counted");
    let listed = world.heliostat.incidents(None).await;
    assert!(listed.iter().any(|incident| incident["kind"] == "digest"), "no incident is listed");
    every_content_is_what_its_address_says(&world.heliostat);
}

#[tokio::test]
async fn whatever_upstream_does_nothing_wrong_is_completed_or_kept() {
    let world = World::start().await;
    let other = Package::with_versions("other", &["9.9.9"]).release("9.9.9").tarball.clone();
    let mut lines = Vec::new();
    for (name, fault) in named(&world.neighbour.url(), other) {
        lines.push(world.run_named(name, fault).await);
    }
    report("two tarballs and a document each", &lines);
    for line in &lines {
        assert!(line.holds(), "{} does not hold", line.name);
        let right = line.count(Outcome::Right);
        assert_eq!(right == line.cases, HARMLESS.contains(&line.name.as_str()), "{}: {right} right", line.name);
    }
    assert!(world.neighbour.all_seen().is_empty(), "the neighbour was asked");
    every_content_is_what_its_address_says(&world.heliostat);
}

fn report(what: &str, lines: &[Line]) {
    let mut table = format!("\nfault matrix: {what}\n");
    let _ = writeln!(
        table,
        "{:<32}{:>7}{:>7}{:>9}{:>6}{:>7}{:>6}{:>8}{:>8}",
        "fault", "cases", "right", "refused", "cut", "WRONG", "KEPT", "healed", "seconds"
    );
    lines.iter().for_each(|line| line.print(&mut table));
    // Past the test harness, which would swallow it when all is well.
    std::io::stderr().write_all(table.as_bytes()).expect("standard error can be written");
}

fn every_content_is_what_its_address_says(heliostat: &Heliostat) {
    for (address, file) in heliostat.contents() {
        let bytes = std::fs::read(file).expect("a content file can be read");
        assert_eq!(hex(&Sha256::digest(&bytes)), address, "{} bytes", bytes.len());
    }
}

#[tokio::test]
async fn a_vanished_upstream_is_healed_from_without_a_restart() {
    let world = World::start().await;
    let case = world.artifact_case("vanished", LARGE, &Fault::CloseBeforeHead);
    world.warm(std::slice::from_ref(&case)).await;
    world.registry.upstream.vanish().await;
    assert_eq!(judge(&world.heliostat.get(&case.path).await, &case.right), Outcome::Refused);
    world.registry.upstream.come_back().await;
    assert!(world.heals(&case).await);
}
