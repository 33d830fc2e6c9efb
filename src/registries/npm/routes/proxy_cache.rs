//! What is kept of upstreams' packages: `/-/proxy-cache…`. Source: contract npm §19, row 44.

use super::Target;
use super::access::Access;
use super::action::Action;
use super::page::Page;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyCache {
    /// `/-/proxy-cache`.
    List { page: Page },
    /// `DELETE` of the same.
    PurgeAll,
    /// `/-/proxy-cache/{name}`.
    Show { name: PackageName, page: Page },
    /// `PATCH` of the same.
    Refresh { name: PackageName },
    /// `DELETE` of the same.
    Purge { name: PackageName },
}

/// Finds what lies under `/-/`; `None` for what lies elsewhere.
pub fn find(segments: &[&str], query: &str) -> Result<Option<Target>, Error> {
    let name = match segments {
        ["proxy-cache"] => {
            let list = ProxyCache::List { page: Page::read(query)? };
            return Ok(Some(Target { delete: Some(ProxyCache::PurgeAll.into()), ..Target::read(list) }));
        }
        ["proxy-cache", scope, name] if scope.starts_with('@') => PackageName::parse(&format!("{scope}/{name}"))?,
        ["proxy-cache", name] => PackageName::parse(name)?,
        _ => return Ok(None),
    };
    let patch = Some(ProxyCache::Refresh { name: name.clone() }.into());
    let delete = Some(ProxyCache::Purge { name: name.clone() }.into());
    Ok(Some(Target { patch, delete, ..Target::read(ProxyCache::Show { name, page: Page::read(query)? }) }))
}

// === impl ProxyCache ===

impl ProxyCache {
    /// Tells whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. })
    }

    /// Says who is let in: all of it is for admins.
    pub fn access(&self) -> Access<'_> {
        Access::Known
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "kept",
            Self::PurgeAll => "purge_all",
            Self::Show { .. } => "kept_of_package",
            Self::Refresh { .. } => "refresh",
            Self::Purge { .. } => "purge",
        }
    }
}

impl From<ProxyCache> for Action {
    fn from(asked: ProxyCache) -> Self {
        Self::ProxyCache(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::tests::send;

    #[test]
    fn what_is_kept_is_found_by_method_and_path() {
        let name = |text: &str| PackageName::parse(text).unwrap();
        let page = Page { size: 20, index: 0 };
        for (method, path, expected) in [
            ("GET", "/-/proxy-cache", ProxyCache::List { page }),
            ("DELETE", "/-/proxy-cache", ProxyCache::PurgeAll),
            ("HEAD", "/-/proxy-cache/left", ProxyCache::Show { name: name("left"), page }),
            ("GET", "/-/proxy-cache/@s/n", ProxyCache::Show { name: name("@s/n"), page }),
            ("PATCH", "/-/proxy-cache/@s%2fn", ProxyCache::Refresh { name: name("@s/n") }),
            ("DELETE", "/-/proxy-cache/left", ProxyCache::Purge { name: name("left") }),
        ] {
            let action = send(method, path).unwrap();
            assert_eq!(action, Action::ProxyCache(expected), "{method} {path}");
            assert_eq!(action.access(), Access::Known, "{method} {path}");
        }
        assert!(matches!(send("PATCH", "/-/proxy-cache"), Err(Error::MethodNotAllowed { .. })));
        assert!(matches!(send("GET", "/-/proxy-cache?pageSize=x"), Err(Error::BadRequest(_))));
        assert!(matches!(send("GET", "/-/proxy-cache/a/b"), Err(Error::NotFound { .. })));
    }
}
