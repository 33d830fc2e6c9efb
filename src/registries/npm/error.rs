//! Everything that can go wrong for an npm client, and its one mapping to a reply.
//!
//! npm and yarn 4 print `error`, npm 12 falls back on `message`, people and the seed read `reason`
//! (contract npm §2.1). What is our own fault is told as one plain sentence and the request's id.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};

use super::name;
use crate::base::http::{CacheState, Refusal, Reply};
use crate::mirror;
use crate::registries::desk::Trouble;

/// What lies behind an error; shared, since all clients of one fill are told of the same.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Methods of a path that is only read.
pub const ALLOW_READ: &str = "GET, HEAD";
/// Methods of a tarball (contract npm §2.4, CORS).
pub const ALLOW_TARBALL: &str = "GET, HEAD, OPTIONS";
/// Methods of a path that takes a question in its body.
pub const ALLOW_POST: &str = "POST";
/// Methods of a path that other registries write to, and that a mirror has no use for. Source: RFC 9110 §10.2.1.
pub const ALLOW_NONE: &str = "";

/// Why a request gets no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The request needs a login, and there are no users here.
    #[error("this mirror has no users: you are not logged in")]
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
    #[error("this is a read-only mirror: {allow:?} is all this path takes")]
    MethodNotAllowed { allow: &'static str },
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

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Client,
    Upstream,
    Ours,
}

