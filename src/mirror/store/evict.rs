//! Keeping within the budget: what was asked for longest ago goes first, what is pinned never.
//!
//! Two things end an entry's content: its row is removed, then the file of a content that no row refers to any more
//! ([`sweep`]). Between the two, another process may refer to it again; so the file is unlinked while the index is
//! locked, and a commit puts its file in place while the index is locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::content::Content;
use super::error::Error;
use super::rows;
use super::values::{Blob, Count};
use super::writer::Totals;
use crate::base::digest::Digest;
use crate::base::fs;

/// How many entries are removed in one transaction, so that other writes come in between.
const BATCH: usize = 64;
/// How many remembered absences are too many: names that do not exist cost upstreams little to deny.
const ABSENCES: u64 = 100_000;
/// How many entries with content are too many: their rows take room that no budget counts, and a tree of files has as
/// many names as a client makes up.
const ENTRIES: u64 = 4_000_000;
/// The share of the budget that is freed beyond it when it is exceeded, so that not every fill evicts.
const SLACK: u64 = 64;
/// The share of the file system that is left free for the index, up to [`MARGIN_MAX`] bytes.
const MARGIN: u64 = 64;
const MARGIN_MAX: u64 = 64 << 20;

/// Room in the store that is taken until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: u64,
    taken: Arc<AtomicU64>,
}

