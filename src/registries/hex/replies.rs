//! Answers as clients of a repository have them. Source: contract hex §1.2.

use http::HeaderValue;
use http::header::{AUTHORIZATION, CACHE_CONTROL, LAST_MODIFIED, VARY};

use super::routes::Action;
use super::wire::Install;
use crate::base::http::Reply;
use crate::mirror::Found;
pub use crate::registries::replies::OCTETS;
use crate::registries::replies::{self, entity_tag};

pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub const CSV: HeaderValue = HeaderValue::from_static("text/csv");

pub const HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
pub const DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");
pub const WEEK: HeaderValue = HeaderValue::from_static("public, max-age=604800");
pub const NO_TIME: HeaderValue = HeaderValue::from_static("no-cache");

const PRIVATE_HOUR: HeaderValue = HeaderValue::from_static("private, max-age=3600");
const PRIVATE_DAY: HeaderValue = HeaderValue::from_static("private, max-age=86400");
const PRIVATE_NO_TIME: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Answers with what was found, byte for byte; always under an entity tag, without which rebar3 takes no tarball.
pub fn reply(mut found: Found, content_type: HeaderValue, cache_control: HeaderValue) -> Reply {
    let mut reply = replies::whole(content_type);
    reply.set(CACHE_CONTROL, cache_control);
    reply.headers.extend(found.last_modified.take().map(|modified| (LAST_MODIFIED, modified)));
    let digest = found.entry.as_ref().and_then(|entry| entry.digest);
    let etag = found.etag.take().or_else(|| entity_tag(digest?));
    replies::with_found(reply, Found { etag, ..found })
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
