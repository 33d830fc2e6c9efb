//! A thousand clients at once on one cold 20 MB object behind a slow upstream, against one client alone.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::Arena;
use crate::fixtures::{self, SLOW_PREFIX};
use crate::load::{self, Outcome, Plan};
use crate::peers::{Kind, Peer};
use crate::report::{Figure, Samples, Target, Unit};
use crate::wire::{self, sha256};

const TITLE: &str = "1,000 clients, one cold 20 MB object, upstream at 10 MB/s";
const KINDS: [Kind; 3] = [Kind::Nginx, Kind::Varnish, Kind::Heliostat];
const CLIENTS: usize = 1000;
const HUNDRED: usize = 100;
/// Rounds at most: one takes some ten seconds a server.
const ROUNDS: usize = 3;
/// Clients that hash what they get; the others count it.
const HASHED: usize = 8;
const GROWTH_BOUND: f64 = (64 << 20) as f64;
const SLOWEST_BOUND: f64 = 1.1;

#[derive(Default)]
struct Herds {
    lone: Samples,
    /// Of a hundred, over the lone client of the same round.
    hundred: Samples,
    slowest: Samples,
    /// Of the thousand, over the lone client of the same round.
    share: Samples,
    /// Of the thousand again, when the object is kept already.
    warm: Samples,
    fetches: Samples,
    /// Of the document that vouches for the object; only Heliostat asks for one.
    lookups: Samples,
    growth: Samples,
    anonymous: Samples,
}

pub fn run(arena: &mut Arena<'_>) -> Result<()> {
    let mut herds = Herds::default();
    for round in 0..arena.options.rounds.min(ROUNDS) {
        for peer in arena.peers.iter().filter(|peer| KINDS.contains(&peer.kind)) {
            measure(arena, peer, round, &mut herds).with_context(|| format!("herd at {}", peer.kind))?;
        }
    }
    let mut add = |measured, unit, values: BTreeMap<Kind, f64>, target| {
        arena.report.add(Figure { workload: TITLE.to_owned(), measured, unit, values, target });
    };
    add("upstream GETs", Unit::Count, herds.fetches.largest(), Target::Exactly(1.0));
    add("upstream GETs of its document", Unit::Count, herds.lookups.largest(), Target::Exactly(1.0));
    add("a lone client", Unit::Seconds, herds.lone.medians(), Target::None);
    add("slowest of 100, over lone", Unit::Times, herds.hundred.medians(), Target::None);
    add("slowest of 1,000", Unit::Seconds, herds.slowest.medians(), Target::None);
    add("slowest of 1,000 once kept", Unit::Seconds, herds.warm.medians(), Target::None);
    add("slowest of 1,000, over lone", Unit::Times, herds.share.medians(), Target::Below(SLOWEST_BOUND));
    add("RSS growth", Unit::Mebibytes, herds.growth.largest(), Target::Below(GROWTH_BOUND));
    add("of it anonymous", Unit::Mebibytes, herds.anonymous.largest(), Target::None);
    tell_loopback(arena, &herds);
    Ok(())
}

/// Says so where this machine cannot carry the herd's bytes in the time that the upstream takes for one client.
fn tell_loopback(arena: &mut Arena<'_>, herds: &Herds) {
    let fastest = herds.warm.medians().into_values().min_by(f64::total_cmp);
    let lone = herds.lone.medians().into_values().min_by(f64::total_cmp);
    if let (Some(fastest), Some(lone)) = (fastest, lone)
        && fastest > lone * SLOWEST_BOUND
    {
        arena.report.note(format!(
            "herd: the 20 GB alone need {fastest:.1} s on this machine's loopback (fastest server, object kept), the \
             upstream gives one client its 20 MB in {lone:.1} s"
        ));
    }
}

fn measure(arena: &Arena<'_>, peer: &Peer, round: usize, herds: &mut Herds) -> Result<()> {
    let name = |part: &str| format!("{SLOW_PREFIX}{}-{round}-{part}", peer.kind);
    let lone = seconds(&ask(arena, peer, &name("lone"), 1)?);
    let hundred = seconds(&ask(arena, peer, &name("hundred"), HUNDRED)?);
    let idle = peer.memory();
    peer.process.reset_peak()?;
    let watch = peer.process.watch();
    let herd = ask(arena, peer, &name("herd"), CLIENTS);
    let watched = watch.stop();
    let slowest = seconds(&herd?);
    herds.lone.add(peer.kind, lone);
    herds.hundred.add(peer.kind, hundred / lone);
    herds.slowest.add(peer.kind, slowest);
    herds.share.add(peer.kind, slowest / lone);
    herds.fetches.add(peer.kind, arena.site.origin.count(&fixtures::tarball_path(&name("herd")))? as f64);
    if peer.kind == Kind::Heliostat {
        // One of them was ours: see `ask`.
        herds.lookups.add(peer.kind, (arena.site.origin.count(&format!("/{}", name("herd")))? - 1) as f64);
    }
    herds.growth.add(peer.kind, peer.memory().peak.saturating_sub(idle.resident) as f64);
    herds.anonymous.add(peer.kind, watched.anonymous.saturating_sub(idle.anonymous) as f64);
    if round == 0 {
        herds.warm.add(peer.kind, seconds(&ask(arena, peer, &name("herd"), CLIENTS)?));
    }
    ["lone", "hundred", "herd"].iter().try_for_each(|part| arena.site.origin.forget(&name(part)))
}

/// Returns the time of the slowest client.
fn seconds(outcome: &Outcome) -> f64 {
    outcome.slowest as f64 / 1e6
}

/// Lets `clients` ask for the tarball of `name` at the same moment.
fn ask(arena: &Arena<'_>, peer: &Peer, name: &str, clients: usize) -> Result<Outcome> {
    // The origin makes a package when its document is first asked for, which is not to be measured.
    wire::get(arena.site.origin.address, &format!("/{name}"), &[])?;
    let expected = sha256(&fixtures::tarball(name).context("a tarball is made from its name")?);
    let plan = Plan {
        address: peer.address,
        path: peer.kind.tarball_path(name),
        headers: vec![("Accept".to_owned(), "*/*".to_owned())],
        ranges: Vec::new(),
        connections: clients,
        seconds: 0.0,
        status: 200,
        length: fixtures::tarball_length(name).context("a tarball has a length")? as u64,
        hashed: HASHED,
    };
    let outcome = load::run(&plan, arena.site.work)?;
    if outcome.bodies != clients as u64 {
        bail!("{} of {clients} clients got the whole body", outcome.bodies);
    }
    if outcome.digests != [expected] {
        bail!("a client got other bytes");
    }
    Ok(outcome)
}
