//! Who likes which packages, but for the way of npm, which writes a document. Source: contract npm §7.3.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;

/// What is asked of stars, or becomes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stars {
    /// `/-/user/v1/star`: what the caller likes.
    Mine,
    /// `PUT` and `DELETE` of the same: the body names the package.
    Set { likes: bool },
    /// `PUT` and `DELETE /-/user/package/{name}/star`.
    SetOne { name: PackageName, likes: bool },
    /// `/-/user/{user}/stars`.
    Of { user: Box<str> },
    /// `/-/_view/starredByUser?key="{user}"`.
    View,
}

/// Finds what lies under `/-/`; `None` for what is about something else.
pub fn find(segments: &[&str]) -> Result<Option<Target>, Error> {
    Ok(Some(match segments {
        ["user", "v1", "star"] => {
            let set = |likes| Some(Stars::Set { likes }.into());
            Target { put: set(true), delete: set(false), ..Target::read(Stars::Mine) }
        }
        ["user", "package", scope, name, "star"] if scope.starts_with('@') => find_one(&format!("{scope}/{name}"))?,
        ["user", "package", name, "star"] => find_one(name)?,
        ["user", user, "stars"] => Target::read(Stars::Of { user: (*user).into() }),
        ["_view", "starredByUser"] => Target::read(Stars::View),
        _ => return Ok(None),
    }))
}

fn find_one(name: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let set = |likes| Some(Stars::SetOne { name: name.clone(), likes }.into());
    Ok(Target { put: set(true), delete: set(false), ..Target::default() })
}

// === impl Stars ===

impl Stars {
    /// Says who is let in.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Mine | Self::Set { .. } | Self::SetOne { .. } => Access::Known,
            Self::Of { .. } | Self::View => Access::Read(""),
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Set { .. } => Reads::Body,
            Self::Mine | Self::SetOne { .. } | Self::Of { .. } | Self::View => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Mine | Self::Of { .. } | Self::View => "stars",
            Self::Set { .. } | Self::SetOne { .. } => "star",
        }
    }
}

impl From<Stars> for Action {
    fn from(stars: Stars) -> Self {
        Self::Stars(stars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::parse;

    #[test]
    fn stars_are_found_by_their_method_and_path() {
        let one = |likes| Stars::SetOne { name: PackageName::parse("@s/n").unwrap(), likes };
        for (method, path, expected) in [
            ("GET", "/-/user/v1/star", Stars::Mine),
            ("PUT", "/-/user/v1/star", Stars::Set { likes: true }),
            ("DELETE", "/-/user/v1/star", Stars::Set { likes: false }),
            ("PUT", "/-/user/package/@s%2fn/star", one(true)),
            ("DELETE", "/-/user/package/@s/n/star", one(false)),
            ("GET", "/-/user/joe/stars", Stars::Of { user: "joe".into() }),
            ("GET", "/-/_view/starredByUser", Stars::View),
        ] {
            let action = parse(&method.parse().unwrap(), path, "").unwrap();
            assert_eq!(action, Action::Stars(expected), "{method} {path}");
        }
    }
}
