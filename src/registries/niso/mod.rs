//! niso, read side: the list, versions, tags, archives, manifests, chunks. Contract: niso §1–5, §8.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /v1/packages` | the upstream's list, filtered here | it parses: it carries no digest |
//! | `GET /v1/packages/{name}/versions` | the upstream's rows, one form printed | it parses, it is of that name |
//! | `GET /v1/packages/{name}/tags` | the upstream's tags, and `latest` | it parses |
//! | `GET /v1/packages/{name}/{version}/{arch}` | store, or upstream once it is proved | length and SHA-256 from the versions; its own sums, name and version |
//! | `GET /v1/packages/{name}/latest/{arch}` | the same: what is latest is decided here | the same |
//! | `GET …/{version}/manifest` | cut from the proved archive | the same |
//! | `GET …/{version}/{arch}/chunks` | cut here, from the proved archive | the same |
//! | `GET /v1/chunks/{hash}` | part of an archive, else upstream | its name is its SHA-256 |
//! | `GET /health` | ourselves | |
//!
//! Archives may carry Ed25519 signatures; what they sign is not documented, and without a key that somebody trusts they
//! prove nothing, so they are passed on unread (contract niso §4).
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status.

mod artifacts;
mod chunk_places;
mod chunks;
mod clients;
mod documents;
pub mod error;
mod first_seen;
pub mod name;
pub mod proofs;
mod replicate;
mod replies;
pub mod routes;
#[cfg(test)]
mod samples;
pub mod sources;
mod vouch;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore};

use self::chunk_places::ChunkPlaces;
use self::documents::{Listed, Wish};
use self::error::Error;
use self::name::Slash;
use self::routes::Action;
use self::sources::Sources;
use self::wire::List;
use super::blocks::Blocks;
use super::desk::Desk;
use super::memo::Memo;
use super::missed::Missed;
use super::shelf::Shelf;
use super::{Opened, Opening, Place, Registry, SetUp};
use crate::base::clock::Clock;
use crate::base::http::{Outcome, Reply, Request};
use crate::base::secret::SafeUrl;
use crate::config::{self, Listen};
use crate::mirror::Mirror;

/// The public registry. Source: contract niso.
const REGISTRY: &str = "https://registry.niso.online/";

/// Printed documents remembered, in bytes.
const PRINTED: usize = 16 << 20;

/// What wishes came to, remembered, in bytes.
const FOUND: usize = 8 << 20;

/// Manifests remembered, in bytes.
const MANIFESTS: usize = 16 << 20;

/// Archives that are opened or cut at once.
const TURNS: usize = 2;

/// One niso mount.
pub struct Niso {
    mirror: Mirror,
    sources: Arc<Sources>,
    places: ChunkPlaces,
    /// The keys of archives that former runs have kept and this one has not cut, once somebody asked for a chunk of them.
    uncut: Mutex<Option<Vec<String>>>,
    /// The list as it is printed, by the digest of upstream's.
    lists: Memo<Arc<List>>,
    /// Versions and tags as they are printed, by what they were made of.
    printed: Memo<Bytes>,
    /// What wishes came to, by the documents that said so.
    found: Memo<Option<Arc<Listed>>>,
    /// By the checksums of their archives.
    manifests: Memo<Bytes>,
    /// By the names of packages.
    missed: Missed,
    turns: Semaphore,
    blocks: Blocks,
}

impl Registry for config::Niso {
    fn default_upstream(&self, _mount: &config::Mount, _listen: &Listen) -> config::Upstream {
        config::Upstream::open(SafeUrl::parse(REGISTRY).expect("a URL that a test reads"))
    }

    fn default_upstream_in_words(&self) -> &'static str {
        REGISTRY
    }

    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp> {
        clients::set_up(place)
    }

    fn open(&self, opening: Opening<'_>) -> Opened {
        let slash = if self.escaped_slash { Slash::Escaped } else { Slash::Raw };
        Opened::synced(Niso {
            blocks: Blocks::new(&opening),
            mirror: opening.mirror,
            sources: Arc::new(Sources::new(Shelf::new(opening.mount), opening.upstreams, slash)),
            places: ChunkPlaces::default(),
            uncut: Mutex::default(),
            // The longest list has room: what is printed of it is somewhat longer.
            lists: Memo::new(opening.mount.max_document_bytes.saturating_mul(2) as usize),
            printed: Memo::new(PRINTED),
            found: Memo::new(FOUND),
            manifests: Memo::new(MANIFESTS),
            missed: Missed::new(Clock::default(), opening.mount.negative_ttl),
            turns: Semaphore::new(TURNS),
        })
    }
}

impl Desk for Niso {
    type Action = Action;
    type Visitor = ();

    fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query)
    }

    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply {
        error::reply(error, request.id)
    }

    /// Anybody may read.
    async fn admit(&self, _request: &Request<'_>, _action: &Action) -> Result<(), Error> {
        Ok(())
    }

    async fn answer(&self, request: &Request<'_>, action: &Action, _visitor: &()) -> Result<Outcome, Error> {
        let wish = |name: &name::PackageName, spec: &name::Spec, arch: Option<&name::Arch>| Wish {
            name: name.clone(),
            spec: spec.clone(),
            arch: arch.cloned(),
        };
        let reply = match action {
            Action::List(filter) => self.list(request, filter).await?,
            Action::Versions { name } => self.versions(request, name).await?,
            Action::Tags { name } => self.tags(request, name).await?,
            Action::Archive { name, spec, arch } => self.archive(request, &wish(name, spec, Some(arch)), arch).await?,
            Action::Manifest { name, spec, arch } => self.manifest(request, &wish(name, spec, arch.as_ref())).await?,
            Action::Chunks { name, spec, arch } => self.chunks(request, &wish(name, spec, Some(arch))).await?,
            Action::Chunk { hash } => self.chunk(request, hash).await?,
            Action::Health => replies::health(),
        };
        Ok(reply.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_registry_is_the_default_upstream() {
        let niso = config::Niso::default();
        let upstream = niso.default_upstream(&config::Mount::default(), &Listen::default());
        assert_eq!(upstream.url.as_url().as_str(), REGISTRY);
        assert!(!upstream.allow_private);
    }
}
