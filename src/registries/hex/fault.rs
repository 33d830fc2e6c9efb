//! The engine's errors, told to a Hex client.

use std::sync::Arc;

use super::error::Error;
use super::proofs;
use crate::base::http::CacheState;
use crate::mirror::verify::FIRST_SEEN;
use crate::mirror::{self, store};
use crate::registries::rivals;

impl Error {
    /// Tells a Hex client why the engine has no answer. `what` was asked for.
    ///
    /// Source: contract hex §1.1, §6: a transport fault is never an absence.
    pub fn of_mirror(error: mirror::Error, what: &str) -> Self {
        use mirror::Error as Engine;
        let what = what.to_owned();
        match error {
            Engine::Absent { cache, .. } => Self::NotFound { what, cache },
            Engine::Refused { status: 401 } => Self::Unauthorized,
            // So storage says that there is no such thing, and so nobody is told that something is missing.
            Engine::Refused { status: 403 } => Self::NotFound { what, cache: CacheState::Miss },
            Engine::Refused { status: 451 } => Self::Forbidden(format!("upstream does not allow {what}").into()),
            Engine::Unproven(broken) if broken.kind == FIRST_SEEN => Self::Forbidden(rivals::refusal(&what).into()),
            Engine::Unproven(_) => Self::Unproven { what, cause: Some(Arc::new(error)) },
            Engine::Unreachable { retry_after, .. } => {
                Self::Unreachable { what, retry_after, cause: Some(Arc::new(error)) }
            }
            Engine::TimedOut { .. } => Self::TimedOut { what, cause: Some(Arc::new(error)) },
            Engine::NotHeld => Self::NotHeld { what },
            Engine::Offline => Self::Unreachable { what, retry_after: None, cause: None },
            Engine::Refused { .. }
            | Engine::Truncated { .. }
            | Engine::Senseless { .. }
            | Engine::Forbidden { .. }
            | Engine::TooLarge { .. } => Self::BadGateway { what, cause: Some(Arc::new(error)) },
            Engine::Broken { .. } | Engine::Store(_) | Engine::Died => Self::Internal(Arc::new(error)),
        }
    }

    /// Builds our own fault from what cannot be.
    pub fn internal(reason: &'static str) -> Self {
        Self::Internal(Arc::new(std::io::Error::other(reason)))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(Arc::new(mirror::Error::from(error)))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(Arc::new(mirror::Error::disk(error)))
    }
}

/// A document was proved before it was kept: one that is proved no longer is our own fault.
impl From<proofs::Error> for Error {
    fn from(error: proofs::Error) -> Self {
        Self::Internal(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::verify::Broken;

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let host = || "registry.example".to_owned();
        let broken = |kind| Broken { kind, detail: String::new() };
        for (error, status) in [
            (mirror::Error::Absent { cache: CacheState::Hit, for_good: false }, 404),
            (mirror::Error::Refused { status: 401 }, 401),
            (mirror::Error::Refused { status: 403 }, 404),
            (mirror::Error::Refused { status: 451 }, 403),
            (mirror::Error::Refused { status: 418 }, 502),
            (mirror::Error::Unproven(broken("signature")), 502),
            (mirror::Error::Unproven(broken(FIRST_SEEN)), 403),
            (mirror::Error::Unreachable { host: host(), retry_after: None, cause: None }, 503),
            (mirror::Error::TimedOut { host: host() }, 504),
            (mirror::Error::Truncated { host: host(), cause: None }, 502),
            (mirror::Error::Senseless { host: host(), detail: "" }, 502),
            (mirror::Error::Forbidden { host: host(), reason: "" }, 502),
            (mirror::Error::TooLarge { limit: 1 }, 502),
            (mirror::Error::Offline, 503),
            (mirror::Error::NotHeld, 504),
            (mirror::Error::Broken { key: "k".into() }, 500),
            (mirror::Error::Died, 500),
        ] {
            let told = format!("{error:?}");
            assert_eq!(Error::of_mirror(error, "jason").status().as_u16(), status, "{told}");
        }
    }
}
