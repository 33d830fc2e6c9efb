//! What a request may ask for. Subjects that have much of their own have an enum of their own: its routes, its handlers and
//! who is let in stand in one place each.

use super::account::Account;
use super::binary::Binary;
use super::block::Block;
use super::discover::Discover;
use super::downloads::Downloads;
use super::files::Files;
use super::hook::Hook;
use super::orgs::Orgs;
use super::proxy_cache::ProxyCache;
use super::registries::Registries;
use super::sharing::Sharing;
use super::stars::Stars;
use super::sync::Sync;
use super::write::Write;
use crate::registries::blocks::Subject;
use crate::registries::desk::Named;
use crate::registries::npm::name::{PackageName, Spec, Version};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `/` (contract npm §5.5).
    Root,
    /// `/-/ping` (§5.6).
    Ping,
    /// `/{name}` (§5.1). `uncached`: the client is about to edit, or a peer wants it fresh; never stored, `no-store`.
    Packument { name: PackageName, uncached: bool },
    /// `/{name}/{version, tag or range}` (§5.2).
    Manifest { name: PackageName, spec: Spec },
    /// A tarball under any of its paths (§5.3).
    Tarball { name: PackageName, version: Version },
    /// A browser asks whether a page may read what lies here (§2.4).
    Preflight { is_tarball: bool },
    /// `/-/package/{name}/dist-tags` (§5.4).
    DistTags { name: PackageName },
    /// `/-/npm/v1/keys` (§6.2).
    Keys,
    /// `/-/npm/v1/attestations/{name}@{version}` (§6.3).
    Attestations { name: PackageName, version: Version },
    /// Questions about advisories (§11); passed through.
    Audit(Audit),
    /// `/downloads/…` (§10.4).
    Downloads(Downloads),
    /// What changes a package.
    Write(Write),
    /// Users, their logins, profiles and tokens.
    Account(Account),
    /// What is blocked.
    Block(Block),
    /// Who may see and change a package.
    Sharing(Sharing),
    /// Who likes which packages.
    Stars(Stars),
    /// What has happened here, and what there is.
    Discover(Discover),
    /// Organisations and teams.
    Orgs(Orgs),
    /// Who is told of what happens.
    Hook(Hook),
    /// Where names come from.
    Registries(Registries),
    /// The files of a version.
    Files(Files),
    /// What is kept of upstreams' packages.
    ProxyCache(ProxyCache),
    /// What is brought up to its upstream.
    Sync(Sync),
    /// Mirrors of binaries.
    Binary(Binary),
}

/// Which of the audit endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// `/-/npm/v1/security/advisories/bulk`: npm 7 and later, pnpm, yarn 4, bun.
    Bulk,
    /// `/-/npm/v1/security/audits/quick`: npm 6.
    Quick,
    /// `/-/npm/v1/security/audits`: yarn 1.
    Full,
}

/// What is read of a request before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads<'a> {
    Nothing,
    /// Some members.
    Body,
    /// A name and a password, or less.
    Credentials,
    /// A question about advisories, if it is not passed on.
    Question,
    /// A tarball may be in it, for this package.
    Publication(&'a PackageName),
}

// === impl Action ===

impl Action {
    /// Says what is read before an answer.
    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Audit(_) => Reads::Question,
            Self::Write(write) => write.reads(),
            Self::Account(account) => account.reads(),
            Self::Block(block) => block.reads(),
            Self::Hook(hook) => hook.reads(),
            Self::Registries(asked) => asked.reads(),
            Self::Sharing(sharing) => sharing.reads(),
            Self::Stars(stars) => stars.reads(),
            Self::Orgs(orgs) => orgs.reads(),
            Self::Binary(asked) => asked.reads(),
            Self::Sync(sync) => sync.reads(),
            _ => Reads::Nothing,
        }
    }
}

impl Named for Action {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Packument { name, .. } | Self::DistTags { name } => Subject::package(name.as_str()),
            Self::Tarball { name, version } | Self::Attestations { name, version } => {
                Subject::release(name.as_str(), version.as_str())
            }
            Self::Manifest { name, spec: Spec::Version(version) } => Subject::release(name.as_str(), version.as_str()),
            Self::Manifest { name, .. } => Subject::package(name.as_str()),
            Self::Files(files) => files.subject(),
            Self::Write(write) => Subject::package(write.package().as_str()),
            Self::Sharing(sharing) => Subject::package(sharing.package().as_str()),
            Self::Sync(sync) => Subject::package(sync.package().as_str()),
            Self::Root | Self::Ping | Self::Preflight { .. } | Self::Keys | Self::Account(_) | Self::Block(_) => {
                Subject::Nothing
            }
            // Answers about many packages, none of which they hand out.
            Self::Discover(_) | Self::Audit(_) | Self::Downloads(_) => Subject::Nothing,
            Self::Stars(_) | Self::Orgs(_) | Self::Hook(_) | Self::Registries(_) => Subject::Nothing,
            // Who looks into the cache is to find what is blocked too.
            Self::ProxyCache(_) => Subject::Nothing,
            // What is blocked of them, is so where their bytes come through.
            Self::Binary(_) => Subject::Nothing,
        }
    }

    fn hides_path(&self) -> bool {
        matches!(self, Self::Account(account) if account.hides_path())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Ping => "ping",
            Self::Packument { .. } => "packument",
            Self::Manifest { .. } => "manifest",
            Self::Tarball { .. } => "tarball",
            Self::Preflight { .. } => "preflight",
            Self::DistTags { .. } => "dist_tags",
            Self::Keys => "keys",
            Self::Attestations { .. } => "attestations",
            Self::Audit(_) => "audit",
            Self::Downloads(_) => "downloads",
            Self::Write(write) => write.name(),
            Self::Account(account) => account.name(),
            Self::Block(block) => block.name(),
            Self::Sharing(sharing) => sharing.name(),
            Self::Stars(stars) => stars.name(),
            Self::Discover(discover) => discover.name(),
            Self::Orgs(orgs) => orgs.name(),
            Self::Hook(hook) => hook.name(),
            Self::Registries(asked) => asked.name(),
            Self::Files(files) => files.name(),
            Self::ProxyCache(asked) => asked.name(),
            Self::Sync(sync) => sync.name(),
            Self::Binary(asked) => asked.name(),
        }
    }
}
