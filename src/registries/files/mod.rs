//! Files: any tree that a server has under one URL, mirrored as a shared HTTP cache. Source: RFC 9110, RFC 9111.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET`, `HEAD` of anything | kept and reused as its server says | its length |
//! | … of a file that a checksum file beside it lists | store, or upstream as it comes | the sum |
//! | … of a checksum file, where the mount names one | mirrored | it is one |
//! | other methods, where the mount allows them | passed through | nothing is kept, and what they change is forgotten |
//!
//! Statuses, headers, directory listings and redirects are passed as they are; only links into the tree are turned so
//! that they lead through the mirror. A client's credentials and cookies are for us and never go upstream: so nothing
//! that is kept was made for one user, and `Authorization` needs none of the care of RFC 9111 §3.5.
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status.

mod artifacts;
mod clients;
pub mod error;
mod headers;
mod passthrough;
pub mod proofs;
mod read;
pub mod routes;
pub mod sources;
mod tree;
mod vouch;

use std::sync::Arc;

use self::error::Error;
use self::routes::Action;
use self::sources::Sources;
use super::blocks::Blocks;
use super::desk::Desk;
use super::missed::Missed;
use super::shelf::Shelf;
use super::{Opened, Opening, Place, Registry, SetUp};
use crate::base::clock::Clock;
use crate::base::http::{Outcome, Reply, Request};
use crate::config::{self, Listen};
use crate::mirror::Mirror;
use crate::mirror::fresh::Demand;

/// One files mount.
pub struct Files {
    mirror: Mirror,
    sources: Sources,
    rules: config::Files,
    missed: Missed,
    /// Longest request body passed through, in bytes.
    max_body: u64,
    blocks: Blocks,
}

impl Registry for config::Files {
    fn default_upstream(&self, mount: &config::Mount, _listen: &Listen) -> config::Upstream {
        mount.upstreams.first().expect("a files mount without an upstream is a mistake in the configuration").clone()
    }

    fn default_upstream_in_words(&self) -> &'static str {
        "nothing"
    }

    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp> {
        clients::set_up(place)
    }

    fn open(&self, opening: Opening<'_>) -> Opened {
        let mut rules = self.clone();
        if !opening.mount.passthrough {
            rules.methods.retain(|method| matches!(method.as_str(), "GET" | "HEAD"));
        }
        let files = Arc::new(Files {
            blocks: Blocks::new(&opening),
            mirror: opening.mirror,
            sources: Sources::new(Shelf::new(opening.mount), opening.upstreams.default, self.redirects),
            rules,
            missed: Missed::new(Clock::default(), opening.mount.negative_ttl),
            max_body: opening.max_request_bytes,
        });
        Opened { tree: Some(Arc::clone(&files) as _), ..Opened::shared(files) }
    }
}

impl Desk for Files {
    type Action = Action;
    type Visitor = ();

    fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query, &self.rules)
    }

    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply {
        error::reply(error, request.id)
    }

    /// Anybody may read.
    async fn admit(&self, _request: &Request<'_>, _action: &Action) -> Result<(), Error> {
        Ok(())
    }

    async fn answer(&self, request: &Request<'_>, action: &Action, _visitor: &()) -> Result<Outcome, Error> {
        let reply = match action {
            Action::Sums(place) => self.sums(place, &Demand::of(request.headers)).await?,
            Action::File(place) => self.file(request, place).await?,
            Action::Forward(place) => return Ok(Outcome::Forward(self.forward(request, place).await?)),
        };
        Ok(reply.into())
    }
}
