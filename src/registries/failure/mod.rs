//! What can go wrong, whatever the dialect: what happened, whose fault it is, and what a client can do about it.
//!
//! The engine's errors become these in one place ([`of_mirror`]). What a client reads of one is each dialect's own, and
//! stands in its `error.rs`: a full match that gives every one its status, and the shape that its clients read.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};

use crate::base::http::{CacheState, Refusal, Reply};
use crate::mirror;
use crate::mirror::verify::FIRST_SEEN;
use crate::overlay::blocks::Block;

mod causes;
mod challenge;

pub use self::challenge::Challenge;
#[cfg(test)]
pub use self::samples::{every, of_engine};

/// What lies behind an error; shared, since all clients of one fill are told of the same.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What who fails to log in reads: not which of the two it was. Source: contract npm §8.1.
pub const WRONG_PASSWORD: &str = "Name or password is incorrect.";

/// Seconds after which what was too much at once may be well.
const MOMENT: u64 = 1;

/// Why a request gets no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The request needs credentials, and has none or wrong ones; in the dialect's own words.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The credentials are right, and not enough.
    #[error("{0}")]
    Challenge(Challenge),
    /// A rule of this mirror, or of upstream, stands against it; asking again does not help.
    #[error("{0}")]
    Forbidden(Cow<'static, str>),
    /// There is no such thing, or no such path.
    #[error("{what} not found")]
    NotFound {
        what: String,
        /// How the mirror came to know.
        cache: CacheState,
    },
    /// The path takes other methods only.
    #[error("{}", say_allowed(allow))]
    MethodNotAllowed {
        /// As the header has them; empty where there are none. Source: RFC 9110 §10.2.1.
        allow: Cow<'static, str>,
    },
    /// The client wants another version of the protocol.
    #[error("{0}")]
    NotAcceptable(&'static str),
    /// It was there once.
    #[error("{what} is gone")]
    Gone {
        what: String,
        /// How the mirror came to know.
        cache: CacheState,
    },
    /// Upstream must not give it.
    #[error("upstream withholds {what} for legal reasons")]
    Blocked { what: String },
    /// An operator of this mirror has blocked it, and says why.
    #[error("{what} is blocked here: {reason}")]
    Barred { what: String, reason: String },
    /// All that there was of it is blocked by an operator of this mirror, who says why.
    #[error("{what}: all its versions are blocked here: {reason}")]
    NothingLeft { what: String, reason: String },
    /// Somebody else has written meanwhile, or has had the name before.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// What is to be written does not fit together.
    #[error("{0}")]
    Unprocessable(Cow<'static, str>),
    /// The request's body is longer than this mount takes.
    #[error("the request body is too large")]
    TooLarge,
    /// The client, or all of them, ask too much at once.
    #[error("too many requests at once")]
    TooMany,
    /// Too many logins have failed, of one account or from one address.
    #[error("too many logins have failed: try again in {seconds} seconds")]
    TooManyAttempts { seconds: u64 },
    /// What was written here cannot be read just now, nor anything added.
    #[error("this registry cannot be asked just now")]
    Unavailable(#[source] Cause),
    /// Nothing here does what is asked for: a method that no registry uses, or a part of the protocol that is not spoken.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// The request has been here before.
    #[error("the request came back to this mirror: it is its own upstream")]
    Loop,
    /// Upstream's bytes failed a proof; none were kept.
    #[error("{what} from upstream does not prove to be right")]
    Unproven {
        what: String,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream answered, with something that is no answer to this.
    #[error("upstream gives no usable answer for {what}")]
    BadGateway {
        what: String,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream cannot be asked, and nothing is held.
    #[error("upstream cannot be reached and {what} is not held")]
    Unreachable {
        what: String,
        /// When upstream wants to be asked again.
        retry_after: Option<Duration>,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream is too slow, and nothing is held.
    #[error("upstream does not answer in time and {what} is not held")]
    TimedOut {
        what: String,
        #[source]
        cause: Option<Cause>,
    },
    /// Nothing is held, and the client wants no fetch.
    #[error("{what} is not held here, and the request wants nothing else")]
    NotHeld { what: String },
    /// Our own fault.
    #[error("the mirror failed")]
    Internal(#[source] Cause),
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Client,
    Upstream,
    Ours,
}

/// Tells why the engine has no answer. `what` was asked for. A transport fault is never an absence.
pub fn of_mirror(error: mirror::Error, what: &str) -> Error {
    use mirror::Error as Engine;
    let what = what.to_owned();
    match error {
        Engine::Absent { cache, .. } => Error::NotFound { what, cache },
        Engine::Refused { status: 401 | 403 | 451 } => {
            Error::Forbidden(format!("upstream does not allow {what}").into())
        }
        Engine::Unproven(broken) if broken.kind == FIRST_SEEN => Error::rival(&what),
        Engine::Unproven(_) => Error::Unproven { what, cause: Some(Arc::new(error)) },
        Engine::Unreachable { retry_after, .. } => {
            Error::Unreachable { what, retry_after, cause: Some(Arc::new(error)) }
        }
        Engine::TimedOut { .. } => Error::TimedOut { what, cause: Some(Arc::new(error)) },
        Engine::NotHeld => Error::NotHeld { what },
        Engine::Offline => Error::unreachable(what),
        Engine::Refused { .. }
        | Engine::Truncated { .. }
        | Engine::Senseless { .. }
        | Engine::Forbidden { .. }
        | Engine::TooLarge { .. } => Error::BadGateway { what, cause: Some(Arc::new(error)) },
        Engine::Unasked(cause) => Error::Unavailable(cause),
        Engine::Broken { .. } | Engine::Store(_) | Engine::Died => Error::Internal(Arc::new(error)),
    }
}

// === impl Error ===

impl Error {
    /// Builds an [`Error::BadRequest`] from a fixed sentence.
    pub const fn bad_request(reason: &'static str) -> Self {
        Self::BadRequest(Cow::Borrowed(reason))
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), cache: CacheState::Bypass }
    }

    /// Builds an [`Error::MethodNotAllowed`] from the methods of a path.
    pub const fn only(allow: &'static str) -> Self {
        Self::MethodNotAllowed { allow: Cow::Borrowed(allow) }
    }

    /// Builds the [`Error::NotImplemented`] of a method that no registry knows.
    pub const fn unknown_method() -> Self {
        Self::NotImplemented("this method is not implemented")
    }

    /// Builds our own fault from what cannot be.
    pub fn internal(reason: &'static str) -> Self {
        Self::Internal(Arc::new(io::Error::other(reason)))
    }

    /// Tells that a document does not have what was asked for; one that is stale cannot tell.
    pub fn missing(what: String, document: CacheState) -> Self {
        match document {
            CacheState::Stale => Self::unreachable(what),
            cache => Self::NotFound { what, cache },
        }
    }

    fn unreachable(what: String) -> Self {
        Self::Unreachable { what, retry_after: None, cause: None }
    }

    /// Tells what is blocked, by which block.
    pub fn barred(what: String, block: &Block) -> Self {
        Self::Barred { what, reason: block.reason.clone() }
    }

    /// Tells that upstream has other bytes than were proved first, and what can be done about it.
    fn rival(what: &str) -> Self {
        let reason = format!(
            "{what} has other bytes upstream than when this mirror first saw it; \
             they are refused until its operator accepts them"
        );
        Self::Forbidden(reason.into())
    }

    pub fn fault(&self) -> Fault {
        match self {
            Self::BadRequest(_)
            | Self::Unauthorized(_)
            | Self::Challenge(_)
            | Self::Forbidden(_)
            | Self::NotFound { .. }
            | Self::MethodNotAllowed { .. }
            | Self::NotAcceptable(_)
            | Self::Gone { .. }
            | Self::Blocked { .. }
            | Self::Barred { .. }
            | Self::NothingLeft { .. }
            | Self::Conflict(_)
            | Self::Unprocessable(_)
            | Self::TooLarge
            | Self::TooMany
            | Self::TooManyAttempts { .. }
            | Self::NotImplemented(_)
            | Self::NotHeld { .. } => Fault::Client,
            Self::Unproven { .. } | Self::BadGateway { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                Fault::Upstream
            }
            Self::Loop | Self::Internal(_) | Self::Unavailable(_) => Fault::Ours,
        }
    }

    /// Returns the status that says so to clients of every dialect; one that knows better says so in its `error.rs`.
    ///
    /// Source: RFC 9110 §15, RFC 9111 §5.2.1.7 (504).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::Challenge(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. } | Self::NothingLeft { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Gone { .. } => StatusCode::GONE,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany | Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Blocked { .. } | Self::Barred { .. } => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unproven { .. } | Self::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            Self::Unreachable { .. } | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut { .. } | Self::NotHeld { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
        }
    }

    /// Tells whether it is our own fault, and to be logged as such.
    pub fn is_ours(&self) -> bool {
        self.fault() == Fault::Ours
    }

    /// Returns the engine's error behind our own fault, if that is where it came from.
    pub fn engine(&self) -> Option<&mirror::Error> {
        match self {
            Self::Internal(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    /// Returns what a client may read: of our own faults no more than that it was one, and which request.
    pub fn sentence(&self, request_id: &str) -> String {
        if self.is_ours() { format!("{self}, request {request_id}") } else { self.to_string() }
    }

    /// Returns after how many seconds a retry may help; `None` where nobody knows, or none helps.
    pub fn seconds_to_wait(&self) -> Option<u64> {
        match self {
            Self::TooMany | Self::Unavailable(_) => Some(MOMENT),
            Self::TooManyAttempts { seconds } => Some(*seconds),
            // Whole seconds, rounded up: RFC 9110 §10.2.3.
            Self::Unreachable { retry_after: Some(pause), .. } => {
                Some(pause.as_secs() + u64::from(pause.subsec_nanos() > 0))
            }
            _ => None,
        }
    }

    /// Adds to an answer what every dialect says of an error.
    pub fn explain(&self, reply: &mut Reply) {
        reply.set(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control()));
        if let Self::MethodNotAllowed { allow } = self {
            // Names of methods are header text; the configuration holds no others.
            reply.headers.extend(HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow)));
        }
        if let Some(seconds) = self.seconds_to_wait() {
            reply.set(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply.note.cache = self.cache();
    }

    /// An absence may be kept if it is asked for again, a refusal may not.
    fn cache_control(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::Gone { .. } => "no-cache",
            _ => "no-store",
        }
    }

    /// Tells how the mirror took part in this answer.
    fn cache(&self) -> CacheState {
        match self {
            Self::NotFound { cache, .. } | Self::Gone { cache, .. } => *cache,
            _ if self.fault() == Fault::Upstream => CacheState::Failed,
            _ => CacheState::Bypass,
        }
    }
}

/// Says what a path takes, in words.
fn say_allowed(allow: &str) -> String {
    match allow {
        "" => "this is a read-only mirror: this path takes nothing".to_owned(),
        _ if allow.split(", ").all(|method| matches!(method, "GET" | "HEAD" | "OPTIONS")) => {
            format!("this is a read-only mirror: {allow} is all this path takes")
        }
        _ => format!("this path takes {allow} only"),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Loop => Self::Loop,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::TooMany => Self::TooMany,
            Refusal::Unreachable => Self::unreachable("the answer".to_owned()),
        }
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
