//! The rows of logins by a browser.

use std::time::SystemTime;

use super::Database;
use super::sql::{Link, values};
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::logins::{LIFE, Login, Progress};
use crate::overlay::users::UserId;

/// Writes a new login, and takes those away that are over.
pub async fn begin(database: &Database, (page, done): (Digest, Digest), login: &Login) -> Result<(), Error> {
    let note = database.note().await?;
    let oldest = login.begun_at.checked_sub(LIFE).unwrap_or(SystemTime::UNIX_EPOCH);
    note.link().run("DELETE FROM logins WHERE begun_at <= $1", values![oldest]).await?;
    let sql = "INSERT INTO logins (page, done, agent, address, is_new, begun_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let Login { agent, address, is_new, begun_at } = login;
    note.link().run(sql, values![page, done, agent.as_str(), address.as_str(), *is_new, *begun_at]).await?;
    note.commit().await
}

pub async fn find(link: Link<'_>, page: Digest, since: SystemTime) -> Result<Option<Login>, Error> {
    let sql =
        "SELECT agent, address, is_new, begun_at FROM logins WHERE page = $1 AND begun_at > $2 AND account IS NULL";
    let Some(row) = link.first(sql, values![page, since]).await? else { return Ok(None) };
    Ok(Some(Login { agent: row.get(0)?, address: row.get(1)?, is_new: row.get(2)?, begun_at: row.get(3)? }))
}

/// Notes who has gone through with a login that was begun after `since`, unless somebody has before. Returns from where it
/// was begun.
pub async fn end(database: &Database, page: Digest, user: UserId, since: SystemTime) -> Result<Option<String>, Error> {
    let note = database.note().await?;
    let sql = "UPDATE logins SET account = $2 WHERE page = $1 AND begun_at > $3 AND account IS NULL \
               RETURNING address";
    let ended = note.link().first(sql, values![page, user, since]).await?;
    note.commit().await?;
    ended.map(|row| row.get(0)).transpose()
}

pub async fn progress(link: Link<'_>, done: Digest, since: SystemTime) -> Result<Option<Progress>, Error> {
    let sql = "SELECT account FROM logins WHERE done = $1 AND begun_at > $2";
    let Some(row) = link.first(sql, values![done, since]).await? else { return Ok(None) };
    Ok(Some(row.find(0)?.map_or(Progress::Waiting, Progress::Done)))
}

/// Takes a login away that is done, and tells whether it was there.
pub async fn take(database: &Database, done: Digest) -> Result<bool, Error> {
    let note = database.note().await?;
    let taken = note.link().run("DELETE FROM logins WHERE done = $1 AND account IS NOT NULL", values![done]).await?;
    note.commit().await?;
    Ok(taken == 1)
}
