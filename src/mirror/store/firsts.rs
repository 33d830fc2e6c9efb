//! What every release was when it was first proved. Survives eviction and purge: an upstream that later vouches for other
//! bytes under the same version is found out.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Error;
use super::values::{Blob, Millis};
use super::{Store, rows};
use crate::base::digest::{Digest, Integrity};
use crate::mirror::resource::Release;

/// What is remembered of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Its name: `npm/left-pad@1.0.0`.
    pub release: String,
    pub digest: Digest,
    /// What vouched for it, in its dialect's own words.
    pub testimony: Option<String>,
    /// The hashes that its document names now, where those are of other bytes.
    pub rival: Option<String>,
}

impl Store {
    /// Finds what a release was when it was first proved.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn first_seen(&self, release: &str) -> Result<Option<First>, Error> {
        let release = release.to_owned();
        self.read(move |connection| find(connection, &release)).await
    }

    /// Lists the releases whose names start with `prefix`, in no order.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn firsts(&self, prefix: &str) -> Result<Vec<First>, Error> {
        let prefix = prefix.to_owned();
        self.read(move |connection| list(connection, &prefix)).await
    }

    /// Writes down what documents say of releases now: `None` where it is what was first proved.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn note_rivals(&self, rivals: Vec<(String, Option<String>)>) -> Result<(), Error> {
        let write = move |connection: &Connection| {
            let mut statement = connection.prepare_cached("UPDATE first_seen SET rival = ?2 WHERE release = ?1")?;
            for (release, rival) in &rivals {
                statement.execute(params![release, rival])?;
            }
            Ok(())
        };
        self.0.writer.write(write, |()| {}).await
    }

    /// Remembers a digest as the first of its release, or holds it against the first.
    ///
    /// # Errors
    /// [`Error::FirstSeen`]: there was another. Else SQLite's.
    pub async fn hold_first(&self, release: Release, digest: Digest) -> Result<(), Error> {
        let now = self.0.clock.now();
        let write = move |connection: &Connection| hold(connection, &release, digest, true, now);
        self.0.writer.write(write, |()| {}).await
    }

    /// Forgets what a release was, since an operator accepts what comes next; and with it what of its package is kept that
    /// was held to it. `false` when nothing was remembered.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn accept(&self, mount: &str, package: &str, release: &str) -> Result<bool, Error> {
        let (mount, package, release) = (mount.to_owned(), package.to_owned(), release.to_owned());
        let accept = move |connection: &Connection| {
            let Some(First { digest, .. }) = find(connection, &release)? else { return Ok((false, Vec::new())) };
            forget(connection, &release)?;
            Ok((true, rows::remove_held(connection, &mount, &package, digest)?))
        };
        let (known, _) = self.remove_and(accept, |(_, keys): &(bool, Vec<Arc<str>>)| keys).await?;
        Ok(known)
    }

    /// Tells whether the content of a digest has a promised hash; `None` when it is not kept, or damaged. Blocks for as
    /// long as hashing takes.
    ///
    /// # Errors
    /// The system's.
    pub fn is_of(&self, digest: Digest, promised: &Integrity) -> io::Result<Option<bool>> {
        self.0.content.is_of(digest, promised)
    }
}

fn find(connection: &Connection, release: &str) -> Result<Option<First>, Error> {
    let sql = "SELECT release, digest, testimony, rival FROM first_seen WHERE release = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([release], read).optional()?)
}

fn list(connection: &Connection, prefix: &str) -> Result<Vec<First>, Error> {
    // Bounded from above too, by the last of all characters, so that the primary key finds them.
    let sql = "SELECT release, digest, testimony, rival FROM first_seen WHERE release >= ?1 AND release < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let firsts = statement.query_map([prefix, &format!("{prefix}{}", char::MAX)], read)?;
    Ok(firsts.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<First> {
    let Blob(digest) = row.get(1)?;
    Ok(First { release: row.get(0)?, digest, testimony: row.get(2)?, rival: row.get(3)? })
}

/// Remembers a digest as the first of its release, or holds it against the first; with `keep` unset, it becomes the
/// first whatever was there. What vouches for the first is remembered as it was said last.
///
/// # Errors
/// [`Error::FirstSeen`]: there was another. Else SQLite's.
pub(super) fn hold(
    connection: &Connection,
    release: &Release,
    digest: Digest,
    keep: bool,
    now: SystemTime,
) -> Result<(), Error> {
    let Release { name, testimony, .. } = release;
    match find(connection, name)? {
        Some(First { digest: first, .. }) if first == digest => {
            if testimony.is_some() {
                let sql = "UPDATE first_seen SET testimony = ?2 WHERE release = ?1 AND testimony IS NOT ?2";
                connection.prepare_cached(sql)?.execute(params![name, testimony])?;
            }
            Ok(())
        }
        Some(First { digest: first, .. }) if keep => Err(Error::FirstSeen { release: name.clone(), first }),
        _ => {
            let sql = "REPLACE INTO first_seen (release, digest, seen_at, testimony) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![name, Blob(digest), Millis(now), testimony])?;
            Ok(())
        }
    }
}

fn forget(connection: &Connection, release: &str) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM first_seen WHERE release = ?1")?.execute([release])?;
    Ok(())
}
