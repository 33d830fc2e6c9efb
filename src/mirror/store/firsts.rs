//! The first digest of every release ever proved. Survives eviction and purge: an upstream that later vouches for other
//! bytes under the same version is found out.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::values::{Blob, Millis};
use crate::base::digest::Digest;

/// Finds the first digest of a release.
///
/// # Errors
/// SQLite's.
pub(super) fn find(connection: &Connection, release: &str) -> Result<Option<Digest>, Error> {
    let mut statement = connection.prepare_cached("SELECT digest FROM first_seen WHERE release = ?1")?;
    Ok(statement.query_row([release], |row| row.get::<_, Blob>(0)).optional()?.map(|blob| blob.0))
}

/// Remembers a digest as the first of its release, or holds it against the first; with `keep` unset, it becomes the
/// first whatever was there.
///
/// # Errors
/// [`Error::FirstSeen`]: there was another. Else SQLite's.
pub(super) fn hold(
    connection: &Connection,
    release: &str,
    digest: Digest,
    keep: bool,
    now: SystemTime,
) -> Result<(), Error> {
    match find(connection, release)? {
        Some(first) if first == digest => Ok(()),
        Some(first) if keep => Err(Error::FirstSeen { release: release.to_owned(), first }),
        _ => {
            let mut statement = connection.prepare_cached("REPLACE INTO first_seen VALUES (?1, ?2, ?3)")?;
            statement.execute(params![release, Blob(digest), Millis(now)])?;
            Ok(())
        }
    }
}

/// Forgets the first digest of a release, so that the next one proved becomes it; `false` when there was none.
///
/// # Errors
/// SQLite's.
pub(super) fn forget(connection: &Connection, release: &str) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached("DELETE FROM first_seen WHERE release = ?1")?;
    Ok(statement.execute([release])? > 0)
}
