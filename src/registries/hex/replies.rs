//! Answers as clients of a repository have them. Source: contract hex §1.2.

use http::header::{ACCEPT_RANGES, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY};
use http::{HeaderValue, StatusCode};

use super::routes::Action;
use super::wire::Install;
use crate::base::http::Reply;
use crate::mirror::Found;

pub const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub const CSV: HeaderValue = HeaderValue::from_static("text/csv");

pub const HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
pub const DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");
pub const WEEK: HeaderValue = HeaderValue::from_static("public, max-age=604800");
pub const NO_TIME: HeaderValue = HeaderValue::from_static("no-cache");

const PRIVATE_HOUR: HeaderValue = HeaderValue::from_static("private, max-age=3600");
const PRIVATE_DAY: HeaderValue = HeaderValue::from_static("private, max-age=86400");
const PRIVATE_NO_TIME: HeaderValue = HeaderValue::from_static("private, no-cache");

const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// Answers with what was found, byte for byte; always under an entity tag, without which rebar3 takes no tarball.
pub fn reply(found: Found, content_type: HeaderValue, cache_control: HeaderValue) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(CONTENT_TYPE, content_type);
    reply.set(ACCEPT_RANGES, BYTES);
    reply.set(CACHE_CONTROL, cache_control);
    reply.set(AGE, HeaderValue::from(found.age.as_secs()));
    let digest = found.entry.as_ref().and_then(|entry| entry.digest);
    let ours = || digest.and_then(|digest| HeaderValue::try_from(format!("\"{digest}\"")).ok());
    if let Some(etag) = found.etag.or_else(ours) {
        reply.set(ETAG, etag);
    }
    if let Some(modified) = found.last_modified {
        reply.set(LAST_MODIFIED, modified);
    }
    reply.note.cache = found.cache;
    reply.body = found.body;
    reply
}

/// Says that an answer is for its client's own cache alone.
pub fn keep_private(reply: &mut Reply, action: &Action) {
    let keeping = match action {
        Action::Tarball { .. } | Action::Docs { .. } | Action::Install(Install::Archive(_)) => PRIVATE_DAY,
        Action::Install(Install::List(_) | Install::Signature(_)) => PRIVATE_NO_TIME,
        _ => PRIVATE_HOUR,
    };
    reply.set(CACHE_CONTROL, keeping);
}

/// Says that an answer is for who has these credentials.
pub fn hide(reply: &mut Reply, action: &Action) {
    keep_private(reply, action);
    reply.set(VARY, HeaderValue::from_name(AUTHORIZATION));
}
