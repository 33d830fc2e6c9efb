//! Everything that can go wrong for a niso client, and its one mapping to a reply.
//!
//! Clients read `{"error": "message"}`, for every failure (contract niso §1). What is our own fault is told as one plain
//! sentence and the request's id.

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
/// Methods of a path that other registries write to, and that a mirror has no use for. Source: RFC 9110 §10.2.1.
pub const ALLOW_NONE: &str = "";

/// Why a request gets no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The request needs a key, and there are no users here.
    #[error("this mirror has no users: no key opens this")]
    Unauthorized,
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
    #[error("this is a read-only mirror: {allow:?} is all this path takes")]
    MethodNotAllowed { allow: &'static str },
    /// The request's body is longer than this mount takes.
    #[error("the request body is too large")]
    TooLarge,
    /// The client, or all of them, ask too much at once.
    #[error("too many requests at once")]
    TooMany,
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
            | Self::Loop
            | Self::NotHeld { .. }
            | Self::Internal(_) => CacheState::Bypass,
        }
    }

    /// Maps every error to its status and fault. Source: contract niso §1, table of errors.
    fn row(&self) -> Row {
        use Fault::{Client, Ours, Upstream};
        let (status, fault) = match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Client),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, Client),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, Client),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, Client),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, Client),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Client),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, Client),
            Self::Loop => (StatusCode::LOOP_DETECTED, Ours),
            Self::Unproven { .. } | Self::BadGateway { .. } => (StatusCode::BAD_GATEWAY, Upstream),
            Self::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, Upstream),
            Self::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, Upstream),
            Self::NotHeld { .. } => (StatusCode::GATEWAY_TIMEOUT, Client),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, Ours),
        };
        Row { status, fault }
    }

    /// An absence may be kept if it is asked for again, a refusal may not.
    fn cache_control(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "no-cache",
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::TooMany
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
    fn explain(&self, reply: &mut Reply) {
        match self {
            Self::MethodNotAllowed { allow } => reply.set(header::ALLOW, HeaderValue::from_static(allow)),
            Self::Unauthorized => reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            // What is too much at once may be well in a moment.
            Self::TooMany => reply.set(header::RETRY_AFTER, HeaderValue::from_static("1")),
            Self::Unreachable { retry_after: Some(pause), .. } => {
                // Whole seconds, rounded up: RFC 9110 §10.2.3.
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                reply.set(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::BadRequest(_)
            | Self::Forbidden(_)
            | Self::NotFound { .. }
            | Self::TooLarge
            | Self::Loop
            | Self::Unproven { .. }
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
        let Row { status, fault } = self.row();
        let reason = match fault {
            Fault::Ours => format!("{self}, request {request_id}"),
            Fault::Client | Fault::Upstream => self.to_string(),
        };
        let body = serde_json::json!({ "error": reason });
        let mut reply = Reply::bytes(status, "application/json", body.to_string());
        reply.set(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control()));
        self.explain(&mut reply);
        reply.note.cache = self.cache();
        reply
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
    fn every_error_has_its_status_and_cache_rule_and_one_member() {
        let what = || "app".to_owned();
        let cause: Cause = Arc::new(std::io::Error::other("secret detail"));
        for (error, status, cache) in [
            (Error::bad_request("no"), 400, "no-store"),
            (Error::Unauthorized, 401, "no-store"),
            (Error::Forbidden("no".into()), 403, "no-store"),
            (Error::not_found("app"), 404, "no-cache"),
            (Error::MethodNotAllowed { allow: ALLOW_READ }, 405, "no-store"),
            (Error::TooLarge, 413, "no-store"),
            (Error::TooMany, 429, "no-store"),
            (Error::Internal(cause.clone()), 500, "no-store"),
            (Error::Unproven { what: what(), cause: Some(cause.clone()) }, 502, "no-store"),
            (Error::BadGateway { what: what(), cause: None }, 502, "no-store"),
            (Error::Unreachable { what: what(), retry_after: None, cause: None }, 503, "no-store"),
            (Error::TimedOut { what: what(), cause: None }, 504, "no-store"),
            (Error::NotHeld { what: what() }, 504, "no-store"),
            (Error::Loop, 508, "no-store"),
        ] {
            let reply = error.reply("r-1");
            assert_eq!(reply.status.as_u16(), status, "{error:?}");
            assert_eq!(header(&reply, "content-type").as_deref(), Some("application/json"), "{error:?}");
            assert_eq!(header(&reply, "cache-control").as_deref(), Some(cache), "{error:?}");
            let body = body(&reply);
            assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"], "{error:?}");
            assert!(!body["error"].as_str().unwrap().is_empty(), "{error:?}");
            assert!(!body.to_string().contains("secret detail"), "{error:?}");
        }
    }

    #[test]
    fn our_own_faults_show_the_request_id_only() {
        let error = Error::Internal(Arc::new(std::io::Error::other("disk on fire")));
        assert_eq!(body(&error.reply("r-7"))["error"], "the mirror failed, request r-7");
        assert!(error.is_ours() && !Error::not_found("x").is_ours());
        assert_eq!(body(&Error::not_found("x").reply("r-7"))["error"], "x not found");
    }

    #[test]
    fn what_a_client_can_do_about_it_stands_in_the_headers() {
        let pause = Some(Duration::from_millis(1_200));
        for (error, name, value) in [
            (Error::MethodNotAllowed { allow: ALLOW_READ }, "allow", "GET, HEAD"),
            (Error::MethodNotAllowed { allow: ALLOW_NONE }, "allow", ""),
            (Error::Unauthorized, "www-authenticate", "Bearer"),
            (Error::TooMany, "retry-after", "1"),
            (Error::Unreachable { what: "x".into(), retry_after: pause, cause: None }, "retry-after", "2"),
        ] {
            assert_eq!(header(&error.reply("r"), name).as_deref(), Some(value), "{error:?}");
        }
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
