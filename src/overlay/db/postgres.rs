//! PostgreSQL: any number of nodes.

use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::Pools;
use crate::overlay::error::Error;

/// Connections of one node. Those that write are apart and few: they wait for each other anyway, and meanwhile those that
/// read must not wait for them.
const READERS: u32 = 12;
const WRITERS: u32 = 4;

/// How long a statement waits for a connection of the pool.
const WAIT: Duration = Duration::from_secs(5);

/// What every session is set to, whatever the server's own settings are.
/// Source: PostgreSQL's manual, sections 20.5 (commit) and 20.11 (timeouts).
const SESSION: [(&str, &str); 4] = [
    // A commit that is told is on the disk.
    ("synchronous_commit", "on"),
    ("lock_timeout", "10s"),
    ("statement_timeout", "60s"),
    // A node that stalls in the middle of a write must not hold up the others.
    ("idle_in_transaction_session_timeout", "30s"),
];

/// Connects to a server.
///
/// # Errors
/// [`Error::Setting`]: no such URL. [`Error::Unavailable`], [`Error::Failed`].
pub(super) async fn open(url: &str) -> Result<Pools, Error> {
    // The parser's own words may quote the URL, and with it the password.
    let options: PgConnectOptions = url.parse().map_err(|_| Error::Setting("the URL of PostgreSQL cannot be read"))?;
    let options = options.application_name("heliostat").options(SESSION).disable_statement_logging();
    Ok(Pools { reader: pool(READERS, &options).await?, writer: pool(WRITERS, &options).await? })
}

async fn pool(connections: u32, options: &PgConnectOptions) -> Result<DatabaseConnection, Error> {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(WAIT);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_with(options.clone()).await?))
}
