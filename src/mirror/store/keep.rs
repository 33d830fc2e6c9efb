//! Keeping entries, changing them, removing them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use rusqlite::Connection;

use super::content::Content;
use super::entry::{Backing, Draft, Entry, Held, HeldLimits, Http};
use super::error::Error;
use super::fitness::Deed;
use super::rows::Stamp;
use super::{Inner, Store, blocking, rows};
use crate::base::digest::Digest;
use crate::base::fs::{Slice, Temp};
use crate::mirror::crash::{self, Step};

/// The share of the hot tier that one entry's segments may take.
const ENTRY_SHARE: u64 = 16;

/// Entries of a mount that are removed in one transaction, when all are: others write between two.
pub(super) const PURGED_AT_ONCE: u64 = 1000;

/// What a commit has at hand when it comes to the index.
struct Pending {
    draft: Draft,
    /// With its digest and its length in bytes.
    file: Option<(Temp, Digest, u64)>,
    held: Held,
}

impl Store {
    /// Makes an empty temporary file for a fill.
    ///
    /// # Errors
    /// The system's.
    pub fn temp(&self) -> io::Result<Temp> {
        self.0.run.temp().inspect_err(|error| {
            self.0.shared.fitness.failed(Deed::Write, &io::Error::from(error.kind()).into());
        })
    }

    /// Keeps an entry, in place of the one of the same key. `content` is a file that has been proved, its digest and
    /// its length in bytes; none for an absence.
    ///
    /// When it cannot be kept, because the disk is full, the index fails or the store is being closed, that is logged and
    /// the entry is returned all the same ([`Entry::is_kept`] tells): it lasts as long as somebody holds it.
    ///
    /// # Errors
    /// [`Error::Io`]: the temporary file cannot be read back.
    pub async fn commit(&self, draft: Draft, content: Option<(Temp, Digest, u64)>) -> Result<Arc<Entry>, Error> {
        let draft = draft.ordered();
        let loose = content.as_ref().map(|(temp, digest, size)| (temp.slice(*size), *digest));
        match self.keep(draft.clone(), content).await {
            Err(error) => {
                tracing::warn!(key = &*draft.key, error = &error as &dyn std::error::Error, "served, not kept");
                self.loose(draft, loose).await
            }
            kept => kept,
        }
    }

    async fn keep(&self, draft: Draft, file: Option<(Temp, Digest, u64)>) -> Result<Arc<Entry>, Error> {
        let limits = self.0.held_limits();
        self.0.unsynced.fetch_or(file.is_some(), Ordering::Relaxed);
        let pending = blocking(move || Pending::prepare(draft, file, limits)).await?;
        let (inner, stamp, shared) = (Arc::clone(&self.0), self.0.stamp(), Arc::clone(&self.0.shared));
        // Looked at by the writer: after `close` has had it sweep, nothing is written that the last sync might miss.
        let write = move |connection: &Connection| {
            let is_open = !inner.closing.load(Ordering::Relaxed);
            is_open.then(|| pending.write(connection, inner.content.clone(), &stamp)).transpose()
        };
        let after = move |entry: &Option<Arc<Entry>>| {
            if let Some(entry) = entry {
                crash::reach(Step::Committed);
                shared.hot.replace(entry);
            }
        };
        self.0.writer.write(write, after).await?.ok_or(Error::Closed)
    }

