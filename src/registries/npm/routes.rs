//! Method and path → what is asked, parsed once. The action decides policy, cache key and handler alike, so that no
//! spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount. Each segment is decoded once; a slash hidden in a segment is
//! legal only between a scope and its name (contract npm §1.2).

use std::borrow::Cow;

use ::http::Method;
use url::form_urlencoded;

use super::error::Error;
use super::name::{PackageName, Spec, Version};
use crate::base::secret::Secret;
use crate::registries::desk::Named;
use crate::registries::paths::{decode, empty_segment, is_known, is_read, no_route};

mod access;

pub use self::access::Access;

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
    /// `/downloads/{point, range}/{period}/{names}` (§10.4); passed through. What is no name is asked for all the same.
    Downloads { names: Vec<PackageName> },
    /// `PUT /{name}` and `PUT /{name}/-rev/{rev}`: the body says whether that publishes, deprecates, stars, hands over, or
    /// takes versions away (§7.1 to §7.4, §7.6). `expected`: the revision that the client has seen.
    Write { name: PackageName, expected: Option<u64> },
    /// `DELETE /{name}/-rev/{rev}` (§7.4).
    Unpublish { name: PackageName },
    /// `DELETE` of a tarball's path with `/-rev/{rev}` at its end (§7.4).
    RemoveTarball { name: PackageName, version: Version },
    /// `PUT`, `POST /-/package/{name}/dist-tags/{tag}` and `PUT /{name}/{tag}` (§7.5).
    Tag { name: PackageName, tag: Box<str> },
    /// `DELETE /-/package/{name}/dist-tags/{tag}` (§7.5).
    Untag { name: PackageName, tag: Box<str> },
    /// `/-/user/org.couchdb.user:{name}` (§8.3).
    User { name: Box<str> },
    /// `PUT` of the same: log in, or make an account (§8.2).
    LogIn { name: Box<str> },
    /// `DELETE /-/user/token/{token}` (§8.3).
    LogOut { token: Secret },
    /// `/-/whoami` (§8.3).
    WhoAmI,
    /// `/-/npm/v1/user` (§8.3).
    Profile,
    /// `POST` of the same.
    EditProfile,
    /// `/-/npm/v1/tokens` (§8.5).
    Tokens,
    /// `POST` of the same.
    IssueToken,
    /// `DELETE /-/npm/v1/tokens/token/{key}`.
    RevokeToken { key: Box<str> },
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

/// What a path names, by the methods that it takes.
#[derive(Default)]
struct Target {
    /// GET and HEAD.
    read: Option<Action>,
    put: Option<Action>,
    post: Option<Action>,
    delete: Option<Action>,
    options: Option<Action>,
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
        Method::DELETE => target.delete,
        Method::OPTIONS => target.options,
        _ if is_known(method) => None,
        _ => return Err(Error::NotImplemented),
    };
    action.ok_or(Error::MethodNotAllowed { allow: allow.into() })
}

// === impl Target ===

impl Target {
    fn read(action: Action) -> Self {
        Self { read: Some(action), ..Self::default() }
    }

    fn post(action: Action) -> Self {
        Self { post: Some(action), ..Self::default() }
    }

    /// Names the methods that it takes. Source: RFC 9110 §10.2.1.
    fn allow(&self) -> String {
        let Self { read, put, post, delete, options } = self;
        let words = [("GET, HEAD", read), ("PUT", put), ("POST", post), ("DELETE", delete), ("OPTIONS", options)];
        let taken: Vec<&str> = words.into_iter().filter_map(|(word, action)| action.as_ref().map(|_| word)).collect();
        taken.join(", ")
    }
}

fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    // npm up to 10 asks for attestations at the registry's path joined with the path of the URL we served, which
    // starts with the mount already: `/npm/npm/-/npm/v1/attestations/…`. Nothing else has these four in a row.
    if let Some(start) = segments.windows(4).position(|window| window == ["-", "npm", "v1", "attestations"]) {
        return find_attestations(&segments[start + 4..]);
    }
    match segments {
        [] => Ok(Target::read(Action::Root)),
        // The package called `-` has tarballs too; no API starts with `/-/-/--`.
        ["-", "-", file] if file.starts_with("--") => find_tarball("-", file),
        ["-", rest @ ..] if !rest.is_empty() => find_api(without_trailing_slash(rest), query),
        // The feed of changes is not kept here, and could not be a package's name either (§10.3).
        ["_changes"] => Err(no_route()),
        ["downloads", "point" | "range" | "total", _, names @ ..] if !names.is_empty() => {
            let names = names.join("/");
            let names = names.split(',').filter_map(|name| PackageName::parse(name).ok()).collect();
            Ok(Target::read(Action::Downloads { names }))
        }
        [scope, name, rest @ ..] if scope.starts_with('@') => find_in_package(&format!("{scope}/{name}"), rest, query),
        [name, rest @ ..] => find_in_package(name, rest, query),
    }
}

