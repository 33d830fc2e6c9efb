//! How far the database has come, as far as this node knows: asked anew at most every half second, and at once after a
//! write of its own. What is held in memory is good for as long as its head has not moved; so every node sees each
//! other's blocks and revocations within a second, and asks next to nothing while nothing happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::db::{Database, Heads};
use super::error::Error;

/// How old an answer may be: half of the second within which all nodes must know.
const OLDEST: Duration = Duration::from_millis(500);

/// The last answer.
#[derive(Default)]
pub(super) struct Pulse {
    last: ArcSwapOption<Beat>,
    /// Why the last one who asked was told nothing, and when: who waits behind it is not to wait as long.
    failed: ArcSwapOption<(Instant, Error)>,
    /// Held by whoever asks: one at a time, the others take its answer.
    turn: Mutex<()>,
}

/// An answer, and when it was asked for.
struct Beat {
    asked_at: Instant,
    heads: Heads,
}

// === impl Pulse ===

impl Pulse {
    /// Returns the heads as they were at most half a second ago. While that is known, no database is asked.
    ///
    /// # Errors
    /// The database's: what cannot be known to be still so, is not taken for it.
    pub(super) async fn heads(&self, database: &Database) -> Result<Heads, Error> {
        if let Some(heads) = self.recent() {
            return Ok(heads);
        }
        let _turn = self.turn.lock().await;
        if let Some(heads) = self.recent() {
            return Ok(heads);
        }
        if let Some(failed) = self.failed.load_full().filter(|failed| failed.0.elapsed() < OLDEST) {
            return Err(failed.1.clone());
        }
        let asked = self.ask(database).await;
        self.failed.store(asked.as_ref().err().map(|error| Arc::new((Instant::now(), error.clone()))));
        asked
    }

    /// Asks at once, after a write of our own. The write is done, whether there is an answer or not: without one, the next
    /// who wants to know asks again.
    pub(super) async fn refresh(&self, database: &Database) {
        // Whoever is asking now may have asked before the write: its answer is replaced by ours.
        let _turn = self.turn.lock().await;
        if self.ask(database).await.is_err() {
            self.last.store(None);
        }
    }

    async fn ask(&self, database: &Database) -> Result<Heads, Error> {
        let asked_at = Instant::now();
        let heads = database.heads().await?;
        self.last.store(Some(Beat { asked_at, heads }.into()));
        Ok(heads)
    }

    fn recent(&self) -> Option<Heads> {
        let last = self.last.load();
        last.as_ref().filter(|beat| beat.asked_at.elapsed() < OLDEST).map(|beat| beat.heads)
    }
}
