//! Answers that need no document: root, ping, attestations.

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};

use super::Npm;
use super::documents::VARY_ON;
use super::error::{Error, of_mirror};
use super::merge::JSON;
use super::name::{PackageName, Version};
use crate::base::http::{Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::{Found, Resource};
use crate::registries::replies::with_found;

/// What is mirrored as it is changes seldom; clients keep them no longer than this. Source: contract npm §6.2.
pub const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

impl Npm {
    /// `GET /`: what CouchDB said of itself, which old clients still read. Source: contract npm §5.5.
    pub(super) fn root(&self) -> Reply {
        let totals = self.mirror.store().totals();
        let body = serde_json::json!({
            "db_name": "registry",
            "engine": "heliostat",
            "app_version": env!("CARGO_PKG_VERSION"),
            "doc_count": totals.entries,
            "doc_del_count": 0,
            "update_seq": 0,
            "committed_update_seq": 0,
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

    /// `GET /-/npm/v1/attestations/{name}@{version}`. Source: contract npm §6.3.
    pub(super) async fn attestations(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let want = self.sources.attestations(name, version)?;
        self.mirrored(request, &want, &format!("attestations of {name}@{version}")).await
    }

    pub(super) async fn mirrored(
        &self,
        request: &Request<'_>,
        want: &Arc<Resource>,
        what: &str,
    ) -> Result<Reply, Error> {
        let found = self.mirror.document(want, &Demand::of(request.headers)).await;
        Ok(reply(found.map_err(|error| of_mirror(error, what))?))
    }
}

/// `GET /-/ping`: no upstream is asked, so it takes no time worth a number. Source: contract npm §5.6.
pub fn ping() -> Reply {
    Reply::bytes(StatusCode::OK, JSON, r#"{"pong":true,"use":0}"#)
}

/// `OPTIONS` on a tarball. Source: contract npm §2.4.
pub fn preflight() -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    reply.set(http::header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    reply.set(http::header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    reply
}

fn reply(found: Found) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(CONTENT_TYPE, HeaderValue::from_static(JSON));
    reply.set(CACHE_CONTROL, SHORT);
    reply.set(VARY, VARY_ON);
    with_found(reply, found)
}
