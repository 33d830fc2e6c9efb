//! Method, path and query → what is asked of tasks. Pure.

use std::borrow::Cow;
use std::time::Duration;

use ::http::Method;

use crate::base::http::Request;
use crate::overlay::tasks::State;
use crate::registries::failure::Error;
use crate::registries::paths::no_route;
use crate::registries::queries::{find, parse_number};

/// Where our own API lies.
pub const API: &str = "/-/heliostat/api/v1/";

/// Tasks in one answer, if nothing is said, and at most.
const LISTED: u64 = 50;
const MAX_LISTED: u64 = 500;
/// How long a client waits for lines at most.
const MAX_WAIT: Duration = Duration::from_secs(55);

const NUMBERS: &str = "limit, from and wait are whole numbers";

/// What is asked of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// `POST sync`.
    Ask,
    /// `GET tasks`.
    List(Listing<'a>),
    /// `GET tasks/{id}`.
    Show { id: &'a str },
    /// `GET tasks/{id}/log`.
    Log { id: &'a str, tail: Tail },
    /// `DELETE tasks/{id}`.
    Cancel { id: &'a str },
    /// `POST tasks/{id}/retry`.
    Retry { id: &'a str },
    /// `GET feeds`.
    Feeds,
}

/// Which tasks are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing<'a> {
    pub mount: Option<Cow<'a, str>>,
    pub package: Option<Cow<'a, str>>,
    pub state: Option<State>,
    pub root: Option<Cow<'a, str>>,
    pub before: Option<Cow<'a, str>>,
    pub limit: u64,
}

/// Which part of a log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The first line, counted from 0.
    pub from: u64,
    /// For how long the client would wait for one.
    pub wait: Option<Duration>,
}

/// Tells whether a path of the server is about tasks.
pub fn is_about_tasks(path: &str) -> bool {
    let rest = path.strip_prefix(API).unwrap_or_default();
    matches!(rest.split('/').next(), Some("sync" | "tasks" | "feeds"))
}

// === impl Call ===

impl<'a> Call<'a> {
    /// Understands a request.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MethodNotAllowed`], [`Error::BadRequest`].
    pub fn read(request: &Request<'a>) -> Result<Self, Error> {
        let rest = request.path.strip_prefix(API).unwrap_or_default();
        let segments: Vec<&'a str> = rest.split('/').collect();
        let method = if request.method == Method::HEAD { &Method::GET } else { request.method };
        match (method, segments.as_slice()) {
            (&Method::POST, ["sync"]) => Ok(Self::Ask),
            (_, ["sync"]) => Err(only("POST")),
            (&Method::GET, ["tasks"]) => Listing::read(request.query).map(Self::List),
            (_, ["tasks"]) => Err(only("GET, HEAD")),
            (_, ["tasks", id, ..]) if !is_id(id) => Err(no_route()),
            (&Method::GET, ["tasks", id]) => Ok(Self::Show { id }),
            (&Method::DELETE, ["tasks", id]) => Ok(Self::Cancel { id }),
            (_, ["tasks", _]) => Err(only("GET, HEAD, DELETE")),
            (&Method::GET, ["tasks", id, "log"]) => Ok(Self::Log { id, tail: Tail::read(request.query)? }),
            (_, ["tasks", _, "log"]) => Err(only("GET, HEAD")),
            (&Method::POST, ["tasks", id, "retry"]) => Ok(Self::Retry { id }),
            (_, ["tasks", _, "retry"]) => Err(only("POST")),
            (&Method::GET, ["feeds"]) => Ok(Self::Feeds),
            (_, ["feeds"]) => Err(only("GET, HEAD")),
            _ => Err(no_route()),
        }
    }

    /// Names it in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ask => "sync",
            Self::List(_) => "tasks",
            Self::Show { .. } => "task",
            Self::Log { .. } => "task_log",
            Self::Cancel { .. } => "cancel_task",
            Self::Retry { .. } => "retry_task",
            Self::Feeds => "feeds",
        }
    }
}

/// Tells whether a text may name a task: what may not is asked of no database.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn only(allow: &'static str) -> Error {
    Error::MethodNotAllowed { allow: allow.into() }
}

