//! How far the database has come, as far as this node knows: asked anew at most every half second, and at once after a
//! write of its own. What is held in memory is good for as long as its head has not moved; so every node sees each
//! other's blocks and revocations within a second, and asks next to nothing while nothing happens.
//!
//! While the database does not answer, what was last known stands for a time of grace: a mirror goes on serving what it
//! has, to whom it knows, and nobody waits. Nothing is written meanwhile. After that nobody can say any more what is
//! blocked or revoked, and nothing is served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::db::{Database, Heads};
use super::error::Error;

/// How old an answer may be: half of the second within which all nodes must know.
const OLDEST: Duration = Duration::from_millis(500);

/// How long an answer is waited for where the last one may stand in for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last answer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Known>);

struct Known {
    last: ArcSwapOption<Beat>,
    /// Why the last one who asked was told nothing, and when: who waits behind it is not to wait as long.
    failed: ArcSwapOption<(Instant, Error)>,
    /// Held by whoever asks: one at a time, the others take its answer.
    turn: Arc<Mutex<()>>,
    grace: Duration,
    /// Told whenever an answer shows that packages have changed: the number of the last change.
    changes: watch::Sender<u64>,
}

/// An answer, and when it was asked for.
struct Beat {
    asked_at: Instant,
    heads: Heads,
}

// === impl Pulse ===

impl Pulse {
    /// `grace`: how long the last answer stands while there is no other.
    pub(super) fn new(grace: Duration) -> Self {
        let (last, failed) = (ArcSwapOption::empty(), ArcSwapOption::empty());
        Self(Arc::new(Known { last, failed, turn: Arc::default(), changes: watch::Sender::default(), grace }))
    }

    /// Returns the heads as they were at most half a second ago; while the database does not answer, as they were last
    /// known. While that is known, no database is asked.
    ///
    /// # Errors
    /// The database's: what has not been known to be so for longer than the time of grace, is not taken for it.
    pub(super) async fn heads(&self, database: &Database) -> Result<Heads, Error> {
        if let Some(heads) = self.0.no_older_than(OLDEST) {
            return Ok(heads);
        }
        let failed = self.0.failed.load_full();
        match (failed, self.0.no_older_than(self.0.grace)) {
            // Nobody waits for a database that is down: it is asked beside.
            (Some(failed), Some(heads)) => {
                if failed.0.elapsed() >= OLDEST {
                    self.ask_beside(database);
                }
                Ok(heads)
            }
            (None, Some(heads)) => {
                let asked = timeout(PATIENCE, self.ask_in_turn(database, Some(PATIENCE))).await;
                Ok(asked.map_or(heads, |asked| asked.unwrap_or(heads)))
            }
            (_, None) => self.ask_in_turn(database, None).await,
        }
    }

    /// Asks at once, after a write of our own. The write is done, whether there is an answer or not.
    pub(super) async fn refresh(&self, database: &Database) {
        // Whoever is asking now may have asked before the write: its answer is replaced by ours.
        let _turn = self.0.turn.lock().await;
        // Without an answer, what was known before stands like after any fault, for the time of grace at most.
        let _ = self.0.ask(database, Some(PATIENCE)).await;
    }

    /// Listens for changes of packages that this node gets to know of.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    async fn ask_in_turn(&self, database: &Database, patience: Option<Duration>) -> Result<Heads, Error> {
        let _turn = self.0.turn.lock().await;
        if let Some(heads) = self.0.no_older_than(OLDEST) {
            return Ok(heads);
        }
        match self.0.failed.load_full().filter(|failed| failed.0.elapsed() < OLDEST) {
            Some(failed) => Err(failed.1.clone()),
            None => self.0.ask(database, patience).await,
        }
    }

    fn ask_beside(&self, database: &Database) {
        let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() else { return };
        let (known, database) = (Arc::clone(&self.0), database.clone());
        tokio::spawn(async move {
            let _turn = turn;
            // Whether there is an answer is noted for who asks next.
            let _ = known.ask(&database, None).await;
        });
    }
}

// === impl Known ===

impl Known {
    async fn ask(&self, database: &Database, patience: Option<Duration>) -> Result<Heads, Error> {
        let asked_at = Instant::now();
        let asked = match patience {
            None => database.heads().await,
            Some(patience) => timeout(patience, database.heads()).await.unwrap_or_else(|late| Err(Error::late(late))),
        };
        match &asked {
            Ok(heads) => {
                self.changes.send_if_modified(|known| heads.changes > std::mem::replace(known, heads.changes));
                self.last.store(Some(Beat { asked_at, heads: *heads }.into()));
                if self.failed.swap(None).is_some() {
                    tracing::info!("the overlay's database answers again");
                }
            }
            Err(error) => {
                if self.failed.swap(Some(Arc::new((Instant::now(), error.clone())))).is_none() {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        grace_seconds = self.grace.as_secs(),
                        "the overlay's database does not answer: what was last known stands",
                    );
                }
            }
        }
        asked
    }

    fn no_older_than(&self, age: Duration) -> Option<Heads> {
        let last = self.last.load();
        last.as_ref().filter(|beat| beat.asked_at.elapsed() < age).map(|beat| beat.heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a database that answers, and what makes it answer no more.
    async fn database() -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("overlay.sqlite");
        (directory, Database::open(&format!("sqlite:{}", file.display())).await.unwrap())
    }

    /// Waits until the last answer is too old to be taken without asking.
    async fn grown_old() {
        tokio::time::sleep(OLDEST + Duration::from_millis(20)).await;
    }

    #[tokio::test]
    async fn what_was_known_stands_for_a_while_when_the_database_is_gone() {
        let (_directory, database) = database().await;
        let (patient, strict) = (Pulse::new(Duration::from_secs(3600)), Pulse::new(Duration::ZERO));
        let known = patient.heads(&database).await.unwrap();
        assert_eq!(strict.heads(&database).await.unwrap(), known);
        database.close().await.unwrap();
        grown_old().await;
        for _ in 0..3 {
            assert_eq!(patient.heads(&database).await.unwrap(), known);
            assert!(strict.heads(&database).await.is_err());
        }
        assert!(Pulse::new(Duration::from_secs(3600)).heads(&database).await.is_err(), "nothing was ever known");
    }

    #[tokio::test]
    async fn a_database_that_comes_back_is_heard_without_anybody_waiting() {
        let ((_gone_directory, gone), (_directory, database)) = (database().await, database().await);
        let pulse = Pulse::new(Duration::from_secs(3600));
        pulse.heads(&gone).await.unwrap();
        gone.close().await.unwrap();
        grown_old().await;
        pulse.heads(&gone).await.unwrap();
        assert!(pulse.0.failed.load().is_some());
        for _ in 0..100 {
            pulse.heads(&database).await.unwrap();
            if pulse.0.failed.load().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the database was not asked again");
    }
}
