//! The SQLite index beside the content: who reads it, who writes it, and what was going on when it was last open.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::error::Error;
use super::schema;
use crate::base::fs;

/// Connections that read. A read takes some 50 µs: more threads wait for one than have one.
const READERS: usize = 4;

/// The connections that read, lent out one at a time.
pub(super) struct Readers {
    /// Held for a few instructions only.
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection on loan; it goes back even if its borrower panics.
struct Lent<'a> {
    /// Gone only while this is dropped.
    connection: Option<Connection>,
    readers: &'a Readers,
}

/// Runs whose content may not have reached the disk: they ended without closing the store. By name, not by time: a clock
/// may be set, and not every machine knows the time when it starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects(HashSet<String>);

/// What opening the index has shown.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) readers: Readers,
    pub(super) suspects: Suspects,
    /// Content may lie about that no row knows of.
    pub(super) orphans: bool,
}

/// Opens the index of `directory` for the run `name`. One that is damaged is put aside, and an empty one made.
///
/// # Errors
/// [`Error::TooNew`], or SQLite's.
pub(super) fn open(directory: &Path, name: &str) -> Result<Opened, Error> {
    let file = directory.join("index.sqlite");
    let fresh = fs::length(&file)?.is_none();
    match open_file(&file, directory, name) {
        Err(error) if error.is_corruption() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "damaged index put aside");
            put_aside(&file)?;
            open_file(&file, directory, name).map(|opened| Opened { orphans: true, ..opened })
        }
        other => other.map(|opened| Opened { orphans: opened.orphans || fresh, ..opened }),
    }
}

fn open_file(file: &Path, directory: &Path, name: &str) -> Result<Opened, Error> {
    let writer = schema::open_writer(file)?;
    let crashed = begin_run(&writer, &directory.join("tmp"), name)?;
    let suspects = Suspects::load(&writer)?;
    Ok(Opened { readers: Readers::open(file)?, writer, suspects, orphans: crashed })
}

fn put_aside(file: &Path) -> Result<(), Error> {
    let beside = |suffix: &str| -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    };
    fs::rename(file, &beside(".damaged"))?;
    fs::remove_file(&beside("-wal"))?;
    Ok(fs::remove_file(&beside("-shm"))?)
}

/// Notes that this run has begun, and suspects runs that are over without having ended. Returns whether there was one.
fn begin_run(connection: &Connection, tmp: &Path, name: &str) -> Result<bool, Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = note_runs(connection, tmp, name);
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn note_runs(connection: &Connection, tmp: &Path, name: &str) -> Result<bool, Error> {
    let mut statement = connection.prepare("SELECT name, mark FROM runs")?;
    let runs: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut crashed = false;
    for (run, mark) in runs {
        // A run that lives holds its directory; opening ours has cleared away those of the dead.
        if fs::length(&tmp.join(&run).join("lock"))?.is_none() {
            crashed = true;
            connection.execute("INSERT INTO suspects (run) VALUES (?1)", [mark])?;
            connection.execute("DELETE FROM runs WHERE name = ?1", [&run])?;
        }
    }
    connection.execute("INSERT INTO runs (name, mark) VALUES (?1, ?1)", [name])?;
    Ok(crashed)
}

/// Notes that a run ended in order, and writes the log back into the index file.
///
/// # Errors
/// SQLite's.
pub(super) fn end_run(connection: &Connection, name: &str) -> Result<(), Error> {
    connection.execute("DELETE FROM runs WHERE name = ?1", [name])?;
    // Another process that reads just now only keeps the log from being cut short.
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

// === impl Readers ===

impl Readers {
    fn open(file: &Path) -> Result<Self, Error> {
        let idle = (0..READERS).map(|_| schema::open_reader(file)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Lends a connection to `work`, waiting for one if need be. Blocks.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let lent = self.lend();
        let Some(connection) = &lent.connection else { return Err(Error::Closed) };
        work(connection)
    }

    fn lend(&self) -> Lent<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                None => idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
                connection => return Lent { connection, readers: self },
            }
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
        self.readers.returned.notify_one();
    }
}

// === impl Suspects ===

impl Suspects {
    /// Loads the suspects, forgetting those that no content is left of.
    fn load(connection: &Connection) -> Result<Self, Error> {
        let sql = "DELETE FROM suspects WHERE NOT EXISTS (SELECT 1 FROM contents WHERE contents.run = suspects.run)";
        connection.execute(sql, [])?;
        let mut statement = connection.prepare("SELECT run FROM suspects")?;
        Ok(Self(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?))
    }

    /// Tells whether a content that this run was the last to hash must be hashed again before it is used.
    pub(super) fn contain(&self, run: &str) -> bool {
        self.0.contains(run)
    }
}
