//! Which names were published here, held in memory: what is ours is never asked upstream, and that is asked of every
//! request; and who may see those that not everybody sees. Some hundred bytes a name. Brought up to date by the feed, when its head has moved.
//!
//! A request reads one number and one part of the names, and takes no lock. Names lie in parts because a part is copied when
//! one of its names has changed: of a hundred thousand names, some four hundred.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::Listed;
use crate::overlay::db::{Database, roster as rows};
use crate::overlay::error::Error;

/// How much of the feed is read at once.
const PAGE: u64 = 1000;
const PARTS: usize = 256;

/// Names, as of a number of the feed.
pub(in crate::overlay) struct Roster {
    /// By the hash of the name.
    parts: Vec<ArcSwap<Part>>,
    hasher: RandomState,
    /// The number, and one more: nothing has been read while it is 0. Written after the parts.
    read_to: AtomicU64,
    /// Held by whoever reads the feed, and so writes the parts: one at a time.
    turn: Mutex<()>,
}

/// By mount, then name.
type Part = HashMap<Arc<str>, HashMap<Arc<str>, Listed>>;

// === impl Roster ===

impl Roster {
    /// Finds a name, as of `head` or later.
    pub(in crate::overlay) async fn find(
        &self,
        database: &Database,
        head: u64,
        mount: &str,
        name: &str,
    ) -> Result<Option<Listed>, Error> {
        if self.read_to().is_none_or(|read_to| read_to < head) {
            self.read_on(database, head).await?;
        }
        let part = self.parts[self.place(name)].load();
        Ok(part.get(mount).and_then(|names| names.get(name)).cloned())
    }

    /// Tells whether a mount has any name, as of `head` or later.
    pub(in crate::overlay) async fn has_any(&self, database: &Database, head: u64, mount: &str) -> Result<bool, Error> {
        if self.read_to().is_none_or(|read_to| read_to < head) {
            self.read_on(database, head).await?;
        }
        Ok(self.parts.iter().any(|part| part.load().get(mount).is_some_and(|names| !names.is_empty())))
    }

    fn read_to(&self) -> Option<u64> {
        self.read_to.load(Ordering::Acquire).checked_sub(1)
    }

    /// Returns the part in which a name lies.
    fn place(&self, name: &str) -> usize {
        self.hasher.hash_one(name) as usize % PARTS
    }

    async fn read_on(&self, database: &Database, head: u64) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        loop {
            let (read_to, moved) = match self.read_to() {
                Some(read_to) if read_to >= head => return Ok(()),
                Some(read_to) => rows::list_moved(database, read_to, PAGE).await?,
                None => rows::list_all(database).await?,
            };
            // There is nothing more to learn of: the head has moved without an event.
            let read_to = if self.read_to() == Some(read_to) { head } else { read_to };
            self.hold(moved);
            self.read_to.store(read_to + 1, Ordering::Release);
        }
    }

    fn hold(&self, moved: Vec<rows::Named>) {
        let mut by_place: HashMap<usize, Vec<rows::Named>> = HashMap::new();
        for named in moved {
            by_place.entry(self.place(&named.name)).or_default().push(named);
        }
        for (place, moved) in by_place {
            let mut part = Part::clone(&self.parts[place].load());
            for rows::Named { mount, name, listed } in moved {
                part.entry(mount.into()).or_default().insert(name.into(), listed);
            }
            self.parts[place].store(Arc::new(part));
        }
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            read_to: AtomicU64::new(0),
            turn: Mutex::default(),
        }
    }
}
