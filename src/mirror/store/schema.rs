//! The index's tables, and how a connection to it is set up.
//!
//! ```text
//! contents    what lies on disk: digest, size, when it was last hashed and by which run, how many entries refer to it,
//!             and how many of these are pinned
//! entries     what is kept: key, what it belongs to, its content, HTTP facts, when it was last asked for
//! segments    named parts of prepared content; apart, because they are large and never change
//! totals      one row, kept by triggers: entries, absences, bytes on disk, bytes that are pinned
//! incidents   proofs that did not hold
//! runs        processes that have the store open, and how the contents that they hash are marked
//! suspects    marks of processes that crashed, and may have left content half written
//! ```
//!
//! A run's mark is its name. That of all runs before version 3, and of what they wrote, is the empty one.
//!
//! Up to version 3 there was `first_seen`: what every release was when it was first proved. Since that is remembered apart
//! from the cache, it is carried there once ([`super::carry`]); until then that table stays.

#![expect(clippy::disallowed_methods, reason = "the door to the index")]

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Error;

/// Counted up with every change of the tables. Older ones are brought up to date when they are opened ([`UPGRADES`]).
const VERSION: i64 = 5;

/// What turns tables of version 1, 2, … into those of the next.
const UPGRADES: [&str; VERSION as usize - 1] = [
    "ALTER TABLE first_seen ADD COLUMN testimony TEXT; ALTER TABLE first_seen ADD COLUMN rival TEXT;",
    // Suspicion was of times, by a clock that may have been set: who suspected any suspects all that there is.
    "ALTER TABLE contents ADD COLUMN run TEXT NOT NULL DEFAULT '';
    CREATE INDEX contents_by_run ON contents (run);
    ALTER TABLE runs ADD COLUMN mark TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs DROP COLUMN started;
    ALTER TABLE suspects ADD COLUMN run TEXT NOT NULL DEFAULT '';
    ALTER TABLE suspects DROP COLUMN since;
    ALTER TABLE suspects DROP COLUMN until;",
    // What was seen first is dropped when it has been carried elsewhere.
    "",
    PINS,
];

/// Counts what is pinned: a content is for as long as an entry that refers to it is.
const PINS: &str = "
ALTER TABLE contents ADD COLUMN pins INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
UPDATE contents SET pins = (SELECT count(*) FROM entries WHERE entries.digest = contents.digest AND pinned = 1)
    WHERE digest IN (SELECT digest FROM entries WHERE pinned = 1);
UPDATE totals SET pinned = (SELECT coalesce(sum(size), 0) FROM contents WHERE pins > 0);

CREATE TRIGGER pin_added AFTER INSERT ON entries WHEN NEW.pinned = 1 BEGIN
    UPDATE contents SET pins = pins + 1 WHERE digest = NEW.digest;
END;
CREATE TRIGGER pin_removed AFTER DELETE ON entries WHEN OLD.pinned = 1 BEGIN
    UPDATE contents SET pins = pins - 1 WHERE digest = OLD.digest;
END;
CREATE TRIGGER pin_moved AFTER UPDATE OF digest, pinned ON entries
    WHEN OLD.digest IS NOT NEW.digest OR OLD.pinned <> NEW.pinned BEGIN
    UPDATE contents SET pins = pins - OLD.pinned WHERE digest = OLD.digest;
    UPDATE contents SET pins = pins + NEW.pinned WHERE digest = NEW.digest;
END;
CREATE TRIGGER content_pinned AFTER UPDATE OF pins ON contents WHEN (OLD.pins = 0) <> (NEW.pins = 0) BEGIN
    UPDATE totals SET pinned = pinned + CASE WHEN NEW.pins = 0 THEN -NEW.size ELSE NEW.size END;
END;
";

/// How long one process waits for another one's write.
const BUSY: Duration = Duration::from_secs(10);

/// What one statement of ours may need; SQLite caches them per connection.
const STATEMENTS: usize = 64;

