//! What a nessemble client reads when something goes wrong.
//!
//! Clients read `{"status": 404, "error": "text"}`, from every endpoint (contract nessemble §4). The old client prints
//! the text by `printf` from a buffer of its own: it is short, on one line, and has no `%` in it (§2, W12). What is our
//! own fault is told as one plain sentence and the request's id. A transport fault is never an absence.

use std::sync::Arc;

use ::http::{HeaderValue, StatusCode, header};

use super::wire;
use crate::base::http::Reply;
use crate::registries::members::quote;

pub use crate::registries::failure::{Error, of_mirror};

/// Methods of a path that is only read.
pub const ALLOW_READ: &str = "GET, HEAD, OPTIONS";
/// Methods of a path that other registries write to, and that a mirror has no use for. Never empty: the old client
/// stops at a header without a value (contract nessemble §2, W5).
pub const ALLOW_OPTIONS: &str = "OPTIONS";

/// The request needs a login, and there are no users here.
pub const NO_USERS: Error = Error::Unauthorized("this mirror has no users: you are not logged in");

/// What nobody may keep, as the reference has it. Source: contract nessemble §3.
pub const NOT_KEPT: &str = "no-store, no-cache, must-revalidate, post-check=0, pre-check=0, max-age=0";

/// Longest text of an error, in bytes.
const MAX_TEXT: usize = 199;

/// Returns the answer in nessemble's shape. `request_id` is shown where the fault is ours.
pub fn reply(error: &Error, request_id: &str) -> Reply {
    let (status, text) = (status(error), plain(&error.sentence(request_id)));
    // In this order: the old client takes the first text that reads `error` for the member's name.
    let body = format!(r#"{{"status":{},"error":{}}}"#, status.as_u16(), quote(&text));
    let mut reply = Reply::bytes(status, "application/json", body);
    error.explain(&mut reply);
    reply.set(header::CACHE_CONTROL, HeaderValue::from_static(NOT_KEPT));
    reply.set(header::EXPIRES, HeaderValue::from_static("-1"));
    if let Error::Unauthorized(_) = error {
        // Source: contract nessemble §6.7, RFC 9110 §11.6.1.
        reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("HMAC-SHA1"));
    }
    reply
}

/// Maps an error to its status: an upstream that cannot be asked is 503, for whatever reason, since that is what clients
/// know. Source: contract nessemble §4.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
        error => error.status(),
    }
}

/// Returns a text as the old client can print it.
fn plain(text: &str) -> String {
    let printable = |char: char| if char == '%' || !(' '..='~').contains(&char) { '?' } else { char };
    text.chars().map(printable).take(MAX_TEXT).collect()
}

/// A document was proved before it was kept: one that cannot be read is our own fault.
impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        Self::Internal(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::failure::{every, of_engine};

    #[test]
    fn every_error_has_its_status_and_its_two_members() {
        let told = every().into_iter().map(|error| {
            let reply = reply(&error, "r-1");
            assert_eq!(reply.header("content-type"), Some("application/json"), "{error:?}");
            assert_eq!(reply.header("cache-control"), Some(NOT_KEPT), "{error:?}");
            assert_eq!(reply.header("expires"), Some("-1"), "{error:?}");
            assert!(reply.headers.values().all(|value| !value.is_empty()), "{error:?}");
            let body: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
            assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["error", "status"], "{error:?}");
            assert!(!body["error"].as_str().unwrap().is_empty(), "{error:?}");
            assert!(!body.to_string().contains("secret detail"), "{error:?}");
            assert_eq!(body["status"], reply.status.as_u16(), "{error:?}");
            reply.status.as_u16()
        });
        let expected = [
            400, 401, 403, 404, 405, 406, 410, 413, 429, 451, 451, 500, 501, 502, 502, 503, 503, 504, 508, 409, 422,
            429, 503, 401, 404,
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let status = |error| reply(&of_mirror(error, "foo"), "r").status.as_u16();
        let refused = [403, 403, 403, 502];
        let others = [404, 404, 502, 403, 503, 503, 502, 502, 502, 502, 503, 504, 500, 500, 503, 500];
        assert_eq!(of_engine().into_iter().map(status).collect::<Vec<_>>(), [&refused[..], &others].concat());
    }

    #[test]
    fn the_text_is_safe_to_print() {
        let text = |what: &str| {
            let body: serde_json::Value = serde_json::from_str(&reply(&Error::not_found(what), "r").text()).unwrap();
            body["error"].as_str().unwrap().to_owned()
        };
        assert_eq!(text("100%s\n\u{e9}\0"), "100?s??? not found");
        assert_eq!(text(&"x".repeat(500)).len(), 199);
        assert_eq!(reply(&Error::not_found("a/b"), "r").text(), r#"{"status":404,"error":"a/b not found"}"#);
    }

    #[test]
    fn what_a_client_can_do_about_it_stands_in_the_headers() {
        for (error, name, value) in [
            (Error::only(ALLOW_READ), "allow", "GET, HEAD, OPTIONS"),
            (Error::only(ALLOW_OPTIONS), "allow", "OPTIONS"),
            (NO_USERS, "www-authenticate", "HMAC-SHA1"),
            (Error::TooMany, "retry-after", "1"),
        ] {
            assert_eq!(reply(&error, "r").header(name), Some(value), "{error:?}");
        }
    }
}
