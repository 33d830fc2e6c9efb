//! First digests that an older program remembered here, on their way to where they are remembered for good. The cache may
//! be deleted at any time; what was seen first may not.

use std::time::SystemTime;

use rusqlite::{Connection, Row, params};

use super::error::Error;
use super::values::{Blob, Millis};
use super::{Store, schema};
use crate::mirror::firsts::First;

/// How many are carried at once.
const PAGE: u32 = 500;

/// What was remembered of a release, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub first: First,
    pub seen_at: SystemTime,
}

impl Store {
    /// Lists some of what is still to be carried, by release, from behind `after` on; nothing when there is no more.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn old_firsts(&self, after: &str) -> Result<Vec<Carried>, Error> {
        let after = after.to_owned();
        self.read(move |connection| list(connection, &after)).await
    }

    /// Drops what has been carried, unless a program that still writes there may be running: one that gives way to this
    /// one. Then it is carried again at the next start, which changes nothing.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn drop_old_firsts(&self) -> Result<(), Error> {
        let drop = |connection: &Connection| {
            let runs: u32 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
            if runs <= 1 && schema::has_firsts(connection)? {
                schema::drop_firsts(connection)?;
            }
            Ok(())
        };
        self.0.writer.write(drop, |()| {}).await
    }

    /// Forgets what is still to be carried of a release, since an operator accepts what comes next.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn forget_old_first(&self, release: &str) -> Result<(), Error> {
        let release = release.to_owned();
        let forget = move |connection: &Connection| {
            if schema::has_firsts(connection)? {
                connection.execute("DELETE FROM first_seen WHERE release = ?1", [release])?;
            }
            Ok(())
        };
        self.0.writer.write(forget, |()| {}).await
    }
}

fn list(connection: &Connection, after: &str) -> Result<Vec<Carried>, Error> {
    if !schema::has_firsts(connection)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT release, digest, testimony, rival, seen_at FROM first_seen
        WHERE release > ?1 ORDER BY release LIMIT ?2";
    let carried = connection.prepare(sql)?.query_map(params![after, PAGE], read)?.collect::<Result<_, _>>()?;
    Ok(carried)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Carried> {
    let Blob(digest) = row.get(1)?;
    let first = First { release: row.get(0)?, digest, testimony: row.get(2)?, rival: row.get(3)? };
    let Millis(seen_at) = row.get(4)?;
    Ok(Carried { first, seen_at })
}
