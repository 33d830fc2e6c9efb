//! Everything that can go wrong for a Hex client, and its one mapping to a reply.
//!
//! Of a repository's errors clients print the whole body, so it is one plain line (contract hex §1.1); of the API's they
//! decode it, in the format that they asked for, or see nothing (§7.1, §7.4). What is our own fault is told as one plain
//! sentence and the request's id.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;

use super::{name, routes, wire};
use crate::base::http::{CacheState, Refusal, Reply};
use crate::mirror;
use crate::registries::desk::Trouble;

/// What lies behind an error; shared, since all clients of one fill are told of the same.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Methods of a path that is only read.
pub const ALLOW_READ: &str = "GET, HEAD";

/// Longest message in a header, in characters.
const MAX_MESSAGE: usize = 400;

/// Why a request gets no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The request needs a key, and has none or a wrong one.
    #[error("missing or invalid authentication information")]
    Unauthorized,
    /// A rule of this mirror stands against it; asking again does not help.
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
    #[error("this is a read-only mirror: {allow} is all this path takes")]
    MethodNotAllowed { allow: &'static str },
    /// The request's body is longer than this mount takes.
    #[error("the request body is too large")]
    TooLarge,
    /// The client, or all of them, ask too much at once.
    #[error("too many requests at once")]
    TooMany,
    /// The method is none that registries use.
    #[error("this method is not implemented")]
    NotImplemented,
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

/// An error, and the shape in which its client reads it.
#[derive(Debug)]
pub struct Told {
    pub error: Error,
    pub shape: Shape,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Client,
    Upstream,
    Ours,
}

/// How an error is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One plain line: every repository's.
    Text,
    /// The API's, for browsers, robots and Gleam.
    Json,
    /// The API's, for mix and rebar3: Erlang's external term format.
    Erlang,
}

// === impl Error ===

