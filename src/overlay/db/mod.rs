//! The overlay's database: SQLite or PostgreSQL behind one handle, one text of SQL, one set of migrations.
//!
//! # A write
//!
//! The first statement of every write counts `heads.writes` up. That row stays locked until the transaction is over, so
//! all writes stand in one line, on both databases and across nodes: the number of a write is its place in that line, a
//! row that was read within a write is as it is until the write ends, and no two writes can deadlock. The numbers have no
//! gaps, since a write that fails takes its number back. A write ends with its line in the audit log, or not at all:
//! [`Write::commit`] takes the line.
//!
//! Identifiers are the numbers of the writes that made the things: at most one of a kind is made by a write. Tasks, of
//! which one write makes many, have names of their own.
//!
//! # A feed without holes
//!
//! Numbers of changes are taken from the same locked row. A change with a lower number than one that can be seen is
//! therefore committed already: whoever reads on from the last number it saw misses nothing, also on PostgreSQL, where
//! a sequence would hand out numbers to transactions that commit in another order.
//!
//! # What is no write
//!
//! Observations (first digests, failed logins, when a token was used, bytes on their way, how a task goes) are [`Database::note`]d: rows
//! of their own, without a number or a line. What must not cross a write takes its place between two of them:
//! [`Database::note_in_line`].

pub mod audit;
pub mod binaries;
pub mod blobs;
pub mod blocks;
#[cfg(test)]
mod compliance;
pub mod downloads;
mod embedded;
pub mod factors;
pub mod failures;
pub mod feeds;
pub mod firsts;
pub mod hooks;
pub mod invitations;
pub mod listing;
pub mod logins;
pub mod migrations;
pub mod namespaces;
pub mod packages;
mod postgres;
pub mod replicas;
pub mod roster;
pub mod schedules;
pub mod secrets;
pub mod sql;
pub mod tasks;
pub mod teams;
pub mod tokens;
pub mod upstreams;
pub mod users;
pub mod vault;

use std::path::PathBuf;
use std::time::SystemTime;

use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, TransactionOptions,
    TransactionTrait,
};

use self::sql::{Link, values};
use super::audit::Entry;
use super::crash::{self, Step};
use super::error::Error;

/// What names SQLite's file in a URL.
const SQLITE: &str = "sqlite:";
/// What PostgreSQL's URLs start with.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// Both databases behind one handle. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
}

/// The connections that read and those that write.
#[derive(Clone)]
struct Pools {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
}

/// How far each part of the overlay has come. What has a head that has not moved is as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// How many writes there were.
    pub writes: u64,
    /// The number of the last change of a package.
    pub changes: u64,
    /// Counted up when tokens, users or roles change.
    pub identity: u64,
    /// Counted up when blocks change.
    pub blocks: u64,
    /// Counted up when upstreams change, or what they serve.
    pub routes: u64,
}

/// What a write moves, besides the number of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Identity,
    Blocks,
    Routes,
}

/// A transaction that reads one state, whatever is written meanwhile.
pub struct Snapshot(DatabaseTransaction);

/// A transaction that writes rows of its own; undone when it is dropped.
pub struct Note(DatabaseTransaction);

/// A write: see the module. Undone when it is dropped.
pub struct Write {
    transaction: DatabaseTransaction,
    /// Its place among all writes.
    pub number: u64,
    pub now: SystemTime,
}

// === impl Database ===

impl Database {
    /// Opens a database by its URL, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::TooNew`], [`Error::Unavailable`], [`Error::Failed`].
    pub async fn open(url: &str) -> Result<Self, Error> {
        let pools = if let Some(path) = url.strip_prefix(SQLITE) {
            embedded::open(&PathBuf::from(path)).await?
        } else if POSTGRES.iter().any(|scheme| url.starts_with(scheme)) {
            postgres::open(url).await?
        } else {
            return Err(Error::Setting("its URL is neither sqlite:PATH nor postgres://"));
        };
        migrations::run(&pools.writer).await?;
        Ok(Self { pools })
    }

