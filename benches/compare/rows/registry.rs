//! A registry of one's own beside the mirror: what a token costs a hit, how fast versions are published, on both databases,
//! and what that does to who installs meanwhile.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Arena;
use super::subject::FULL;
use crate::fixtures::SMALL;
use crate::load;
use crate::peers::{Kind, Peer, heliostat};
use crate::publishing::{self, Plan};
use crate::report::{Figure, Samples, Target, Unit};
use crate::server::Server;
use crate::{wire, wrk};

/// Clients that publish at once.
const CLIENTS: usize = 8;
/// Versions a second that are published while hits are counted: a busy company's.
const PACE: f64 = 10.0;
/// What hits with a token, and beside publishing, are at least to those without.
const TOKEN: f64 = 0.85;
const UNHARMED: f64 = 0.9;

/// Longest time from the start of a database to its first answer.
const START_LIMIT: Duration = Duration::from_secs(20);

const LOG_IN: &str = "/-/user/org.couchdb.user:measured";

/// A registry and who publishes there.
struct Registry {
    peer: Peer,
    token: String,
}

pub fn token(arena: &mut Arena<'_>) -> Result<()> {
    let title = "1.5 KB document, hit with a token";
    let Some(registry) = Registry::start(arena, "heliostat-token", None)? else { return Ok(()) };
    let (mut anonymous, mut known) = (Samples::default(), Samples::default());
    for _ in 0..arena.options.rounds {
        anonymous.add(Kind::Heliostat, registry.hits(arena, &[])?);
        known.add(Kind::Heliostat, registry.hits(arena, &[registry.bearer()])?);
    }
    add_beside(arena, title, (&anonymous, &known), ("without one", TOKEN));
    Ok(())
}

pub fn publish(arena: &mut Arena<'_>) -> Result<()> {
    let database = start_database()?;
    let url = database.url("postgres");
    let Some(embedded) = Registry::start(arena, "heliostat-sqlite", None)? else { return Ok(()) };
    let Some(shared) = Registry::start(arena, "heliostat-postgresql", Some(&url))? else { return Ok(()) };
    let rival = arena.peer(Kind::Verdaccio).map(|peer| log_in(peer).map(|token| (peer, token))).transpose()?;
    let (mut of_files, mut of_server, mut p99) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..arena.options.rounds {
        let round = round.to_string();
        let run = |peer: &Peer, token: &str| run(arena, &plan(arena, peer, token, &round));
        if let Some((peer, token)) = &rival {
            let outcome = run(peer, token)?;
            of_files.add(Kind::Verdaccio, outcome.versions as f64 / outcome.seconds);
            p99.add(Kind::Verdaccio, outcome.p99 as f64 / 1e6);
        }
        let outcome = run(&embedded.peer, &embedded.token)?;
        of_files.add(Kind::Heliostat, outcome.versions as f64 / outcome.seconds);
        p99.add(Kind::Heliostat, outcome.p99 as f64 / 1e6);
        let outcome = run(&shared.peer, &shared.token)?;
        of_server.add(Kind::Heliostat, outcome.versions as f64 / outcome.seconds);
    }
    let target = if rival.is_some() { Target::AtLeast(Kind::Verdaccio, 1.0) } else { Target::None };
    let mut add = |workload: &str, measured, unit, values, target| {
        arena.report.add(Figure { workload: workload.to_owned(), measured, unit, values, target });
    };
    let title = "publish of 50 KB, 8 clients, SQLite";
    add(title, "versions", Unit::PerSecond, of_files.medians(), target);
    add(title, "p99", Unit::Milliseconds, p99.medians(), Target::None);
    add("publish of 50 KB, 8 clients, PostgreSQL", "versions", Unit::PerSecond, of_server.medians(), Target::None);
    Ok(())
}

pub fn hits_while_publishing(arena: &mut Arena<'_>) -> Result<()> {
    let title = "1.5 KB document, hit while 10 versions a second are published";
    let Some(registry) = Registry::start(arena, "heliostat-busy", None)? else { return Ok(()) };
    let (mut quiet, mut busy) = (Samples::default(), Samples::default());
    for round in 0..arena.options.rounds {
        quiet.add(Kind::Heliostat, registry.hits(arena, &[])?);
        let plan = plan(arena, &registry.peer, &registry.token, &round.to_string());
        // Longer than the hits take with their start.
        let plan = Plan { pace: PACE, clients: 1, seconds: plan.seconds + 1.0, ..plan };
        let publishers = publishing::start(&plan, arena.site.work)?;
        busy.add(Kind::Heliostat, registry.hits(arena, &[])?);
        let outcome = publishers.finish(arena.site.work)?;
        let published = outcome.versions as f64 / outcome.seconds;
        if published < PACE / 2.0 {
            bail!("only {published:.1} versions a second were published meanwhile");
        }
    }
    add_beside(arena, title, (&quiet, &busy), ("without", UNHARMED));
    Ok(())
}

