//! Rows that ask for what every cache holds already.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Arena;
use super::subject::{ABBREVIATED, FULL, Ready, Subject};
use crate::fixtures::{self, HUGE, LARGE, LARGE_TARBALL, MEDIUM, Noise, SMALL, SMALL_TARBALL};
use crate::load::{self, Outcome, Plan};
use crate::peers::{Kind, Peer};
use crate::report::{Figure, Samples, Target, Unit};
use crate::trees::{HEX_PACKAGE, HEX_TARBALL, LARGE_FILE, SMALL_FILE};
use crate::wire::{self, sha256};
use crate::wrk;

const CACHES: [Kind; 3] = [Kind::Nginx, Kind::Varnish, Kind::Heliostat];
/// Bytes of one range.
const RANGE: u64 = 1 << 20;
/// Share of a server's core that is worth a note when the server did not have it.
const ENOUGH: f64 = 0.1;
const MEBIBYTE: f64 = (1 << 20) as f64;

type Generator = fn(&Plan, &Path) -> Result<Outcome>;

/// One measured workload.
struct Hit<'a> {
    title: &'a str,
    kinds: &'a [Kind],
    ready: BTreeMap<Kind, Ready>,
    generate: Generator,
}

/// What one round of one server gave.
#[derive(Default)]
struct Rounds {
    requests: Samples,
    bytes: Samples,
    p99: Samples,
    growth: Samples,
    anonymous: Samples,
    used: Samples,
    idle: Samples,
}

pub fn small_document(arena: &mut Arena<'_>) -> Result<()> {
    small(arena, full(SMALL), "1.5 KB document, hit")
}

pub fn hex_package(arena: &mut Arena<'_>) -> Result<()> {
    small(arena, Subject::Plain { path: HEX_PACKAGE }, "3 KB signed package of Hex, hit")
}

pub fn hex_tarball(arena: &mut Arena<'_>) -> Result<()> {
    medium(arena, Subject::Plain { path: HEX_TARBALL }, "50 KB tarball of Hex, hit")
}

pub fn small_file(arena: &mut Arena<'_>) -> Result<()> {
    small(arena, Subject::Plain { path: SMALL_FILE }, "2 KB file, hit")
}

pub fn large_file(arena: &mut Arena<'_>) -> Result<()> {
    large(arena, Subject::Plain { path: LARGE_FILE }, "10 MB file, hit")
}

pub fn large_file_unchanged(arena: &mut Arena<'_>) -> Result<()> {
    unchanged(arena, Subject::Plain { path: LARGE_FILE }, "10 MB file, 304")
}

pub fn medium_document(arena: &mut Arena<'_>) -> Result<()> {
    let subject = Subject::Document { name: MEDIUM, accept: ABBREVIATED, coding: "gzip" };
    let mut ready = subject.prepare(arena, &Kind::ALL, 64)?;
    if let Some(slow) = ready.get_mut(&Kind::Verdaccio) {
        // It answers some thirty a second: with more clients or less time, none might be counted.
        slow.plan.connections = 8;
        slow.plan.seconds = slow.plan.seconds.max(2.0);
    }
    let title = "60 KB gzip of an abbreviated packument, hit";
    let hit = Hit { title, kinds: &Kind::ALL, ready, generate: any_length };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("requests", Unit::PerSecond, &rounds.requests, Target::AtLeast(Kind::Nginx, 1.0)));
    if arena.has(Kind::Verdaccio) {
        let rival = Target::AtLeast(Kind::Verdaccio, 30.0);
        arena.report.add(hit.figure("requests", Unit::PerSecond, &rounds.requests, rival));
    }
    arena.report.add(hit.figure("p99", Unit::Milliseconds, &rounds.p99, Target::None));
    Ok(())
}

pub fn large_document(arena: &mut Arena<'_>) -> Result<()> {
    large(arena, full(LARGE), "10 MB packument, hit")
}

pub fn huge_document(arena: &mut Arena<'_>) -> Result<()> {
    large(arena, full(HUGE), "27 MB packument, hit")
}

pub fn large_document_unchanged(arena: &mut Arena<'_>) -> Result<()> {
    unchanged(arena, full(LARGE), "10 MB packument, 304")
}

pub fn huge_document_unchanged(arena: &mut Arena<'_>) -> Result<()> {
    unchanged(arena, full(HUGE), "27 MB packument, 304")
}

pub fn small_tarball(arena: &mut Arena<'_>) -> Result<()> {
    medium(arena, Subject::Tarball { name: SMALL_TARBALL }, "50 KB tarball, hit")
}

