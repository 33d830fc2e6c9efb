//! The rows of secrets that last.

use super::Database;
use super::sql::{Link, values};
use crate::overlay::error::Error;

pub async fn find(link: Link<'_>, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let row = link.first("SELECT sealed FROM secrets WHERE name = $1", values![name]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Writes a secret unless there is one, and returns the one that there is: one of several nodes is the first.
pub async fn keep_first(database: &Database, name: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let note = database.note_in_line().await?;
    let sql = "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    note.link().run(sql, values![name, sealed]).await?;
    let held = find(note.link(), name).await?.ok_or(Error::Row("a secret that was just kept is missing"))?;
    note.commit().await?;
    Ok(held)
}
