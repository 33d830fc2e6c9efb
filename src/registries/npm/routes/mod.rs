//! Method and path → what is asked, parsed once. The action decides policy, cache key and handler alike, so that no
//! spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount. Each segment is decoded once; a slash hidden in a segment is
//! legal only between a scope and its name (contract npm §1.2).

use std::borrow::Cow;

use ::http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

use super::error::Error;
use super::name::{PackageName, Spec, Version};
use crate::registries::paths::{decode, empty_segment, is_known, is_read, no_route};

mod access;
mod account;
mod action;
mod api;
mod binary;
mod block;
mod discover;
mod downloads;
mod files;
mod hook;
mod orgs;
mod page;
mod proxy_cache;
mod registries;
mod sharing;
mod stars;
mod sync;
mod web;
mod write;

pub use self::access::Access;
pub use self::account::Account;
pub use self::action::{Action, Audit, Reads};
pub use self::binary::{Binary, Part};
pub use self::block::Block;
pub use self::discover::{Discover, Since};
pub use self::downloads::{Counted, Downloads, Form, Period};
pub use self::files::{Files, Wish};
pub use self::hook::Hook;
pub use self::orgs::{Orgs, TeamAt};
pub use self::page::Page;
pub use self::proxy_cache::ProxyCache;
pub use self::registries::Registries;
pub use self::sharing::Sharing;
pub use self::stars::Stars;
pub use self::sync::Sync;
pub use self::web::Web;
pub use self::write::Write;

/// No path of ours has more segments, but those of files that lie deeper than any that people write; longer ones are not
/// looked at further.
const MAX_SEGMENTS: usize = 64;

/// What is no escape in a path of ours.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// What a path names, by the methods that it takes. Whatever can be read has a preflight too.
#[derive(Default)]
struct Target {
    /// GET and HEAD.
    read: Option<Action>,
    put: Option<Action>,
    post: Option<Action>,
    patch: Option<Action>,
    delete: Option<Action>,
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, control characters, dot segments, bad names, versions and specs.
/// [`Error::NotFound`]: no such path. [`Error::MethodNotAllowed`]: the path is known, with other methods.
/// [`Error::NotImplemented`]: a method that no registry knows.
pub fn parse(method: &Method, path: &str, query: &str) -> Result<Action, Error> {
    let segments = split(path)?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    judge_method(method, find(&segments, query)?)
}

fn judge_method(method: &Method, target: Target) -> Result<Action, Error> {
    let allow = target.allow();
    let action = match *method {
        _ if is_read(method) => target.read,
        Method::PUT => target.put,
        Method::POST => target.post,
        Method::PATCH => target.patch,
        Method::DELETE => target.delete,
        Method::OPTIONS => {
            target.read.map(|action| Action::Preflight { is_tarball: matches!(action, Action::Tarball { .. }) })
        }
        _ if is_known(method) => None,
        _ => return Err(Error::unknown_method()),
    };
    action.ok_or(Error::MethodNotAllowed { allow: allow.into() })
}

// === impl Target ===

impl Target {
    fn read(action: impl Into<Action>) -> Self {
        Self { read: Some(action.into()), ..Self::default() }
    }

    fn post(action: impl Into<Action>) -> Self {
        Self { post: Some(action.into()), ..Self::default() }
    }

    fn delete(action: impl Into<Action>) -> Self {
        Self { delete: Some(action.into()), ..Self::default() }
    }

