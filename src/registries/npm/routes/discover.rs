//! What has happened here, and what there is: the feed and the lists. Source: contract npm §10.2, §10.3.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::Target;
use super::access::Access;
use super::action::Action;
use crate::base::clock::from_millis;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::search::Query;
use crate::registries::queries;
use crate::registries::times::parse_day;

/// Most events in one answer. Source: contract npm §10.3.
const MAX_EVENTS: u64 = 1000;
/// How long who waits for an event waits, unless it says so; and at most.
const WAIT: Duration = Duration::from_secs(25);
const MAX_WAIT: Duration = Duration::from_secs(55);
/// Users that are asked about at once, at most. Source: contract npm §10.2.
const MAX_USERS: usize = 20;

/// What is asked of the whole registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discover {
    /// `/_changes` and `/-/_changes` (§10.3).
    Changes(Since),
    /// `/-/all/changes`: the same by time, as cnpm's older servers have it.
    ChangesByTime { since: SystemTime, after: u64, limit: u64 },
    /// `/-/all` and `/-/all/since`.
    All { since: Option<SystemTime> },
    /// `/-/short`.
    Names,
    /// `/-/allversions`: what was published within one day.
    Versions { from: SystemTime, to: SystemTime },
    /// `/-/by-user/{users}`.
    OfUsers { users: Vec<Box<str>> },
    /// `/-/users/{user}/packages`.
    OfUser { user: Box<str> },
    /// `/-/package/{name}/dependents`.
    Dependents { name: PackageName },
    /// `/-/v1/search` (§10.1).
    Search(Box<Query>),
    /// `PUT` and `DELETE /-/v1/search/sync/{name}`: whether searches find a package.
    SetListed { name: PackageName, is_listed: bool },
}

/// Where in the feed a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The lowest number that it wants.
    pub number: u64,
    pub limit: u64,
    /// For how long it would wait for one.
    pub wait: Option<Duration>,
}

/// Finds what lies under `/-/`; `None` for what is nobody's here.
pub fn find(segments: &[&str], query: &str) -> Result<Option<Target>, Error> {
    Ok(Some(Target::read(match segments {
        ["_changes"] => return find_changes(query).map(Some),
        ["v1", "search"] => Discover::Search(Box::new(Query::parse(query)?)),
        ["v1", "search", "sync", name] => return find_sync(name).map(Some),
        ["v1", "search", "sync", scope, name] if scope.starts_with('@') => {
            return find_sync(&format!("{scope}/{name}")).map(Some);
        }
        ["all"] => Discover::All { since: None },
        // Before anything that is found by name (§1.2).
        ["all", "since"] => find_since(query)?,
        ["all", "changes"] => find_changes_by_time(query)?,
        ["short"] => Discover::Names,
        ["allversions"] => find_versions(query)?,
        ["by-user", users] => find_users(users)?,
        ["users", user, "packages"] => Discover::OfUser { user: (*user).into() },
        _ => return Ok(None),
    })))
}

/// Reads where a client stands. Source: contract npm §10.3.
pub fn find_changes(query: &str) -> Result<Target, Error> {
    let number = |key, default| {
        let refusal = || Error::Unprocessable(format!("{key} is no whole number").into());
        queries::find(query, key).map_or(Ok(default), |text| text.parse::<u64>().map_err(|_| refusal()))
    };
    let wait = match queries::find(query, "feed").as_deref() {
        None | Some("normal") => None,
        Some("longpoll") => Some(Duration::from_millis(number("timeout", WAIT.as_millis() as u64)?).min(MAX_WAIT)),
        Some(_) => return Err(Error::Unprocessable("the feed is normal or longpoll".into())),
    };
    let limit = number("limit", MAX_EVENTS)?.clamp(1, MAX_EVENTS);
    Ok(Target::read(Discover::Changes(Since { number: number("since", 0)?, limit, wait })))
}

fn find_sync(name: &str) -> Result<Target, Error> {
    let name = PackageName::parse(name)?;
    let set = |is_listed| Some(Discover::SetListed { name: name.clone(), is_listed }.into());
    Ok(Target { put: set(true), delete: set(false), ..Target::default() })
}

fn find_changes_by_time(query: &str) -> Result<Discover, Error> {
    let number = |key, default| time_or_number(query, key).map(|number| number.unwrap_or(default));
    let (since, after) = (from_millis(number("since", 0)?), number("cursorId", 0)?);
    Ok(Discover::ChangesByTime { since, after, limit: number("limit", MAX_EVENTS)?.clamp(1, MAX_EVENTS) })
}

/// Source: contract npm §10.2: another `stale` and a `startkey` that is no number are mistakes.
fn find_since(query: &str) -> Result<Discover, Error> {
    if queries::find(query, "stale").is_some_and(|stale| stale != "update_after") {
        return Err(Error::bad_request("stale can be update_after only"));
    }
    let since = time_or_number(query, "startkey")?.ok_or(Error::bad_request("startkey is missing"))?;
    Ok(Discover::All { since: Some(from_millis(since)) })
}

fn find_versions(query: &str) -> Result<Discover, Error> {
    let day = queries::find(query, "date").as_deref().and_then(parse_day);
    let from = SystemTime::from(day.ok_or(Error::bad_request("date is no day such as 2024-02-29"))?);
    Ok(Discover::Versions { from, to: from + Duration::from_secs(86_400) })
}

fn find_users(users: &str) -> Result<Discover, Error> {
    let users: Vec<Box<str>> = users.split('|').filter(|user| !user.is_empty()).map(Into::into).collect();
    match users.len() {
        0 => Err(Error::bad_request("no user is named")),
        1..=MAX_USERS => Ok(Discover::OfUsers { users }),
        _ => Err(Error::bad_request("20 users can be asked about at once")),
    }
}

fn time_or_number(query: &str, key: &'static str) -> Result<Option<u64>, Error> {
    let read =
        |text: Cow<'_, str>| text.parse().map_err(|_| Error::BadRequest(format!("{key} is no whole number").into()));
    queries::find(query, key).map(read).transpose()
}

// === impl Discover ===

impl Discover {
    /// Says who is let in: what is listed is judged again, name by name.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Dependents { name } => Access::Read(name.as_str()),
            Self::SetListed { .. } => Access::Known,
            _ => Access::Read(""),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Changes(_) | Self::ChangesByTime { .. } => "changes",
            Self::All { .. } => "all",
            Self::Names => "short",
            Self::Versions { .. } => "all_versions",
            Self::OfUsers { .. } | Self::OfUser { .. } => "by_user",
            Self::Dependents { .. } => "dependents",
            Self::Search(_) => "search",
            Self::SetListed { .. } => "search_sync",
        }
    }
}

impl From<Discover> for Action {
    fn from(discover: Discover) -> Self {
        Self::Discover(discover)
    }
}
