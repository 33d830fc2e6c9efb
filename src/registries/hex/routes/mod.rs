//! Method and path → what is asked, parsed once. The action decides policy, cache key and handler alike, so that no
//! spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount. Clients paste base and path and do not trim, so empty segments
//! are passed over (contract hex, head). Repository and HTTP API share no prefix: the API lies below `api/`.

use std::borrow::Cow;

use ::http::Method;
use percent_encoding::percent_decode_str;

use super::error::{ALLOW_READ, Error};
use super::name::{PackageName, PolicyName, RepositoryName, Version, parse_stem};
use super::wire::Install;
use crate::registries::blocks::Subject;
use crate::registries::desk::Named;
use crate::registries::paths::{decode, is_known, is_read, no_route};

/// No path of ours has more segments; longer ones are not looked at further.
const MAX_SEGMENTS: usize = 12;

/// Where the HTTP API starts.
const API: &str = "api";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `names`: every package (contract hex §1).
    Names { root: Root },
    /// `versions`: every version of every package.
    Versions { root: Root },
    /// `packages/NAME`: the releases of one package.
    Package { root: Root, name: PackageName },
    /// `tarballs/NAME-VERSION.tar`.
    Tarball { root: Root, name: PackageName, version: Version },
    /// `docs/NAME-VERSION.tar.gz`.
    Docs { root: Root, name: PackageName, version: Version },
    /// `policies/NAME`.
    Policy { root: Root, name: PolicyName },
    /// `public_key`.
    PublicKey { root: Root },
    /// `installs/…` (§1.4).
    Install(Install),
    /// `registry.ets.gz` (§1.5).
    RegistryV1,
    /// `registry.ets.gz.signed` (§1.5).
    RegistryV1Signature,
    /// `api/…` (§7, §8); passed through. Path and query below the upstream's API, percent-encoded as they came.
    Api { target: Box<str> },
}

/// Whose repository is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// The one that the mount mirrors.
    Main,
    /// One that lives beside it, below `repos/NAME`: an organization's, most of them private.
    Named(RepositoryName),
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, control characters, dot segments, bad names and versions.
/// [`Error::NotFound`]: no such path. [`Error::MethodNotAllowed`]: the path is known, with other methods.
/// [`Error::NotImplemented`]: a method that no registry knows.
pub fn parse(method: &Method, path: &str, query: &str) -> Result<Action, Error> {
    let raw: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(MAX_SEGMENTS + 1).collect();
    if raw.len() > MAX_SEGMENTS {
        return Err(no_route());
    }
    let segments = raw.iter().map(|segment| decode(segment)).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    if segments.first() == Some(&API) {
        return judge_any(method, Action::Api { target: target(&raw[1..], query) });
    }
    if segments.iter().any(|segment| segment.contains('/')) {
        return Err(Error::bad_request("the path has an escaped slash"));
    }
    judge_read(method, find(&segments)?)
}

/// Tells whether a path lies in the HTTP API, where errors have another shape. Never fails: what is no path is none of
/// the API's.
pub fn is_api(path: &str) -> bool {
    let first = path.split('/').find(|segment| !segment.is_empty());
    first.is_some_and(|first| percent_decode_str(first).decode_utf8().is_ok_and(|first| first == API))
}

fn judge_read(method: &Method, action: Action) -> Result<Action, Error> {
    match method {
        _ if is_read(method) => Ok(action),
        _ if is_known(method) => Err(Error::only(ALLOW_READ)),
        _ => Err(Error::unknown_method()),
    }
}

/// The API's own methods are for the API to judge.
fn judge_any(method: &Method, action: Action) -> Result<Action, Error> {
    if is_known(method) { Ok(action) } else { Err(Error::unknown_method()) }
}

fn find(segments: &[&str]) -> Result<Action, Error> {
    match segments {
        ["repos", name, rest @ ..] => find_in_repository(Root::Named(RepositoryName::parse(name)?), rest),
        ["installs", rest @ ..] => Ok(Action::Install(Install::parse(rest).ok_or_else(no_route)?)),
        ["registry.ets.gz"] => Ok(Action::RegistryV1),
        ["registry.ets.gz.signed"] => Ok(Action::RegistryV1Signature),
        rest => find_in_repository(Root::Main, rest),
    }
}

