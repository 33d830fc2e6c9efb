//! A 10 MB packument changed upstream: what it costs until the new one is served, gzip prepared and all.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Arena;
use super::subject::{FULL, check_document};
use crate::fixtures::CHANGING;
use crate::peers::{Kind, Peer, heliostat};
use crate::report::{Figure, Samples, Target, Unit};
use crate::wire;

const TITLE: &str = "10 MB packument changed upstream, until served";
/// As npm asks for it.
const HEADERS: [(&str, &str); 2] = [("Accept", FULL), ("Accept-Encoding", "gzip")];
/// Freshness that the server is configured with, and a wait that outlasts it.
const MAX_TTL: &str = "1s";
const OUTLAST: Duration = Duration::from_millis(1300);
/// How long work that goes on after the answer is waited for.
const SETTLE: Duration = Duration::from_millis(700);
const CPU_BOUND: f64 = 0.25;
/// Memory at most, in sizes of the document.
const SIZES_BOUND: f64 = 3.0;

#[derive(Default)]
struct Costs {
    cpu: Samples,
    cpu_settled: Samples,
    time: Samples,
    memory: Samples,
    size: f64,
}

/// Measures Heliostat alone: the caches that pass bytes on do nothing with a document.
pub fn run(arena: &mut Arena<'_>) -> Result<()> {
    if !arena.has(Kind::Heliostat) {
        arena.report.note(format!("{TITLE}: Heliostat does not take part"));
        return Ok(());
    }
    let directory = arena.site.fresh_directory("heliostat-changed")?;
    let settings = heliostat::Settings { max_ttl: MAX_TTL, ..heliostat::Settings::default() };
    let peer = heliostat::start(&arena.site, &directory, &settings)?;
    let path = Kind::Heliostat.document_path(CHANGING, "");
    wire::get(peer.address, &path, &HEADERS)?;
    let mut costs = Costs::default();
    for _ in 0..arena.options.rounds {
        arena.site.origin.change(CHANGING)?;
        thread::sleep(OUTLAST);
        measure(arena, &peer, &path, &mut costs)?;
    }
    report(arena, &costs);
    Ok(())
}

fn measure(arena: &Arena<'_>, peer: &Peer, path: &str, costs: &mut Costs) -> Result<()> {
    let expected = wire::get(arena.site.origin.address, &format!("/{CHANGING}"), &HEADERS)?;
    peer.process.reset_peak()?;
    let (idle, before, start) = (peer.memory().resident, peer.process.cpu(), Instant::now());
    let answer = wire::get(peer.address, path, &HEADERS)?;
    costs.time.add(peer.kind, start.elapsed().as_secs_f64());
    costs.cpu.add(peer.kind, (peer.process.cpu() - before).as_secs_f64());
    thread::sleep(SETTLE);
    costs.cpu_settled.add(peer.kind, (peer.process.cpu() - before).as_secs_f64());
    costs.memory.add(peer.kind, peer.memory().peak.saturating_sub(idle) as f64);
    check_document(&answer, &expected, CHANGING).context("the changed document")?;
    if !answer.head.names_gzip("content-encoding") {
        bail!("gzip was asked for and not given");
    }
    costs.size = answer.plain()?.len() as f64;
    Ok(())
}

fn report(arena: &mut Arena<'_>, costs: &Costs) {
    let mut add = |measured, unit, values: BTreeMap<Kind, f64>, target| {
        arena.report.add(Figure { workload: TITLE.to_owned(), measured, unit, values, target });
    };
    add("CPU time", Unit::Milliseconds, costs.cpu.medians(), Target::Below(CPU_BOUND));
    add("CPU time, work after the answer too", Unit::Milliseconds, costs.cpu_settled.medians(), Target::None);
    add("time", Unit::Milliseconds, costs.time.medians(), Target::None);
    add("peak RSS over idle", Unit::Mebibytes, costs.memory.largest(), Target::Below(SIZES_BOUND * costs.size));
}
