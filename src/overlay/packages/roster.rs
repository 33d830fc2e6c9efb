//! Which names were published here, held in memory: what is ours is never asked upstream, and that is asked of every
//! request. Some hundred bytes a name. Brought up to date by the feed, when its head has moved.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::overlay::db::{Database, packages as rows};
use crate::overlay::error::Error;

/// How much of the feed is read at once.
const PAGE: u64 = 1000;

/// Names and revisions, as of a number of the feed.
#[derive(Default)]
pub(in crate::overlay) struct Roster {
    held: RwLock<Held>,
    /// Held by whoever reads the feed: one at a time.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Held {
    /// `None`: nothing has been read yet.
    read_to: Option<u64>,
    /// By mount, then name.
    revisions: HashMap<String, HashMap<String, u64>>,
}

// === impl Roster ===

impl Roster {
    /// Finds the revision of a name, as of `head` or later.
    pub(in crate::overlay) async fn find(
        &self,
        database: &Database,
        head: u64,
        mount: &str,
        name: &str,
    ) -> Result<Option<u64>, Error> {
        if self.read_to().is_none_or(|read_to| read_to < head) {
            self.read_on(database, head).await?;
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Ok(held.revisions.get(mount).and_then(|names| names.get(name)).copied())
    }

    fn read_to(&self) -> Option<u64> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).read_to
    }

    async fn read_on(&self, database: &Database, head: u64) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        loop {
            let (read_to, moved) = match self.read_to() {
                Some(read_to) if read_to >= head => return Ok(()),
                Some(read_to) => rows::list_moved(database.link(), read_to, PAGE).await?,
                None => rows::list_all(database).await?,
            };
            // Events of nothing that we know: there is nothing to learn from them.
            let read_to = if moved.is_empty() { head.max(read_to) } else { read_to };
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            held.read_to = Some(read_to);
            for (mount, name, revision) in moved {
                held.revisions.entry(mount).or_default().insert(name, revision);
            }
        }
    }
}