pub fn large_tarball(arena: &mut Arena<'_>) -> Result<()> {
    let ready = Subject::Tarball { name: LARGE_TARBALL }.prepare(arena, &CACHES, 8)?;
    tarball_stream(arena, ready, "100 MB tarball, hit, 8 clients")
}

pub fn large_tarball_ranges(arena: &mut Arena<'_>) -> Result<()> {
    let mut ready = Subject::Tarball { name: LARGE_TARBALL }.prepare(arena, &CACHES, 8)?;
    let whole = fixtures::tarball(LARGE_TARBALL).context("a tarball is made from its name")?;
    let starts = range_starts(whole.len() as u64);
    for (kind, made) in &mut ready {
        made.plan.ranges = starts.iter().map(|start| format!("bytes={start}-{}", start + RANGE - 1)).collect();
        (made.plan.status, made.plan.length, made.plan.hashed) = (206, RANGE, 0);
        made.digest = None;
        check_ranges(&made.plan, &whole).with_context(|| format!("ranges at {kind}"))?;
    }
    tarball_stream(arena, ready, "100 MB tarball, ranges of 1 MiB, 8 clients")
}

/// A whole document, as npm asks for it.
fn full(name: &'static str) -> Subject {
    Subject::Document { name, accept: FULL, coding: "identity" }
}

/// What costs by the request.
fn small(arena: &mut Arena<'_>, subject: Subject, title: &str) -> Result<()> {
    let ready = subject.prepare(arena, &CACHES, 64)?;
    let hit = Hit { title, kinds: &CACHES, ready, generate: wrk::generate };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("requests", Unit::PerSecond, &rounds.requests, Target::AtLeast(Kind::Nginx, 1.5)));
    arena.report.add(hit.figure("p99", Unit::Milliseconds, &rounds.p99, Target::AtMost(Kind::Nginx, 1.0)));
    Ok(())
}

fn medium(arena: &mut Arena<'_>, subject: Subject, title: &str) -> Result<()> {
    let ready = subject.prepare(arena, &CACHES, 64)?;
    let hit = Hit { title, kinds: &CACHES, ready, generate: load::run };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("requests", Unit::PerSecond, &rounds.requests, Target::AtLeast(Kind::Nginx, 1.0)));
    arena.report.add(hit.figure("p99", Unit::Milliseconds, &rounds.p99, Target::None));
    Ok(())
}

/// What costs by the byte.
fn large(arena: &mut Arena<'_>, subject: Subject, title: &str) -> Result<()> {
    let ready = subject.prepare(arena, &CACHES, 64)?;
    let hit = Hit { title, kinds: &CACHES, ready, generate: load::run };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("bytes", Unit::Throughput, &rounds.bytes, Target::AtLeast(Kind::Nginx, 0.9)));
    arena.report.add(hit.memory(&rounds.growth, "RSS over idle, 64 connections", Target::Below(64.0 * MEBIBYTE)));
    arena.report.add(hit.memory(&rounds.anonymous, "of it anonymous", Target::None));
    Ok(())
}

fn unchanged(arena: &mut Arena<'_>, subject: Subject, title: &str) -> Result<()> {
    let mut ready = subject.prepare(arena, &CACHES, 64)?;
    for (kind, made) in &mut ready {
        if made.etag.is_empty() {
            bail!("{kind} gives no ETag");
        }
        made.plan.headers.push(("If-None-Match".to_owned(), made.etag.clone()));
        (made.plan.status, made.plan.length, made.digest) = (304, 0, None);
        check_unchanged(&made.plan).with_context(|| kind.to_string())?;
    }
    let hit = Hit { title, kinds: &CACHES, ready, generate: wrk::generate };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("requests", Unit::PerSecond, &rounds.requests, Target::AtLeast(Kind::Nginx, 1.3)));
    Ok(())
}

fn tarball_stream(arena: &mut Arena<'_>, ready: BTreeMap<Kind, Ready>, title: &str) -> Result<()> {
    let hit = Hit { title, kinds: &CACHES, ready, generate: load::run };
    let rounds = hit.measure(arena)?;
    arena.report.add(hit.figure("bytes", Unit::Throughput, &rounds.bytes, Target::AtLeast(Kind::Nginx, 0.9)));
    arena.report.add(hit.memory(&rounds.growth, "RSS growth", Target::Below(16.0 * MEBIBYTE)));
    Ok(())
}

/// verdaccio answers in chunks, which only wrk reads; all others say a length.
fn any_length(plan: &Plan, work: &Path) -> Result<Outcome> {
    if plan.length == 0 { wrk::generate(plan, work) } else { load::run(plan, work) }
}

