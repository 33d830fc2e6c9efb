//! What changes a package. Source: contract npm §7.

use super::action::{Action, Reads};
use super::{Target, find_tarball};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::{PackageName, Version};
use crate::registries::paths::no_route;

/// What becomes of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `PUT /{name}` and `PUT /{name}/-rev/{rev}`: the body says whether that publishes, deprecates, stars, hands over, or
    /// takes versions away (§7.1 to §7.4, §7.6). `expected`: the revision that the client has seen.
    Document { name: PackageName, expected: Option<u64> },
    /// `DELETE /{name}/-rev/{rev}` (§7.4).
    Unpublish { name: PackageName },
    /// `DELETE` of a tarball's path with `/-rev/{rev}` at its end (§7.4).
    RemoveTarball { name: PackageName, version: Version },
    /// `PUT`, `POST /-/package/{name}/dist-tags/{tag}` and `PUT /{name}/{tag}` (§7.5).
    Tag { name: PackageName, tag: Box<str> },
    /// `PUT` and `POST /-/package/{name}/dist-tags`: an object of them, which takes the place of all or comes to them
    /// (§7.5).
    Tags { name: PackageName, replaces: bool },
    /// `DELETE /-/package/{name}/dist-tags/{tag}` (§7.5).
    Untag { name: PackageName, tag: Box<str> },
}

/// What stands behind a tarball with a revision at its end: to be taken away (§7.4).
pub fn find_removal(name: &str, file: &str) -> Result<Target, Error> {
    let Some(Action::Tarball { name, version }) = find_tarball(name, file)?.read else { return Err(no_route()) };
    Ok(Target { delete: Some(Write::RemoveTarball { name, version }.into()), ..Target::default() })
}

pub fn find_revision(name: &str, revision: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let write = Write::Document { name: name.clone(), expected: Some(parse_revision(revision)) };
    Ok(Target { put: Some(write.into()), delete: Some(Write::Unpublish { name }.into()), ..Target::default() })
}

/// Reads `<counter>-<32 hex>`, of which the counter tells (§4.3). One that is none of ours is one that nobody can have
/// seen.
pub fn parse_revision(revision: &str) -> u64 {
    revision.split('-').next().and_then(|counter| counter.parse().ok()).unwrap_or_default()
}

/// Finds the dist-tags of a package: `/-/package/{name}/dist-tags` and below (§5.4, §7.5).
pub fn find_tags(name: PackageName, rest: &[&str]) -> Result<Target, Error> {
    match rest {
        [] => {
            let set = |replaces| Some(Write::Tags { name: name.clone(), replaces }.into());
            Ok(Target { put: set(true), post: set(false), ..Target::read(Action::DistTags { name }) })
        }
        [tag] => {
            let set = || Some(Write::Tag { name: name.clone(), tag: (*tag).into() }.into());
            let delete = Some(Write::Untag { name: name.clone(), tag: (*tag).into() }.into());
            Ok(Target { put: set(), post: set(), delete, ..Target::default() })
        }
        _ => Err(no_route()),
    }
}

// === impl Write ===

impl Write {
    /// Returns what is written to.
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Document { name, .. } | Self::Unpublish { name } | Self::RemoveTarball { name, .. } => name,
            Self::Tag { name, .. } | Self::Tags { name, .. } | Self::Untag { name, .. } => name,
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Document { name, .. } => Reads::Publication(name),
            Self::Tag { .. } | Self::Tags { .. } => Reads::Body,
            Self::Unpublish { .. } | Self::RemoveTarball { .. } | Self::Untag { .. } => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Document { .. } => "write",
            Self::Unpublish { .. } => "unpublish",
            Self::RemoveTarball { .. } => "remove_tarball",
            Self::Tag { .. } | Self::Tags { .. } => "tag",
            Self::Untag { .. } => "untag",
        }
    }
}

impl From<Write> for Action {
    fn from(write: Write) -> Self {
        Self::Write(write)
    }
}
