//! The rows of published bytes: those that are there, on their way, or doomed.

use std::time::SystemTime;

use super::Database;
use super::sql::{Link, Row, values};
use crate::base::digest::Digest;
use crate::overlay::blobs::Blob;
use crate::overlay::error::Error;

/// Says that bytes are on their way. Those that are there already keep their name, and are safe for another grace.
///
/// # Errors
/// [`Error::Collected`]: they are being taken away just now. Else the database's.
pub async fn announce(database: &Database, digest: Digest, size: u64, now: SystemTime) -> Result<Blob, Error> {
    let sql = "INSERT INTO blobs (digest, size, copy, announced_at, is_doomed) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (digest) DO UPDATE SET announced_at = excluded.announced_at \
               WHERE NOT blobs.is_doomed RETURNING digest, size, copy";
    // Half of the numbers that both databases know: they have a sign.
    let copy = rand::random::<u64>() >> 1;
    let note = database.note().await?;
    let row = note.link().first(sql, values![digest, size, copy, now, false]).await?;
    let blob = read(&row.ok_or(Error::Collected(digest))?)?;
    note.commit().await?;
    Ok(blob)
}

/// Makes sure that a release may refer to a blob. To be asked within a write: none is doomed meanwhile.
///
/// # Errors
/// [`Error::Collected`]. Else the database's.
pub async fn claim(link: Link<'_>, blob: &Blob) -> Result<(), Error> {
    let sql = "SELECT digest, size, copy FROM blobs WHERE digest = $1 AND copy = $2 AND NOT is_doomed";
    let row = link.first(sql, values![blob.digest, blob.copy]).await?;
    if row.is_some() { Ok(()) } else { Err(Error::Collected(blob.digest)) }
}

/// Dooms what no release refers to and was announced before a time. In line with all writes: a publish that is being
/// committed is over before, or finds its bytes doomed.
pub async fn doom(database: &Database, before: SystemTime) -> Result<u64, Error> {
    let note = database.note_in_line().await?;
    let sql = "UPDATE blobs SET is_doomed = $2 WHERE announced_at < $1 AND NOT is_doomed \
               AND NOT EXISTS (SELECT 1 FROM files WHERE files.digest = blobs.digest)";
    let count = note.link().run(sql, values![before, true]).await?;
    note.commit().await?;
    Ok(count)
}

pub async fn list_doomed(link: Link<'_>, limit: u64) -> Result<Vec<Blob>, Error> {
    let sql = "SELECT digest, size, copy FROM blobs WHERE is_doomed LIMIT $1";
    link.all(sql, values![limit]).await?.iter().map(read).collect()
}

/// Forgets a blob whose bytes are gone, and returns how many there were: none, if another node was first.
pub async fn forget(database: &Database, blob: &Blob) -> Result<u64, Error> {
    let note = database.note().await?;
    let sql = "DELETE FROM blobs WHERE digest = $1 AND copy = $2 AND is_doomed";
    let count = note.link().run(sql, values![blob.digest, blob.copy]).await?;
    note.commit().await?;
    Ok(count)
}

fn read(row: &Row) -> Result<Blob, Error> {
    Ok(Blob { digest: row.get(0)?, size: row.get(1)?, copy: row.get(2)? })
}
