//! Why the engine has no answer. No status codes here: each dialect maps these once.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{store, verify};
use crate::base::http::CacheState;

type Cause = Arc<dyn StdError + Send + Sync>;

/// Why a resource cannot be had. Cheap to clone, since every client of one fill is told the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Upstream has none.
    #[error("upstream has no such resource")]
    Absent {
        /// Whether that was remembered or asked.
        cache: CacheState,
        /// There was one, and there will be none again.
        for_good: bool,
    },
    /// Upstream answered, but will not give it.
    #[error("upstream refuses with status {status}")]
    Refused { status: u16 },
    /// A proof does not hold; nothing was kept.
    #[error(transparent)]
    Unproven(verify::Broken),
    /// Upstream cannot be reached, or fails by itself.
    #[error("{host} cannot be reached")]
    Unreachable {
        host: String,
        /// When upstream wants to be asked again.
        retry_after: Option<Duration>,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream is too slow.
    #[error("{host} does not answer in time")]
    TimedOut { host: String },
    /// Upstream ended the body before its end.
    #[error("{host} ended the body early")]
    Truncated {
        host: String,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream's answer makes no sense: a 304 nobody asked for, a redirect to nowhere.
    #[error("{host} gives an answer that makes no sense: {detail}")]
    Senseless { host: String, detail: &'static str },
    /// The address is one that the egress rules keep us from.
    #[error("{host} may not be asked: {reason}")]
    Forbidden { host: String, reason: &'static str },
    /// The body is longer than the mount allows.
    #[error("the body is longer than {limit} bytes")]
    TooLarge { limit: u64 },
    /// The mirror is offline and nothing is held.
    #[error("not held, and the mirror is offline")]
    Offline,
    /// The client wants no fetch and nothing fresh is held.
    #[error("not held, and the client wants no fetch")]
    NotHeld,
    /// What is kept under this key is damaged: it is to be dropped and fetched again.
    #[error("what is kept under {key} is damaged")]
    Broken { key: Arc<str> },
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Cause),
    /// What releases were when they were first seen cannot be asked: nothing was kept.
    #[error("what was first seen cannot be asked")]
    Unasked(#[source] Cause),
    /// The fill ended without a result.
    #[error("the fill was stopped")]
    Died,
}

impl Error {
    pub fn disk(error: io::Error) -> Self {
        Self::Store(Arc::new(error))
    }

    pub fn unasked(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unasked(Arc::new(cause))
    }

    /// Tells whether what is held may be served instead, although it is stale: upstream failed, it did not refuse; or what
    /// it gave cannot be held to what was first seen, as what is held once was.
    ///
    /// Source: RFC 5861 §4; design "Degradation".
    pub fn is_upstreams_failure(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Truncated { .. }
            | Self::Senseless { .. }
            | Self::Unproven(_)
            | Self::Offline
            | Self::Unasked(_)
            | Self::Died => true,
            Self::Absent { .. }
            | Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::TooLarge { .. }
            | Self::NotHeld
            | Self::Broken { .. }
            | Self::Store(_) => false,
        }
    }

    /// Tells whether the same request may fare better at once.
    pub fn may_be_retried(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Truncated { .. })
    }

    /// Names the kind for metrics: a closed set.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "absent",
            Self::Refused { .. } => "refused",
            Self::Unproven(_) => "unproven",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timeout",
            Self::Truncated { .. } => "truncated",
            Self::Senseless { .. } => "senseless",
            Self::Forbidden { .. } => "forbidden",
            Self::TooLarge { .. } => "too_large",
            Self::Offline => "offline",
            Self::NotHeld => "not_held",
            Self::Broken { .. } => "broken",
            Self::Store(_) => "store",
            Self::Unasked(_) => "unasked",
            Self::Died => "died",
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Broken(key) => Self::Broken { key },
            other => Self::Store(Arc::new(other)),
        }
    }
}

impl From<verify::Broken> for Error {
    fn from(broken: verify::Broken) -> Self {
        Self::Unproven(broken)
    }
}