/// One row of the mapping.
struct Row {
    status: StatusCode,
    /// The closed set of contract npm §2.1.
    code: &'static str,
    fault: Fault,
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
            Self::NotFound { cache, .. } | Self::Gone { cache, .. } => *cache,
            Self::Unproven { .. } | Self::BadGateway { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                CacheState::Failed
            }
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::MethodNotAllowed { .. }
            | Self::Blocked { .. }
            | Self::TooLarge
            | Self::TooMany
            | Self::NotImplemented
            | Self::Loop
            | Self::NotHeld { .. }
            | Self::Internal(_) => CacheState::Bypass,
        }
    }

    /// Maps every error to its status, code and fault.
    fn row(&self) -> Row {
        use Fault::{Client, Ours, Upstream};
        let (status, code, fault) = match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request", Client),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", Client),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", Client),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found", Client),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", Client),
            Self::Gone { .. } => (StatusCode::GONE, "gone", Client),
            Self::Blocked { .. } => (StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "blocked", Client),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", Client),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", Client),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "not_implemented", Client),
            Self::Loop => (StatusCode::LOOP_DETECTED, "loop_detected", Ours),
            Self::Unproven { .. } | Self::BadGateway { .. } => (StatusCode::BAD_GATEWAY, "bad_gateway", Upstream),
            Self::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", Upstream),
            Self::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", Upstream),
            Self::NotHeld { .. } => (StatusCode::GATEWAY_TIMEOUT, "not_held", Client),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", Ours),
        };
        Row { status, code, fault }
    }

    /// Source: contract npm §2.4: an absence may be kept if it is asked for again, a refusal may not.
    fn cache_control(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::Gone { .. } => "no-cache",
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::MethodNotAllowed { .. }
            | Self::Blocked { .. }
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
            Self::MethodNotAllowed { allow } => {
                reply.set(header::ALLOW, HeaderValue::from_static(allow));
                set_notice(reason, reply);
            }
            // npm itself prints no more than the code of these, and its user is to know why.
            Self::Forbidden(_) | Self::Blocked { .. } | Self::Unproven { .. } => set_notice(reason, reply),
            Self::Unauthorized => reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::Unreachable { retry_after: Some(pause), .. } => {
                // Whole seconds, rounded up: RFC 9110 §10.2.3.
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                reply.set(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::BadRequest(_)
            | Self::NotFound { .. }
            | Self::Gone { .. }
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

impl Trouble for Error {
    fn is_ours(&self) -> bool {
        self.row().fault == Fault::Ours
    }

    fn engine(&self) -> Option<&mirror::Error> {
        match self {
            Self::Internal(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    fn reply(&self, request_id: &str) -> Reply {
        let Row { status, code, fault } = self.row();
        let reason = match fault {
            Fault::Ours => format!("{self}, request {request_id}"),
            Fault::Client | Fault::Upstream => self.to_string(),
        };
        let body = serde_json::json!({ "error": code, "reason": reason, "message": reason });
        let mut reply = Reply::bytes(status, "application/json", body.to_string());
        reply.set(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control()));
        self.explain(&reason, &mut reply);
        reply.note.cache = self.cache();
        reply
    }
}

/// Says why in a header that npm prints on errors too: visible ASCII, less than 400 bytes (contract npm §2.1).
pub(super) fn set_notice(reason: &str, reply: &mut Reply) {
    let visible = |char: char| if (' '..='~').contains(&char) { char } else { '?' };
    let text: String = reason.chars().map(visible).take(399).collect();
    // Only printable ASCII is left, so this always is a header value.
    if let Ok(value) = HeaderValue::from_str(&text) {
        reply.set(header::HeaderName::from_static("npm-notice"), value);
    }
}

impl From<name::Error> for Error {
    fn from(error: name::Error) -> Self {
        Self::BadRequest(error.to_string().into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::http::Body;

    fn body(reply: &Reply) -> serde_json::Value {
        let Body::Bytes(bytes) = &reply.body else { panic!("an error has a body") };
        serde_json::from_slice(bytes).unwrap()
    }

    fn header(reply: &Reply, name: &str) -> Option<String> {
        Some(reply.headers.get(name)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn every_error_has_its_status_code_and_cache_rule() {
        let what = || "left-pad".to_owned();
        let cause: Cause = Arc::new(std::io::Error::other("secret detail"));
        for (error, status, code, cache) in [
            (Error::bad_request("no"), 400, "bad_request", "no-store"),
            (Error::Unauthorized, 401, "unauthorized", "no-store"),
            (Error::Forbidden("no".into()), 403, "forbidden", "no-store"),
            (Error::not_found("left-pad"), 404, "not_found", "no-cache"),
            (Error::MethodNotAllowed { allow: ALLOW_READ }, 405, "method_not_allowed", "no-store"),
            (Error::Gone { what: what(), cache: CacheState::Hit }, 410, "gone", "no-cache"),
            (Error::TooLarge, 413, "too_large", "no-store"),
            (Error::TooMany, 429, "too_many_requests", "no-store"),
            (Error::Blocked { what: what() }, 451, "blocked", "no-store"),
            (Error::Internal(cause.clone()), 500, "internal", "no-store"),
            (Error::NotImplemented, 501, "not_implemented", "no-store"),
            (Error::Unproven { what: what(), cause: Some(cause.clone()) }, 502, "bad_gateway", "no-store"),
            (Error::BadGateway { what: what(), cause: None }, 502, "bad_gateway", "no-store"),
            (Error::Unreachable { what: what(), retry_after: None, cause: None }, 503, "unavailable", "no-store"),
            (Error::TimedOut { what: what(), cause: None }, 504, "gateway_timeout", "no-store"),
            (Error::NotHeld { what: what() }, 504, "not_held", "no-store"),
            (Error::Loop, 508, "loop_detected", "no-store"),
        ] {
            let reply = error.reply("r-1");
            assert_eq!(reply.status.as_u16(), status, "{error:?}");
            assert_eq!(header(&reply, "content-type").as_deref(), Some("application/json"), "{error:?}");
            assert_eq!(header(&reply, "cache-control").as_deref(), Some(cache), "{error:?}");
            let body = body(&reply);
            assert_eq!(body["error"], code, "{error:?}");
            assert_eq!(body["reason"], body["message"], "{error:?}");
            assert!(!body["reason"].as_str().unwrap().is_empty(), "{error:?}");
            assert!(!body.to_string().contains("secret detail"), "{error:?}");
        }
    }

    #[test]
    fn our_own_faults_show_the_request_id_only() {
        let cause: Cause = Arc::new(std::io::Error::other("disk on fire"));
        let error = Error::Internal(cause);
        assert_eq!(body(&error.reply("r-7"))["reason"], "the mirror failed, request r-7");
        assert!(error.is_ours());
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk on fire");
        assert_eq!(body(&Error::not_found("x").reply("r-7"))["reason"], "x not found");
    }

    #[test]
    fn a_refused_write_names_what_is_allowed_and_tells_npm_why() {
        let reply = Error::MethodNotAllowed { allow: ALLOW_TARBALL }.reply("r");
        assert_eq!(header(&reply, "allow").as_deref(), Some("GET, HEAD, OPTIONS"));
        assert!(header(&reply, "npm-notice").unwrap().contains("read-only"));
    }

    #[test]
    fn a_notice_is_short_visible_ascii() {
        let reply = Error::Forbidden(format!("zu jung: grün\n{}", "x".repeat(500)).into()).reply("r");
        let notice = header(&reply, "npm-notice").unwrap();
        assert!(notice.starts_with("zu jung: gr?n?x"));
        assert_eq!(notice.len(), 399);
        assert_eq!(header(&Error::not_found("x").reply("r"), "npm-notice"), None);
    }

    #[test]
    fn a_pause_is_told_in_whole_seconds() {
        let error =
            Error::Unreachable { what: "x".into(), retry_after: Some(Duration::from_millis(1_200)), cause: None };
        assert_eq!(header(&error.reply("r"), "retry-after").as_deref(), Some("2"));
    }

    #[test]
    fn what_the_front_refuses_has_the_same_shape() {
        for (refusal, status) in
            [(Refusal::Loop, 508), (Refusal::TooLarge, 413), (Refusal::TooMany, 429), (Refusal::Unreachable, 503)]
        {
            let reply = Error::from(refusal).reply("r");
            assert_eq!(reply.status.as_u16(), status);
            assert!(body(&reply)["error"].is_string());
        }
    }
}
