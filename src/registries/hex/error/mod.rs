//! What a Hex client reads when something goes wrong.
//!
//! Of a repository's errors clients print the whole body, so it is one plain line (contract hex §1.1); of the API's they
//! decode it, in the format that they asked for, or see nothing (§7.1, §7.4). What is our own fault is told as one plain
//! sentence and the request's id.

use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;

use super::{name, proofs, routes, wire};
use crate::base::http::{CacheState, Reply};
use crate::mirror;
use crate::registries::failure;

pub use crate::registries::failure::Error;

/// Methods of a path that is only read.
pub const ALLOW_READ: &str = "GET, HEAD";

/// The request needs a key, and has none or a wrong one.
pub const NO_KEY: Error = Error::Unauthorized("missing or invalid authentication information");

/// Longest message in a header, in characters.
const MAX_MESSAGE: usize = 400;

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

/// Tells a Hex client why the engine has no answer. `what` was asked for.
///
/// Source: contract hex §1.1, §6: a transport fault is never an absence.
pub fn of_mirror(error: mirror::Error, what: &str) -> Error {
    match error {
        mirror::Error::Refused { status: 401 } => NO_KEY,
        // So storage says that there is no such thing, and so nobody is told that something is missing.
        mirror::Error::Refused { status: 403 } => Error::NotFound { what: what.to_owned(), cache: CacheState::Miss },
        error => failure::of_mirror(error, what),
    }
}

/// Returns the answer in the shape that the client reads. `request_id` is shown where the fault is ours.
pub fn reply(error: &Error, request_id: &str, shape: Shape) -> Reply {
    let reason = error.sentence(request_id);
    let mut reply = shape.print(error.status(), &reason);
    error.explain(&mut reply);
    if let Error::Unauthorized(_) = error {
        reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=hex"));
    }
    // mix itself would print no more than that the package is missing, and its user is to know why.
    if matches!(error, Error::Forbidden(_) | Error::Unproven { .. }) {
        set_message(&reason, &mut reply);
    }
    reply
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

/// A document was proved before it was kept: one that is proved no longer is our own fault.
impl From<proofs::Error> for Error {
    fn from(error: proofs::Error) -> Self {
        Self::Internal(Arc::new(error))
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
