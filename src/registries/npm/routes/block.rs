//! What is blocked, by the cnpm dialect's words. Source: contract npm §13.1.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::paths::no_route;

/// What becomes of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// `/-/package/{name}/blocks`.
    Show { name: PackageName },
    /// `PUT` of the same, and of `/{version}` below it; without one, of all versions.
    Put { name: PackageName, versions: Option<Box<str>> },
    /// `DELETE` of the same.
    Remove { name: PackageName, versions: Option<Box<str>> },
}

/// Finds what lies under `/-/package/{name}/blocks`.
pub fn find(name: PackageName, rest: &[&str]) -> Result<Target, Error> {
    let versions = match rest {
        [] => None,
        [versions] => Some(Box::from(*versions)),
        _ => return Err(no_route()),
    };
    let read = versions.is_none().then(|| Block::Show { name: name.clone() }.into());
    let put = Some(Block::Put { name: name.clone(), versions: versions.clone() }.into());
    let delete = Some(Block::Remove { name, versions }.into());
    Ok(Target { read, put, delete, ..Target::default() })
}

// === impl Block ===

impl Block {
    /// Says who is let in: whether who writes may, is asked of admins.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Show { name } => Access::Read(name.as_str()),
            Self::Put { .. } | Self::Remove { .. } => Access::Known,
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        if matches!(self, Self::Put { .. }) { Reads::Body } else { Reads::Nothing }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Show { .. } => "blocks",
            Self::Put { .. } => "block",
            Self::Remove { .. } => "unblock",
        }
    }
}

impl From<Block> for Action {
    fn from(block: Block) -> Self {
        Self::Block(block)
    }
}
