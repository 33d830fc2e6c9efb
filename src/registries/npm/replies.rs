//! The heads of answers that need no package's document. Pure: where the body comes from is another's business.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::documents::VARY_ON;
use super::merge::JSON;
use crate::base::http::Reply;
use crate::mirror::Found;
use crate::registries::replies::with_found;

/// What is mirrored as it is changes seldom; clients keep them no longer than this. Source: contract npm §6.2.
pub const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What changes with a write: who kept it asks again.
pub const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// What is of now, or somebody's own.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Answers with a list, which changes at any time.
pub fn listed(status: StatusCode, body: &Value) -> Reply {
    printed(status, body, NO_CACHE)
}

/// Answers about what is somebody's own, or of now: to be kept nowhere.
pub fn unkept(status: StatusCode, body: &Value) -> Reply {
    printed(status, body, NO_STORE)
}

/// `GET /-/ping`: no upstream is asked, so it takes no time worth a number. Source: contract npm §5.6.
pub fn ping() -> Reply {
    Reply::bytes(StatusCode::OK, JSON, r#"{"pong":true,"use":0}"#)
}

/// Answers with what is mirrored as it is.
pub fn mirrored(found: Found) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(CONTENT_TYPE, HeaderValue::from_static(JSON));
    reply.set(CACHE_CONTROL, SHORT);
    reply.set(VARY, VARY_ON);
    with_found(reply, found)
}

fn printed(status: StatusCode, body: &Value, kept: HeaderValue) -> Reply {
    let mut reply = Reply::bytes(status, JSON, body.to_string());
    reply.set(CACHE_CONTROL, kept);
    reply
}
