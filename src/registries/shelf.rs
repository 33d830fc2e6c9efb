//! What all resources of one mount have in common: whose they are, how long they are trusted, how large they may be.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::config;
use crate::mirror::Upstream;
use crate::mirror::resource::{Expires, Kind, Redirects, Resource, Rules};
use crate::mirror::verify::Proof;

/// Where the resources of one mount stand.
#[derive(Clone)]
pub struct Shelf {
    pub mount: Arc<str>,
    pub rules: Arc<Rules>,
    pub max_document_bytes: u64,
    pub max_artifact_bytes: u64,
}

/// What must hold before an artifact is kept, and the entity tag it is served under.
pub struct Vouched {
    pub proofs: Vec<Proof>,
    pub etag: Option<HeaderValue>,
}

// === impl Shelf ===

impl Shelf {
    pub fn new(mount: &config::Mount) -> Self {
        Self {
            mount: mount.name.as_str().into(),
            rules: Arc::new(Rules {
                min_ttl: mount.min_ttl,
                max_ttl: mount.max_ttl,
                negative_ttl: mount.negative_ttl,
                stale_while_revalidate: mount.stale_while_revalidate,
                stale_if_error: mount.stale_if_error,
            }),
            max_document_bytes: mount.max_document_bytes,
            max_artifact_bytes: mount.max_artifact_bytes,
        }
    }

    /// Returns the key of what one upstream gives under a name of several parts: what one gave is never served as
    /// another's.
    pub fn key(&self, upstream: &Upstream, name: &[&str]) -> String {
        let place = [&self.mount, "@", &upstream.id];
        let length = place.iter().chain(name).map(|part| part.len()).sum();
        let mut key = String::with_capacity(length);
        place.iter().chain(name).for_each(|part| key.push_str(part));
        key
    }

    /// Begins a document that an upstream has at `url`, without proofs.
    pub fn document(&self, upstream: &Arc<Upstream>, key: String, url: Url) -> Resource {
        self.resource(Kind::Document, upstream, key, url)
    }

    /// Begins an artifact that an upstream has at `url`, without proofs.
    pub fn artifact(&self, upstream: &Arc<Upstream>, key: String, url: Url) -> Resource {
        self.resource(Kind::Artifact, upstream, key, url)
    }

    /// Begins a file that an upstream has at `url`, without proofs.
    pub fn file(&self, upstream: &Arc<Upstream>, key: String, url: Url) -> Resource {
        self.resource(Kind::File, upstream, key, url)
    }

    fn resource(&self, kind: Kind, upstream: &Arc<Upstream>, key: String, url: Url) -> Resource {
        Resource {
            key,
            mount: Arc::clone(&self.mount),
            package: String::new(),
            kind,
            upstream: Arc::clone(upstream),
            url,
            accept: None,
            headers: HeaderMap::new(),
            keeps: &[],
            expires: Expires::Strict,
            redirects: Redirects::Follow,
            etag: None,
            is_private: false,
            proofs: Vec::new(),
            release: None,
            chronicle: None,
            rules: Arc::clone(&self.rules),
            max_bytes: match kind {
                Kind::Document => self.max_document_bytes,
                Kind::Artifact | Kind::File => self.max_artifact_bytes,
            },
        }
    }
}