fn range_starts(length: u64) -> Vec<u64> {
    let mut noise = Noise::named("ranges");
    (0..64).map(|_| noise.next() % (length - RANGE)).collect()
}

fn check_ranges(plan: &Plan, whole: &[u8]) -> Result<()> {
    for (start, range) in range_starts(whole.len() as u64).into_iter().zip(&plan.ranges).take(3) {
        let answer = wire::send(plan.address, "GET", &plan.path, &[("Accept", "*/*"), ("Range", range)], b"")?;
        let expected = &whole[start as usize..(start + RANGE) as usize];
        if answer.status != 206 || sha256(&answer.body) != sha256(expected) {
            bail!("{range} gave status {} and {} bytes, not the right ones", answer.status, answer.body.len());
        }
    }
    Ok(())
}

fn check_unchanged(plan: &Plan) -> Result<()> {
    let headers: Vec<_> = plan.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = wire::send(plan.address, "GET", &plan.path, &headers, b"")?;
    if answer.status != 304 {
        bail!("its own ETag is answered with {}", answer.status);
    }
    Ok(())
}

// === impl Hit ===

impl Hit<'_> {
    /// Runs all rounds, the servers taking turns.
    fn measure(&self, arena: &mut Arena<'_>) -> Result<Rounds> {
        let mut rounds = Rounds::default();
        let idle: BTreeMap<Kind, _> = arena.peers.iter().map(|peer| (peer.kind, peer.memory())).collect();
        let asked = arena.site.origin.requests()?;
        for _ in 0..arena.options.rounds {
            for peer in arena.peers.iter().filter(|peer| self.kinds.contains(&peer.kind)) {
                let ready = &self.ready[&peer.kind];
                let anonymous = self
                    .measure_one(peer, ready, arena.site.work, &mut rounds)
                    .with_context(|| format!("{} at {}", self.title, peer.kind))?;
                let idle = idle[&peer.kind];
                rounds.growth.add(peer.kind, peer.memory().peak.saturating_sub(idle.resident) as f64);
                rounds.anonymous.add(peer.kind, anonymous.saturating_sub(idle.anonymous) as f64);
            }
        }
        let asked = arena.site.origin.requests()? - asked;
        if asked > 0 {
            arena.report.note(format!("{}: {asked} requests were not hits", self.title));
        }
        self.tell_idlers(arena, &rounds);
        Ok(rounds)
    }

    /// Measures one server once; returns its highest anonymous memory, in bytes.
    fn measure_one(&self, peer: &Peer, ready: &Ready, work: &Path, rounds: &mut Rounds) -> Result<u64> {
        peer.process.reset_peak()?;
        let watch = peer.process.watch();
        let outcome = (self.generate)(&ready.plan, work);
        let watched = watch.stop();
        let outcome = outcome?;
        if let Some(expected) = &ready.digest
            && outcome.digests.iter().any(|digest| digest != expected)
        {
            bail!("a body under load had SHA-256 {:?} instead of {expected}", outcome.digests);
        }
        rounds.requests.add(peer.kind, outcome.bodies as f64 / outcome.seconds);
        rounds.bytes.add(peer.kind, outcome.bytes as f64 / outcome.seconds);
        rounds.p99.add(peer.kind, outcome.p99 as f64 / 1e6);
        let shares = watched.shares();
        rounds.used.add(peer.kind, shares.used);
        rounds.idle.add(peer.kind, shares.idle);
        Ok(watched.anonymous)
    }

    /// Notes servers that did not have their core to themselves, or did not need all of it: the load was the limit then,
    /// and the truth is higher.
    fn tell_idlers(&self, arena: &mut Arena<'_>, rounds: &Rounds) {
        let idle = rounds.idle.medians();
        for (kind, used) in rounds.used.medians() {
            let (idle, others) = (idle[&kind], (1.0 - used - idle[&kind]).max(0.0));
            if idle > ENOUGH {
                let share = idle * 100.0;
                arena
                    .report
                    .note(format!("{}: {kind}'s core was {share:.0} % idle, the load was the limit", self.title));
            }
            if others > ENOUGH {
                let share = others * 100.0;
                arena.report.note(format!("{}: other programs took {share:.0} % of {kind}'s core", self.title));
            }
        }
    }

    fn figure(&self, measured: &'static str, unit: Unit, samples: &Samples, target: Target) -> Figure {
        Figure { workload: self.title.to_owned(), measured, unit, values: samples.medians(), target }
    }

    fn memory(&self, samples: &Samples, measured: &'static str, target: Target) -> Figure {
        let (workload, unit) = (self.title.to_owned(), Unit::Mebibytes);
        Figure { workload, measured, unit, values: samples.largest(), target }
    }
}