/// Starts a PostgreSQL, and waits for it.
fn start_database() -> Result<Server> {
    let database = Server::start().map_err(anyhow::Error::msg)?;
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", database.port())).is_err() {
        if start.elapsed() > START_LIMIT {
            bail!("PostgreSQL does not answer: {}", database.log());
        }
        thread::sleep(Duration::from_millis(25));
    }
    Ok(database)
}

/// Adds a figure of ours that is held against another of ours.
fn add_beside(
    arena: &mut Arena<'_>,
    title: &str,
    (base, measured): (&Samples, &Samples),
    (what, times): (&'static str, f64),
) {
    let Some(base) = base.medians().get(&Kind::Heliostat).copied() else { return };
    let target = Target::AtLeastOf { what, base, times };
    let (workload, unit, values) = (title.to_owned(), Unit::PerSecond, measured.medians());
    arena.report.add(Figure { workload, measured: "requests", unit, values, target });
}

fn plan(arena: &Arena<'_>, peer: &Peer, token: &str, round: &str) -> Plan {
    let before = if peer.kind == Kind::Heliostat { format!("{}/", heliostat::MOUNT) } else { "/".to_owned() };
    let (token, round) = (token.to_owned(), round.to_owned());
    let seconds = arena.options.seconds;
    Plan { address: peer.address, before, token, round, clients: CLIENTS, seconds, pace: 0.0 }
}

fn run(arena: &Arena<'_>, plan: &Plan) -> Result<publishing::Outcome> {
    let outcome = publishing::start(plan, arena.site.work)?.finish(arena.site.work)?;
    if outcome.versions == 0 { bail!("nothing was published") } else { Ok(outcome) }
}

/// Makes the account that publishes, and returns a token of it.
fn log_in(peer: &Peer) -> Result<String> {
    let mount = if peer.kind == Kind::Heliostat { heliostat::MOUNT } else { "" };
    let body = json!({
        "_id": "org.couchdb.user:measured", "name": "measured", "password": "a long password", "email": "m@m.example",
        "type": "user", "roles": [], "date": "2026-01-01T00:00:00.000Z",
    });
    let headers = [("Content-Type", "application/json")];
    let answer = wire::send(peer.address, "PUT", &format!("{mount}{LOG_IN}"), &headers, body.to_string().as_bytes())?;
    let body: Value = serde_json::from_slice(&answer.body).context("an answer to a login that is no JSON")?;
    body["token"].as_str().map(str::to_owned).with_context(|| format!("no token, but {body}"))
}

// === impl Registry ===

impl Registry {
    /// Starts one, with a document of the origin in its cache; `None` where Heliostat does not take part.
    fn start(arena: &mut Arena<'_>, directory: &str, database: Option<&str>) -> Result<Option<Self>> {
        if !arena.has(Kind::Heliostat) {
            arena.report.note(format!("{directory}: Heliostat does not take part"));
            return Ok(None);
        }
        let directory = arena.site.fresh_directory(directory)?;
        let settings = heliostat::Settings { publishes: true, database, ..heliostat::Settings::default() };
        let peer = heliostat::start(&arena.site, &directory, &settings)?;
        wire::get(peer.address, &Kind::Heliostat.document_path(SMALL, ""), &[])?;
        let token = log_in(&peer)?;
        Ok(Some(Self { peer, token }))
    }

    fn bearer(&self) -> (String, String) {
        ("Authorization".to_owned(), format!("Bearer {}", self.token))
    }

    /// Returns how many hits a second are answered.
    fn hits(&self, arena: &Arena<'_>, headers: &[(String, String)]) -> Result<f64> {
        let accept = [("Accept".to_owned(), FULL.to_owned())];
        let plan = load::Plan {
            address: self.peer.address,
            path: Kind::Heliostat.document_path(SMALL, ""),
            headers: accept.iter().chain(headers).cloned().collect(),
            ranges: Vec::new(),
            connections: 64,
            seconds: arena.options.seconds,
            status: 200,
            length: 0,
            hashed: 0,
        };
        let outcome = wrk::generate(&plan, arena.site.work)?;
        Ok(outcome.bodies as f64 / outcome.seconds)
    }
}
