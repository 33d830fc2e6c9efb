//! Method, path and `Accept` → what is asked, parsed once. The action decides policy, cache key and handler alike, so
//! that no spelling of a path can walk around one of them.
//!
//! Paths come as the client sent them, below the mount; `/v1` before them says nothing new. Each segment is decoded
//! once, and what is no escape is text, since the client never encodes anything (contract nessemble §1, §2).

use std::borrow::Cow;

use ::http::Method;

use super::error::{ALLOW_OPTIONS, ALLOW_READ, Error, NO_USERS};
use super::name::{PUBLISH, Title, Version};
use crate::registries::blocks::Subject;
use crate::registries::desk::Named;
use crate::registries::paths::{cut, decode_text, is_read, no_route};
use crate::registries::queries;

/// No path of ours has more segments; longer ones are not looked at further.
const MAX_SEGMENTS: usize = 16;
/// Longest search term, in bytes.
const MAX_TERM: usize = 256;
/// Packages on a page: where nothing is said, and at most.
const PER_PAGE: u64 = 10;
const MAX_PER_PAGE: u64 = 1_000;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `/` (contract nessemble §5.1).
    List(Page),
    /// `/status` (§5.2).
    Status,
    /// `/search/{term}`, or `/search` for all (§5.3).
    Search { term: Option<String> },
    /// `/package/{title}`, and of one version (§5.4).
    Package { title: Title, version: Option<Version> },
    /// `/package/{title}/README`, and of one version (§5.5).
    Readme { title: Title, version: Option<Version> },
    /// `/package/{title}/data`, and of one version (§5.6).
    Data { title: Title, version: Option<Version> },
    /// `/reference`, and below it (§5.7).
    Reference { path: Vec<String> },
    /// A browser asks what it may do (§3).
    Preflight { allow: &'static str },
}

/// Which part of the list a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 1 on.
    pub number: u64,
    /// From 1 to 1000.
    pub size: u64,
    pub sort: Sort,
    pub order: Order,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Title,
    Description,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
}