    /// Asks one thing.
    pub fn link(&self) -> Link<'_> {
        Link::pool(&self.pools.reader)
    }

    /// Begins to read several things that belong together.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let reader = &self.pools.reader;
        let transaction = match reader.get_database_backend() {
            DbBackend::Postgres => {
                let options = TransactionOptions {
                    isolation_level: Some(IsolationLevel::RepeatableRead),
                    access_mode: Some(AccessMode::ReadOnly),
                    ..TransactionOptions::default()
                };
                reader.begin_with_options(options).await?
            }
            // A transaction of SQLite always reads one state.
            _ => reader.begin().await?,
        };
        Ok(Snapshot(transaction))
    }

    /// Begins to note observations. Its first statement must write: one that reads first may find, on SQLite, that
    /// another process has written since.
    pub async fn note(&self) -> Result<Note, Error> {
        Ok(Note(self.pools.writer.begin().await?))
    }

    /// Begins to note what must not happen while a write is under way.
    pub async fn note_in_line(&self) -> Result<Note, Error> {
        let note = self.note().await?;
        note.link().run("UPDATE heads SET writes = writes WHERE one = 1", values![]).await?;
        Ok(note)
    }

    /// Begins a write, after those that have begun before it.
    pub async fn write(&self, now: SystemTime) -> Result<Write, Error> {
        let transaction = self.pools.writer.begin().await?;
        let sql = "UPDATE heads SET writes = writes + 1 WHERE one = 1 RETURNING writes";
        let row = Link::transaction(&transaction).first(sql, values![]).await?;
        let number = row.ok_or(Error::Row("the heads are missing"))?.get(0)?;
        Ok(Write { transaction, number, now })
    }

    /// Returns how far everything has come.
    pub async fn heads(&self) -> Result<Heads, Error> {
        let sql = "SELECT writes, changes, identity, blocks, routes FROM heads WHERE one = 1";
        let row = self.link().first(sql, values![]).await?.ok_or(Error::Row("the heads are missing"))?;
        let (writes, changes, identity) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Heads { writes, changes, identity, blocks: row.get(3)?, routes: row.get(4)? })
    }

    /// Closes all connections, after what they are doing.
    pub async fn close(&self) -> Result<(), Error> {
        self.pools.reader.close_by_ref().await?;
        Ok(self.pools.writer.close_by_ref().await?)
    }
}

// === impl Snapshot ===

impl Snapshot {
    pub fn link(&self) -> Link<'_> {
        Link::transaction(&self.0)
    }
}

// === impl Note ===

impl Note {
    pub fn link(&self) -> Link<'_> {
        Link::transaction(&self.0)
    }

    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit().await?)
    }
}

// === impl Write ===

impl Write {
    pub fn link(&self) -> Link<'_> {
        Link::transaction(&self.transaction)
    }

    /// Says that a part of the overlay is no longer as it was.
    pub async fn turn(&self, head: Head) -> Result<(), Error> {
        let sql = match head {
            Head::Identity => "UPDATE heads SET identity = identity + 1 WHERE one = 1",
            Head::Blocks => "UPDATE heads SET blocks = blocks + 1 WHERE one = 1",
            Head::Routes => "UPDATE heads SET routes = routes + 1 WHERE one = 1",
        };
        self.link().run(sql, values![]).await.map(drop)
    }

    /// Takes numbers for `count` changes of packages, and returns the first of them.
    pub async fn number_changes(&self, count: u64) -> Result<u64, Error> {
        let sql = "UPDATE heads SET changes = changes + $1 WHERE one = 1 RETURNING changes";
        let row = self.link().first(sql, values![count]).await?.ok_or(Error::Row("the heads are missing"))?;
        Ok(row.get::<u64>(0)? + 1 - count)
    }

    /// Writes the line of the audit log, and waits until all of it is on the disk.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: whether it was committed is not known. Else nothing was kept.
    pub async fn commit(self, entry: &Entry<'_>) -> Result<(), Error> {
        let Entry { actor, verb, subject, detail } = entry;
        let sql = "INSERT INTO audit (number, at, actor, via, address, verb, subject, detail, reason) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let address = actor.address.map(|address| address.to_string());
        let (subject, detail, reason) = (plain(subject), plain(detail), actor.reason.as_deref().map(plain));
        let mut bound = values![self.number, self.now, actor.name.as_str(), actor.via.as_str(), address.as_deref()];
        bound.extend(values![*verb, subject.as_str(), detail.as_str(), reason.as_deref()]);
        self.link().run(sql, bound).await?;
        crash::reach(Step::RowsWritten);
        self.transaction.commit().await?;
        crash::reach(Step::Committed);
        Ok(())
    }
}

/// Returns a text without the one character that PostgreSQL cannot hold: no write fails for what is told of it.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
