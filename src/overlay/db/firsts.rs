//! The rows of first digests.

use super::sql::{Link, Row, values};
use super::{Database, Write};
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::firsts::First;

pub async fn find(link: Link<'_>, release: &str) -> Result<Option<First>, Error> {
    let sql = "SELECT release, digest, testimony, rival, seen_at FROM first_seen WHERE release = $1";
    link.first(sql, values![release]).await?.map(|row| read(&row)).transpose()
}

pub async fn list(link: Link<'_>, prefix: &str) -> Result<Vec<First>, Error> {
    // Bounded from above too, by the last of all characters, so that the primary key finds them.
    let sql = "SELECT release, digest, testimony, rival, seen_at FROM first_seen \
               WHERE release >= $1 AND release < $2 ORDER BY release";
    let end = format!("{prefix}{}", char::MAX);
    link.all(sql, values![prefix, end.as_str()]).await?.iter().map(read).collect()
}

/// Remembers digests; of those that are remembered already, what vouches for them.
pub async fn hold(database: &Database, firsts: &[First]) -> Result<(), Error> {
    let sql = "INSERT INTO first_seen (release, digest, seen_at, testimony, rival) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (release) DO UPDATE SET testimony = excluded.testimony \
               WHERE first_seen.digest = excluded.digest AND excluded.testimony IS NOT NULL";
    insert(database, sql, firsts).await.map(drop)
}

/// Remembers what is not remembered yet, and returns how much that was.
pub async fn take(database: &Database, firsts: &[First]) -> Result<u64, Error> {
    let sql = "INSERT INTO first_seen (release, digest, seen_at, testimony, rival) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT DO NOTHING";
    insert(database, sql, firsts).await
}

async fn insert(database: &Database, sql: &str, firsts: &[First]) -> Result<u64, Error> {
    // In one order on all nodes: else two of them could wait for each other.
    let mut firsts: Vec<_> = firsts.iter().collect();
    firsts.sort_by(|one, other| one.release.cmp(&other.release));
    let note = database.note().await?;
    let mut count = 0;
    for First { release, digest, testimony, rival, seen_at } in firsts {
        let bound = values![release.as_str(), *digest, *seen_at, testimony.as_deref(), rival.as_deref()];
        count += note.link().run(sql, bound).await?;
    }
    note.commit().await?;
    Ok(count)
}

pub async fn note_rivals(database: &Database, rivals: &[(String, Option<String>)]) -> Result<(), Error> {
    let mut rivals: Vec<_> = rivals.iter().collect();
    rivals.sort();
    let note = database.note().await?;
    for (release, rival) in rivals {
        let sql = "UPDATE first_seen SET rival = $2 WHERE release = $1";
        note.link().run(sql, values![release.as_str(), rival.as_deref()]).await?;
    }
    note.commit().await
}

/// Forgets a release, and returns what its digest was.
pub async fn forget(write: &Write, release: &str) -> Result<Option<Digest>, Error> {
    let sql = "DELETE FROM first_seen WHERE release = $1 RETURNING digest";
    write.link().first(sql, values![release]).await?.map(|row| row.get(0)).transpose()
}

fn read(row: &Row) -> Result<First, Error> {
    let (release, digest, seen_at) = (row.get(0)?, row.get(1)?, row.get(4)?);
    Ok(First { release, digest, testimony: row.find(2)?, rival: row.find(3)?, seen_at })
}
