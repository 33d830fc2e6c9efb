//! Method and path → what is asked, parsed once. The action decides policy, cache key and handler alike, so that no
//! spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount. Each segment is decoded once; a slash hidden in a segment is
//! legal only between a namespace and its name (contract niso §2).

use std::borrow::Cow;
use std::str::FromStr;

use ::http::Method;

use super::error::{ALLOW_NONE, ALLOW_READ, Error, NO_USERS};
use super::name::{self, Arch, PackageName, Spec, Tag};
use crate::base::digest::Digest;
use crate::registries::blocks::Subject;
use crate::registries::desk::Named;
use crate::registries::paths::{cut, decode, is_read, no_route};
use crate::registries::queries;

/// No path of ours has more segments; longer ones are not looked at further.
const MAX_SEGMENTS: usize = 8;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `/v1/packages` (contract niso §3).
    List(Filter),
    /// `/v1/packages/{name}/versions`.
    Versions { name: PackageName },
    /// `/v1/packages/{name}/{version or tag}/manifest`; without `arch`, that of the first one.
    Manifest { name: PackageName, spec: Spec, arch: Option<Arch> },
    /// `/v1/packages/{name}/{version or tag}/{arch}`.
    Archive { name: PackageName, spec: Spec, arch: Arch },
    /// `/v1/packages/{name}/tags`.
    Tags { name: PackageName },
    /// `/v1/packages/{name}/{version or tag}/{arch}/chunks` (§5).
    Chunks { name: PackageName, spec: Spec, arch: Arch },
    /// `/v1/chunks/{hash}`.
    Chunk { hash: Digest },
    /// `/health`.
    Health,
}

/// Which packages of the list a client wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Stands in the name, in whatever case; kept in lower case. Empty: all.
    pub text: String,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// What a path names, whatever the method.
enum Target {
    /// Takes GET and HEAD.
    Read(Action),
    /// Takes GET and HEAD, of those who have a key.
    Private,
    /// Takes what a mirror does not do.
    Write,
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, control characters, empty and dot segments, bad names, versions, architectures,
/// tags and hashes. [`Error::NotFound`]: no such path. [`Error::MethodNotAllowed`]: the path is known, with other
/// methods. [`Error::Unauthorized`]: what needs a key: there are no users.
pub fn parse(method: &Method, path: &str, query: &str) -> Result<Action, Error> {
    let segments = split(path)?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    judge_method(method, find(&segments, query)?)
}

fn judge_method(method: &Method, target: Target) -> Result<Action, Error> {
    let allow = match target {
        Target::Read(action) if is_read(method) => return Ok(action),
        Target::Private if is_read(method) => return Err(NO_USERS),
        Target::Read(_) => ALLOW_READ,
        Target::Private | Target::Write => ALLOW_NONE,
    };
    Err(Error::only(allow))
}

fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    match segments {
        ["health"] => Ok(Target::Read(Action::Health)),
        ["v1", "packages"] => Ok(Target::Read(Action::List(Filter::parse(query)?))),
        ["v1", "packages", rest @ ..] => find_package(rest, query),
        ["v1", "chunks", hash] => {
            let hash = Digest::from_str(hash).map_err(|_| name::Error::Hash)?;
            Ok(Target::Read(Action::Chunk { hash }))
        }
        ["v1", "auth", "me" | "keys"] => Ok(Target::Private),
        ["v1", "auth", "register" | "login"] | ["v1", "auth", "keys", _] => Ok(Target::Write),
        ["v1", "namespaces"] | ["v1", "namespaces", _, "members"] | ["v1", "namespaces", _, "members", _] => {
            Ok(Target::Write)
        }
        // Namespaces are each registry's own: there are none here (§8).
        ["v1", "namespaces", name] => Err(Error::not_found(format!("namespace {name}"))),
        _ => Err(no_route()),
    }
}

/// Takes the name from the front of a path: one segment, or two that begin with `@`.
fn find_package(segments: &[&str], query: &str) -> Result<Target, Error> {
    match segments {
        [name, rest @ ..] if !name.starts_with('@') || name.contains('/') => {
            find_in_package(PackageName::parse(name)?, rest, query)
        }
        [namespace, short, rest @ ..] => {
            find_in_package(PackageName::parse(&format!("{namespace}/{short}"))?, rest, query)
        }
        _ => Err(no_route()),
    }
}

fn find_in_package(name: PackageName, segments: &[&str], query: &str) -> Result<Target, Error> {
    Ok(Target::Read(match segments {
        ["versions"] => Action::Versions { name },
        ["tags"] => Action::Tags { name },
        ["tags", tag] => return Ok(Tag::parse(tag).map(|_| Target::Write)?),
        ["versions", ..] => return Err(no_route()),
        [spec, "manifest"] => Action::Manifest { name, spec: Spec::parse(spec)?, arch: parse_arch(query)? },
        [spec, arch] => Action::Archive { name, spec: Spec::parse(spec)?, arch: Arch::parse(arch)? },
        [spec, arch, "chunks"] => Action::Chunks { name, spec: Spec::parse(spec)?, arch: Arch::parse(arch)? },
        _ => return Err(no_route()),
    }))
}

fn parse_arch(query: &str) -> Result<Option<Arch>, Error> {
    Ok(queries::find(query, "arch").map(|arch| Arch::parse(&arch)).transpose()?)
}

/// Cuts a path into decoded segments. One slash at its end does not count.
fn split(path: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let segments = cut(path, MAX_SEGMENTS)?.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    // Where a name begins, and nowhere else, a slash may be hidden.
    let is_name = |index: usize| index == 2 && segments[1] == "packages";
    if segments.iter().enumerate().any(|(index, segment)| segment.contains('/') && !is_name(index)) {
        return Err(Error::bad_request("an escaped slash may only stand between a namespace and a name"));
    }
    Ok(segments)
}

// === impl Filter ===

impl Filter {
    /// Reads a query; members that are not known are passed over, and of several of one name the first counts.
    fn parse(query: &str) -> Result<Self, Error> {
        let number = |name: &str| {
            let parsed = queries::find(query, name).filter(|text| !text.is_empty()).map(|text| text.parse());
            parsed.transpose().map_err(|_| Error::bad_request("limit and offset are whole numbers"))
        };
        Ok(Self {
            text: queries::find(query, "q").unwrap_or_default().to_ascii_lowercase(),
            limit: number("limit")?,
            offset: number("offset")?.unwrap_or_default(),
        })
    }
}

// === impl Action ===

impl Named for Action {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Versions { name } | Self::Tags { name } => Subject::package(name.as_str()),
            Self::Manifest { name, spec, .. } | Self::Archive { name, spec, .. } | Self::Chunks { name, spec, .. } => {
                match spec {
                    Spec::Version(version) => Subject::release(name.as_str(), version.as_str()),
                    Spec::Tag(_) => Subject::package(name.as_str()),
                }
            }
            Self::List(_) | Self::Chunk { .. } | Self::Health => Subject::Nothing,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Versions { .. } => "versions",
            Self::Manifest { .. } => "manifest",
            Self::Archive { .. } => "archive",
            Self::Tags { .. } => "tags",
            Self::Chunks { .. } => "chunks",
            Self::Chunk { .. } => "chunk",
            Self::Health => "health",
        }
    }
}

#[cfg(test)]
mod tests;
