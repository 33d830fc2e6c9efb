//! Start with a million entries in the index, until ready; and what an idle server holds.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;

use super::Arena;
use crate::fixtures::{SMALL, SMALL_TARBALL};
use crate::peers::{Kind, heliostat};
use crate::report::{Figure, Samples, Target, Unit};
use crate::wire;

const ENTRIES: i64 = 1_000_000;
const START_LIMIT: Duration = Duration::from_secs(30);
const START_BOUND: f64 = 1.0;
const IDLE_BOUND: f64 = (60 << 20) as f64;
/// How long a server that is ready may still tidy up before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

pub fn run(arena: &mut Arena<'_>) -> Result<()> {
    let title = format!("start with {ENTRIES} entries");
    if !arena.has(Kind::Heliostat) {
        arena.report.note(format!("{title}: Heliostat does not take part"));
        return Ok(());
    }
    let directory = arena.site.fresh_directory("heliostat-start")?;
    fill(arena, &directory)?;
    let seeded = seed_index(&index_file(&directory)?, ENTRIES)?;
    let (mut ready, mut idle) = (Samples::default(), Samples::default());
    for _ in 0..arena.options.rounds {
        let (time, resident) = start_once(arena, &directory)?;
        ready.add(Kind::Heliostat, time);
        idle.add(Kind::Heliostat, resident);
    }
    let workload = format!("{seeded} entries in the index");
    let mut add = |measured, unit, values, target| {
        arena.report.add(Figure { workload: workload.clone(), measured, unit, values, target });
    };
    add("start to ready", Unit::Milliseconds, ready.medians(), Target::Below(START_BOUND));
    add("RSS when idle", Unit::Mebibytes, idle.largest(), Target::Below(IDLE_BOUND));
    Ok(())
}

/// Lets the server itself make an index with a document and a tarball in it, and stops it.
fn fill(arena: &Arena<'_>, directory: &Path) -> Result<()> {
    let peer = heliostat::start(&arena.site, directory, &heliostat::Settings::default())?;
    wire::get(peer.address, &Kind::Heliostat.document_path(SMALL, ""), &[])?;
    wire::get(peer.address, &Kind::Heliostat.tarball_path(SMALL_TARBALL), &[])?;
    Ok(())
}

/// Starts, waits for `/readyz`, and returns seconds until then and bytes resident when idle.
fn start_once(arena: &Arena<'_>, directory: &Path) -> Result<(f64, f64)> {
    let start = Instant::now();
    let (address, mut process) = heliostat::spawn(&arena.site, directory, &heliostat::Settings::default())?;
    let is_ready = || wire::send(address, "GET", "/readyz", &[], b"").is_ok_and(|answer| answer.status == 200);
    process.wait_until(START_LIMIT, is_ready)?;
    let time = start.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    Ok((time, process.memory().resident as f64))
}

/// Returns the index below a data directory.
fn index_file(directory: &Path) -> Result<PathBuf> {
    let mut open = vec![directory.join("data")];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).with_context(|| format!("looking into {}", path.display()))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == "index.sqlite") {
                return Ok(path);
            }
            open.extend(path.is_dir().then_some(path));
        }
    }
    anyhow::bail!("no index.sqlite below {}", directory.display())
}

/// Fills the index with copies of its own rows, each with a key and a content of its own; returns how many rows there are
/// then. The server must not run.
///
/// The contents are not on disk: a server only looks for one when it is asked for. They say 1,000 bytes, so that the store
/// stays within its budget. Of the tables (`src/mirror/store/schema.rs`) this knows the columns it names, and copies the
/// others.
fn seed_index(file: &Path, entries: i64) -> Result<i64> {
    let mut index = Connection::open(file)?;
    index.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")?;
    let others = columns_of(&index)?.iter().map(|column| format!(", {column}")).collect::<String>();
    let transaction = index.transaction()?;
    let held: i64 = transaction.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    let numbers = "WITH RECURSIVE number(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1)";
    let digest = "CAST(printf('%032d', value) AS BLOB)";
    let contents = format!(
        "{numbers} INSERT INTO contents (digest, size, hashed_at) \
         SELECT {digest}, 1000, (SELECT max(hashed_at) FROM contents) FROM number"
    );
    let copies = format!(
        "{numbers}, model AS MATERIALIZED (SELECT key{others} FROM entries WHERE digest IS NOT NULL LIMIT 1) \
         INSERT INTO entries (key, digest{others}) SELECT key || '~' || value, {digest}{others} FROM number, model"
    );
    transaction.execute(&contents, [entries - held])?;
    transaction.execute(&copies, [entries - held])?;
    let count = transaction.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    transaction.commit()?;
    index.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(count)
}

/// Returns the columns that a copied entry takes over as they are.
fn columns_of(index: &Connection) -> Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_info('entries') WHERE name NOT IN ('id', 'key', 'digest')";
    let mut statement = index.prepare(query)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}
