//! Why the overlay does not do what it is asked: whose fault it is, and whether asking again may help.

use std::sync::Arc;
use std::time::SystemTime;

use crate::base::digest::Digest;

/// What lies below a fault of ours. Never shown to clients.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// A fault, or a refusal. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database or the object store does not answer. What was asked may or may not have been done.
    #[error("the overlay cannot be reached")]
    Unavailable(#[source] Cause),
    /// The disk has no room. Nothing was kept.
    #[error("the overlay's disk is full")]
    Full(#[source] Cause),
    #[error("the overlay fails")]
    Failed(#[source] Cause),
    /// A newer program has written this database.
    #[error("the overlay's database has version {found}, this program knows up to {known}")]
    TooNew { found: u64, known: u64 },
    /// The setting names no database or object store that we know.
    #[error("the overlay cannot be opened: {0}")]
    Setting(&'static str),
    /// A column holds what none of ours would.
    #[error("a row of the overlay cannot be understood: {0}")]
    Row(&'static str),
    /// Published bytes are not as they were published, or gone.
    #[error("the published bytes {0} are missing or damaged")]
    Damaged(Digest),
    /// Published bytes were collected while their publish was under way. Nothing was kept.
    #[error("the bytes {0} were collected meanwhile")]
    Collected(Digest),
    /// The bytes are not those of the digest they were given under. Nothing was kept.
    #[error("the bytes have the digest {found}, not {promised}")]
    Mismatch { promised: Digest, found: Digest },
    #[error("there is no {kind} {name:?}")]
    Absent { kind: &'static str, name: String },
    #[error("the {kind} {name:?} exists already")]
    Taken { kind: &'static str, name: String },
    /// Somebody else has written meanwhile: read again, and decide anew.
    #[error("it has been changed meanwhile: it is at revision {held}")]
    Stale { held: u64 },
    /// A version, once published, is that for good.
    #[error("the version {0:?} exists already")]
    Published(String),
    /// A version that was removed is never published again.
    #[error("the version {0:?} was removed and cannot be used again")]
    Reserved(String),
    #[error("the caller does not own the package")]
    NotOwner,
    /// Of the caller; in words for it.
    #[error("{0}")]
    NotAllowed(&'static str),
    #[error("a user has {limit} hooks at most")]
    TooManyHooks { limit: u64 },
    /// Nothing was kept.
    #[error("{limit} tasks wait already: ask again later")]
    QueueFull { limit: u64 },
    #[error("one owner must be left")]
    LastOwner,
    /// Others hang on it; in words for the client.
    #[error("{0}")]
    InUse(&'static str),
    /// What was given has no such form.
    #[error("the {what} {why}")]
    Malformed { what: &'static str, why: &'static str },
    /// One text for an unknown name and a wrong password.
    #[error("the name or the password is wrong")]
    WrongPassword,
    #[error("there were too many attempts")]
    TooManyAttempts { until: SystemTime },
    /// One text for one that is wrong and one that was used before.
    #[error("the one-time password is wrong, or was used before")]
    WrongCode,
    #[error("the account is locked")]
    Locked,
    #[error("the invitation is not known, was used, is over, or is for another e-mail address")]
    NotInvited,
    #[error("the token is not known")]
    UnknownToken,
    #[error("the token was revoked")]
    RevokedToken,
    #[error("the token has expired")]
    ExpiredToken,
    #[error("the token may not be used from this address")]
    WrongNetwork,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Client,
    Us,
}

// === impl Error ===

impl Error {
    /// Tells whose fault it is. The text of a client's fault may be shown to it, that of ours may not.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unavailable(_) | Self::Full(_) | Self::Failed(_) | Self::TooNew { .. } | Self::Setting(_) => {
                Fault::Us
            }
            Self::Row(_) | Self::Damaged(_) | Self::Collected(_) | Self::QueueFull { .. } => Fault::Us,
            Self::Mismatch { .. } | Self::Absent { .. } | Self::Taken { .. } | Self::Stale { .. } => Fault::Client,
            Self::Published(_) | Self::Reserved(_) | Self::NotOwner | Self::LastOwner | Self::InUse(_) => Fault::Client,
            Self::Malformed { .. } | Self::WrongPassword | Self::TooManyAttempts { .. } | Self::Locked => Fault::Client,
            Self::UnknownToken | Self::RevokedToken | Self::ExpiredToken | Self::WrongNetwork => Fault::Client,
            Self::NotInvited | Self::WrongCode => Fault::Client,
            Self::TooManyHooks { .. } | Self::NotAllowed(_) => Fault::Client,
        }
    }

    /// Tells whether the same request may succeed later.
    pub fn may_retry(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Full(_)
                | Self::Collected(_)
                | Self::QueueFull { .. }
                | Self::Stale { .. }
                | Self::TooManyAttempts { .. }
        )
    }

    pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Arc::new(error))
    }

    pub(super) fn late(elapsed: tokio::time::error::Elapsed) -> Self {
        Self::Unavailable(Arc::new(elapsed))
    }

    /// What was about to be compared has been taken away at that moment.
    pub(super) fn forgotten() -> Self {
        Self::Unavailable(Arc::new(std::io::Error::from(std::io::ErrorKind::Interrupted)))
    }

    pub(super) fn absent(kind: &'static str, name: impl ToString) -> Self {
        Self::Absent { kind, name: name.to_string() }
    }

    pub(super) fn taken(kind: &'static str, name: impl ToString) -> Self {
        Self::Taken { kind, name: name.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_tried_again_is_said() {
        let stale = Error::Stale { held: 3 };
        assert!(stale.may_retry() && stale.fault() == Fault::Client);
        assert!(!Error::Published("1.0.0".to_owned()).may_retry());
        let down = Error::Unavailable(Arc::new(std::io::Error::other("down")));
        assert!(down.may_retry() && down.fault() == Fault::Us);
        assert_eq!(down.to_string(), "the overlay cannot be reached");
    }
}