// === impl Listing ===

impl<'a> Listing<'a> {
    fn read(query: &'a str) -> Result<Self, Error> {
        let wrong = || Error::bad_request("there is no such state of a task");
        let state = find(query, "state").map(|state| State::parse(&state).ok_or_else(wrong)).transpose()?;
        let limit = parse_number(query, "limit", LISTED, NUMBERS)?.clamp(1, MAX_LISTED);
        let text = |name| find(query, name).filter(|text| !text.contains('\0'));
        let [mount, package, root, before] = ["mount", "package", "root", "before"].map(text);
        Ok(Self { mount, package, state, root, before, limit })
    }
}

// === impl Tail ===

impl Tail {
    fn read(query: &str) -> Result<Self, Error> {
        let wait = Duration::from_secs(parse_number(query, "wait", 0, NUMBERS)?).min(MAX_WAIT);
        Ok(Self { from: parse_number(query, "from", 0, NUMBERS)?, wait: Some(wait).filter(|wait| !wait.is_zero()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str) -> Result<String, u16> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (method, headers, path) = (method.parse().unwrap(), ::http::HeaderMap::new(), format!("{API}{path}"));
        let base = "http://host.example";
        let request = Request { method: &method, path: &path, query, headers: &headers, base, peer: None, id: "r" };
        Call::read(&request).map(|call| format!("{call:?}")).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn every_call_has_its_method_and_path() {
        for (method, target, expected) in [
            ("POST", "sync", "Ask"),
            ("HEAD", "tasks/66f0", "Show { id: \"66f0\" }"),
            ("GET", "tasks/66f0/log", "Log { id: \"66f0\", tail: Tail { from: 0, wait: None } }"),
            ("GET", "tasks/66f0/log?from=7&wait=5", "Log { id: \"66f0\", tail: Tail { from: 7, wait: Some(5s) } }"),
            ("GET", "tasks/66f0/log?wait=999", "Log { id: \"66f0\", tail: Tail { from: 0, wait: Some(55s) } }"),
            ("DELETE", "tasks/66f0", "Cancel { id: \"66f0\" }"),
            ("POST", "tasks/66f0/retry", "Retry { id: \"66f0\" }"),
            ("GET", "feeds", "Feeds"),
        ] {
            assert_eq!(read(method, target).as_deref(), Ok(expected), "{method} {target}");
        }
        let listing = read("GET", "tasks?mount=npm&package=%40s%2fn&state=timed+out&limit=9999").unwrap();
        for told in ["mount: Some(\"npm\")", "package: Some(\"@s/n\")", "state: Some(TimedOut)", "limit: 500"] {
            assert!(listing.contains(told), "{listing}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (method, target, expected) in [
            ("GET", "sync", 405),
            ("POST", "tasks", 405),
            ("DELETE", "feeds", 405),
            ("GET", "feeds/npm", 404),
            ("PUT", "tasks/66f0", 405),
            ("POST", "tasks/66f0/log", 405),
            ("GET", "tasks/66f0/retry", 405),
            ("GET", "tasks/66f0/x", 404),
            ("GET", "tasks/", 404),
            ("GET", "tasks/%00", 404),
            ("GET", "tasks/a.b/log", 404),
            ("POST", "sync/x", 404),
            ("GET", "tasks?state=asleep", 400),
            ("GET", "tasks?limit=x", 400),
            ("GET", "tasks/66f0/log?wait=-1", 400),
        ] {
            assert_eq!(read(method, target), Err(expected), "{method} {target}");
        }
    }

    #[test]
    fn what_is_about_something_else_is_left_to_others() {
        for (path, expected) in [
            ("sync", true),
            ("tasks", true),
            ("tasks/1/log", true),
            ("feeds", true),
            ("tasksx", false),
            ("incidents", false),
            ("", false),
        ] {
            assert_eq!(is_about_tasks(&format!("{API}{path}")), expected, "{path}");
        }
        assert!(!is_about_tasks("/sync") && !is_about_tasks("/"));
    }
}