/// Finds what lies under `/-/`, never a package (§1.2).
fn find_api(segments: &[&str], query: &str) -> Result<Target, Error> {
    Ok(match segments {
        ["ping"] => Target::read(Action::Ping),
        ["whoami"] => Target::read(Action::WhoAmI),
        ["npm", "v1", "keys"] => Target::read(Action::Keys),
        ["npm", "v1", "user"] => Target { post: Some(Action::EditProfile), ..Target::read(Action::Profile) },
        ["npm", "v1", "tokens"] => Target { post: Some(Action::IssueToken), ..Target::read(Action::Tokens) },
        ["npm", "v1", "tokens", "token", key] => {
            Target { delete: Some(Action::RevokeToken { key: (*key).into() }), ..Target::default() }
        }
        ["npm", "v1", "security", "advisories", "bulk"] => Target::post(Action::Audit(Audit::Bulk)),
        ["npm", "v1", "security", "audits", "quick"] => Target::post(Action::Audit(Audit::Quick)),
        ["npm", "v1", "security", "audits"] => Target::post(Action::Audit(Audit::Full)),
        ["user", "token", token] => {
            Target { delete: Some(Action::LogOut { token: Secret::new(*token) }), ..Target::default() }
        }
        ["user", user] => find_user(user)?,
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
        ["-rev", revision] => find_revision(name, revision),
        ["-" | "download", file, "-rev", _] => find_removal(name, file),
        ["-" | "download", scope, file, "-rev", _] if name.starts_with(&format!("{scope}/")) => {
            find_removal(name, file)
        }
        ["-" | "download", file] if !file.is_empty() => find_tarball(name, file),
        ["-" | "download", scope, file] if name.starts_with(&format!("{scope}/")) => find_tarball(name, file),
        _ => find_document(name, without_trailing_slash(segments), query),
    }
}

fn find_document(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    match segments {
        [] => Ok(Target {
            put: Some(Action::Write { name: name.clone(), expected: None }),
            ..Target::read(Action::Packument { name, uncached: is_uncached(query) })
        }),
        ["-"] => Err(no_route()),
        [spec] => {
            // These would be tags by this form, and are something else by others (§1.2).
            let is_taken = matches!(*spec, "sync" | "-rev" | "download" | "files");
            let tag = (!is_taken).then(|| Action::Tag { name: name.clone(), tag: (*spec).into() });
            Ok(Target { put: tag, ..Target::read(Action::Manifest { name, spec: Spec::parse(spec)? }) })
        }
        _ => Err(no_route()),
    }
}

/// Reads `<unscoped>-<version>.tgz`: the file's name decides the version (§5.3).
fn find_tarball(name: &str, file: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let version = file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name.unscoped())?.strip_prefix('-'));
    let version = Version::parse(version.ok_or_else(|| Error::not_found("a tarball of this name"))?)?;
    Ok(Target { options: Some(Action::Preflight), ..Target::read(Action::Tarball { name, version }) })
}

/// What stands behind a tarball with a revision at its end: to be taken away (§7.4).
fn find_removal(name: &str, file: &str) -> Result<Target, Error> {
    let Some(Action::Tarball { name, version }) = find_tarball(name, file)?.read else { return Err(no_route()) };
    Ok(Target { delete: Some(Action::RemoveTarball { name, version }), ..Target::default() })
}

/// Reads `<counter>-<32 hex>`, of which the counter tells (§4.3).
fn find_revision(name: &str, revision: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let counter = revision.split('-').next().and_then(|counter| counter.parse().ok());
    // One that is none of ours is one that nobody can have seen.
    let write = Action::Write { name: name.clone(), expected: Some(counter.unwrap_or_default()) };
    Ok(Target { put: Some(write), delete: Some(Action::Unpublish { name }), ..Target::default() })
}

/// Reads `org.couchdb.user:{name}` (§8.2).
fn find_user(user: &str) -> Result<Target, Error> {
    let name = user.strip_prefix("org.couchdb.user:").filter(|name| !name.is_empty()).ok_or_else(no_route)?;
    let put = Some(Action::LogIn { name: name.into() });
    Ok(Target { put, ..Target::read(Action::User { name: name.into() }) })
}

fn find_tags(name: &str, rest: &[&str]) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    match rest {
        [] => Ok(Target::read(Action::DistTags { name })),
        [tag] => {
            let set = || Some(Action::Tag { name: name.clone(), tag: (*tag).into() });
            let delete = Some(Action::Untag { name: name.clone(), tag: (*tag).into() });
            Ok(Target { put: set(), post: set(), delete, ..Target::default() })
        }
        _ => Err(no_route()),
    }
}

fn find_attestations(segments: &[&str]) -> Result<Target, Error> {
    let text = segments.join("/");
    // A scope starts with `@` as well, so the last one parts name and version.
    let (name, version) = text.rsplit_once('@').ok_or(Error::bad_request("attestations belong to name@version"))?;
    let (name, version) = (PackageName::parse(name)?, Version::parse(version)?);
    Ok(Target::read(Action::Attestations { name, version }))
}

/// A search for nothing is a mistake, which is told without asking upstream (§10.1).
fn find_search(query: &str) -> Result<Target, Error> {
    let has_text = form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "text" && !value.is_empty());
    if has_text { Ok(Target::read(Action::Search)) } else { Err(Error::bad_request("a search needs a text")) }
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
    fn hides_path(&self) -> bool {
        matches!(self, Self::LogOut { .. } | Self::RevokeToken { .. })
    }

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
            Self::Downloads { .. } => "downloads",
            Self::Write { .. } => "write",
            Self::Unpublish { .. } => "unpublish",
            Self::RemoveTarball { .. } => "remove_tarball",
            Self::Tag { .. } => "tag",
            Self::Untag { .. } => "untag",
            Self::User { .. } => "user",
            Self::LogIn { .. } => "log_in",
            Self::LogOut { .. } => "log_out",
            Self::WhoAmI => "whoami",
            Self::Profile => "profile",
            Self::EditProfile => "edit_profile",
            Self::Tokens => "tokens",
            Self::IssueToken => "issue_token",
            Self::RevokeToken { .. } => "revoke_token",
        }
    }
}

#[cfg(test)]
mod tests;