    /// Makes an entry of proved content that is not kept, because there is no room for it: it lasts as long as somebody
    /// holds it.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn hold(&self, draft: Draft, content: (Temp, Digest, u64)) -> Result<Arc<Entry>, Error> {
        let (temp, digest, size) = content;
        self.loose(draft.ordered(), Some((temp.slice(size), digest))).await
    }

    async fn loose(&self, draft: Draft, content: Option<(Slice, Digest)>) -> Result<Arc<Entry>, Error> {
        let limits = self.0.held_limits();
        blocking(move || {
            let Some((slice, digest)) = content else {
                return Ok(Arc::new(Entry::new(draft, None, Held::default(), Backing::Nothing)));
            };
            let held = Held::read(&slice, &draft.segments, limits)?;
            let content = Some((digest, slice.length));
            Ok(Arc::new(Entry::new(draft, content, held, Backing::Loose(slice))))
        })
        .await
    }

    /// Notes that upstream has confirmed an entry; its content is not touched. `None` when it is not there any more.
    /// What cannot be written down, because the disk is full or the index fails, is logged and known in memory only.
    ///
    /// # Errors
    /// SQLite's or the system's: the entry cannot be read.
    pub async fn refresh(&self, key: &str, http: Http, validated_at: SystemTime) -> Result<Option<Arc<Entry>>, Error> {
        let (name, newer) = (key.to_owned(), http.clone());
        let write = move |connection: &Connection| rows::refresh(connection, &name, &newer, validated_at);
        let newer = http.clone();
        match self.change(key, write, move |held| held.refreshed(newer, validated_at)).await {
            Ok(true) => self.find(key).await,
            Ok(false) => Ok(None),
            Err(error) => {
                tracing::warn!(key, error = &error as &dyn std::error::Error, "confirmed, not written down");
                let Some(held) = self.find(key).await? else { return Ok(None) };
                let entry = Arc::new(held.refreshed(http, validated_at));
                self.0.shared.hot.replace(&entry);
                Ok(Some(entry))
            }
        }
    }

    /// Changes an entry in the index, where `write` tells whether there is one, and then in memory.
    pub(super) async fn change(
        &self,
        key: &str,
        write: impl FnOnce(&Connection) -> Result<bool, Error> + Send + 'static,
        change: impl FnOnce(&Entry) -> Entry + Send + 'static,
    ) -> Result<bool, Error> {
        let (shared, key) = (Arc::clone(&self.0.shared), key.to_owned());
        let after = move |found: &bool| shared.hot.change(&key, |held| found.then(|| change(held)));
        self.0.writer.write(write, after).await
    }

    /// Removes an entry. `false` when there was none.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        let key = key.to_owned();
        Ok(!self.remove_by(move |connection| rows::remove(connection, &key)).await?.is_empty())
    }

    /// Removes what was asked for longest ago of a package, but for `keep` entries and what is pinned.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn trim_package(&self, mount: &str, package: &str, keep: u64) -> Result<(), Error> {
        let (mount, package) = (mount.to_owned(), package.to_owned());
        self.remove_by(move |connection| rows::trim_package(connection, &mount, &package, keep)).await.map(drop)
    }

    /// Removes an entry and all that was made of it, pinned or not, and returns how many entries that were.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn purge_key(&self, key: &str) -> Result<u64, Error> {
        let key = key.to_owned();
        Ok(self.remove_by(move |connection| rows::remove_with_forms(connection, &key)).await?.len() as u64)
    }

    /// Removes what of a package was held to a digest, which is not to be held to any longer. Tells whether there was any.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn remove_held(&self, mount: &str, package: &str, digest: Digest) -> Result<bool, Error> {
        let (mount, package) = (mount.to_owned(), package.to_owned());
        let remove = move |connection: &Connection| rows::remove_held(connection, &mount, &package, digest);
        Ok(!self.remove_by(remove).await?.is_empty())
    }

    /// Removes everything of a package, pinned or not, and returns how many entries that were.
    ///
    /// # Errors
    /// SQLite's or the system's.
    pub async fn purge_package(&self, mount: &str, package: &str) -> Result<u64, Error> {
        let (mount, package) = (mount.to_owned(), package.to_owned());
        let keys = self.remove_by(move |connection| rows::remove_package(connection, &mount, &package)).await?;
        Ok(keys.len() as u64)
    }

    /// Removes everything of a mount, pinned or not, and returns how many entries that were. Others write meanwhile.
    ///
    /// # Errors
    /// SQLite's or the system's: some may be removed already.
    pub async fn purge_mount(&self, mount: &str) -> Result<u64, Error> {
        let mut purged = 0;
        loop {
            let mount = mount.to_owned();
            let keys = self.remove_by(move |connection| rows::remove_mount(connection, &mount, PURGED_AT_ONCE)).await?;
            purged += keys.len() as u64;
            if (keys.len() as u64) < PURGED_AT_ONCE {
                return Ok(purged);
            }
        }
    }
}

impl Inner {
    pub(super) fn held_limits(&self) -> HeldLimits {
        HeldLimits { object: self.settings.hot_object_bytes, entry: self.settings.hot_bytes / ENTRY_SHARE }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { run: self.run.name().to_owned(), now: self.clock.now() }
    }
}

impl Draft {
    /// Orders the segments as [`Entry::segment`] expects them.
    fn ordered(mut self) -> Self {
        self.segments.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        self
    }
}

impl Pending {
    /// Reads the parts of the file that are to lie in memory. Blocks.
    fn prepare(draft: Draft, file: Option<(Temp, Digest, u64)>, limits: HeldLimits) -> Result<Self, Error> {
        let held = match &file {
            None => Held::default(),
            Some((temp, _, size)) => Held::read(&temp.slice(*size), &draft.segments, limits)?,
        };
        Ok(Self { draft, file, held })
    }

    /// Puts the file in its place, then writes the row: both while the index is locked, so that no other process
    /// removes the one before it sees the other.
    fn write(self, connection: &Connection, content: Content, stamp: &Stamp) -> Result<Arc<Entry>, Error> {
        let Self { mut draft, file, held } = self;
        let stored = file.as_ref().map(|(_, digest, size)| (*digest, *size));
        if let Some((temp, digest, _)) = file {
            content.put(temp, digest)?;
            crash::reach(Step::ContentInPlace);
        }
        draft.pinned = rows::put(connection, &draft, stored, stamp)?;
        crash::reach(Step::RowWritten);
        Ok(Arc::new(Entry::new(draft, stored, held, Backing::Kept(content))))
    }
}
