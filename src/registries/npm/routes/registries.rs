//! Registries that this one follows, and the scopes that come from them: `/-/registry…`, `/-/scope…`. Source: contract npm
//! §14.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use super::page::Page;
use crate::registries::npm::error::Error;

/// What becomes of registries and scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registries {
    /// `/-/registry`.
    List { page: Page },
    /// `POST` of the same.
    Add,
    /// `/-/registry/{id}`.
    Show { id: Box<str> },
    /// `PATCH` of the same.
    Edit { id: Box<str> },
    /// `DELETE` of the same.
    Remove { id: Box<str> },
    /// `/-/registry/{id}/scopes`.
    Scopes { id: Box<str> },
    /// `POST /-/registry/{id}/sync`.
    Sync { id: Box<str> },
    /// `POST /-/scope`.
    Bind,
    /// `DELETE /-/scope/{id}`.
    Unbind { id: Box<str> },
}

/// Finds what lies under `/-/`; `None` for what is neither a registry nor a scope.
pub fn find(segments: &[&str], query: &str) -> Result<Option<Target>, Error> {
    Ok(Some(match segments {
        ["registry"] => {
            Target { post: Some(Registries::Add.into()), ..Target::read(Registries::List { page: Page::read(query)? }) }
        }
        ["registry", id] => {
            let id = || Box::from(*id);
            let (patch, delete) = (Registries::Edit { id: id() }.into(), Registries::Remove { id: id() }.into());
            Target { patch: Some(patch), delete: Some(delete), ..Target::read(Registries::Show { id: id() }) }
        }
        ["registry", id, "scopes"] => Target::read(Registries::Scopes { id: (*id).into() }),
        ["registry", id, "sync"] => Target::post(Registries::Sync { id: (*id).into() }),
        ["scope"] => Target::post(Registries::Bind),
        ["scope", id] => Target::delete(Registries::Unbind { id: (*id).into() }),
        _ => return Ok(None),
    }))
}

// === impl Registries ===

impl Registries {
    /// Tells whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. } | Self::Scopes { .. })
    }

    /// Says who is let in: whether who writes may, is asked of admins.
    pub fn access(&self) -> Access<'_> {
        if self.is_read() { Access::Read("") } else { Access::Known }
    }

    pub fn reads(&self) -> Reads<'_> {
        let is_told = matches!(self, Self::Add | Self::Edit { .. } | Self::Bind | Self::Sync { .. });
        if is_told { Reads::Body } else { Reads::Nothing }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "registries",
            Self::Add => "add_registry",
            Self::Show { .. } => "registry",
            Self::Edit { .. } => "edit_registry",
            Self::Remove { .. } => "remove_registry",
            Self::Scopes { .. } => "registry_scopes",
            Self::Sync { .. } => "sync_registry",
            Self::Bind => "bind_scope",
            Self::Unbind { .. } => "unbind_scope",
        }
    }
}

impl From<Registries> for Action {
    fn from(asked: Registries) -> Self {
        Self::Registries(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::tests::send;

    #[test]
    fn registries_and_scopes_are_found_by_their_method_and_path() {
        let id = || "7".into();
        for (method, path, expected) in [
            ("GET", "/-/registry", Registries::List { page: Page { size: 20, index: 0 } }),
            ("POST", "/-/registry", Registries::Add),
            ("GET", "/-/registry/7", Registries::Show { id: id() }),
            ("GET", "/-/registry/self", Registries::Show { id: "self".into() }),
            ("PATCH", "/-/registry/7", Registries::Edit { id: id() }),
            ("DELETE", "/-/registry/7", Registries::Remove { id: id() }),
            ("HEAD", "/-/registry/7/scopes", Registries::Scopes { id: id() }),
            ("POST", "/-/registry/7/sync", Registries::Sync { id: id() }),
            ("POST", "/-/scope", Registries::Bind),
            ("DELETE", "/-/scope/7", Registries::Unbind { id: id() }),
        ] {
            let access = if matches!(method, "GET" | "HEAD") { Access::Read("") } else { Access::Known };
            let action = send(method, path).unwrap();
            assert_eq!(action, Action::Registries(expected), "{method} {path}");
            assert_eq!(action.access(), access, "{method} {path}");
        }
        for (method, path) in [("PUT", "/-/registry/7"), ("GET", "/-/scope"), ("GET", "/-/registry/7/sync")] {
            assert!(matches!(send(method, path), Err(Error::MethodNotAllowed { .. })), "{method} {path}");
        }
        assert!(matches!(send("GET", "/-/registry/7/x"), Err(Error::NotFound { .. })));
    }
}
