//! Webhooks: `/-/npm/v1/hooks…`. Source: contract npm §15.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use super::discover::parameter;
use crate::registries::npm::error::Error;
use crate::registries::paths::no_route;

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
            let number = |name, default| {
                let refusal = |_| Error::bad_request("limit and offset are whole numbers");
                parameter(query, name).map_or(Ok(default), |text| text.parse().map_err(refusal))
            };
            let package = parameter(query, "package").map(Into::into);
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
