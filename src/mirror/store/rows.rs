//! The statements that find, write and remove entries. All of them run inside somebody's transaction.

use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::entry::{Draft, Http, Segment};
use super::error::Error;
use super::values::{Blob, Count, Millis};
use crate::base::digest::Digest;
use crate::mirror::first_seen::HELD;

const FIND: &str = "
    SELECT key, mount, package, status, entries.digest, size, run, http, proofs, source, stored_at, validated_at,
        pinned, list
    FROM entries LEFT JOIN contents USING (digest) LEFT JOIN segments ON segments.entry = entries.id
    WHERE key = ?1";

/// An entry as the index has it.
pub(super) struct Found {
    pub(super) draft: Draft,
    pub(super) content: Option<Stored>,
}

/// A content as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The run that wrote it, or was the last to hash it.
    pub(super) run: String,
}

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub(super) run: String,
    pub(super) now: SystemTime,
}

// === Finding ===

/// Finds the entry of a key.
///
/// # Errors
/// SQLite's; [`Error::Row`] when the row makes no sense.
pub(super) fn find(connection: &Connection, key: &str) -> Result<Option<Found>, Error> {
    let mut statement = connection.prepare_cached(FIND)?;
    statement.query_row([key], |row| Ok(read(row))).optional()?.transpose()
}

/// Lists the keys of entries with content that start with `prefix`, in the order of their use.
///
/// # Errors
/// SQLite's.
pub(super) fn keys_below(connection: &Connection, prefix: &str) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM entries WHERE key >= ?1 AND key < ?2 AND digest IS NOT NULL ORDER BY last_used, id",
    )?;
    let keys = statement.query_map([prefix, &format!("{prefix}{}", char::MAX)], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> Result<Found, Error> {
    let digest: Option<Blob> = row.get(4)?;
    let content = match digest {
        None => None,
        Some(Blob(digest)) => Some(Stored { digest, size: row.get::<_, Count>(5)?.0, run: row.get(6)? }),
    };
    let segments: Option<String> = row.get(13)?;
    let draft = Draft {
        key: row.get(0)?,
        mount: row.get(1)?,
        package: row.get(2)?,
        status: row.get(3)?,
        http: serde_json::from_str(&row.get::<_, String>(7)?)?,
        proofs: serde_json::from_str(&row.get::<_, String>(8)?)?,
        source: row.get::<_, Option<Blob>>(9)?.map(|blob| blob.0),
        stored_at: row.get::<_, Millis>(10)?.0,
        validated_at: row.get::<_, Millis>(11)?.0,
        pinned: row.get(12)?,
        segments: segments.map_or(Ok(Vec::new()), |list| serde_json::from_str(&list))?,
    };
    Ok(Found { draft, content })
}

// === Writing ===

/// Writes an entry over the one of the same key, as used and its content as hashed now, and returns whether it is
/// pinned.
///
/// # Errors
/// SQLite's.
pub(super) fn put(
    connection: &Connection,
    draft: &Draft,
    content: Option<(Digest, u64)>,
    stamp: &Stamp,
) -> Result<bool, Error> {
    if let Some((digest, size)) = content {
        put_content(connection, digest, size, stamp)?;
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries
            (key, mount, package, status, digest, http, proofs, source, stored_at, validated_at, last_used, pinned)
        VALUES (:key, :mount, :package, :status, :digest, :http, :proofs, :source, :stored, :validated, :now, :pinned)
        ON CONFLICT (key) DO UPDATE SET mount = excluded.mount, package = excluded.package, status = excluded.status,
            digest = excluded.digest, http = excluded.http, proofs = excluded.proofs, source = excluded.source,
            stored_at = excluded.stored_at, validated_at = excluded.validated_at, last_used = excluded.last_used,
            pinned = max(pinned, excluded.pinned)
        RETURNING id, pinned",
    )?;
    let (id, pinned) = statement.query_row(
        named_params! {
            ":key": draft.key, ":mount": draft.mount, ":package": draft.package, ":status": draft.status,
            ":digest": content.map(|(digest, _)| Blob(digest)), ":http": serde_json::to_string(&draft.http)?,
            ":proofs": serde_json::to_string(&draft.proofs)?, ":source": draft.source.map(Blob),
            ":stored": Millis(draft.stored_at), ":validated": Millis(draft.validated_at), ":now": Millis(stamp.now),
            ":pinned": draft.pinned,
        },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    put_segments(connection, id, &draft.segments)?;
    Ok(pinned)
}

fn put_content(connection: &Connection, digest: Digest, size: u64, stamp: &Stamp) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO contents (digest, size, hashed_at, run) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (digest) DO UPDATE SET hashed_at = excluded.hashed_at, run = excluded.run",
    )?;
    statement.execute(params![Blob(digest), Count(size), Millis(stamp.now), stamp.run])?;
    Ok(())
}

