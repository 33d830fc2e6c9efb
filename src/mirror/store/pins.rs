//! What is pinned is never evicted, so there is a bound to it; and what is kept can be looked at, before it is needed.

use rusqlite::{Connection, params};

use super::Store;
use super::content::Condition;
use super::error::Error;
use super::values::Count;

/// What looking at an entry has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Its bytes are what they were when they were proved.
    Whole,
    /// They are not; the entry is dropped, so that it is fetched again.
    Damaged,
    /// There is none, or one without content.
    Missing,
}

impl Store {
    /// Pins an entry so that it is never evicted, or lets it go. `false` when there is none.
    ///
    /// # Errors
    /// [`Error::PinsFull`]: it would be too much that is pinned, and it is not. SQLite's.
    pub async fn pin(&self, key: &str, pinned: bool) -> Result<bool, Error> {
        let (name, most) = (key.to_owned(), self.0.settings.max_pinned_bytes);
        let write = move |connection: &Connection| pin(connection, &name, pinned, most);
        self.change(key, write, move |held| held.with_pin(pinned)).await
    }

    /// Returns how much is pinned, in bytes, as of the last write. What several entries share counts once.
    pub fn pinned_bytes(&self) -> u64 {
        self.totals().pinned
    }

    /// Returns how much more may be pinned, in bytes.
    pub fn room_for_pins(&self) -> u64 {
        self.0.settings.max_pinned_bytes.saturating_sub(self.pinned_bytes())
    }

    /// Hashes the content of an entry again, and drops what is damaged.
    ///
    /// # Errors
    /// SQLite's or the system's; [`Error::Closed`].
    pub async fn check(&self, key: &str) -> Result<Checked, Error> {
        let Some(digest) = self.find(key).await?.and_then(|entry| entry.digest) else { return Ok(Checked::Missing) };
        let _turn = self.0.hashing.turn(&digest.to_hex()).await;
        match self.examine(digest).await? {
            Condition::Intact => {
                self.mark_hashed(digest).await?;
                Ok(Checked::Whole)
            }
            Condition::Broken => {
                self.drop_damaged(digest).await?;
                Ok(Checked::Damaged)
            }
            Condition::Stopped => Err(Error::Closed),
        }
    }
}

/// Pins an entry, or lets it go; `false` when there is no such entry.
fn pin(connection: &Connection, key: &str, pinned: bool, most: u64) -> Result<bool, Error> {
    let before = pinned_bytes(connection)?;
    let mut statement = connection.prepare_cached("UPDATE entries SET pinned = ?2 WHERE key = ?1")?;
    let found = statement.execute(params![key, pinned])? > 0;
    let after = pinned_bytes(connection)?;
    // Undone with all else of this work. What is pinned and has grown since stays so.
    if after > before && after > most { Err(Error::PinsFull) } else { Ok(found) }
}

fn pinned_bytes(connection: &Connection) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT pinned FROM totals")?;
    Ok(statement.query_row([], |row| row.get::<_, Count>(0))?.0)
}
