//! SQLite: one file, one writer, every commit on the disk before it is told.

use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::Pools;
use crate::base::fs;
use crate::overlay::error::Error;

/// How long a write waits for that of another process.
const BUSY: Duration = Duration::from_secs(10);

/// How long a statement waits for a connection of the pool.
const WAIT: Duration = Duration::from_secs(10);

/// How long until a file that another process is about to make is tried again.
const PAUSE: Duration = Duration::from_millis(20);

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
    let writer = connect(1, &options).await?;
    let reader = connect(READERS, &options.pragma("query_only", "ON")).await?;
    let wrap = |pool| -> DatabaseConnection { SqlxSqliteConnector::from_sqlx_sqlite_pool(pool) };
    Ok(Pools { reader: wrap(reader), writer: wrap(writer) })
}

/// Tries for as long as a write would wait: while another process gives a new file its log, SQLite refuses at once.
async fn connect(connections: u32, options: &SqliteConnectOptions) -> Result<SqlitePool, Error> {
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT);
    // All of them now: the thread of one that was opened for a task would give way as that does, whoever it serves then.
    let pool = pool.min_connections(connections).idle_timeout(None).max_lifetime(None);
    let begun = Instant::now();
    loop {
        match pool.clone().connect_with(options.clone()).await.map_err(Error::from) {
            Err(Error::Unavailable(_)) if begun.elapsed() < BUSY => tokio::time::sleep(PAUSE).await,
            connected => return connected,
        }
    }
}
