//! npm: mirrored packages, and those that are published here. Contract: npm §1–11, §13–15,
//! §17, §18.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /{name}`, both forms | the upstream's full document, prepared once | it parses, it has that name, versions carry `dist` |
//! | `GET /{name}/{version, tag, range}` | a slice of the same | the same |
//! | `GET /-/package/{name}/dist-tags` | the same | the same |
//! | `GET /{name}/{spec}/files…` | the tarball, opened | as the tarball |
//! | `GET` tarball, all path forms | store, or upstream as it comes | `dist.integrity` or `shasum`, as the held document or upstream's manifest has them; the registry's signature |
//! | `GET /-/npm/v1/keys` | those of all upstreams, and our own | it is a key set |
//! | `GET /-/npm/v1/attestations/…` | mirrored | it is JSON |
//! | search | the catalog of what is ours, then upstream, without what is blocked | nothing is kept |
//! | downloads | what was counted here; of mirrored packages passed through, unless the mount counts | |
//! | audit | passed through; split by scope where scopes have upstreams of their own | nothing is kept |
//! | `GET /`, `GET /-/ping` | ourselves | |
//! | `GET /_changes`, lists | the overlay | |
//! | all of these of a name that is ours | the overlay, printed once a revision | what was published was proved then |
//! | all of these of a name under `merged` | upstream's with ours over it | as each of both |
//! | `PUT /{name}`, `-rev`, tags, tarballs taken away | the overlay | hashes, tar, package.json; the visitor's rights |
//! | users, logins, profiles, tokens | the overlay | |
//! | blocks | the overlay | |
//! | registries, scopes | the configuration, then the overlay | |
//! | what is kept | the store | |
//! | sync tasks | the overlay; what they do, by who runs them | the visitor's rights |
//! | owners, collaborators, access, stars, organisations, teams | the overlay | the visitor's rights |
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status.

mod accounts;
mod artifacts;
mod audit;
mod binaries;
mod blocking;
mod catalog;
mod clients;
mod cors;
mod documents;
mod door;
mod downloads;
pub mod error;
mod feed;
mod files;
mod first_seen;
pub mod hooks;
mod keys;
mod lists;
mod merge;
pub mod name;
mod orgs;
mod own;
mod passthrough;
pub mod proofs;
mod proxy_cache;
mod publish;
mod registries;
mod release;
mod replicate;
mod replies;
mod root;
mod routed;
pub mod routes;
mod search;
mod signing;
pub mod sources;
mod stars;
mod syncs;
mod vouch;
pub mod wire;
mod write;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};

use self::accounts::confirm::Code;
use self::catalog::Catalog;
use self::door::{Guest, closed};
use self::error::Error;
use self::files::Opened;
use self::registries::feeds::Told;
use self::routed::Routed;
use self::routes::{Action, Discover};
use self::signing::Signer;
use self::sources::Sources;
use self::sources::bases::Bases;
use super::binaries::depot::Catalogue;
use super::blocks::Blocks;
use super::desk::{Desk, Named};
use super::gate::{Gate, Rules, Visitor};
use super::memo::Memo;
use super::missed::Missed;
use super::shelf::Shelf;
use super::{Opening, Place, Registry, SetUp, Upstreams};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::http::{BodyWanted, Outcome, Reply, Request};
use crate::base::secret::SafeUrl;
use crate::config::{self, Listen, NewNames, Signatures};
use crate::mirror::Mirror;
use crate::overlay::blobs::Blob;
use crate::overlay::tasks::Patience;

/// Tarballs that are proved and kept at once.
const PUBLISHING: usize = 4;

/// Versions of ours of which it is remembered where their bytes lie, at some 200 bytes each.
const MAX_TARBALLS: usize = 50_000;

/// What stands in paths before a token, or what a login is known by.
const HIDING: [&str; 3] = ["/user/token/", "/v1/tokens/", "/v1/login/"];

