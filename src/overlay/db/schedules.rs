//! The rows of schedules.

use std::time::SystemTime;

use super::Database;
use super::sql::{Link, values};
use crate::overlay::error::Error;

pub async fn find(link: Link<'_>, name: &str) -> Result<Option<SystemTime>, Error> {
    let sql = "SELECT fired_at FROM schedules WHERE name = $1";
    link.first(sql, values![name]).await?.map(|row| row.get(0)).transpose()
}

/// Has a schedule begin at a time, unless it has begun already; returns when it made tasks last.
pub async fn begin(database: &Database, name: &str, at: SystemTime) -> Result<SystemTime, Error> {
    let note = database.note().await?;
    let sql = "INSERT INTO schedules (name, fired_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    note.link().run(sql, values![name, at]).await?;
    let begun = find(note.link(), name).await?;
    note.commit().await?;
    begun.ok_or(Error::Row("a schedule is missing"))
}

/// Notes that a schedule makes tasks; tells whether nobody has done so for that time, or a later one.
pub async fn fire(link: Link<'_>, name: &str, at: SystemTime) -> Result<bool, Error> {
    let sql = "INSERT INTO schedules (name, fired_at) VALUES ($1, $2) ON CONFLICT (name) \
               DO UPDATE SET fired_at = excluded.fired_at WHERE schedules.fired_at < excluded.fired_at";
    Ok(link.run(sql, values![name, at]).await? == 1)
}