impl Reservation {
    fn new(bytes: u64, taken: &Arc<AtomicU64>) -> Self {
        taken.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, taken: Arc::clone(taken) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Removes at most so many entries, those that were asked for longest ago, and returns their keys.
type RemoveOldest = fn(&Connection, u64) -> Result<Vec<Arc<str>>, Error>;

impl Store {
    /// Makes room for a body of `bytes`, as far as its length is known, evicting what was asked for longest ago.
    ///
    /// # Errors
    /// [`Error::Full`]: it does not fit, whatever is evicted.
    pub async fn reserve(&self, bytes: u64) -> Result<Reservation, Error> {
        if bytes > self.0.settings.max_bytes {
            return Err(Error::Full);
        }
        let reservation = Reservation::new(bytes, &self.0.reserved);
        if self.missing(bytes, 0)? > 0 {
            self.make_room(bytes, 0).await?;
        }
        Ok(reservation)
    }

    /// Evicts until the budget is kept with something to spare, and until absences are not too many.
    pub(super) async fn keep_budget(&self) -> Result<(), Error> {
        if self.missing(0, 0)? > 0 {
            match self.make_room(0, self.0.settings.max_bytes / SLACK).await {
                // All that is left is pinned: nothing more can be done, and fills are told so.
                Ok(()) | Err(Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_surplus(|totals| totals.absences.saturating_sub(ABSENCES), oldest_absences).await?;
        let entries = |totals: Totals| totals.entries.saturating_sub(totals.absences).saturating_sub(ENTRIES);
        self.remove_surplus(entries, oldest_entries).await
    }

    /// Removes what there are too many of, a batch at a time.
    async fn remove_surplus(&self, surplus: impl Fn(Totals) -> u64, remove: RemoveOldest) -> Result<(), Error> {
        loop {
            let surplus = surplus(self.totals());
            // Of what is pinned there may be any number.
            if surplus == 0 || self.remove_by(move |connection| remove(connection, surplus)).await?.is_empty() {
                return Ok(());
            }
        }
    }

    /// Tells how many bytes must go so that a body of `bytes` fits and `slack` stays free.
    fn missing(&self, bytes: u64, slack: u64) -> Result<u64, Error> {
        let taken = self.totals().bytes + self.0.reserved.load(Ordering::Relaxed) + slack;
        let space = fs::space(&self.0.directory)?;
        let margin = (space.total / MARGIN).min(MARGIN_MAX);
        Ok(taken.saturating_sub(self.0.settings.max_bytes).max((bytes + margin).saturating_sub(space.free)))
    }

    async fn make_room(&self, bytes: u64, slack: u64) -> Result<(), Error> {
        // One at a time: others would evict for a lack that this one is about to end.
        let _alone = self.0.evicting.lock().await;
        self.flush_marks().await?;
        let mut missing = self.missing(bytes, slack)?;
        while missing > 0 {
            let (keys, freed) =
                self.remove_and(move |connection| oldest(connection, missing), |(keys, _)| keys).await?;
            if keys.is_empty() {
                return Err(Error::Full);
            }
            // Counted by rows, not by what the disk says: a file that is being read frees its space only later.
            missing = missing.saturating_sub(freed);
            tracing::debug!(entries = keys.len(), freed, missing, "entries evicted");
        }
        Ok(())
    }

    /// Removes entries, and then the content that nobody refers to any more. Returns the entries' keys.
    pub(super) async fn remove_by(
        &self,
        remove: impl FnOnce(&Connection) -> Result<Vec<Arc<str>>, Error> + Send + 'static,
    ) -> Result<Vec<Arc<str>>, Error> {
        self.remove_and(remove, |keys| keys).await
    }

    /// Does what removes entries among other things, and then removes the content that nobody refers to any more. `keys`
    /// finds the removed entries' keys in what is done.
    pub(super) async fn remove_and<T: Send + 'static>(
        &self,
        remove: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        keys: fn(&T) -> &Vec<Arc<str>>,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.0.shared);
        let forget = move |removed: &T| keys(removed).iter().for_each(|key| shared.hot.forget(key));
        let removed = self.0.writer.write(remove, forget).await?;
        if !keys(&removed).is_empty() {
            self.sweep().await?;
        }
        Ok(removed)
    }

    /// Removes the files of content that nobody refers to any more.
    pub(super) async fn sweep(&self) -> Result<(), Error> {
        let content = self.0.content.clone();
        self.0.writer.alone(move |connection| sweep(connection, &content)).await
    }
}

/// Removes the entries with content that were asked for longest ago, until `bytes` will be free or [`BATCH`] are gone.
/// Returns their keys, and how many bytes will be free.
fn oldest(connection: &Connection, bytes: u64) -> Result<(Vec<Arc<str>>, u64), Error> {
    let mut remove = connection.prepare_cached(
        "DELETE FROM entries WHERE id =
            (SELECT id FROM entries WHERE pinned = 0 AND digest IS NOT NULL ORDER BY last_used LIMIT 1)
        RETURNING key, digest",
    )?;
    let mut size = connection.prepare_cached("SELECT size FROM contents WHERE digest = ?1 AND refs = 0")?;
    let (mut keys, mut freed) = (Vec::new(), 0);
    while freed < bytes && keys.len() < BATCH {
        let removed = remove.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some::<(Arc<str>, Blob)>((key, digest)) = removed else { break };
        // Content that other entries share stays.
        freed += size.query_row([digest], |row| row.get(0)).optional()?.map_or(0, |Count(size)| size);
        keys.push(key);
    }
    Ok((keys, freed))
}

/// Removes the `count` absences that were asked for longest ago, at most [`BATCH`], and returns their keys.
pub(super) fn oldest_absences(connection: &Connection, count: u64) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries WHERE id IN
        (SELECT id FROM entries WHERE digest IS NULL ORDER BY last_used LIMIT ?1) RETURNING key";
    rows::removed(connection, sql, [Count(count.min(BATCH as u64))])
}

/// Removes the `count` entries with content that were asked for longest ago, at most [`BATCH`], and returns their keys.
pub(super) fn oldest_entries(connection: &Connection, count: u64) -> Result<Vec<Arc<str>>, Error> {
    let sql = "DELETE FROM entries WHERE id IN
        (SELECT id FROM entries WHERE pinned = 0 AND digest IS NOT NULL ORDER BY last_used LIMIT ?1) RETURNING key";
    rows::removed(connection, sql, [Count(count.min(BATCH as u64))])
}

/// Removes the files of content that no entry refers to.
///
/// First the content is marked, in a transaction that is made to reach the disk, and the removal of its entries before
/// it: after a power cut no row may come back that points at a file that is gone.
fn sweep(connection: &Connection, content: &Content) -> Result<(), Error> {
    if !has_unreferenced(connection)? {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    let marked = in_transaction(connection, |connection| {
        Ok(connection.execute("UPDATE contents SET doomed = 1 WHERE refs = 0", []).map(drop)?)
    });
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    marked?;
    in_transaction(connection, |connection| unlink(connection, content))
}

fn has_unreferenced(connection: &Connection) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM contents WHERE refs = 0)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn unlink(connection: &Connection, content: &Content) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("DELETE FROM contents WHERE refs = 0 AND doomed = 1 RETURNING digest")?;
    let doomed = statement.query_map([], |row| row.get::<_, Blob>(0))?.collect::<Result<Vec<_>, _>>()?;
    for Blob(digest) in doomed {
        content.remove(digest)?;
    }
    Ok(())
}

/// Removes files from the content tree that no row knows of: a process ended between file and row.
pub(super) fn remove_orphans(connection: &Connection, content: &Content, files: &[Digest]) -> Result<usize, Error> {
    in_transaction(connection, |connection| {
        let mut statement = connection.prepare_cached("SELECT 1 FROM contents WHERE digest = ?1")?;
        let mut removed = 0;
        for &digest in files {
            if !statement.exists(params![Blob(digest)])? {
                content.remove(digest)?;
                removed += 1;
            }
        }
        Ok(removed)
    })
}

fn in_transaction<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = work(connection);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    if !connection.is_autocommit() {
        connection.execute_batch(end)?;
    }
    done
}
