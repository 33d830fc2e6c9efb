//! The row by which the key of a database is known.

use super::Database;
use super::sql::{Link, values};
use crate::overlay::error::Error;

pub async fn find(link: Link<'_>) -> Result<Option<Vec<u8>>, Error> {
    let row = link.first("SELECT sealed FROM vault WHERE one = 1", values![]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Writes the row unless it is there, and returns what it holds: one of several nodes that start at once is the first.
pub async fn keep_first(database: &Database, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let note = database.note_in_line().await?;
    let sql = "INSERT INTO vault (one, sealed) VALUES (1, $1) ON CONFLICT DO NOTHING";
    note.link().run(sql, values![sealed]).await?;
    let held = find(note.link()).await?.ok_or(Error::Row("the proof of the key is missing"))?;
    note.commit().await?;
    Ok(held)
}
