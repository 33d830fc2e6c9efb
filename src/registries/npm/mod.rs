//! npm, read side: packuments, manifests, tarballs, keys, attestations. Contract: npm §1–6, §10.1, §11, §18.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /{name}`, both forms | the upstream's full document, prepared once | it parses, it has that name, versions carry `dist` |
//! | `GET /{name}/{version, tag, range}` | a slice of the same | the same |
//! | `GET /-/package/{name}/dist-tags` | the same | the same |
//! | `GET` tarball, all path forms | store, or upstream as it comes | `dist.integrity` or `shasum`; the registry's signature |
//! | `GET /-/npm/v1/keys` | mirrored | it is a key set |
//! | `GET /-/npm/v1/attestations/…` | mirrored | it is JSON |
//! | search, audit, downloads | passed through | nothing is kept |
//! | `GET /`, `GET /-/ping` | ourselves | |
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler, the cache key and
//! the label in the log; [`error`] is the one place where a fault becomes a status.

mod bases;
pub mod clients;
pub mod discover;
mod documents;
pub mod error;
mod fault;
mod keys;
mod merge;
pub mod name;
mod passthrough;
pub mod proofs;
mod range;
pub mod routes;
mod small;
mod sources;
mod tarballs;
mod vouch;
pub mod wire;

use async_trait::async_trait;

use self::bases::Bases;
use self::error::{Error, Fault};
use self::routes::Action;
use self::sources::Sources;
pub use self::sources::Upstreams;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::config;
use crate::mirror::Mirror;

/// One npm mount.
pub struct Npm {
    mirror: Mirror,
    sources: Sources,
    signatures: config::Signatures,
    passthrough: bool,
    /// Longest request body passed through, in bytes.
    max_body: u64,
    bases: Bases,
}

impl Npm {
    /// Builds a mount. At most `max_body` bytes of a request are passed through.
    pub fn new(mirror: Mirror, mount: &config::Mount, upstreams: Upstreams, max_body: u64) -> Self {
        Self {
            mirror,
            sources: Sources::new(mount, upstreams),
            signatures: mount.signatures,
            passthrough: mount.passthrough,
            max_body,
            bases: Bases::default(),
        }
    }

    async fn answer(&self, request: &Request<'_>, action: &Action) -> Result<Outcome, Error> {
        let reply = match action {
            Action::Root => self.root(),
            Action::Ping => small::ping(),
            Action::Preflight => small::preflight(),
            Action::Packument { name, uncached } => self.packument(request, name, *uncached).await?,
            Action::Manifest { name, spec } => self.manifest(request, name, spec).await?,
            Action::Tarball { name, version } => self.tarball(request, name, version).await?,
            Action::DistTags { name } => self.dist_tags(request, name).await?,
            Action::Keys => self.keys(request).await?,
            Action::Attestations { name, version } => self.attestations(request, name, version).await?,
            Action::Search | Action::Audit(_) | Action::Downloads => {
                return Ok(Outcome::Forward(self.pass_through(request, action.name()).await?));
            }
        };
        Ok(Outcome::Reply(reply.action(action.name())))
    }

    /// Answers again, once, when what is kept turned out to be damaged.
    async fn answer_healing(&self, request: &Request<'_>, action: &Action) -> Result<Outcome, Error> {
        match self.answer(request, action).await {
            Err(error) => match error.engine() {
                Some(cause) if self.mirror.heal(cause).await => self.answer(request, action).await,
                _ => Err(error),
            },
            answered => answered,
        }
    }
}

#[async_trait]
impl Handler for Npm {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let action = match routes::parse(request.method, request.path, request.query) {
            Ok(action) => action,
            Err(error) => return error.reply(request.id).action("refused").into(),
        };
        match self.answer_healing(request, &action).await {
            Ok(outcome) => outcome,
            Err(error) => {
                if error.fault() == Fault::Ours {
                    tracing::error!(request = request.id, error = &error as &dyn std::error::Error, "request failed");
                }
                error.reply(request.id).action(action.name()).into()
            }
        }
    }

    fn refuse(&self, refusal: Refusal, request_id: &str) -> Reply {
        Error::from(refusal).reply(request_id).action("refused")
    }
}
