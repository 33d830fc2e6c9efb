//! The keys that registries sign releases with: served to clients that audit, and used for our own proofs.
//! Source: contract npm §6.2.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;

use super::Npm;
use super::error::{Error, of_mirror};
use super::merge::JSON;
use super::name::PackageName;
use super::proofs::KeySet;
use super::replies::{NO_STORE, SHORT};
use crate::base::http::{CacheState, Reply, Request};
use crate::config::Signatures;
use crate::mirror::fresh::Demand;
use crate::mirror::{self, Upstream};
use crate::registries::{bodies, replies};

/// What an error calls the key sets.
const KEYS: &str = "the registry's keys";

/// One key of a set, as its registry gave it.
struct Key {
    id: String,
    value: serde_json::Value,
}

impl Npm {
    /// `GET /-/npm/v1/keys`: our own and those of every upstream of the mount, since a client asks here for all of its
    /// scopes; of an upstream that cannot be asked, none, since ours are of use all the same. Absent only if nobody signs.
    pub(super) async fn keys(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let default = self.sources.default_upstream();
        if !self.signs && self.sources.scoped_upstreams().next().is_none() {
            return self.mirrored(request, &self.sources.keys(default)?, KEYS).await;
        }
        // Ours first: no upstream has another key under its name.
        let ours = self.signer().await?.map(|signer| Key::of(signer.entry().clone()));
        let mut keys: Vec<Key> = ours.into_iter().collect();
        let (mut cache, mut kept) = (CacheState::Hit, SHORT);
        for upstream in std::iter::once(default).chain(self.sources.scoped_upstreams()) {
            match self.key_set(upstream, &Demand::of(request.headers)).await {
                Ok(Some((set, state))) => {
                    keys.extend(split(&set)?);
                    cache = if cache == CacheState::Hit { state } else { cache };
                }
                Ok(None) => {}
                Err(error) if self.signs && !error.is_ours() => {
                    tracing::warn!(%error, "served without the keys of an upstream");
                    kept = NO_STORE;
                }
                Err(error) => return Err(error),
            }
        }
        if keys.is_empty() {
            return Err(Error::not_found(KEYS));
        }
        let mut reply = replies::tagged(JSON, join(keys));
        reply.set(CACHE_CONTROL, kept);
        reply.note.cache = cache;
        Ok(reply)
    }

    /// Returns the keys of the registry that a package comes from; none when it signs nothing, or nothing is asked of
    /// signatures. That upstream cannot give them now is an error only where signatures are required.
    pub(super) async fn keys_for(&self, name: &PackageName) -> Result<KeySet, Error> {
        if self.signatures == Signatures::Off {
            return Ok(KeySet::default());
        }
        match self.key_set(self.sources.upstream(name), &Demand::default()).await {
            Ok(None) => Ok(KeySet::default()),
            Ok(Some((set, _))) => KeySet::parse(&set).map_err(|_| unreadable()),
            Err(error) if self.signatures == Signatures::Require || error.is_ours() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "signatures not checked: the registry's keys cannot be had");
                Ok(KeySet::default())
            }
        }
    }

    /// Returns the key set of one upstream, and how the mirror came by it; `None` when that one signs nothing.
    async fn key_set(&self, upstream: &Arc<Upstream>, demand: &Demand) -> Result<Option<(Bytes, CacheState)>, Error> {
        match self.mirror.document(&self.sources.keys(upstream)?, demand).await {
            Ok(found) => Ok(Some((bodies::read(found.body).await?, found.cache))),
            Err(mirror::Error::Absent { .. } | mirror::Error::Refused { .. }) => Ok(None),
            Err(error) => Err(of_mirror(error, KEYS)),
        }
    }
}

// === impl Key ===

impl Key {
    fn of(value: serde_json::Value) -> Self {
        Self { id: value["keyid"].to_string(), value }
    }
}

fn split(set: &[u8]) -> Result<Vec<Key>, Error> {
    let set: serde_json::Value = serde_json::from_slice(set).map_err(|_| unreadable())?;
    let keys = set["keys"].as_array().cloned().unwrap_or_default();
    Ok(keys.into_iter().map(Key::of).collect())
}

/// Prints a set of all keys, each once, as the first that has it says it.
fn join(mut keys: Vec<Key>) -> String {
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    keys.dedup_by(|one, other| one.id == other.id);
    let keys: Vec<_> = keys.into_iter().map(|key| key.value).collect();
    serde_json::json!({ "keys": keys }).to_string()
}

/// Keys are proved before they are kept: that they cannot be read is our own fault.
fn unreadable() -> Error {
    Error::internal("keys that were proved cannot be read")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_stands_there_once_as_the_first_says_it() {
        let key = |id: &str, key: &str| Key::of(json!({ "keyid": id, "key": key }));
        let joined = join(vec![key("b", "ours"), key("c", "theirs"), key("b", "theirs"), key("a", "theirs")]);
        let set = [("a", "theirs"), ("b", "ours"), ("c", "theirs")].map(|(id, key)| json!({ "keyid": id, "key": key }));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&joined).unwrap(), json!({ "keys": set }));
    }
}
