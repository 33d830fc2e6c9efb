//! SQLite: one file, one writer, every commit on the disk before it is told.

use std::path::Path;
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::Pools;
use crate::base::fs;
use crate::overlay::error::Error;

/// How long a write waits for that of another process.
const BUSY: Duration = Duration::from_secs(10);

/// How long a statement waits for a connection of the pool.
const WAIT: Duration = Duration::from_secs(10);

/// Connections that read; each has a thread of its own.
const READERS: u32 = 4;

/// Opens the file, and makes it and the directories above it if need be.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Full`], [`Error::Failed`].
pub(super) async fn open(file: &Path) -> Result<Pools, Error> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all_durably(directory).map_err(Error::failed)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With a log, only FULL has it on the disk at each commit. Source: SQLite's manual, PRAGMA synchronous.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    // One connection that writes: the writes of one process wait in the pool's queue, in turn, not at the file's lock.
    let writer = pool(1).connect_with(options.clone()).await?;
    let reader = pool(READERS).connect_with(options.pragma("query_only", "ON")).await?;
    let wrap = |pool| -> DatabaseConnection { SqlxSqliteConnector::from_sqlx_sqlite_pool(pool) };
    Ok(Pools { reader: wrap(reader), writer: wrap(writer) })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT).idle_timeout(None).max_lifetime(None)
}