    /// Names the methods that it takes. Source: RFC 9110 §10.2.1.
    fn allow(&self) -> String {
        let Self { read, put, post, patch, delete } = self;
        let changing = [("PUT", put), ("POST", post), ("PATCH", patch), ("DELETE", delete)];
        let words = [("GET, HEAD", read)].into_iter().chain(changing).chain([("OPTIONS", read)]);
        let taken: Vec<&str> = words.filter_map(|(word, action)| action.as_ref().map(|_| word)).collect();
        taken.join(", ")
    }
}

fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    // npm up to 10 asks for attestations at the registry's path joined with the path of the URL we served, which
    // starts with the mount already: `/npm/npm/-/npm/v1/attestations/…`. Nothing else has these four in a row.
    if let Some(start) = segments.windows(4).position(|window| window == ["-", "npm", "v1", "attestations"]) {
        return find_attestations(&segments[start + 4..]);
    }
    if let Some(target) = orgs::find_bare(segments) {
        return Ok(target);
    }
    if let ["downloads", rest @ ..] = segments
        && let Some(target) = downloads::find(rest)?
    {
        return Ok(target);
    }
    match segments {
        [] => Ok(Target::read(Action::Root)),
        // The package called `-` has tarballs too; no API starts with `/-/-/--`.
        ["-", "-", file] if file.starts_with("--") => find_tarball("-", file),
        // Its paths end in slashes that mean something.
        ["-", "binary", rest @ ..] => binary::find(rest, query),
        ["-", rest @ ..] if !rest.is_empty() => api::find(without_trailing_slash(rest), query),
        // No package's name starts so (§10.3).
        ["_changes"] => discover::find_changes(query),
        [scope, name, rest @ ..] if scope.starts_with('@') => find_in_package(&format!("{scope}/{name}"), rest, query),
        [name, rest @ ..] => find_in_package(name, rest, query),
    }
}

fn find_in_package(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    match segments {
        ["-rev", revision] => write::find_revision(name, revision),
        ["-" | "download", file, "-rev", _] => write::find_removal(name, file),
        ["-" | "download", scope, file, "-rev", _] if name.starts_with(&format!("{scope}/")) => {
            write::find_removal(name, file)
        }
        ["-" | "download", file] if !file.is_empty() => find_tarball(name, file),
        ["-" | "download", scope, file] if name.starts_with(&format!("{scope}/")) => find_tarball(name, file),
        // What stands before it may be neither, or these would be tarballs (§1.2).
        [spec, "files", path @ ..] if !matches!(*spec, "-" | "-rev" | "download") => {
            files::find(name, spec, path, query)
        }
        _ => find_document(name, without_trailing_slash(segments), query),
    }
}

fn find_document(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    match segments {
        [] => Ok(Target {
            put: Some(Write::Document { name: name.clone(), expected: None }.into()),
            ..Target::read(Action::Packument { name, uncached: is_uncached(query) })
        }),
        ["-"] => Err(no_route()),
        [spec] => {
            // These would be tags by this form, and are something else by others (§1.2).
            let put = match *spec {
                "sync" => Some(sync::ask_old(name.clone(), query)),
                "-rev" | "download" | "files" => None,
                tag => Some(Write::Tag { name: name.clone(), tag: tag.into() }.into()),
            };
            Ok(Target { put, ..Target::read(Action::Manifest { name, spec: Spec::parse(spec)? }) })
        }
        ["sync", "log", id] => Ok(sync::find_old_log(name, id)),
        _ => Err(no_route()),
    }
}

/// Reads `<unscoped>-<version>.tgz`: the file's name decides the version (§5.3).
fn find_tarball(name: &str, file: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let version = file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name.unscoped())?.strip_prefix('-'));
    let version = Version::parse(version.ok_or_else(|| Error::not_found("a tarball of this name"))?)?;
    Ok(Target::read(Action::Tarball { name, version }))
}

fn find_attestations(segments: &[&str]) -> Result<Target, Error> {
    let text = segments.join("/");
    // A scope starts with `@` as well, so the last one parts name and version.
    let (name, version) = text.rsplit_once('@').ok_or(Error::bad_request("attestations belong to name@version"))?;
    let (name, version) = (PackageName::parse(name)?, Version::parse(version)?);
    Ok(Target::read(Action::Attestations { name, version }))
}

/// npm sends `write=true` before it edits, cnpm peers send `cache=0` (§1.2).
fn is_uncached(query: &str) -> bool {
    !query.is_empty()
        && form_urlencoded::parse(query.as_bytes())
            .any(|(key, value)| matches!((&*key, &*value), ("write", "true") | ("cache", "0")))
}

/// Escapes a segment, for who is sent to another path.
pub fn escape(segment: &str) -> String {
    utf8_percent_encode(segment, PLAIN).to_string()
}

/// Escapes a path, segment by segment.
pub fn escape_path(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(escape).collect();
    segments.join("/")
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

#[cfg(test)]
mod tests;
