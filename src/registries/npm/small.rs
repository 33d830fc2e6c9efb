//! Answers that need no document: root, ping, keys, attestations.

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, AGE, CACHE_CONTROL, ETAG, VARY};
use http::{HeaderValue, StatusCode};

use super::error::Error;
use super::name::{PackageName, Version};
use super::{Npm, documents};
use crate::base::http::{Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::{self, Found, Resource, Upstream};

const JSON: &str = "application/json";

/// Keys and attestations change seldom; clients keep them no longer than this. Source: contract npm §6.2.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What an error calls the key sets.
const KEYS: &str = "the registry's keys";

/// One key of a set, as its registry gave it.
struct Key {
    id: String,
    value: serde_json::Value,
}

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

    /// `GET /-/npm/v1/keys`: those of every upstream of the mount, since a client asks here for all of its scopes. Absent
    /// only if none of them signs. Source: contract npm §6.2.
    pub(super) async fn keys(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let default = self.sources.keys(self.sources.default_upstream())?;
        if self.sources.scoped_upstreams().next().is_none() {
            return self.mirrored(request, &default, KEYS).await;
        }
        let mut keys = Vec::new();
        for upstream in self.sources.scoped_upstreams().chain([self.sources.default_upstream()]) {
            keys.extend(self.keys_at(request, upstream).await?);
        }
        keys.sort_by(|one: &Key, other| one.id.cmp(&other.id));
        keys.dedup_by(|one, other| one.id == other.id);
        if keys.is_empty() {
            return Err(Error::not_found(KEYS));
        }
        let keys: Vec<_> = keys.into_iter().map(|key| key.value).collect();
        let mut reply = Reply::bytes(StatusCode::OK, JSON, serde_json::json!({ "keys": keys }).to_string());
        reply.set(CACHE_CONTROL, SHORT);
        Ok(reply)
    }

    /// Returns the keys of one upstream, none when it signs nothing.
    async fn keys_at(&self, request: &Request<'_>, upstream: &Arc<Upstream>) -> Result<Vec<Key>, Error> {
        let want = self.sources.keys(upstream)?;
        let found = match self.mirror.document(&want, &Demand::of(request.headers)).await {
            Err(mirror::Error::Absent { .. } | mirror::Error::Refused { .. }) => return Ok(Vec::new()),
            found => found.map_err(|error| Error::of_mirror(error, KEYS))?,
        };
        let body = documents::whole(found.body).await?;
        let set: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| Error::internal("keys that were proved cannot be read"))?;
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        Ok(keys.into_iter().map(|value| Key { id: value["keyid"].to_string(), value }).collect())
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

    async fn mirrored(&self, request: &Request<'_>, want: &Arc<Resource>, what: &str) -> Result<Reply, Error> {
        let found = self.mirror.document(want, &Demand::of(request.headers)).await;
        Ok(reply(found.map_err(|error| Error::of_mirror(error, what))?))
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
    reply.set(http::header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    reply.set(CACHE_CONTROL, SHORT);
    reply.set(AGE, HeaderValue::from(found.age.as_secs()));
    reply.set(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(etag) = found.etag {
        reply.set(ETAG, etag);
    }
    reply.note.cache = found.cache;
    reply.body = found.body;
    reply
}