fn find_in_repository(root: Root, segments: &[&str]) -> Result<Action, Error> {
    Ok(match segments {
        ["names"] => Action::Names { root },
        ["versions"] => Action::Versions { root },
        ["public_key"] => Action::PublicKey { root },
        ["packages", name] => Action::Package { root, name: PackageName::parse(name)? },
        ["policies", name] => Action::Policy { root, name: PolicyName::parse(name)? },
        ["tarballs", file] => {
            let (name, version) = find_release(file, ".tar")?;
            Action::Tarball { root, name, version }
        }
        ["docs", file] => {
            let (name, version) = find_release(file, ".tar.gz")?;
            Action::Docs { root, name, version }
        }
        _ => return Err(no_route()),
    })
}

fn find_release(file: &str, suffix: &str) -> Result<(PackageName, Version), Error> {
    let stem = file.strip_suffix(suffix).ok_or_else(|| Error::not_found("a file of this name"))?;
    Ok(parse_stem(stem)?)
}

/// Returns path and query as an upstream is asked for them.
fn target(segments: &[&str], query: &str) -> Box<str> {
    let path = segments.join("/");
    if query.is_empty() { path.into() } else { format!("{path}?{query}").into() }
}

// === impl Root ===

impl Root {
    /// Returns where the repository starts below an upstream: empty, or `repos/NAME/`.
    pub fn prefix(&self) -> Cow<'static, str> {
        match self {
            Self::Main => Cow::Borrowed(""),
            Self::Named(name) => Cow::Owned(format!("repos/{name}/")),
        }
    }

    /// Returns what a package is called among all of the mount: in a repository beside the main one, a name may mean
    /// something else.
    pub fn package<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self {
            Self::Main => Cow::Borrowed(name),
            Self::Named(repository) => Cow::Owned(format!("{repository}/{name}")),
        }
    }
}

// === impl Action ===

impl Action {
    /// Returns whose repository is asked; `None` for what belongs to none.
    pub fn root(&self) -> Option<&Root> {
        match self {
            Self::Names { root }
            | Self::Versions { root }
            | Self::Package { root, .. }
            | Self::Tarball { root, .. }
            | Self::Docs { root, .. }
            | Self::Policy { root, .. }
            | Self::PublicKey { root } => Some(root),
            Self::Install(_) | Self::RegistryV1 | Self::RegistryV1Signature | Self::Api { .. } => None,
        }
    }

    /// Returns the one path under which an upstream has what is asked for, however the client spelled it; of the API,
    /// what lies below the API's own base.
    pub fn path(&self) -> String {
        match self {
            Self::Names { root } => format!("{}names", root.prefix()),
            Self::Versions { root } => format!("{}versions", root.prefix()),
            Self::Package { root, name } => format!("{}packages/{name}", root.prefix()),
            Self::Tarball { root, name, version } => format!("{}tarballs/{name}-{version}.tar", root.prefix()),
            Self::Docs { root, name, version } => format!("{}docs/{name}-{version}.tar.gz", root.prefix()),
            Self::Policy { root, name } => format!("{}policies/{name}", root.prefix()),
            Self::PublicKey { root } => format!("{}public_key", root.prefix()),
            Self::Install(install) => format!("installs/{}", install.path()),
            Self::RegistryV1 => "registry.ets.gz".to_owned(),
            Self::RegistryV1Signature => "registry.ets.gz.signed".to_owned(),
            Self::Api { target } => target.to_string(),
        }
    }
}

impl Named for Action {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Package { root, name } => Subject::Package(root.package(name.as_str())),
            Self::Tarball { root, name, version } | Self::Docs { root, name, version } => {
                Subject::Release(root.package(name.as_str()), version.as_str())
            }
            Self::Names { .. } | Self::Versions { .. } | Self::Policy { .. } | Self::PublicKey { .. } => {
                Subject::Nothing
            }
            Self::Install(_) | Self::RegistryV1 | Self::RegistryV1Signature | Self::Api { .. } => Subject::Nothing,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Names { .. } => "names",
            Self::Versions { .. } => "versions",
            Self::Package { .. } => "package",
            Self::Tarball { .. } => "tarball",
            Self::Docs { .. } => "docs",
            Self::Policy { .. } => "policy",
            Self::PublicKey { .. } => "public_key",
            Self::Install(_) => "installs",
            Self::RegistryV1 => "registry_v1",
            Self::RegistryV1Signature => "registry_v1_signature",
            Self::Api { .. } => "api",
        }
    }
}

#[cfg(test)]
mod tests;