/// One npm mount, by one state of its routes. Cheap to clone.
#[derive(Clone)]
pub struct Npm {
    mirror: Mirror,
    sources: Arc<Sources>,
    /// What the configuration says of where names come from, whatever was named at run time.
    configured: Arc<Upstreams>,
    /// Where the configuration says that those tell of changes.
    feeds_told: Arc<Told>,
    /// Whether registries that are named at run time may have private addresses.
    allow_private_registries: bool,
    signatures: Signatures,
    /// Whether what is published here is signed.
    signs: bool,
    signer: Arc<OnceCell<Arc<Signer>>>,
    passthrough: bool,
    downloads: config::Downloads,
    /// Longest request body passed through, in bytes.
    max_body: u64,
    bases: Arc<Bases>,
    /// Versions that no document has, by the names of packages.
    missed: Arc<Missed>,
    gate: Arc<Gate>,
    blocks: Blocks,
    catalog: Arc<Catalog>,
    /// Held while a question about advisories stands in memory.
    asking: Arc<Semaphore>,
    /// How many clients wait for changes at once.
    waiting: Arc<Semaphore>,
    /// The bytes of versions of ours, by the states of their packages.
    tarballs: Arc<Memo<Option<Blob>>>,
    /// Tarballs whose files are served one by one; none, where they are not.
    files: Option<Arc<Opened>>,
    /// Whether hooks may be told at private addresses.
    allow_private_hooks: bool,
    binaries: Arc<ArcSwap<Catalogue>>,
    /// Longest body of a publish, in bytes.
    max_publish: u64,
    new_names: NewNames,
    /// Held while a tarball stands in memory.
    publishing: Arc<Semaphore>,
    /// Held while a whole document stands in memory to be compared.
    surveying: Arc<Semaphore>,
    /// What follows its upstream, and who may ask for that.
    in_step: config::InStep,
    /// Where the default upstream tells of what has changed, if the configuration says so.
    changes: Option<SafeUrl>,
    /// How tasks are waited for.
    patience: Patience,
}

impl Registry for config::Npm {
    fn default_upstream(&self, mount: &config::Mount, listen: &Listen) -> config::Upstream {
        sources::discover::upstream(listen, mount)
    }

    fn default_upstream_in_words(&self) -> &'static str {
        "the registry that npm is set to on this machine"
    }

    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp> {
        clients::set_up(place)
    }

    fn open(&self, opening: Opening<'_>) -> super::Opened {
        let rules =
            Rules { own: self.own.clone(), merged: self.merged.clone(), anonymous_reading: self.anonymous_reading };
        let mount = opening.mount;
        let npm = Npm {
            blocks: Blocks::new(&opening),
            gate: Arc::new(Gate::new(&opening, rules)),
            catalog: Arc::default(),
            asking: Arc::new(Semaphore::new(audit::ASKING)),
            waiting: Arc::new(Semaphore::new(feed::MAX_WAITING)),
            tarballs: Arc::new(Memo::new(MAX_TARBALLS)),
            files: self.files.then(Arc::default),
            allow_private_hooks: opening.allow_private_hooks,
            binaries: opening.binaries,
            max_publish: self.max_publish_bytes,
            new_names: self.new_names,
            publishing: Arc::new(Semaphore::new(PUBLISHING)),
            surveying: Arc::new(Semaphore::new(1)),
            mirror: opening.mirror,
            sources: Arc::new(Sources::new(Shelf::new(mount), opening.upstreams.clone())),
            configured: Arc::new(opening.upstreams),
            feeds_told: Arc::new(Told::of(mount)),
            allow_private_registries: self.allow_private_registries,
            signatures: self.signatures,
            signs: self.sign,
            signer: Arc::default(),
            passthrough: mount.passthrough,
            downloads: self.downloads,
            max_body: opening.max_request_bytes,
            bases: Arc::default(),
            missed: Arc::new(Missed::new(Clock::default(), mount.negative_ttl)),
            in_step: mount.in_step.clone(),
            changes: find_changes(mount),
            patience: Patience::of(opening.sync),
        };
        let routed = Arc::new(Routed::new(npm, mount));
        let (handler, documents) = (Arc::clone(&routed) as _, Some(Arc::clone(&routed) as _));
        super::Opened { handler, replica: Some(routed), documents, tree: None }
    }
}

impl Desk for Npm {
    type Action = Action;
    type Visitor = Guest;

    fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query)
    }

    fn may_hide(&self, path: &str) -> bool {
        HIDING.iter().any(|part| path.contains(part))
    }

    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply {
        cors::allowed_error(error::reply(error, request.id), request)
    }

    async fn admit(&self, request: &Request<'_>, action: &Action) -> Result<Guest, Error> {
        let visitor = self.visitor(request, action).await?;
        let readership = self.let_in(&visitor, action).await?;
        Ok(Guest { visitor, readership })
    }

    async fn hides(&self, action: &Action, guest: &Guest) -> Result<bool, Error> {
        match action.subject().name() {
            Some(name) => self.gate.hides(&guest.visitor, name).await,
            None => Ok(false),
        }
    }

    async fn answer(&self, request: &Request<'_>, action: &Action, guest: &Guest) -> Result<Outcome, Error> {
        let Guest { visitor, readership } = guest;
        let max = self.longest_body(visitor, action).await?;
        self.confirm(request, visitor, action, if max.is_some() { Code::Present } else { Code::Taken(None) }).await?;
        if let Some(max) = max {
            return Ok(Outcome::NeedsBody(BodyWanted { action: action.name(), max }));
        }
        Ok(match self.answer_unread(request, action, visitor).await? {
            Outcome::Reply(reply) => cors::allowed(closed(reply, *readership), request, *readership).into(),
            forward => forward,
        })
    }

    async fn answer_body(
        &self,
        request: &Request<'_>,
        action: &Action,
        Guest { visitor, .. }: &Guest,
        body: Bytes,
    ) -> Result<Reply, Error> {
        self.confirm(request, visitor, action, Code::Taken(Some(&body))).await?;
        match action {
            Action::Audit(audit) => self.audit(request, *audit, body).await,
            Action::Write(write) => self.answer_write_body(visitor, write, body).await,
            Action::Account(account) => self.answer_account_body(request, visitor, account, &body).await,
            Action::Block(block) => self.answer_block_body(visitor, block, &body).await,
            Action::Sharing(sharing) => self.answer_sharing_body(visitor, sharing, &body).await,
            Action::Stars(stars) => self.answer_stars_body(visitor, stars, &body).await,
            Action::Orgs(orgs) => self.answer_orgs_body(visitor, orgs, &body).await,
            Action::Hook(hook) => self.answer_hook_body(visitor, hook, &body).await,
            Action::Registries(asked) => self.answer_registries_body(visitor, asked, &body).await,
            Action::Sync(sync) => self.answer_sync_body(request, visitor, sync, &body).await,
            Action::Binary(asked) => self.answer_binary_body(visitor, asked, &body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }
}

impl Npm {
    /// Answers what needs no body. What is asked for most is answered here; the rest stands apart, or each of these answers
    /// would need the memory of the largest.
    async fn answer_unread(&self, request: &Request<'_>, action: &Action, visitor: &Visitor) -> Result<Outcome, Error> {
        let reply = match action {
            Action::Packument { name, uncached } => self.packument(request, name, *uncached).await?,
            Action::Manifest { name, spec } => self.manifest(request, name, spec).await?,
            Action::Tarball { name, version } => self.counted_tarball(request, name, version).await?,
            action => return Box::pin(self.answer_rest(request, action, visitor)).await,
        };
        Ok(reply.into())
    }

    async fn answer_rest(&self, request: &Request<'_>, action: &Action, visitor: &Visitor) -> Result<Outcome, Error> {
        let reply = match action {
            Action::Root => self.root(request.base).await?,
            Action::Ping => replies::ping(),
            Action::Preflight { is_tarball } => cors::preflight(request, *is_tarball),
            Action::DistTags { name } => self.dist_tags(request, name).await?,
            Action::Keys => self.keys(request).await?,
            Action::Attestations { name, version } => self.attestations(request, name, version).await?,
            Action::Write(write) => self.answer_write(visitor, write).await?,
            Action::Account(account) => self.answer_account(request, visitor, account).await?,
            Action::Block(block) => self.answer_block(visitor, block).await?,
            Action::Sharing(sharing) => self.answer_sharing(request, visitor, sharing).await?,
            Action::Stars(stars) => self.answer_stars(request, visitor, stars).await?,
            Action::Orgs(orgs) => self.answer_orgs(visitor, orgs).await?,
            Action::Hook(hook) => self.answer_hook(visitor, hook).await?,
            Action::Registries(asked) => self.answer_registries(request, visitor, asked).await?,
            Action::Sync(sync) => self.answer_sync(request, visitor, sync).await?,
            Action::Files(files) => self.answer_files(request, visitor, files).await?,
            Action::ProxyCache(asked) => self.answer_proxy_cache(visitor, asked).await?,
            Action::Binary(asked) => self.answer_binary(request, asked).await?,
            Action::Discover(Discover::Search(query)) => return self.search(request, visitor, query).await,
            Action::Discover(discover) => self.answer_discover(visitor, discover).await?,
            Action::Downloads(asked) => return self.downloads(request, visitor, asked).await,
            Action::Audit(_) => return Ok(Outcome::Forward(self.pass_through(request, action.name()).await?)),
            Action::Packument { .. } | Action::Manifest { .. } | Action::Tarball { .. } => {
                return Err(Error::internal("an action that is answered elsewhere"));
            }
        };
        Ok(reply.into())
    }
}

/// Finds where the default upstream of a mount tells of what has changed.
fn find_changes(mount: &config::Mount) -> Option<SafeUrl> {
    mount.upstreams.iter().find(|upstream| upstream.scopes.is_empty())?.changes.clone()
}

/// Prints a revision as clients know it, `<counter>-<32 hex>`: of what, is in the second half. Source: contract npm §4.3.
fn rev(counter: u64, of: &str) -> String {
    let sum = Digest::of(format!("{of}@{counter}").as_bytes());
    format!("{counter}-{}", &sum.to_hex()[..32])
}
