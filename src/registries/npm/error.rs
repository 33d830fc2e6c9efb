//! What an npm client reads when something goes wrong.
//!
//! npm and yarn 4 print `error`, npm 12 falls back on `message`, people and the seed read `reason`
//! (contract npm §2.1). What is our own fault is told as one plain sentence and the request's id.

use std::sync::Arc;

use ::http::{HeaderValue, header};

use super::{name, wire};
use crate::base::http::Reply;
use crate::mirror;
use crate::registries::failure;

pub use crate::registries::failure::{Challenge, Error};

/// Tells an npm client why the engine has no answer. `what` was asked for.
///
/// Source: contract npm §2.1, §18.4: a transport fault is never an absence.
pub fn of_mirror(error: mirror::Error, what: &str) -> Error {
    match error {
        mirror::Error::Absent { cache, for_good: true } => Error::Gone { what: what.to_owned(), cache },
        mirror::Error::Refused { status: 451 } => Error::Blocked { what: what.to_owned() },
        error => failure::of_mirror(error, what),
    }
}

/// Returns the answer in npm's shape. `request_id` is shown where the fault is ours.
pub fn reply(error: &Error, request_id: &str) -> Reply {
    let (code, reason) = (code(error), error.sentence(request_id));
    let body = serde_json::json!({ "error": code, "reason": reason, "message": reason });
    let mut reply = Reply::bytes(error.status(), "application/json", body.to_string());
    error.explain(&mut reply);
    if let Some(wanted) = wanted(error) {
        reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static(wanted));
    }
    if needs_notice(error) {
        set_notice(&reason, &mut reply);
    }
    reply
}

/// Names what a client is to show, in the words that npm and pnpm know. Source: contract npm §2.2.
fn wanted(error: &Error) -> Option<&'static str> {
    match error {
        Error::Unauthorized(_) => Some("Bearer"),
        Error::Challenge(Challenge::Network) => Some("ipaddress"),
        // In lower case, or pnpm does not see it; and its text says "one-time pass", for those who look there.
        Error::Challenge(Challenge::Code | Challenge::WrongCode) => Some("otp"),
        _ => None,
    }
}

/// Maps every error to a code of the closed set of contract npm §2.1.
fn code(error: &Error) -> &'static str {
    match error {
        Error::BadRequest(_) | Error::NotAcceptable(_) => "bad_request",
        Error::Unauthorized(_) | Error::Challenge(_) => "unauthorized",
        Error::Forbidden(_) => "forbidden",
        Error::NotFound { .. } | Error::NothingLeft { .. } => "not_found",
        Error::MethodNotAllowed { .. } => "method_not_allowed",
        Error::Gone { .. } => "gone",
        Error::Conflict(_) => "conflict",
        Error::TooLarge => "too_large",
        Error::Unprocessable(_) => "unprocessable",
        Error::TooMany | Error::TooManyAttempts { .. } => "too_many_requests",
        Error::Blocked { .. } | Error::Barred { .. } => "blocked",
        Error::Internal(_) => "internal",
        Error::NotImplemented(_) => "not_implemented",
        Error::Unproven { .. } | Error::BadGateway { .. } => "bad_gateway",
        Error::Unreachable { .. } | Error::Unavailable(_) => "unavailable",
        Error::TimedOut { .. } => "gateway_timeout",
        Error::NotHeld { .. } => "not_held",
        Error::Loop => "loop_detected",
    }
}

/// npm itself prints no more than the code of these, and its user is to know why.
fn needs_notice(error: &Error) -> bool {
    use Error::{Barred, Blocked, Conflict, Forbidden, MethodNotAllowed, NothingLeft, Unprocessable, Unproven};
    let is_refusal =
        matches!(error, MethodNotAllowed { .. } | Forbidden(_) | Blocked { .. } | Barred { .. } | Unproven { .. });
    is_refusal || matches!(error, NothingLeft { .. } | Conflict(_) | Unprocessable(_))
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

    fn body(reply: &Reply) -> serde_json::Value {
        serde_json::from_str(&reply.text()).unwrap()
    }

    #[test]
    fn every_error_has_its_status_and_code() {
        let told = every().into_iter().map(|error| {
            let reply = reply(&error, "r-1");
            assert_eq!(reply.header("content-type"), Some("application/json"), "{error:?}");
            let body = body(&reply);
            assert_eq!(body["reason"], body["message"], "{error:?}");
            assert!(!body["reason"].as_str().unwrap().is_empty(), "{error:?}");
            assert!(!body.to_string().contains("secret detail"), "{error:?}");
            (reply.status.as_u16(), body["error"].as_str().unwrap().to_owned())
        });
        let told: Vec<_> = told.collect();
        let expected = [
            (400, "bad_request"),
            (401, "unauthorized"),
            (403, "forbidden"),
            (404, "not_found"),
            (405, "method_not_allowed"),
            (406, "bad_request"),
            (410, "gone"),
            (413, "too_large"),
            (429, "too_many_requests"),
            (451, "blocked"),
            (451, "blocked"),
            (500, "internal"),
            (501, "not_implemented"),
            (502, "bad_gateway"),
            (502, "bad_gateway"),
            (503, "unavailable"),
            (504, "gateway_timeout"),
            (504, "not_held"),
            (508, "loop_detected"),
            (409, "conflict"),
            (422, "unprocessable"),
            (429, "too_many_requests"),
            (503, "unavailable"),
            (401, "unauthorized"),
            (404, "not_found"),
        ];
        assert_eq!(told, expected.map(|(status, code)| (status, code.to_owned())));
    }

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let status = |error| reply(&of_mirror(error, "left-pad"), "r").status.as_u16();
        let refused = [403, 403, 451, 502];
        let others = [404, 410, 502, 403, 503, 504, 502, 502, 502, 502, 503, 504, 500, 500, 503, 500];
        assert_eq!(of_engine().into_iter().map(status).collect::<Vec<_>>(), [&refused[..], &others].concat());
    }

    #[test]
    fn what_a_client_can_do_about_it_stands_in_the_headers() {
        assert_eq!(reply(&Error::Unauthorized("who?"), "r").header("www-authenticate"), Some("Bearer"));
        let elsewhere = reply(&Error::Challenge(Challenge::Network), "r");
        assert_eq!(elsewhere.header("www-authenticate"), Some("ipaddress"));
        for challenge in [Challenge::Code, Challenge::WrongCode] {
            let asked = reply(&Error::Challenge(challenge), "r");
            assert_eq!(asked.header("www-authenticate"), Some("otp"));
            assert!(asked.text().contains("one-time pass"), "npm looks for it in the body too");
        }
        let refused = reply(&Error::only("GET, HEAD, OPTIONS"), "r");
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
        assert!(refused.header("npm-notice").unwrap().contains("read-only"));
        assert_eq!(reply(&Error::not_found("x"), "r").header("cache-control"), Some("no-cache"));
        assert_eq!(reply(&Error::TooLarge, "r").header("cache-control"), Some("no-store"));
    }

    #[test]
    fn a_notice_is_short_visible_ascii() {
        let told = reply(&Error::Forbidden(format!("zu jung: grün\n{}", "x".repeat(500)).into()), "r");
        let notice = told.header("npm-notice").unwrap();
        assert!(notice.starts_with("zu jung: gr?n?x"));
        assert_eq!(notice.len(), 399);
        assert_eq!(reply(&Error::not_found("x"), "r").header("npm-notice"), None);
    }
}
