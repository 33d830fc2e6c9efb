//! Everything that can go wrong for a client of files, and its one mapping to a reply: one plain sentence. What upstream
//! answers, whatever its status, is no error.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};

use crate::base::http::{CacheState, Refusal, Reply};
use crate::mirror;
use crate::registries::desk::Trouble;

/// What lies behind an error; shared, since all clients of one fill are told of the same.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a request gets no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The mount asks for a proof, and there is none.
    #[error("no checksum file lists {what}, and this mirror serves nothing else")]
    Unlisted { what: String },
    /// There is no such thing.
    #[error("{what} not found")]
    NotFound {
        what: String,
        /// How the mirror came to know.
        cache: CacheState,
    },
    /// The mount takes other methods only.
    #[error("this mirror takes {allow} only")]
    MethodNotAllowed { allow: String },
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
        cause: Cause,
    },
    /// Upstream answered, with something that is no answer to this.
    #[error("upstream gives no usable answer for {what}")]
    BadGateway {
        what: String,
        #[source]
        cause: Cause,
    },
    /// Upstream cannot be asked, and nothing is held.
    #[error("upstream cannot be reached and {what} is not held")]
    Unreachable {
        what: String,
        retry_after: Option<Duration>,
        #[source]
        cause: Option<Cause>,
    },
    /// Upstream is too slow, and nothing is held.
    #[error("upstream does not answer in time and {what} is not held")]
    TimedOut {
        what: String,
        #[source]
        cause: Cause,
    },
    /// Nothing is held, and the client wants no fetch.
    #[error("{what} is not held here, and the request wants nothing else")]
    NotHeld { what: String },
    /// Our own fault.
    #[error("the mirror failed")]
    Internal(#[source] Cause),
}

// === impl Error ===

impl Error {
    pub fn bad_request(reason: &'static str) -> Self {
        Self::BadRequest(reason.into())
    }

    /// Builds our own fault from what cannot be.
    pub fn internal(reason: &'static str) -> Self {
        Self::Internal(Arc::new(std::io::Error::other(reason)))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unlisted { .. } => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Unproven { .. } | Self::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            Self::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::NotHeld { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Tells what the cache had to do with it.
    fn cache(&self) -> CacheState {
        match self {
            Self::NotFound { cache, .. } => *cache,
            Self::Unproven { .. } | Self::BadGateway { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                CacheState::Failed
            }
            Self::BadRequest(_)
            | Self::Unlisted { .. }
            | Self::MethodNotAllowed { .. }
            | Self::TooLarge
            | Self::TooMany
            | Self::Loop
            | Self::NotHeld { .. }
            | Self::Internal(_) => CacheState::Bypass,
        }
    }
}

impl Trouble for Error {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Loop)
    }

    fn engine(&self) -> Option<&mirror::Error> {
        match self {
            Self::Internal(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    fn reply(&self, request_id: &str) -> Reply {
        let sentence = if self.is_ours() { format!("{self}, request {request_id}\n") } else { format!("{self}\n") };
        let mut reply = Reply::bytes(self.status(), "text/plain; charset=utf-8", sentence);
        reply.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::MethodNotAllowed { allow } => {
                // Names of methods are header text; the configuration holds no others.
                reply.headers.extend(HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow)));
            }
            Self::Unreachable { retry_after: Some(pause), .. } => {
                // Whole seconds, rounded up: RFC 9110 §10.2.3.
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                reply.set(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            _ => {}
        }
        reply.note.cache = self.cache();
        reply
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

    fn body(reply: &Reply) -> String {
        let Body::Bytes(bytes) = &reply.body else { panic!("an error has a body") };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn every_error_has_its_status_and_is_one_sentence() {
        let what = || "a/b".to_owned();
        let cause: Cause = Arc::new(std::io::Error::other("secret detail"));
        for (error, status) in [
            (Error::bad_request("no"), 400),
            (Error::Unlisted { what: what() }, 403),
            (Error::NotFound { what: what(), cache: CacheState::Hit }, 404),
            (Error::MethodNotAllowed { allow: "GET".into() }, 405),
            (Error::TooLarge, 413),
            (Error::TooMany, 429),
            (Error::Internal(cause.clone()), 500),
            (Error::Unproven { what: what(), cause: cause.clone() }, 502),
            (Error::BadGateway { what: what(), cause: cause.clone() }, 502),
            (Error::Unreachable { what: what(), retry_after: None, cause: None }, 503),
            (Error::TimedOut { what: what(), cause }, 504),
            (Error::NotHeld { what: what() }, 504),
            (Error::Loop, 508),
        ] {
            let reply = error.reply("r-1");
            assert_eq!(reply.status.as_u16(), status, "{error:?}");
            assert_eq!(reply.headers["cache-control"], "no-store", "{error:?}");
            let body = body(&reply);
            assert!(body.len() > 2 && body.lines().count() == 1 && !body.contains("secret detail"), "{body}");
            assert_eq!(body.contains("r-1"), error.is_ours(), "{body}");
        }
    }

    #[test]
    fn what_else_belongs_to_an_error_is_told() {
        let allow = Error::MethodNotAllowed { allow: "GET, HEAD".into() }.reply("r");
        assert_eq!(allow.headers["allow"], "GET, HEAD");
        let pause = Some(Duration::from_millis(1_200));
        let later = Error::Unreachable { what: "x".into(), retry_after: pause, cause: None }.reply("r");
        assert_eq!(later.headers["retry-after"], "2");
    }

    #[test]
    fn what_the_front_refuses_has_the_same_shape() {
        for (refusal, status) in
            [(Refusal::Loop, 508), (Refusal::TooLarge, 413), (Refusal::TooMany, 429), (Refusal::Unreachable, 503)]
        {
            assert_eq!(Error::from(refusal).reply("r").status.as_u16(), status);
        }
    }
}
