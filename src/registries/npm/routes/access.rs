//! Who is let in to what: decided by the action, so that no spelling of a path walks around it.

use super::Action;

/// What one must be to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// Anybody.
    Open,
    /// Who may read this package; nothing, of all.
    Read(&'a str),
    /// Who is logged in.
    Known,
}

impl Action {
    /// Says who is let in.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Ping | Self::Preflight { .. } | Self::Keys => Access::Open,
            Self::Packument { name, .. } | Self::Manifest { name, .. } | Self::Tarball { name, .. } => {
                Access::Read(name.as_str())
            }
            Self::DistTags { name } | Self::Attestations { name, .. } => Access::Read(name.as_str()),
            Self::Root | Self::Audit(_) => Access::Read(""),
            Self::Downloads(downloads) => downloads.access(),
            Self::Write(_) => Access::Known,
            Self::Account(account) => account.access(),
            Self::Block(block) => block.access(),
            Self::Sharing(sharing) => sharing.access(),
            Self::Stars(stars) => stars.access(),
            Self::Discover(discover) => discover.access(),
            Self::Orgs(orgs) => orgs.access(),
            Self::Hook(hook) => hook.access(),
            Self::Registries(asked) => asked.access(),
            Self::Files(files) => files.access(),
            Self::ProxyCache(asked) => asked.access(),
            Self::Sync(sync) => sync.access(),
            Self::Binary(asked) => asked.access(),
        }
    }
}