const TABLES: &str = "
CREATE TABLE contents (
    digest BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    hashed_at INTEGER NOT NULL,
    refs INTEGER NOT NULL DEFAULT 0,
    doomed INTEGER NOT NULL DEFAULT 0,
    run TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX contents_by_hashing ON contents (hashed_at);
CREATE INDEX contents_by_run ON contents (run);
CREATE INDEX contents_unreferenced ON contents (doomed) WHERE refs = 0;

CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    status INTEGER NOT NULL,
    digest BLOB REFERENCES contents (digest),
    http TEXT NOT NULL,
    proofs TEXT NOT NULL,
    source BLOB,
    stored_at INTEGER NOT NULL,
    validated_at INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    pinned INTEGER NOT NULL
);
CREATE INDEX entries_by_package ON entries (mount, package);
CREATE INDEX entries_by_digest ON entries (digest) WHERE digest IS NOT NULL;
CREATE INDEX entries_by_use ON entries (last_used) WHERE pinned = 0 AND digest IS NOT NULL;
CREATE INDEX absences_by_use ON entries (last_used) WHERE digest IS NULL;

CREATE TABLE segments (
    entry INTEGER PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE,
    list TEXT NOT NULL
);

CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    entries INTEGER NOT NULL,
    absences INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
INSERT INTO totals VALUES (1, 0, 0, 0);

CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE contents SET refs = refs + 1, doomed = 0 WHERE digest = NEW.digest;
    UPDATE totals SET entries = entries + 1, absences = absences + (NEW.digest IS NULL);
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    UPDATE contents SET refs = refs - 1 WHERE digest = OLD.digest;
    UPDATE totals SET entries = entries - 1, absences = absences - (OLD.digest IS NULL);
END;
CREATE TRIGGER entry_moved AFTER UPDATE OF digest ON entries WHEN OLD.digest IS NOT NEW.digest BEGIN
    UPDATE contents SET refs = refs - 1 WHERE digest = OLD.digest;
    UPDATE contents SET refs = refs + 1, doomed = 0 WHERE digest = NEW.digest;
    UPDATE totals SET absences = absences + (NEW.digest IS NULL) - (OLD.digest IS NULL);
END;
CREATE TRIGGER content_added AFTER INSERT ON contents BEGIN
    UPDATE totals SET bytes = bytes + NEW.size;
END;
CREATE TRIGGER content_removed AFTER DELETE ON contents BEGIN
    UPDATE totals SET bytes = bytes - OLD.size;
END;

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    mount TEXT NOT NULL,
    key TEXT NOT NULL,
    package TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE runs (
    name TEXT PRIMARY KEY,
    mark TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE TABLE suspects (
    run TEXT NOT NULL DEFAULT ''
);
";

/// Opens the connection that writes, and makes the tables if there are none.
///
/// # Errors
/// [`Error::TooNew`], or SQLite's.
pub(super) fn open_writer(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    set_up(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut may take the last transactions with it, never part of one: it costs a fetch.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // What a savepoint may have to undo: else a file is made and removed in every larger transaction.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    make_tables(&connection)?;
    Ok(connection)
}

/// Opens a connection that reads.
///
/// # Errors
/// SQLite's.
pub(super) fn open_reader(file: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    set_up(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection.pragma_update(None, "foreign_keys", true)?)
}

/// Two processes may come here at once: the first to get the lock makes the tables, the other finds them.
fn make_tables(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let made = version(connection).and_then(|found| match found {
        0 => write_tables(connection, &[TABLES, PINS], VERSION),
        found => upgrade(connection, found),
    });
    connection.execute_batch(if made.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    made?;
    match version(connection)? {
        found if found > VERSION => Err(Error::TooNew { found, known: VERSION }),
        _ => Ok(()),
    }
}

/// Tells whether the index still remembers first digests.
///
/// # Errors
/// SQLite's.
pub(super) fn has_firsts(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'first_seen')";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Drops the first digests, which have been carried elsewhere.
///
/// # Errors
/// SQLite's.
pub(super) fn drop_firsts(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE first_seen")
}

/// Brings older tables up to date; leaves alone those that are newer, or of a program that counts otherwise.
fn upgrade(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    let Ok(found) = usize::try_from(found) else { return Ok(()) };
    match UPGRADES.get(found.saturating_sub(1)..) {
        Some(batches) if !batches.is_empty() => write_tables(connection, batches, VERSION),
        _ => Ok(()),
    }
}

fn write_tables(connection: &Connection, batches: &[&str], version: i64) -> rusqlite::Result<()> {
    batches.iter().try_for_each(|batch| connection.execute_batch(batch))?;
    connection.pragma_update(None, "user_version", version)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
