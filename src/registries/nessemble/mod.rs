//! nessemble, read side: the list, search, packages, READMEs, archives, the reference. Contract: nessemble §1–5, §7.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /` | every page of the upstream's list, sorted and cut here | each page parses: it carries no digest |
//! | `GET /search/{term}` | the same, searched here | the same |
//! | `GET /package/{title}` | the upstream's document: which version is meant is decided here | it parses, it is of that title |
//! | `GET /package/{title}/{version}` | the same, of that version | the same; it is of that version |
//! | `GET …/data` | store, or upstream once it is proved | `shasum` of the versioned document, else `X-Integrity`; its files, title and version |
//! | `GET …/README` | `README.md` of the proved archive | the same |
//! | `GET /reference/…` | mirrored | it is text |
//! | `GET /status` | ourselves | |
//!
//! `/graphql` is refused: no client of the registry asks it, all that it tells is told by the routes above, and a language
//! of queries is much to read of strangers for that.
//!
//! All of it below `/v1` too. The only client is a C program with an HTTP reader and a JSON reader of its own, both with
//! little room: what an answer must look like for it stands in [`replies`] and `wire/budget.rs`.
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status. Before all of that, [`metered`] counts the
//! request, and after it adds what every answer says.

mod artifacts;
mod clients;
mod documents;
pub mod error;
mod first_seen;
mod metered;
pub mod name;
mod pace;
pub mod proofs;
mod rate;
mod replicate;
mod replies;
pub mod routes;
#[cfg(test)]
mod samples;
pub mod sources;
mod vouch;
pub mod wire;

use std::sync::Arc;

use self::error::Error;
use self::metered::Metered;
use self::pace::Pace;
use self::rate::{Allowance, Meter};
use self::routes::Action;
use self::sources::Sources;
use self::wire::Listed;
use super::blocks::Blocks;
use super::desk::Desk;
use super::memo::Memo;
use super::shelf::Shelf;
use super::{Opened, Opening, Place, Registry, SetUp};
use crate::base::clock::Clock;
use crate::base::http::{Outcome, Reply, Request};
use crate::base::secret::SafeUrl;
use crate::config::{self, Listen};
use crate::mirror::Mirror;

/// The public registry, as the old client has it built in; it speaks no TLS.
const REGISTRY: &str = "http://www.nessemble.com/registry/";

/// Pages of which it is remembered which one follows: more than a list has.
const NEXTS: usize = 1_024;

/// One nessemble mount.
pub struct Nessemble {
    mirror: Mirror,
    sources: Sources,
    /// By the digests of all pages of the list.
    lists: Memo<Arc<[Listed]>>,
    /// The numbers of the pages that follow, by the digests of pages.
    nexts: Memo<Option<u64>>,
    /// How fast upstream is asked by what nobody waits for.
    pace: Pace,
    clock: Clock,
    blocks: Blocks,
}

impl Registry for config::Nessemble {
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
        let clock = Clock::default();
        let desk = Nessemble {
            blocks: Blocks::new(&opening),
            mirror: opening.mirror,
            sources: Sources::new(Shelf::new(opening.mount), opening.upstreams),
            // The longest list has room.
            lists: Memo::new(opening.mount.max_document_bytes as usize),
            nexts: Memo::new(NEXTS),
            pace: Pace::default(),
            clock: clock.clone(),
        };
        let allowance =
            Allowance { per_minute: self.requests_per_minute.into(), per_day: self.requests_per_day.into() };
        Opened::synced(Metered { desk, meter: Meter::new(allowance), clock })
    }
}

impl Desk for Nessemble {
    type Action = Action;
    type Visitor = ();

    fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query, request.header(http::header::ACCEPT))
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
            Action::List(page) => self.list(request, *page).await?,
            Action::Status => replies::status(self.clock.now()),
            Action::Search { term } => self.search(request, term.as_deref()).await?,
            Action::Package { title, version } => self.package(request, title, version.as_ref()).await?,
            Action::Readme { title, version } => self.readme(request, title, version.as_ref()).await?,
            Action::Data { title, version } => self.data(request, title, version.as_ref()).await?,
            Action::Reference { path } => self.reference(request, path).await?,
            Action::Preflight { allow } => replies::preflight(allow),
        };
        Ok(reply.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_registry_is_the_default_upstream() {
        let nessemble = config::Nessemble::default();
        let upstream = nessemble.default_upstream(&config::Mount::default(), &Listen::default());
        assert_eq!(upstream.url.as_url().as_str(), REGISTRY);
        let Allowance { per_minute, per_day } = Allowance::default();
        let configured = (u64::from(nessemble.requests_per_minute), u64::from(nessemble.requests_per_day));
        assert_eq!(configured, (per_minute, per_day));
    }
}
