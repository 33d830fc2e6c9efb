//! The rows of second factors.

use super::sql::{Link, values};
use super::{Database, Write};
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::factors::{Factor, Mode};
use crate::overlay::users::UserId;

pub async fn find(link: Link<'_>, user: UserId) -> Result<Option<Factor>, Error> {
    let sql = "SELECT mode, is_pending, sealed, last_step FROM factors WHERE account = $1";
    let Some(row) = link.first(sql, values![user]).await? else { return Ok(None) };
    let mode: String = row.get(0)?;
    let mode = Mode::parse(&mode).ok_or(Error::Row("the mode of a second factor"))?;
    Ok(Some(Factor { mode, is_pending: row.get(1)?, sealed: row.get(2)?, last_step: row.get(3)? }))
}

/// Writes all of a factor, over the one that is there.
pub async fn replace(write: &Write, user: UserId, factor: &Factor) -> Result<(), Error> {
    let sql = "INSERT INTO factors (account, mode, is_pending, sealed, last_step) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (account) DO UPDATE SET mode = excluded.mode, is_pending = excluded.is_pending, \
               sealed = excluded.sealed, last_step = excluded.last_step";
    let Factor { mode, is_pending, sealed, last_step } = factor;
    let bound = values![user, mode.as_str(), *is_pending, sealed.as_slice(), *last_step];
    write.link().run(sql, bound).await.map(drop)
}

pub async fn remove(write: &Write, user: UserId) -> Result<(), Error> {
    write.link().run("DELETE FROM recovery_codes WHERE account = $1", values![user]).await?;
    write.link().run("DELETE FROM factors WHERE account = $1", values![user]).await.map(drop)
}

/// Takes a step, unless it or a later one was taken before.
pub async fn take_step(database: &Database, user: UserId, step: u64) -> Result<bool, Error> {
    let note = database.note().await?;
    let sql = "UPDATE factors SET last_step = $2 WHERE account = $1 AND last_step < $2 AND NOT is_pending";
    let taken = note.link().run(sql, values![user, step]).await?;
    note.commit().await?;
    Ok(taken == 1)
}

pub async fn insert_recovery(write: &Write, user: UserId, hash: Digest) -> Result<(), Error> {
    let sql = "INSERT INTO recovery_codes (account, hash) VALUES ($1, $2)";
    write.link().run(sql, values![user, hash]).await.map(drop)
}

/// Takes a recovery code away, and tells whether it was there.
pub async fn remove_recovery(write: &Write, user: UserId, hash: Digest) -> Result<bool, Error> {
    let sql = "DELETE FROM recovery_codes WHERE account = $1 AND hash = $2";
    Ok(write.link().run(sql, values![user, hash]).await? == 1)
}
