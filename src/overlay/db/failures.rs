//! How often logins have failed of late. A row's `count` is what is not forgiven yet, in milliseconds: see
//! [`Failures::debt`].

use std::time::{Duration, SystemTime};

use super::sql::{Link, values};
use super::{Database, Note};
use crate::overlay::error::Error;
use crate::overlay::patience::{self, Failures, MEMORY, Subject, WEIGHT};

/// How often an attempt that others have overtaken is counted anew.
const ATTEMPTS: u32 = 8;

/// Counts an attempt for all its subjects, before it is known whether it fails. Who comes too early keeps nobody from
/// writing.
///
/// # Errors
/// [`Error::TooManyAttempts`]: it comes too early, and is counted for none. Else the database's.
pub async fn charge(database: &Database, subjects: &[Subject], now: SystemTime) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        for subject in subjects {
            judge(database.link(), subject, now).await?;
        }
        let note = database.note().await?;
        // Writes first, as it must.
        let oldest = now.checked_sub(MEMORY).unwrap_or(SystemTime::UNIX_EPOCH);
        note.link().run("DELETE FROM failures WHERE last_at < $1", values![oldest]).await?;
        if charge_all(&note, subjects, now).await? {
            return note.commit().await;
        }
    }
    Err(Error::TooManyAttempts { until: now })
}

/// Returns `false` when another attempt was counted meanwhile.
async fn charge_all(note: &Note, subjects: &[Subject], now: SystemTime) -> Result<bool, Error> {
    for subject in subjects {
        let (held, next) = judge(note.link(), subject, now).await?;
        if !replace(note.link(), subject, held, next).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns what is remembered of a subject, and what is to be.
async fn judge(link: Link<'_>, subject: &Subject, now: SystemTime) -> Result<(Option<Failures>, Failures), Error> {
    let held = find(link, subject).await?;
    let next = patience::charge(subject, held, now).map_err(|until| Error::TooManyAttempts { until })?;
    Ok((held, next))
}

async fn find(link: Link<'_>, subject: &Subject) -> Result<Option<Failures>, Error> {
    let sql = "SELECT count, last_at FROM failures WHERE subject = $1";
    let row = link.first(sql, values![subject.name.as_str()]).await?;
    row.map(|row| Ok(Failures { debt: Duration::from_millis(row.get(0)?), last_at: row.get(1)? })).transpose()
}

async fn replace(link: Link<'_>, subject: &Subject, held: Option<Failures>, next: Failures) -> Result<bool, Error> {
    let (name, count, last_at) = (subject.name.as_str(), in_millis(next.debt), next.last_at);
    let done = match held {
        None => {
            let sql = "INSERT INTO failures (subject, count, last_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            link.run(sql, values![name, count, last_at]).await?
        }
        Some(held) => {
            let sql = "UPDATE failures SET count = $2, last_at = $3 WHERE subject = $1 AND count = $4 \
                       AND last_at = $5";
            link.run(sql, values![name, count, last_at, in_millis(held.debt), held.last_at]).await?
        }
    };
    Ok(done == 1)
}

/// Takes back what an attempt that succeeded was counted for.
///
/// # Errors
/// The database's.
pub async fn forgive(database: &Database, subjects: &[Subject]) -> Result<(), Error> {
    let note = database.note().await?;
    for subject in subjects {
        let name = subject.name.as_str();
        if subject.is_forgiven {
            note.link().run("DELETE FROM failures WHERE subject = $1", values![name]).await?;
        } else {
            let sql = "UPDATE failures SET count = CASE WHEN count > $2 THEN count - $2 ELSE 0 END WHERE subject = $1";
            note.link().run(sql, values![name, in_millis(WEIGHT)]).await?;
        }
    }
    note.commit().await
}

fn in_millis(debt: Duration) -> u64 {
    debt.as_millis() as u64
}
