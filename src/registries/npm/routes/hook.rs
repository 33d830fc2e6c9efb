//! Webhooks: `/-/npm/v1/hooks…`. Source: contract npm §15.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::error::Error;
use crate::registries::paths::no_route;
use crate::registries::queries::{self, parse_number};

/// Hooks in one answer, at most.
const MAX_LISTED: usize = 100;

/// What becomes of hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `/-/npm/v1/hooks`.
    List { package: Option<Box<str>>, limit: usize, offset: usize },
    /// `POST /-/npm/v1/hooks/hook`.
    Add,
    /// `/-/npm/v1/hooks/hook/{id}`.
    Show { id: u64 },
    /// `PUT` of the same.
    Edit { id: u64 },
    /// `DELETE` of the same.
    Remove { id: u64 },
}

/// Finds what lies under `/-/`; `None` for what is no hook's.
pub fn find(segments: &[&str], query: &str) -> Result<Option<Target>, Error> {
    Ok(Some(match segments {
        ["npm", "v1", "hooks"] => {
            let number = |name, default| parse_number(query, name, default, "limit and offset are whole numbers");
            let package = queries::find(query, "package").map(Into::into);
            let limit = number("limit", MAX_LISTED)?.min(MAX_LISTED);
            Target::read(Hook::List { package, limit, offset: number("offset", 0)? })
        }
        ["npm", "v1", "hooks", "hook"] => Target::post(Hook::Add),
        ["npm", "v1", "hooks", "hook", id] => {
            let id = id.parse().map_err(|_| no_route())?;
            let (put, delete) = (Some(Hook::Edit { id }.into()), Some(Hook::Remove { id }.into()));
            Target { put, delete, ..Target::read(Hook::Show { id }) }
        }
        _ => return Ok(None),
    }))
}

// === impl Hook ===

impl Hook {
    /// Says who is let in: whose it is, is judged with the hook.
    pub fn access(&self) -> Access<'_> {
        Access::Known
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Add | Self::Edit { .. } => Reads::Body,
            Self::List { .. } | Self::Show { .. } | Self::Remove { .. } => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "hooks",
            Self::Add => "add_hook",
            Self::Show { .. } => "hook",
            Self::Edit { .. } => "edit_hook",
            Self::Remove { .. } => "remove_hook",
        }
    }
}

impl From<Hook> for Action {
    fn from(hook: Hook) -> Self {
        Self::Hook(hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::tests::send;

    #[test]
    fn hooks_are_found_by_their_method_and_path() {
        let list =
            |package: Option<&str>, limit, offset| Hook::List { package: package.map(Into::into), limit, offset };
        for (method, target, expected) in [
            ("GET", "hooks", list(None, 100, 0)),
            ("GET", "hooks?package=@s%2fn&limit=5&offset=10", list(Some("@s/n"), 5, 10)),
            ("HEAD", "hooks?limit=1000", list(None, 100, 0)),
            ("POST", "hooks/hook", Hook::Add),
            ("GET", "hooks/hook/7", Hook::Show { id: 7 }),
            ("PUT", "hooks/hook/7", Hook::Edit { id: 7 }),
            ("DELETE", "hooks/hook/7", Hook::Remove { id: 7 }),
        ] {
            let action = send(method, &format!("/-/npm/v1/{target}")).unwrap();
            assert_eq!(action, Action::Hook(expected), "{method} {target}");
            assert_eq!(action.access(), Access::Known, "{method} {target}");
        }
    }

    #[test]
    fn what_is_no_hook_is_refused() {
        for (target, expected) in [
            ("hooks?limit=x", 400),
            ("hooks?offset=-1", 400),
            ("hooks/hook/x", 404),
            ("hooks/hook/-1", 404),
            ("hooks/hook/7/x", 404),
            ("hooks/hook", 405),
        ] {
            let error = send("GET", &format!("/-/npm/v1/{target}")).unwrap_err();
            assert_eq!(error.status().as_u16(), expected, "{target}");
        }
    }
}