impl Error {
    /// Builds a [`Error::BadRequest`] from a fixed sentence.
    pub const fn bad_request(reason: &'static str) -> Self {
        Self::BadRequest(Cow::Borrowed(reason))
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), cache: CacheState::Bypass }
    }

    /// Tells how the mirror took part in this answer.
    fn cache(&self) -> CacheState {
        match self {
            Self::NotFound { cache, .. } => *cache,
            Self::Unproven { .. } | Self::BadGateway { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                CacheState::Failed
            }
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::TooMany
            | Self::NotImplemented
            | Self::Loop
            | Self::NotHeld { .. }
            | Self::Internal(_) => CacheState::Bypass,
        }
    }

    /// Says in which shape the client is told.
    pub fn told(self, shape: Shape) -> Told {
        Told { error: self, shape }
    }

    pub fn status(&self) -> StatusCode {
        self.row().0
    }

    /// Returns the answer in the shape that the client reads.
    pub fn reply(&self, request_id: &str, shape: Shape) -> Reply {
        let (status, fault) = self.row();
        let reason = match fault {
            Fault::Ours => format!("{self}, request {request_id}"),
            Fault::Client | Fault::Upstream => self.to_string(),
        };
        let mut reply = shape.print(status, &reason);
        reply.set(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control()));
        self.explain(&reason, &mut reply);
        reply.note.cache = self.cache();
        reply
    }

    /// Maps every error to its status and fault.
    fn row(&self) -> (StatusCode, Fault) {
        use Fault::{Client, Ours, Upstream};
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Client),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, Client),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, Client),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, Client),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, Client),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Client),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, Client),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, Client),
            Self::Loop => (StatusCode::LOOP_DETECTED, Ours),
            Self::Unproven { .. } | Self::BadGateway { .. } => (StatusCode::BAD_GATEWAY, Upstream),
            Self::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, Upstream),
            Self::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, Upstream),
            Self::NotHeld { .. } => (StatusCode::GATEWAY_TIMEOUT, Client),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, Ours),
        }
    }

    /// An absence may be kept if it is asked for again, a refusal may not. Source: contract hex §6.
    fn cache_control(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "no-cache",
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::TooMany
            | Self::NotImplemented
            | Self::Loop
            | Self::Unproven { .. }
            | Self::BadGateway { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotHeld { .. }
            | Self::Internal(_) => "no-store",
        }
    }

    /// Sets the headers that belong to single errors.
    fn explain(&self, reason: &str, reply: &mut Reply) {
        match self {
            Self::MethodNotAllowed { allow } => reply.set(header::ALLOW, HeaderValue::from_static(allow)),
            // mix itself would print no more than that the package is missing, and its user is to know why.
            Self::Forbidden(_) | Self::Unproven { .. } => set_message(reason, reply),
            Self::Unauthorized => reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=hex")),
            Self::Unreachable { retry_after: Some(pause), .. } => {
                // Whole seconds, rounded up: RFC 9110 §10.2.3.
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                reply.set(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::BadRequest(_)
            | Self::NotFound { .. }
            | Self::TooLarge
            | Self::TooMany
            | Self::NotImplemented
            | Self::Loop
            | Self::BadGateway { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotHeld { .. }
            | Self::Internal(_) => {}
        }
    }
}

/// Says why in a header that mix prints on errors: a quoted string of visible ASCII, since anything else stops the
/// client dead. Source: contract hex §1.2, §6.
fn set_message(reason: &str, reply: &mut Reply) {
    let visible = |char: char| match char {
        '"' => '\'',
        ' '..='~' if char != '\\' => char,
        _ => '?',
    };
    let text: String = reason.chars().map(visible).take(MAX_MESSAGE).collect();
    // Only printable ASCII is left, so this always is a header value.
    if let Ok(value) = HeaderValue::from_str(&format!("\"{text}\"; level=fatal")) {
        reply.set(HeaderName::from_static("x-hex-message"), value);
    }
}

impl From<name::Error> for Error {
    fn from(error: name::Error) -> Self {
        Self::BadRequest(error.to_string().into())
    }
}

/// The front says no more than why, and a plain line is understood everywhere.
impl From<Refusal> for Told {
    fn from(refusal: Refusal) -> Self {
        Error::from(refusal).told(Shape::Text)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Loop => Self::Loop,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::TooMany => Self::TooMany,
            Refusal::Unreachable => Self::Unreachable { what: "the answer".to_owned(), retry_after: None, cause: None },
        }
    }
}

// === impl Told ===

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Trouble for Told {
    fn is_ours(&self) -> bool {
        self.error.row().1 == Fault::Ours
    }

    fn engine(&self) -> Option<&mirror::Error> {
        match &self.error {
            Error::Internal(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    fn reply(&self, request_id: &str) -> Reply {
        self.error.reply(request_id, self.shape)
    }
}

// === impl Shape ===

impl Shape {
    /// Chooses the shape for a request. Only the API looks at `Accept`. Source: contract hex §1.2, §7.1.
    pub fn of(path: &str, headers: &HeaderMap) -> Self {
        if !routes::is_api(path) {
            return Self::Text;
        }
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.any(is_erlang) { Self::Erlang } else { Self::Json }
    }

    fn print(self, status: StatusCode, reason: &str) -> Reply {
        let (media, body): (_, Bytes) = match self {
            Self::Text => ("text/plain; charset=utf-8", reason.to_owned().into()),
            Self::Json => {
                let body = serde_json::json!({ "status": status.as_u16(), "message": reason });
                ("application/json; charset=utf-8", body.to_string().into())
            }
            Self::Erlang => {
                ("application/vnd.hex+erlang; charset=utf-8", wire::print_error(status.as_u16(), reason).into())
            }
        };
        Reply::bytes(status, media, body)
    }
}

/// Tells whether a client reads terms: `application/vnd.hex+erlang`, and with a version in it the older ones.
fn is_erlang(accept: &str) -> bool {
    accept.split(',').any(|media| {
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media.starts_with("application/vnd.hex") && media.ends_with("+erlang")
    })
}

#[cfg(test)]
mod tests;
