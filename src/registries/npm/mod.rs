//! npm, read side: packuments, manifests, tarballs, keys, attestations. Contract: npm §1–6, §10.1, §11, §18.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /{name}`, both forms | the upstream's full document, prepared once | it parses, it has that name, versions carry `dist` |
//! | `GET /{name}/{version, tag, range}` | a slice of the same | the same |
//! | `GET /-/package/{name}/dist-tags` | the same | the same |
//! | `GET` tarball, all path forms | store, or upstream as it comes | `dist.integrity` or `shasum`, as the held document or upstream's manifest has them; the registry's signature |
//! | `GET /-/npm/v1/keys` | mirrored | it is a key set |
//! | `GET /-/npm/v1/attestations/…` | mirrored | it is JSON |
//! | search, downloads | passed through | nothing is kept |
//! | audit | passed through; split by scope where scopes have upstreams of their own | nothing is kept |
//! | `GET /`, `GET /-/ping` | ourselves | |
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status.

mod artifacts;
mod audit;
mod bases;
mod clients;
mod discover;
mod documents;
pub mod error;
mod first_seen;
mod keys;
mod merge;
pub mod name;
mod passthrough;
pub mod proofs;
mod range;
mod release;
mod replies;
pub mod routes;
pub mod sources;
mod vouch;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;

use self::bases::Bases;
use self::error::Error;
use self::routes::Action;
use self::sources::Sources;
use super::desk::{Desk, Named};
use super::missed::Missed;
use super::shelf::Shelf;
use super::{Opening, Place, Registry, SetUp};
use crate::base::clock::Clock;
use crate::base::http::{BodyWanted, Handler, Outcome, Reply, Request};
use crate::config::{self, Listen, Signatures};
use crate::mirror::Mirror;

/// One npm mount.
pub struct Npm {
    mirror: Mirror,
    sources: Sources,
    signatures: Signatures,
    passthrough: bool,
    /// Longest request body passed through, in bytes.
    max_body: u64,
    bases: Bases,
    /// Versions that no document has, by the names of packages.
    missed: Missed,
}

impl Registry for config::Npm {
    fn default_upstream(&self, mount: &config::Mount, listen: &Listen) -> config::Upstream {
        discover::upstream(listen, mount)
    }

    fn default_upstream_in_words(&self) -> &'static str {
        "the registry that npm is set to on this machine"
    }

    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp> {
        clients::set_up(place)
    }

    fn open(&self, opening: Opening<'_>) -> Arc<dyn Handler> {
        Arc::new(Npm {
            mirror: opening.mirror,
            sources: Sources::new(Shelf::new(opening.mount), opening.upstreams),
            signatures: self.signatures,
            passthrough: opening.mount.passthrough,
            max_body: opening.max_request_bytes,
            bases: Bases::default(),
            missed: Missed::new(Clock::default(), opening.mount.negative_ttl),
        })
    }
}

impl Desk for Npm {
    type Action = Action;

    fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query)
    }

    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply {
        error::reply(error, request.id)
    }

    async fn answer(&self, request: &Request<'_>, action: &Action) -> Result<Outcome, Error> {
        let reply = match action {
            Action::Root => replies::root(&self.mirror.store().totals()),
            Action::Ping => replies::ping(),
            Action::Preflight => replies::preflight(),
            Action::Packument { name, uncached } => self.packument(request, name, *uncached).await?,
            Action::Manifest { name, spec } => self.manifest(request, name, spec).await?,
            Action::Tarball { name, version } => self.tarball(request, name, version).await?,
            Action::DistTags { name } => self.dist_tags(request, name).await?,
            Action::Keys => self.keys(request).await?,
            Action::Attestations { name, version } => self.attestations(request, name, version).await?,
            Action::Audit(_) if self.must_split()? => {
                return Ok(Outcome::NeedsBody(BodyWanted { action: action.name(), max: self.max_body }));
            }
            Action::Search | Action::Audit(_) | Action::Downloads => {
                return Ok(Outcome::Forward(self.pass_through(request, action.name()).await?));
            }
        };
        Ok(reply.into())
    }

    async fn answer_body(&self, request: &Request<'_>, action: &Action, body: Bytes) -> Result<Reply, Error> {
        match action {
            Action::Audit(audit) => self.audit(request, *audit, body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }
}
