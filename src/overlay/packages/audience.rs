//! Who may see a package, beside admins; and what of it is asked on every request, so that it is held in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Package;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::teams::{Permission, TeamId, TeamName};
use crate::overlay::users::UserId;

/// How far a package is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Everybody,
    /// Its owners, and the members of its namespace: it is restricted.
    Members,
    /// Its owners, the members of the teams that it is bound to, and the admins of its namespace.
    Teams,
}

/// Who is to see a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    pub reach: Reach,
    pub owners: BTreeSet<UserId>,
    pub teams: BTreeMap<TeamId, Permission>,
}

/// A team that a package is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub team: TeamId,
    pub namespace: NamespaceName,
    pub name: TeamName,
    pub permission: Permission,
}

/// Which writes to a package need a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactor {
    #[default]
    Never,
    /// Those of people: a token of an automation needs none.
    People,
    Always,
}

/// One state of a package. Drawn anew by every change, the stamp tells it from all others, also from those of a database
/// that a backup was restored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    pub revision: u64,
    pub stamp: u64,
}

/// What is held in memory of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub edition: Edition,
    /// `None`: everybody sees it.
    pub audience: Option<Arc<Audience>>,
}

// === impl Reach ===

impl Reach {
    /// Tells how far a package is seen: teams say more than a restriction does.
    pub(in crate::overlay) fn of(is_restricted: bool, is_bound: bool) -> Self {
        match (is_restricted, is_bound) {
            (_, true) => Self::Teams,
            (true, false) => Self::Members,
            (false, false) => Self::Everybody,
        }
    }
}

// === impl Package ===

impl Package {
    pub fn audience(&self) -> Audience {
        Audience {
            reach: Reach::of(self.is_restricted, !self.bindings.is_empty()),
            owners: self.owners.iter().map(|owner| owner.user).collect(),
            teams: self.bindings.iter().map(|binding| (binding.team, binding.permission)).collect(),
        }
    }
}

// === impl SecondFactor ===

impl SecondFactor {
    pub(in crate::overlay) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "none",
            Self::People => "people",
            Self::Always => "all",
        }
    }

    pub(in crate::overlay) fn parse(text: &str) -> Option<Self> {
        [Self::Never, Self::People, Self::Always].into_iter().find(|factor| factor.as_str() == text)
    }
}