/// What a path names, whatever the method.
enum Target {
    /// Takes GET, HEAD and OPTIONS.
    Read(Action),
    /// Takes the same, of those who are logged in.
    Private,
    /// Takes what a mirror does not do.
    Write,
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::NotAcceptable`]: another version of the protocol than the first. [`Error::BadRequest`]: control characters,
/// empty and dot segments, numbers that are none. [`Error::NotFound`]: no such path; no package can be called so, which
/// clients understand better. [`Error::MethodNotAllowed`]: the path is known, with other methods.
/// [`Error::Unauthorized`]: what needs a login: there are no users.
pub fn parse(method: &Method, path: &str, query: &str, accept: Option<&str>) -> Result<Action, Error> {
    if accept.is_some_and(|accept| asked_version(accept).is_some_and(|version| version != 1)) {
        return Err(Error::NotAcceptable("this registry speaks version 1 of the protocol only"));
    }
    let segments = cut(path, MAX_SEGMENTS)?.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    judge_method(method, find(segments.strip_prefix(&["v1"]).unwrap_or(&segments), query)?)
}

fn judge_method(method: &Method, target: Target) -> Result<Action, Error> {
    let allow = match target {
        Target::Read(action) if is_read(method) => return Ok(action),
        Target::Private if is_read(method) => return Err(NO_USERS),
        Target::Read(_) => ALLOW_READ,
        Target::Private | Target::Write => ALLOW_OPTIONS,
    };
    if method == Method::OPTIONS { Ok(Action::Preflight { allow }) } else { Err(Error::only(allow)) }
}

fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    Ok(Target::Read(match segments {
        [] => Action::List(Page::parse(query)?),
        ["status"] => Action::Status,
        ["search"] => Action::Search { term: None },
        ["search", term] if term.len() <= MAX_TERM => Action::Search { term: Some((*term).to_owned()) },
        ["package", PUBLISH] => return Ok(Target::Write),
        ["package", title, rest @ ..] => find_in_package(title, rest)?,
        ["reference", path @ ..] if path.iter().all(|term| !term.contains(['/', '\\'])) => {
            Action::Reference { path: path.iter().map(|term| (*term).to_owned()).collect() }
        }
        // Said on purpose: see the module's page.
        ["graphql", ..] => return Err(Error::not_found("GraphQL is not spoken here: this path")),
        ["user", "logout"] | ["user", "2FA", _] => return Ok(Target::Private),
        ["user", "create" | "login" | "forgotpassword" | "resetpassword"] => return Ok(Target::Write),
        _ => return Err(no_route()),
    }))
}

/// Finds what is asked of a package. `README` and `data` are no versions, so they win.
fn find_in_package(title: &str, segments: &[&str]) -> Result<Action, Error> {
    let title = Title::parse(title).map_err(|_| Error::not_found("a package of this title"))?;
    let version = |text: &str| Version::parse(text).map_err(|_| Error::not_found("a version of this name"));
    Ok(match segments {
        [] => Action::Package { title, version: None },
        ["README"] => Action::Readme { title, version: None },
        ["data"] => Action::Data { title, version: None },
        [text] => Action::Package { title, version: Some(version(text)?) },
        [text, "README"] => Action::Readme { title, version: Some(version(text)?) },
        [text, "data"] => Action::Data { title, version: Some(version(text)?) },
        _ => return Err(no_route()),
    })
}

/// Returns the version of the protocol that the first media type of `Accept` asks for; what is no number says nothing.
fn asked_version(accept: &str) -> Option<i128> {
    let first = accept.split(',').next()?;
    let mut parameters = first.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("version"))?;
    whole_number(value.trim().trim_matches('"'))
}

/// Reads a whole number. One that is out of all bounds is still a number, and as far out.
fn whole_number(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let far_out = if text.starts_with('-') { i128::MIN } else { i128::MAX };
    is_number.then(|| text.parse().unwrap_or(far_out))
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Error> {
    let segment = decode_text(raw)?;
    if segment.split(['/', '\\']).any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::bad_request("the path has an empty segment or a dot segment"));
    }
    Ok(segment)
}

// === impl Page ===

impl Page {
    /// Reads a query; of several members of one name the first counts.
    fn parse(query: &str) -> Result<Self, Error> {
        let value = |name: &str| queries::find(query, name);
        let number = |name: &str, otherwise: u64| match value(name) {
            None => Ok(i128::from(otherwise)),
            Some(text) => whole_number(&text).ok_or(Error::bad_request("page and per_page are whole numbers")),
        };
        let bounded = |number: i128, most: u64| number.clamp(1, i128::from(most)) as u64;
        Ok(Self {
            number: bounded(number("page", 1)?, u64::from(u32::MAX)),
            size: bounded(number("per_page", PER_PAGE)?, MAX_PER_PAGE),
            sort: Sort::of(&value("sort_by").unwrap_or_default()),
            order: Order::of(&value("order").unwrap_or_default()),
        })
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { number: 1, size: PER_PAGE, sort: Sort::default(), order: Order::default() }
    }
}

// === impl Sort, Order ===

impl Sort {
    /// What is not known is the default. Source: contract nessemble §5.1.
    fn of(text: &str) -> Self {
        if text.eq_ignore_ascii_case("description") { Self::Description } else { Self::Title }
    }
}

impl Order {
    fn of(text: &str) -> Self {
        if text.eq_ignore_ascii_case("desc") { Self::Descending } else { Self::Ascending }
    }
}

// === impl Action ===

impl Named for Action {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Package { title, version } | Self::Readme { title, version } | Self::Data { title, version } => {
                match version {
                    Some(version) => Subject::release(title.as_str(), version.as_str()),
                    None => Subject::package(title.as_str()),
                }
            }
            Self::List(_) | Self::Status | Self::Search { .. } => Subject::Nothing,
            Self::Reference { .. } | Self::Preflight { .. } => Subject::Nothing,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Status => "status",
            Self::Search { .. } => "search",
            Self::Package { .. } => "package",
            Self::Readme { .. } => "readme",
            Self::Data { .. } => "data",
            Self::Reference { .. } => "reference",
            Self::Preflight { .. } => "preflight",
        }
    }
}

#[cfg(test)]
mod tests;
