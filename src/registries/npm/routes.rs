//! Method and path → what is asked, parsed once. The action decides policy, cache key and handler alike, so that no
//! spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount. Each segment is decoded once; a slash hidden in a segment is
//! legal only between a scope and its name (contract npm §1.2).

use std::borrow::Cow;

use ::http::Method;
use url::form_urlencoded;

use super::error::{ALLOW_NONE, ALLOW_POST, ALLOW_READ, ALLOW_TARBALL, Error, NO_USERS};
use super::name::{PackageName, Spec, Version};
use crate::registries::desk::Named;
use crate::registries::paths::{decode, empty_segment, is_known, is_read, no_route};

/// No path of ours has more segments; longer ones are not looked at further.
const MAX_SEGMENTS: usize = 12;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `/` (contract npm §5.5).
    Root,
    /// `/-/ping` (§5.6).
    Ping,
    /// `/{name}` (§5.1). `uncached`: the client is about to edit, or a peer wants it fresh; never stored, `no-store`.
    Packument { name: PackageName, uncached: bool },
    /// `/{name}/{version, tag or range}` (§5.2).
    Manifest { name: PackageName, spec: Spec },
    /// A tarball under any of its paths (§5.3).
    Tarball { name: PackageName, version: Version },
    /// A browser asks whether it may fetch a tarball: 204, for any origin (§2.4).
    Preflight,
    /// `/-/package/{name}/dist-tags` (§5.4).
    DistTags { name: PackageName },
    /// `/-/npm/v1/keys` (§6.2).
    Keys,
    /// `/-/npm/v1/attestations/{name}@{version}` (§6.3).
    Attestations { name: PackageName, version: Version },
    /// `/-/v1/search` (§10.1); passed through.
    Search,
    /// Questions about advisories (§11); passed through.
    Audit(Audit),
    /// `/downloads/{point, range}/{period}/{names}` (§10.4); passed through.
    Downloads,
}

/// Which of the audit endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// `/-/npm/v1/security/advisories/bulk`: npm 7 and later, pnpm, yarn 4, bun.
    Bulk,
    /// `/-/npm/v1/security/audits/quick`: npm 6.
    Quick,
    /// `/-/npm/v1/security/audits`: yarn 1.
    Full,
}

/// What a path names, whatever the method.
enum Target {
    /// Takes GET and HEAD.
    Read(Action),
    /// Takes GET, HEAD and OPTIONS.
    Tarball(Action),
    /// Takes POST.
    Ask(Action),
    /// Takes what a mirror does not do.
    Write,
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, control characters, dot segments, bad names, versions and specs.
/// [`Error::NotFound`]: no such path. [`Error::MethodNotAllowed`]: the path is known, with other methods.
/// [`Error::NotImplemented`]: a method that no registry knows. [`Error::Unauthorized`]: `whoami`: there are no users.
pub fn parse(method: &Method, path: &str, query: &str) -> Result<Action, Error> {
    let segments = split(path)?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    judge_method(method, find(&segments, query)?)
}

fn judge_method(method: &Method, target: Target) -> Result<Action, Error> {
    let allow = match target {
        Target::Read(action) | Target::Tarball(action) if is_read(method) => return Ok(action),
        Target::Tarball(_) if method == Method::OPTIONS => return Ok(Action::Preflight),
        Target::Ask(action) if method == Method::POST => return Ok(action),
        Target::Read(_) => ALLOW_READ,
        Target::Tarball(_) => ALLOW_TARBALL,
        Target::Ask(_) => ALLOW_POST,
        Target::Write => ALLOW_NONE,
    };
    if is_known(method) { Err(Error::only(allow)) } else { Err(Error::NotImplemented) }
}

fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    // npm up to 10 asks for attestations at the registry's path joined with the path of the URL we served, which
    // starts with the mount already: `/npm/npm/-/npm/v1/attestations/…`. Nothing else has these four in a row.
    if let Some(start) = segments.windows(4).position(|window| window == ["-", "npm", "v1", "attestations"]) {
        return find_attestations(&segments[start + 4..]);
    }
    match segments {
        [] => Ok(Target::Read(Action::Root)),
        // The package called `-` has tarballs too; no API starts with `/-/-/--`.
        ["-", "-", file] if file.starts_with("--") => find_tarball("-", file),
        ["-", rest @ ..] if !rest.is_empty() => find_api(without_trailing_slash(rest), query),
        // The feed of changes is not kept here, and could not be a package's name either (§10.3).
        ["_changes"] => Err(no_route()),
        ["downloads", "point" | "range" | "total", _, _, ..] => Ok(Target::Read(Action::Downloads)),
        [scope, name, rest @ ..] if scope.starts_with('@') => find_in_package(&format!("{scope}/{name}"), rest, query),
        [name, rest @ ..] => find_in_package(name, rest, query),
    }
}

