//! Finding entries: in memory, else by the index. Content that is damaged is dropped here, and fetched again by whoever
//! asked.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::content::{Condition, tells_of_damage};
use super::entry::{Backing, Entry, Held};
use super::error::Error;
use super::fitness::Deed;
use super::rows::{self, Found, Stored};
use super::values::{Blob, Count};
use super::{Inner, Store, blocking};
use crate::base::digest::Digest;

/// What reading an entry from disk has shown.
enum Loaded {
    Entry(Arc<Entry>),
    Absent,
    /// The row makes no sense, for instance since another version wrote it.
    Senseless,
    /// The content must be hashed before it is used.
    Suspect(Digest),
    /// The content is missing, or too short.
    Missing(Digest),
}

impl Store {
    /// Finds an entry in memory. No I/O, and no lock that another hit holds.
    pub fn find_hot(&self, key: &str) -> Option<Arc<Entry>> {
        let found = self.0.shared.hot.find(key)?;
        self.0.hits.inc();
        Some(found)
    }

    /// Finds an entry in memory, else on disk. One whose content is damaged is dropped and not found.
    ///
    /// # Errors
    /// SQLite's or the system's: nothing can be read. What cannot be written meanwhile is only logged.
    pub async fn find(&self, key: &str) -> Result<Option<Arc<Entry>>, Error> {
        if let Some(entry) = self.find_hot(key) {
            return Ok(Some(entry));
        }
        // Counted here only: who has looked in memory first comes here next.
        self.0.misses.inc();
        match self.load(key, false).await? {
            Loaded::Entry(entry) => Ok(Some(entry)),
            Loaded::Absent => Ok(None),
            Loaded::Senseless => {
                note(self.remove(key).await.map(drop));
                Ok(None)
            }
            Loaded::Suspect(digest) => self.find_suspect(key, digest).await,
            Loaded::Missing(digest) => {
                note(self.drop_missing(digest).await);
                self.find_again(key).await
            }
        }
    }

    /// Lists the keys of content that start with `prefix`, what was asked for last at the end.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn keys_below(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let prefix = prefix.to_owned();
        self.read(move |connection| rows::keys_below(connection, &prefix)).await
    }

    /// Removes an entry whose content has turned out to be missing ([`Error::Broken`]), and all others with that
    /// content.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn drop_broken(&self, entry: &Entry) -> Result<(), Error> {
        let Some(digest) = entry.digest else { return Ok(()) };
        self.drop_missing(digest).await
    }

    /// Hashes a content before its first use. Who comes meanwhile waits, and finds it done.
    async fn find_suspect(&self, key: &str, digest: Digest) -> Result<Option<Arc<Entry>>, Error> {
        let _turn = self.0.hashing.turn(&digest.to_hex()).await;
        if let Loaded::Entry(entry) = self.load(key, false).await? {
            return Ok(Some(entry));
        }
        match self.examine(digest).await? {
            Condition::Intact => note(self.mark_hashed(digest).await),
            Condition::Broken => {
                let dropped = self.drop_damaged(digest).await;
                if dropped.is_err() {
                    note(dropped);
                    // The row is still there, and must not be believed.
                    return Ok(None);
                }
            }
            Condition::Stopped => return Err(Error::Closed),
        }
        self.find_again(key).await
    }

    /// Looks once more after content has been hashed or dropped: meanwhile somebody may have written another. What is
    /// still in doubt then is not found.
    async fn find_again(&self, key: &str) -> Result<Option<Arc<Entry>>, Error> {
        match self.load(key, true).await? {
            Loaded::Entry(entry) => Ok(Some(entry)),
            Loaded::Absent | Loaded::Senseless | Loaded::Suspect(_) | Loaded::Missing(_) => Ok(None),
        }
    }

    async fn load(&self, key: &str, trusted: bool) -> Result<Loaded, Error> {
        let (inner, key) = (Arc::clone(&self.0), key.to_owned());
        let loaded = blocking(move || inner.load(&key, trusted)).await;
        loaded.inspect_err(|error| self.0.shared.fitness.failed(Deed::Read, error))
    }

    /// Hashes a content again, off the async threads.
    pub(super) async fn examine(&self, digest: Digest) -> Result<Condition, Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || Ok(inner.content.examine(digest, &inner.closing)?)).await
    }

    /// Remembers that a content is intact.
    pub(super) async fn mark_hashed(&self, digest: Digest) -> Result<(), Error> {
        let stamp = self.0.stamp();
        self.0.writer.write(move |connection| rows::mark_hashed(connection, digest, &stamp), |()| {}).await
    }

    /// Drops every entry of a content that was hashed and is not what it was.
    pub(super) async fn drop_damaged(&self, digest: Digest) -> Result<(), Error> {
        let keys = self.remove_by(move |connection| rows::remove_content(connection, digest)).await?;
        warn_dropped(digest, &keys);
        Ok(())
    }

    /// Drops every entry of a content that is missing, if it still is while nobody else writes.
    async fn drop_missing(&self, digest: Digest) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        let remove = move |connection: &Connection| {
            let missing = inner.is_missing(connection, digest)?;
            if missing { rows::remove_content(connection, digest) } else { Ok(Vec::new()) }
        };
        let keys = self.remove_by(remove).await?;
        warn_dropped(digest, &keys);
        Ok(())
    }
}

