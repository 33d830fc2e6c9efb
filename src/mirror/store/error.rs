//! Why the store cannot do what it is asked.

use std::io;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// A fault of the store. Cheap to clone, since all writes of one transaction are told the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no room: nothing was kept. Room may come by itself.
    #[error("the disk or the store's budget is full")]
    Full,
    /// Nothing more may be pinned, since what is pinned is never evicted.
    #[error("there is no room for more that is pinned")]
    PinsFull,
    /// The content of a held entry is not as it was written: drop the entry and fetch it again.
    #[error("the content of {0} is missing or damaged")]
    Broken(Arc<str>),
    /// A newer program has written this directory.
    #[error("the index has version {found}, this program knows up to {known}")]
    TooNew { found: i64, known: i64 },
    #[error("the store's files cannot be used")]
    Io(#[source] Arc<io::Error>),
    #[error("the index fails")]
    Index(#[source] Arc<rusqlite::Error>),
    /// Something in the index, or about to be written there, has no such form.
    #[error("a row cannot be understood")]
    Row(#[source] Arc<serde_json::Error>),
    /// The disk has failed to take what was written: the run never ends in order, and all of it is hashed again.
    #[error("the disk may have lost what was written")]
    Lossy,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Tells whether the store itself fails, whatever it was asked for.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Io(_) | Self::Index(_) | Self::Lossy | Self::Closed => true,
            Self::Full | Self::PinsFull | Self::Broken(_) | Self::TooNew { .. } | Self::Row(_) => false,
        }
    }

    /// Tells whether the index file itself is damaged.
    pub(super) fn is_corruption(&self) -> bool {
        let Self::Index(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Index(Arc::new(error)),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Row(Arc::new(error))
    }
}
