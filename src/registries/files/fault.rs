//! The engine's errors, told to a client of files.

use std::sync::Arc;

use super::error::Error;
use crate::mirror;

impl Error {
    /// Tells why the engine has no answer. `what` was asked for. A transport fault is never an absence.
    pub fn of_mirror(error: mirror::Error, what: &str) -> Self {
        use mirror::Error as Engine;
        let what = what.to_owned();
        match error {
            Engine::Absent { cache, .. } => Self::NotFound { what, cache },
            Engine::Unproven(_) => Self::Unproven { what, cause: Arc::new(error) },
            Engine::Unreachable { retry_after, .. } => {
                Self::Unreachable { what, retry_after, cause: Some(Arc::new(error)) }
            }
            Engine::NotHeld => Self::NotHeld { what },
            Engine::Offline => Self::Unreachable { what, retry_after: None, cause: None },
            Engine::TimedOut { .. } => Self::TimedOut { what, cause: Arc::new(error) },
            Engine::Refused { .. }
            | Engine::Truncated { .. }
            | Engine::Senseless { .. }
            | Engine::Forbidden { .. }
            | Engine::TooLarge { .. } => Self::BadGateway { what, cause: Arc::new(error) },
            Engine::Broken { .. } | Engine::Store(_) | Engine::Died => Self::Internal(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::http::CacheState;
    use crate::mirror::verify::Broken;
    use crate::registries::desk::Trouble;

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let host = || "files.example".to_owned();
        let broken = Broken { kind: "digest", detail: String::new() };
        for (error, status) in [
            (mirror::Error::Absent { cache: CacheState::Hit, for_good: false }, 404),
            (mirror::Error::Refused { status: 403 }, 502),
            (mirror::Error::Unproven(broken), 502),
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
            assert_eq!(Error::of_mirror(error, "a/b").reply("r").status.as_u16(), status, "{told}");
        }
    }
}
