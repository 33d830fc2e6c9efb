//! The heads of answers that need no package's document. Pure: where the body comes from is another's business.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::documents::VARY_ON;
use super::merge::JSON;
use crate::base::http::Reply;
use crate::mirror::Found;
use crate::mirror::store::Totals;
use crate::overlay::packages::Census;
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

/// `GET /`: what CouchDB said of itself, which old clients still read. Source: contract npm §5.5.
pub fn root(totals: &Totals, census: &Census) -> Reply {
    let body = serde_json::json!({
        "db_name": "registry",
        "engine": "heliostat",
        "app_version": env!("CARGO_PKG_VERSION"),
        "doc_count": census.packages,
        "doc_del_count": census.emptied,
        "doc_version_count": census.versions,
        "update_seq": census.head,
        "committed_update_seq": census.head,
        "purge_seq": 0,
        "compact_running": false,
        "disk_size": totals.bytes,
        "data_size": totals.bytes,
        "instance_start_time": "0",
        "disk_format_version": 1,
        "sync_model": "proxy",
    });
    Reply::bytes(StatusCode::OK, JSON, body.to_string())
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
