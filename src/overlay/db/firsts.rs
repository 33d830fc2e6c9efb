//! The rows of first digests.

use std::collections::HashMap;

use super::sql::{Bound, Link, Row, places, rows, values};
use super::{Database, Note, Write};
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::firsts::{Accepted, First};

/// Rows that one statement writes at most. Each has up to five values, and SQLite takes 32,766.
const ROWS: usize = 500;

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

/// Remembers digests, one a release; of those that are remembered already, what vouches for them. Returns the digest that
/// each release has now.
pub async fn hold(database: &Database, firsts: &[First]) -> Result<HashMap<String, Digest>, Error> {
    let on_conflict = "DO UPDATE SET testimony = excluded.testimony \
                       WHERE first_seen.digest = excluded.digest AND excluded.testimony IS NOT NULL";
    let note = database.note().await?;
    insert(&note, on_conflict, firsts).await?;
    let mut held = HashMap::new();
    for some in firsts.chunks(ROWS) {
        let sql = format!("SELECT release, digest FROM first_seen WHERE release IN ({})", places(1, some.len()));
        let releases = some.iter().flat_map(|first| values![first.release.as_str()]).collect();
        for row in note.link().all(&sql, releases).await? {
            held.insert(row.get(0)?, row.get(1)?);
        }
    }
    note.commit().await?;
    Ok(held)
}

/// Remembers what is not remembered yet, and returns how much that was.
pub async fn take(database: &Database, firsts: &[First]) -> Result<u64, Error> {
    let note = database.note().await?;
    let count = insert(&note, "DO NOTHING", firsts).await?;
    note.commit().await?;
    Ok(count)
}

async fn insert(note: &Note, on_conflict: &str, firsts: &[First]) -> Result<u64, Error> {
    // In one order on all nodes: else two of them could wait for each other.
    let mut firsts: Vec<_> = firsts.iter().collect();
    firsts.sort_by(|one, other| one.release.cmp(&other.release));
    let mut count = 0;
    for some in firsts.chunks(ROWS) {
        let rows = rows(some.len(), 5);
        let sql = format!(
            "INSERT INTO first_seen (release, digest, seen_at, testimony, rival) VALUES {rows} \
             ON CONFLICT (release) {on_conflict}"
        );
        let bind = |First { release, digest, testimony, rival, seen_at }: &First| -> Vec<Bound> {
            values![release.as_str(), *digest, *seen_at, testimony.as_deref(), rival.as_deref()]
        };
        count += note.link().run(&sql, some.iter().copied().flat_map(bind).collect()).await?;
    }
    Ok(count)
}

pub async fn note_rivals(database: &Database, rivals: &[(String, Option<String>)]) -> Result<(), Error> {
    let mut rivals: Vec<_> = rivals.iter().collect();
    rivals.sort();
    let note = database.note().await?;
    for some in rivals.chunks(ROWS) {
        // Both databases call the columns of such a list so.
        let sql = format!(
            "UPDATE first_seen SET rival = said.column2 FROM (VALUES {}) AS said WHERE release = said.column1",
            rows(some.len(), 2)
        );
        let bind = |(release, rival): &(String, Option<String>)| values![release.as_str(), rival.as_deref()];
        note.link().run(&sql, some.iter().copied().flat_map(bind).collect()).await?;
    }
    note.commit().await
}

/// Forgets a release, notes that it was accepted, and returns what its digest was.
pub async fn forget(write: &Write, release: &str) -> Result<Option<Digest>, Error> {
    let sql = "DELETE FROM first_seen WHERE release = $1 RETURNING digest";
    let Some(row) = write.link().first(sql, values![release]).await? else { return Ok(None) };
    let digest: Digest = row.get(0)?;
    let sql = "INSERT INTO accepted (release, digest, write) VALUES ($1, $2, $3) \
               ON CONFLICT (release) DO UPDATE SET digest = excluded.digest, write = excluded.write";
    write.link().run(sql, values![release, digest, write.number]).await?;
    Ok(Some(digest))
}

/// Finds what a release was when it was accepted last.
pub async fn find_accepted(link: Link<'_>, release: &str) -> Result<Option<Accepted>, Error> {
    let sql = "SELECT release, digest FROM accepted WHERE release = $1";
    link.first(sql, values![release]).await?.map(|row| read_accepted(&row)).transpose()
}

/// Lists what was accepted after a write.
pub async fn list_accepted(link: Link<'_>, write: u64) -> Result<Vec<Accepted>, Error> {
    let sql = "SELECT release, digest FROM accepted WHERE write > $1 ORDER BY write";
    link.all(sql, values![write]).await?.iter().map(read_accepted).collect()
}

fn read(row: &Row) -> Result<First, Error> {
    let (release, digest, seen_at) = (row.get(0)?, row.get(1)?, row.get(4)?);
    Ok(First { release, digest, testimony: row.find(2)?, rival: row.find(3)?, seen_at })
}

fn read_accepted(row: &Row) -> Result<Accepted, Error> {
    Ok(Accepted { release: row.get(0)?, digest: row.get(1)? })
}
