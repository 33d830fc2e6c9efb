//! Room for what comes: on disk, with its share of the budget, or in memory while the disk is full. What finds no room
//! in the budget is served all the same, and not kept.

use std::io;
use std::sync::Arc;

use super::error::Error;
use super::store::{self, Draft, Entry, Reservation, Store};
use crate::base::digest::Hashed;
use crate::base::fs::Temp;

/// A body longer than this is not taken into memory when the disk is full, in bytes.
const IN_MEMORY: u64 = 64 * 1024 * 1024;

/// A place to write a body to.
pub struct Room {
    pub temp: Temp,
    /// What the body has of the store's budget; none where there was no room for it, or it was given back.
    share: Option<Reservation>,
}

impl Room {
    /// Makes room for a body of `length` bytes, if that is known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn make(store: &Store, length: Option<u64>) -> Result<Self, Error> {
        let share = match store.reserve(length.unwrap_or_default()).await {
            Ok(reservation) => Some(reservation),
            Err(store::Error::Full) => None,
            Err(error) => return Err(error.into()),
        };
        let temp = match store.temp() {
            Err(error) if is_full(&error) => Temp::in_memory(),
            made => made,
        };
        Ok(Self { temp: temp.map_err(Error::disk)?, share })
    }

    /// Appends bytes after the `written` ones that are there. Tells whether that moved the body to memory, because the
    /// disk is full.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn write(&mut self, bytes: &[u8], written: u64) -> Result<bool, Error> {
        match self.temp.write_all(bytes) {
            Ok(()) => Ok(false),
            Err(error) if is_full(&error) && written + bytes.len() as u64 <= IN_MEMORY => {
                self.move_to_memory(written).and_then(|()| self.temp.write_all(bytes)).map_err(Error::disk)?;
                Ok(true)
            }
            Err(error) => Err(Error::disk(error)),
        }
    }

    /// Gives the share of the budget back: what is written here is held for its present readers only.
    pub fn forgo(self) -> Self {
        Self { share: None, ..self }
    }

    fn move_to_memory(&mut self, written: u64) -> io::Result<()> {
        tracing::warn!("the disk is full: what is being fetched is served from memory and not kept");
        let memory = Temp::in_memory()?;
        memory.write_all(&self.temp.slice(written).read_all()?)?;
        (self.temp, self.share) = (memory, None);
        Ok(())
    }

    /// Keeps what was written and proved; where there is no room for it, holds it for its present readers.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keep(self, store: &Store, draft: Draft, hashed: &Hashed) -> Result<Arc<Entry>, Error> {
        let content = (self.temp, hashed.digest, hashed.length);
        match self.share {
            Some(_reservation) => Ok(store.commit(draft, Some(content)).await?),
            None => Ok(store.hold(draft, content).await?),
        }
    }
}

/// Tells whether an error says that there is no room on the disk.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