/// Finds what lies under `/-/`, never a package (§1.2).
fn find_api(segments: &[&str], query: &str) -> Result<Target, Error> {
    Ok(match segments {
        ["ping"] => Target::Read(Action::Ping),
        // Anything but 401 would read as "logged in" to some clients (§8.3).
        ["whoami"] => return Err(NO_USERS),
        ["npm", "v1", "keys"] => Target::Read(Action::Keys),
        ["npm", "v1", "security", "advisories", "bulk"] => Target::Ask(Action::Audit(Audit::Bulk)),
        ["npm", "v1", "security", "audits", "quick"] => Target::Ask(Action::Audit(Audit::Quick)),
        ["npm", "v1", "security", "audits"] => Target::Ask(Action::Audit(Audit::Full)),
        ["v1", "search"] => find_search(query)?,
        ["package", scope, name, "dist-tags", rest @ ..] if scope.starts_with('@') => {
            find_tags(&format!("{scope}/{name}"), rest)?
        }
        ["package", name, "dist-tags", rest @ ..] => find_tags(name, rest)?,
        // Web login among them: on 404, and on nothing else, every client falls back (§8.4).
        _ => return Err(no_route()),
    })
}

fn find_in_package(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    match segments {
        ["-" | "download", file] if !file.is_empty() => find_tarball(name, file),
        ["-" | "download", scope, file] if name.starts_with(&format!("{scope}/")) => find_tarball(name, file),
        [.., "-rev", _] => PackageName::parse(name).map(|_| Target::Write).map_err(Into::into),
        _ => find_document(name, without_trailing_slash(segments), query),
    }
}

fn find_document(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    match segments {
        [] => Ok(Target::Read(Action::Packument { name, uncached: is_uncached(query) })),
        ["-"] => Err(no_route()),
        [spec] => Ok(Target::Read(Action::Manifest { name, spec: Spec::parse(spec)? })),
        _ => Err(no_route()),
    }
}

/// Reads `<unscoped>-<version>.tgz`: the file's name decides the version (§5.3).
fn find_tarball(name: &str, file: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let version = file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name.unscoped())?.strip_prefix('-'));
    let version = Version::parse(version.ok_or_else(|| Error::not_found("a tarball of this name"))?)?;
    Ok(Target::Tarball(Action::Tarball { name, version }))
}

fn find_tags(name: &str, rest: &[&str]) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    match rest {
        [] => Ok(Target::Read(Action::DistTags { name })),
        [tag] => Spec::parse(tag).map(|_| Target::Write).map_err(Into::into),
        _ => Err(no_route()),
    }
}

fn find_attestations(segments: &[&str]) -> Result<Target, Error> {
    let text = segments.join("/");
    // A scope starts with `@` as well, so the last one parts name and version.
    let (name, version) = text.rsplit_once('@').ok_or(Error::bad_request("attestations belong to name@version"))?;
    let (name, version) = (PackageName::parse(name)?, Version::parse(version)?);
    Ok(Target::Read(Action::Attestations { name, version }))
}

/// A search for nothing is a mistake, which is told without asking upstream (§10.1).
fn find_search(query: &str) -> Result<Target, Error> {
    let has_text = form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "text" && !value.is_empty());
    if has_text { Ok(Target::Read(Action::Search)) } else { Err(Error::bad_request("a search needs a text")) }
}

/// npm sends `write=true` before it edits, cnpm peers send `cache=0` (§1.2).
fn is_uncached(query: &str) -> bool {
    !query.is_empty()
        && form_urlencoded::parse(query.as_bytes())
            .any(|(key, value)| matches!((&*key, &*value), ("write", "true") | ("cache", "0")))
}

fn without_trailing_slash<'a, 'b>(segments: &'a [&'b str]) -> &'a [&'b str] {
    segments.strip_suffix(&[""]).unwrap_or(segments)
}

/// Cuts a path into decoded segments; a scope and its name are two, however they were written.
fn split(path: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let path = path.trim_start_matches('/');
    let mut segments = Vec::with_capacity(6);
    if path.is_empty() {
        return Ok(segments);
    }
    for raw in path.split('/') {
        let segment = decode(raw)?;
        if !segment.contains('/') {
            segments.push(segment);
        } else {
            let (scope, name) = split_scope(&segment)?;
            segments.extend([Cow::Owned(scope), Cow::Owned(name)]);
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(no_route());
        }
    }
    match segments[..].split_last() {
        Some((_, rest)) if rest.iter().any(|segment| segment.is_empty()) => Err(empty_segment()),
        _ => Ok(segments),
    }
}

fn split_scope(segment: &str) -> Result<(String, String), Error> {
    match segment.split_once('/') {
        Some((scope, name)) if scope.len() > 1 && scope.starts_with('@') && !name.is_empty() && !name.contains('/') => {
            Ok((scope.to_owned(), name.to_owned()))
        }
        _ => Err(Error::bad_request("an escaped slash may only stand between a scope and a name")),
    }
}

// === impl Action ===

impl Named for Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Ping => "ping",
            Self::Packument { .. } => "packument",
            Self::Manifest { .. } => "manifest",
            Self::Tarball { .. } => "tarball",
            Self::Preflight => "preflight",
            Self::DistTags { .. } => "dist_tags",
            Self::Keys => "keys",
            Self::Attestations { .. } => "attestations",
            Self::Search => "search",
            Self::Audit(_) => "audit",
            Self::Downloads => "downloads",
        }
    }
}

#[cfg(test)]
mod tests;
