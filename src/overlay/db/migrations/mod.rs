//! What the tables are, and how those of an older program are brought up to date.
//!
//! ```text
//! migrations   which of these were run, and when
//! heads        one row: how far everything has come; locked by each write
//! audit        one line a write
//! users, failures                      accounts; how often a login has failed of late
//! factors, recovery_codes              what codes of second factors are computed from, sealed
//! logins                               those by a browser that are under way
//! invitations                          by SHA-256; who may make an account
//! namespaces, members                  @acme, and who may do what in it
//! teams, team_members, bindings        some of those members, and the packages that they alone see
//! tokens                               by SHA-256
//! packages, releases, files, tags, owners, stars    what was published
//! changes                              the feed
//! unlisted                             what searches do not find
//! hooks, deliveries, dispatcher        who wants to be told of what, what is still to be told, and who tells it
//! downloads, download_sums             how often versions were fetched, by day; and of what everybody sees, added up
//! blobs                                which published bytes there are, or are on their way
//! blocks                               what is not served
//! upstreams, routes                    where names come from that are not published here
//! binary_directories, binaries         what mirrors of binaries were found to hold
//! first_seen                           the first digest of every release, and what vouched for it
//! accepted                             releases that may have other bytes than they had first, and what those were
//! secrets                              what all nodes share, sealed: keys that releases are signed with
//! tasks, task_results, task_logs       what is to be brought up to its upstream, and how that went
//! visits                               where dependencies have led to, below each task that somebody asked for
//! workers                              nodes that run tasks
//! replicas, tombstones, pins           what upstreams had of packages, and have no more; what every node is to hold of them
//! feeds, schedules                     how far upstreams' feeds were read; when schedules made their tasks
//! vault                                one row: by which the key is known that secrets are sealed with
//! ```
//!
//! Written once for both databases: `BYTES` stands for either one's type of bytes, `TEXT` for text in the order of its
//! bytes. Times are milliseconds since 1970. A migration that was released is never changed; what is to be other is
//! changed by the next. Programs before it may run beside, until they are replaced: what those read and write stays.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

use super::sql::{Link, values};
use crate::overlay::error::Error;

/// Each in its turn, never out of it: the first has the number 1.
const ALL: [&str; 24] = [
    include_str!("0001_start.sql"),
    include_str!("0002_teams.sql"),
    include_str!("0003_vault.sql"),
    include_str!("0004_token_description.sql"),
    include_str!("0005_lists.sql"),
    include_str!("0006_downloads.sql"),
    include_str!("0007_stamps.sql"),
    include_str!("0008_invitations.sql"),
    include_str!("0009_factors.sql"),
    include_str!("0010_logins.sql"),
    include_str!("0011_hooks.sql"),
    include_str!("0012_events.sql"),
    include_str!("0013_accepted.sql"),
    include_str!("0014_secrets.sql"),
    include_str!("0015_upstreams.sql"),
    include_str!("0016_download_sums.sql"),
    include_str!("0017_reasons.sql"),
    include_str!("0018_documents.sql"),
    include_str!("0019_old_downloads.sql"),
    include_str!("0020_hooks_by_owner.sql"),
    include_str!("0021_tasks.sql"),
    include_str!("0022_binaries.sql"),
    include_str!("0023_replicas.sql"),
    include_str!("0024_feeds.sql"),
];

/// The number of the last one.
pub const NEWEST: u64 = ALL.len() as u64;

/// What PostgreSQL's nodes lock while they do this: the bytes of "helio".
const LOCK: i64 = 0x68_656c_696f;

/// Brings the tables up to date. Of several nodes that start at once, one does it and the others wait: it is one
/// transaction, and takes the lock first.
///
/// # Errors
/// [`Error::TooNew`], or the database's. Then nothing was changed.
pub async fn run(pool: &DatabaseConnection) -> Result<(), Error> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = match pool.get_database_backend() {
        DbBackend::Postgres => pool.begin().await?,
        _ => pool.begin_with_options(options).await?,
    };
    lock(&transaction).await?;
    migrate(&transaction).await?;
    Ok(transaction.commit().await?)
}

async fn lock(transaction: &DatabaseTransaction) -> Result<(), Error> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    }
    Ok(())
}

async fn migrate(transaction: &DatabaseTransaction) -> Result<(), Error> {
    let sql = "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY)";
    transaction.execute_unprepared(sql).await?;
    let link = Link::transaction(transaction);
    let row = link.first("SELECT COALESCE(MAX(version), 0) FROM migrations", values![]).await?;
    let found: u64 = row.ok_or(Error::Row("a maximum is missing"))?.get(0)?;
    if found > NEWEST {
        return Err(Error::TooNew { found, known: NEWEST });
    }
    for (version, text) in (1_u64..).zip(ALL).skip(found as usize) {
        transaction.execute_unprepared(&translate(text, transaction.get_database_backend())).await?;
        link.run("INSERT INTO migrations (version) VALUES ($1)", values![version]).await?;
    }
    Ok(())
}

/// Turns our words for types into those of a database.
fn translate(text: &str, backend: DbBackend) -> String {
    match backend {
        // Names are listed in the order of their bytes, as by SQLite, whatever the server's language.
        DbBackend::Postgres => text.replace(" BYTES", " BYTEA").replace(" TEXT", " TEXT COLLATE \"C\""),
        _ => text.replace(" BYTES", " BLOB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_database() {
        let text = "CREATE TABLE t (a BYTES NOT NULL, b TEXT)";
        assert_eq!(translate(text, DbBackend::Sqlite), "CREATE TABLE t (a BLOB NOT NULL, b TEXT)");
        assert_eq!(translate(text, DbBackend::Postgres), "CREATE TABLE t (a BYTEA NOT NULL, b TEXT COLLATE \"C\")");
    }
}
