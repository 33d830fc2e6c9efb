//! The registries: one folder a dialect, the same files in each.
//!
//! A dialect turns a request into an action once (`routes`), names what it wants of the mirror (`sources`) and what must
//! hold of it (`vouch`, by the pure checks of `proofs`), and shapes what comes back: `documents` and `wire` where it knows
//! documents of a shape of their own, `artifacts` always. What they share is the engine, a [`gate`] that says who may what,
//! [`blocks`], a [`desk`] to answer from, the [`shelf`] that a mount's resources stand on, readers for what strangers send
//! ([`paths`], [`queries`], [`bodies`], [`members`], [`times`], [`untar`], [`lockfiles`], [`version`], [`range`]), a [`memo`] of what they
//! made of it and of what they [`missed`], the heads of [`replies`], the words for what can go wrong ([`failure`]), and
//! those of [`replica`] for bringing packages up to their upstreams, in a [`round`], by what a [`roll`] remembers and what is
//! [`listed`], and mirrors of [`binaries`], which are listed by one dialect and read through others; none of them imports
//! another.
//!
//! A new one is a folder, its keys in [`config::Dialect`], and its line in [`of`].

pub mod binaries;
pub mod blocks;
pub mod bodies;
pub mod desk;
pub mod failure;
pub mod files;
pub mod gate;
pub mod hex;
pub mod listed;
pub mod lockfiles;
pub mod members;
pub mod memo;
pub mod missed;
pub mod nessemble;
pub mod niso;
pub mod npm;
mod passthrough;
pub mod paths;
pub mod queries;
pub mod range;
pub mod replica;
pub mod replies;
pub mod roll;
pub mod round;
pub mod shelf;
mod text;
pub mod times;
pub mod untar;
pub mod upstreams;
pub mod version;
pub mod wishes;

use std::sync::Arc;

use arc_swap::ArcSwap;

use self::binaries::depot::Catalogue;
use self::binaries::tree::{Documents, Tree};
use self::replica::Replica;
pub use self::upstreams::Upstreams;
use crate::base::http::Handler;
use crate::config::{self, Dialect, Listen};
use crate::mirror::Mirror;
use crate::overlay::Overlay;

/// One dialect, with the keys that a mount of it has.
pub trait Registry {
    /// Tells whether a mount can be opened: what only the dialect can read of its keys.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns the upstream of a mount that names none for every package. May block while it is looked for.
    fn default_upstream(&self, mount: &config::Mount, listen: &Listen) -> config::Upstream;

    /// Says in words which one that is.
    fn default_upstream_in_words(&self) -> &'static str;

    /// Returns the line of every client for a mount of this dialect.
    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp>;

    /// Opens a mount.
    fn open(&self, opening: Opening<'_>) -> Opened;
}

/// What a mount is opened with.
pub struct Opening<'a> {
    pub mirror: Mirror,
    pub mount: &'a config::Mount,
    pub upstreams: Upstreams,
    /// Longest request body passed through, in bytes.
    pub max_request_bytes: u64,
    /// What was written here.
    pub overlay: Arc<Overlay>,
    pub accounts: &'a config::Accounts,
    /// Whether hooks may be told at private addresses.
    pub allow_private_hooks: bool,
    /// How tasks that bring packages up to their upstreams are worked through.
    pub sync: &'a config::Sync,
    /// Mirrors of binaries, which are known once all mounts are open.
    pub binaries: Arc<ArcSwap<Catalogue>>,
}

/// A mount that was opened.
pub struct Opened {
    pub handler: Arc<dyn Handler>,
    /// What brings its packages up to their upstreams; none, where there is nothing to go by.
    pub replica: Option<Arc<dyn Replica>>,
    /// What mirrors of binaries may be read through.
    pub tree: Option<Arc<dyn Tree>>,
    pub documents: Option<Arc<dyn Documents>>,
}

/// Where clients reach a mount.
pub struct Place<'a> {
    /// Without a `/` at its end.
    pub url: &'a str,
    /// The URL's host where it has no TLS: some clients refuse such a registry unless they are told the host.
    pub plain_host: Option<&'a str>,
}

/// One client and the line that points it at a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUp {
    pub client: &'static str,
    pub line: String,
}

// === impl Opened ===

impl Opened {
    /// Opens a mount that is served, and not synced.
    fn shared(handler: Arc<dyn Handler>) -> Self {
        Self { handler, replica: None, tree: None, documents: None }
    }

    /// Opens a mount that is served, and synced.
    fn synced(mount: impl Handler + Replica + 'static) -> Self {
        let mount = Arc::new(mount);
        Self { replica: Some(Arc::clone(&mount) as _), ..Self::shared(mount) }
    }
}

/// Returns the registry of a dialect: the table of all.
pub fn of(dialect: &Dialect) -> &dyn Registry {
    match dialect {
        Dialect::Npm(npm) => npm,
        Dialect::Hex(hex) => hex,
        Dialect::Files(files) => files,
        Dialect::Niso(niso) => niso,
        Dialect::Nessemble(nessemble) => nessemble,
    }
}
