//! What the faults of other parts are to clients.

use std::io;
use std::sync::Arc;

use super::{Challenge, Error, WRONG_PASSWORD};
use crate::base::clock::Clock;
use crate::mirror::{self, store};
use crate::overlay;

impl From<overlay::Error> for Error {
    fn from(error: overlay::Error) -> Self {
        use overlay::Error as Ours;
        let said = error.to_string();
        match error {
            Ours::Unavailable(_) | Ours::Full(_) | Ours::Collected(_) | Ours::QueueFull { .. } => {
                Self::Unavailable(Arc::new(error))
            }
            Ours::Failed(_) | Ours::TooNew { .. } | Ours::Setting(_) | Ours::Row(_) | Ours::Damaged(_) => {
                Self::Internal(Arc::new(error))
            }
            Ours::Mismatch { .. } | Ours::Malformed { .. } => Self::Unprocessable(said.into()),
            Ours::Absent { name, .. } => Self::not_found(name),
            Ours::Taken { .. } | Ours::Stale { .. } | Ours::InUse(_) => Self::Conflict(said.into()),
            Ours::Published(_) | Ours::Reserved(_) | Ours::NotOwner | Ours::LastOwner => Self::Forbidden(said.into()),
            Ours::Locked | Ours::NotInvited | Ours::TooManyHooks { .. } | Ours::NotAllowed(_) => {
                Self::Forbidden(said.into())
            }
            Ours::WrongCode => Self::Challenge(Challenge::WrongCode),
            Ours::WrongNetwork => Self::Challenge(Challenge::Network),
            Ours::WrongPassword => Self::Unauthorized(WRONG_PASSWORD),
            Ours::UnknownToken | Ours::RevokedToken | Ours::ExpiredToken => {
                Self::Unauthorized("the token is not known, or not any more")
            }
            Ours::TooManyAttempts { until } => {
                let wait = until.duration_since(Clock::default().now()).unwrap_or_default();
                Self::TooManyAttempts { seconds: wait.as_secs() + 1 }
            }
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(Arc::new(mirror::Error::from(error)))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Internal(Arc::new(mirror::Error::disk(error)))
    }
}
