//! Who may see and change a package. Source: contract npm §7.6, §9.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::name::PackageName;

/// What is asked, or told, of who may see and change a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// `/-/package/{name}/owners` (§7.6).
    Owners { name: PackageName },
    /// `PUT` of the same, or of `…/owners/{user}`; without a user the body names it.
    AddOwner { name: PackageName, user: Option<Box<str>> },
    /// `DELETE /-/package/{name}/owners/{user}`.
    RemoveOwner { name: PackageName, user: Box<str> },
    /// `/-/package/{name}/collaborators` (§9).
    Collaborators { name: PackageName },
    /// `/-/package/{name}/visibility` (§9).
    Visibility { name: PackageName },
    /// `/-/package/{name}/access` (§9).
    Access { name: PackageName },
    /// `POST` of the same.
    SetAccess { name: PackageName },
}

/// Finds what lies under `/-/package/{name}/`; `None` for what is about something else.
pub fn find(name: PackageName, segments: &[&str]) -> Option<Target> {
    Some(match segments {
        ["owners"] => {
            let add = Sharing::AddOwner { name: name.clone(), user: None };
            Target { put: Some(add.into()), ..Target::read(Sharing::Owners { name }) }
        }
        ["owners", user] => {
            let add = Sharing::AddOwner { name: name.clone(), user: Some((*user).into()) };
            Target { put: Some(add.into()), ..Target::delete(Sharing::RemoveOwner { name, user: (*user).into() }) }
        }
        ["collaborators"] => Target::read(Sharing::Collaborators { name }),
        ["visibility"] => Target::read(Sharing::Visibility { name }),
        ["access"] => {
            let set = Sharing::SetAccess { name: name.clone() };
            Target { post: Some(set.into()), ..Target::read(Sharing::Access { name }) }
        }
        _ => return None,
    })
}

// === impl Sharing ===

impl Sharing {
    /// Returns what it is about.
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Owners { name } | Self::AddOwner { name, .. } | Self::RemoveOwner { name, .. } => name,
            Self::Collaborators { name } | Self::Visibility { name } => name,
            Self::Access { name } | Self::SetAccess { name } => name,
        }
    }

    /// Says who is let in.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Owners { name } | Self::Collaborators { name } => Access::Read(name.as_str()),
            Self::Visibility { name } | Self::Access { name } => Access::Read(name.as_str()),
            Self::AddOwner { .. } | Self::RemoveOwner { .. } | Self::SetAccess { .. } => Access::Known,
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::AddOwner { user: None, .. } | Self::SetAccess { .. } => Reads::Body,
            _ => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Owners { .. } => "owners",
            Self::AddOwner { .. } => "add_owner",
            Self::RemoveOwner { .. } => "remove_owner",
            Self::Collaborators { .. } => "collaborators",
            Self::Visibility { .. } => "visibility",
            Self::Access { .. } => "access",
            Self::SetAccess { .. } => "set_access",
        }
    }
}

impl From<Sharing> for Action {
    fn from(sharing: Sharing) -> Self {
        Self::Sharing(sharing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::parse;

    #[test]
    fn what_a_package_is_shared_by_is_found_by_its_method_and_path() {
        let name = || PackageName::parse("@s/n").unwrap();
        let user = || "joe".into();
        for (method, path, expected) in [
            ("GET", "owners", Sharing::Owners { name: name() }),
            ("PUT", "owners", Sharing::AddOwner { name: name(), user: None }),
            ("PUT", "owners/joe", Sharing::AddOwner { name: name(), user: Some(user()) }),
            ("DELETE", "owners/joe", Sharing::RemoveOwner { name: name(), user: user() }),
            ("HEAD", "collaborators", Sharing::Collaborators { name: name() }),
            ("GET", "visibility", Sharing::Visibility { name: name() }),
            ("GET", "access", Sharing::Access { name: name() }),
            ("POST", "access", Sharing::SetAccess { name: name() }),
        ] {
            let needs_login = !matches!(method, "GET" | "HEAD");
            for spelling in ["@s/n", "@s%2fn", "%40s%2Fn"] {
                let path = format!("/-/package/{spelling}/{path}");
                let action = parse(&method.parse().unwrap(), &path, "").unwrap();
                assert_eq!(action, Action::Sharing(expected.clone()), "{method} {path}");
                let access = if needs_login { Access::Known } else { Access::Read("@s/n") };
                assert_eq!(action.access(), access, "{method} {path}");
            }
        }
    }
}