fn put_segments(connection: &Connection, entry: i64, segments: &[Segment]) -> Result<(), Error> {
    if segments.is_empty() {
        connection.prepare_cached("DELETE FROM segments WHERE entry = ?1")?.execute([entry])?;
    } else {
        let mut statement = connection.prepare_cached("REPLACE INTO segments (entry, list) VALUES (?1, ?2)")?;
        statement.execute(params![entry, serde_json::to_string(segments)?])?;
    }
    Ok(())
}

/// Writes newer HTTP facts of an entry; `false` when there is no such entry.
///
/// # Errors
/// SQLite's.
pub(super) fn refresh(connection: &Connection, key: &str, http: &Http, at: SystemTime) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached("UPDATE entries SET http = ?2, validated_at = ?3 WHERE key = ?1")?;
    Ok(statement.execute(params![key, serde_json::to_string(http)?, Millis(at)])? > 0)
}

/// Remembers that entries were asked for at `now`. A row is written again only when it is older than `before`: a
/// hot one would otherwise be written every few seconds.
///
/// # Errors
/// SQLite's.
pub(super) fn mark_used(
    connection: &Connection,
    keys: &[Arc<str>],
    now: SystemTime,
    before: SystemTime,
) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("UPDATE entries SET last_used = ?2 WHERE key = ?1 AND last_used < ?3")?;
    for key in keys {
        statement.execute(params![key, Millis(now), Millis(before)])?;
    }
    Ok(())
}

/// Remembers that a content was found intact.
///
/// # Errors
/// SQLite's.
pub(super) fn mark_hashed(connection: &Connection, digest: Digest, stamp: &Stamp) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("UPDATE contents SET hashed_at = ?2, run = ?3 WHERE digest = ?1")?;
    statement.execute(params![Blob(digest), Millis(stamp.now), stamp.run])?;
    Ok(())
}

// === Removing ===

/// Removes the entry of a key, and returns that key if there was one.
///
/// # Errors
/// SQLite's.
pub(super) fn remove(connection: &Connection, key: &str) -> Result<Vec<Arc<str>>, Error> {
    removed(connection, "DELETE FROM entries WHERE key = ?1 RETURNING key", params![key])
}

/// Removes the entry of a key and what was made of it, and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn remove_with_forms(connection: &Connection, key: &str) -> Result<Vec<Arc<str>>, Error> {
    // Forms lie behind a line feed (`prepare::Keys`); the character after it bounds them.
    let sql = "DELETE FROM entries WHERE key = ?1 OR (key > ?1 || char(10) AND key < ?1 || char(11)) RETURNING key";
    removed(connection, sql, params![key])
}

/// Removes the entries of a package, and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn remove_package(connection: &Connection, mount: &str, package: &str) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries WHERE mount = ?1 AND package = ?2 RETURNING key";
    removed(connection, sql, params![mount, package])
}

/// Removes some entries of a mount, and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn remove_mount(connection: &Connection, mount: &str, limit: u64) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE mount = ?1 LIMIT ?2) RETURNING key";
    removed(connection, sql, params![mount, Count(limit)])
}

/// Removes what of a package has a digest, and what was held to it: documents that had earlier words put back, and all
/// that is made of documents. Returns the keys.
///
/// # Errors
/// SQLite's.
pub(super) fn remove_held(
    connection: &Connection,
    mount: &str,
    package: &str,
    digest: Digest,
) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries
        WHERE mount = ?1 AND package = ?2 AND (digest = ?3 OR source IS NOT NULL OR instr(proofs, ?4)) RETURNING key";
    removed(connection, sql, params![mount, package, Blob(digest), HELD])
}

/// Removes the entries of a package that were asked for longest ago, but for `keep`, and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn trim_package(
    connection: &Connection,
    mount: &str,
    package: &str,
    keep: u64,
) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries WHERE id IN
        (SELECT id FROM entries WHERE mount = ?1 AND package = ?2 AND pinned = 0
        ORDER BY last_used DESC, id DESC LIMIT -1 OFFSET ?3) RETURNING key";
    removed(connection, sql, params![mount, package, Count(keep)])
}

/// Removes the entries that refer to a content, and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn remove_content(connection: &Connection, digest: Digest) -> Result<Vec<Arc<str>>, Error> {
    removed(connection, "DELETE FROM entries WHERE digest = ?1 RETURNING key", params![Blob(digest)])
}

/// Runs a statement that removes entries and returns their keys.
///
/// # Errors
/// SQLite's.
pub(super) fn removed(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Arc<str>>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(keys)
}