impl Inner {
    /// Reads an entry from disk; `trusted` when its content has just been hashed. Blocks.
    fn load(&self, key: &str, trusted: bool) -> Result<Loaded, Error> {
        let ticket = self.shared.hot.ticket(key);
        let found = match self.readers.read(|connection| rows::find(connection, key)) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Loaded::Absent),
            Err(Error::Row(error)) => {
                tracing::warn!(key, error = &*error as &dyn std::error::Error, "row dropped that makes no sense");
                return Ok(Loaded::Senseless);
            }
            Err(error) => return Err(error),
        };
        let loaded = self.build(found, trusted)?;
        if let Loaded::Entry(entry) = &loaded {
            entry.mark_used();
            self.shared.hot.offer(entry, ticket);
        }
        Ok(loaded)
    }

    fn build(&self, found: Found, trusted: bool) -> Result<Loaded, Error> {
        let backing = Backing::Kept(self.content.clone());
        let Some(Stored { digest, size, run }) = found.content else {
            return Ok(Loaded::Entry(Arc::new(Entry::new(found.draft, None, Held::default(), backing))));
        };
        if !trusted && self.suspects.contain(&run) {
            return Ok(Loaded::Suspect(digest));
        }
        let Some(slice) = self.content.open(digest, size)? else { return Ok(Loaded::Missing(digest)) };
        match Held::read(&slice, &found.draft.segments, self.held_limits()) {
            Ok(held) => Ok(Loaded::Entry(Arc::new(Entry::new(found.draft, Some((digest, size)), held, backing)))),
            // Its length was right a moment ago: only hashing tells what it is now.
            Err(error) if tells_of_damage(&error) => Ok(Loaded::Suspect(digest)),
            Err(error) => Err(error.into()),
        }
    }

    fn is_missing(&self, connection: &Connection, digest: Digest) -> Result<bool, Error> {
        let mut statement = connection.prepare_cached("SELECT size FROM contents WHERE digest = ?1")?;
        let size = statement.query_row(params![Blob(digest)], |row| row.get(0)).optional()?;
        Ok(match size {
            Some(Count(size)) => self.content.open(digest, size)?.is_none(),
            None => false,
        })
    }
}

/// Logs that what was found out could not be written down: it will be found out again.
fn note(written: Result<(), Error>) {
    if let Err(error) = written {
        tracing::warn!(error = &error as &dyn std::error::Error, "condition of content not written down");
    }
}

fn warn_dropped(digest: Digest, keys: &[Arc<str>]) {
    if let Some(first) = keys.first() {
        tracing::warn!(%digest, first = &**first, entries = keys.len(), "damaged content dropped");
    }
}
