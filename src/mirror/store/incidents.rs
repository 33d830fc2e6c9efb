//! What upstreams tried: the proofs that did not hold. The newest are kept.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::error::Error;
use super::values::Millis;

/// How many are remembered.
pub(super) const KEPT: i64 = 10_000;

/// A proof that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub at: SystemTime,
    pub mount: String,
    pub key: String,
    pub package: String,
    /// What kind of proof: `digest`, `length`, `signature`, `document`, `first-seen`.
    pub kind: String,
    /// One sentence, for the operator.
    pub detail: String,
}

/// Remembers an incident, and forgets the oldest beyond [`KEPT`].
///
/// # Errors
/// SQLite's.
pub(super) fn add(connection: &Connection, incident: &Incident) -> Result<(), Error> {
    let Incident { at, mount, key, package, kind, detail } = incident;
    connection
        .prepare_cached(
            "INSERT INTO incidents (at, mount, key, package, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![Millis(*at), mount, key, package, kind, detail])?;
    connection
        .prepare_cached("DELETE FROM incidents WHERE id <= ?1")?
        .execute([connection.last_insert_rowid() - KEPT])?;
    Ok(())
}

/// Lists up to `limit` incidents, newest first.
///
/// # Errors
/// SQLite's.
pub(super) fn list(connection: &Connection, limit: usize) -> Result<Vec<Incident>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT at, mount, key, package, kind, detail FROM incidents ORDER BY id DESC LIMIT ?1")?;
    let incidents = statement.query_map([i64::try_from(limit).unwrap_or(KEPT)], |row| {
        Ok(Incident {
            at: row.get::<_, Millis>(0)?.0,
            mount: row.get(1)?,
            key: row.get(2)?,
            package: row.get(3)?,
            kind: row.get(4)?,
            detail: row.get(5)?,
        })
    })?;
    Ok(incidents.collect::<Result<_, _>>()?)
}
