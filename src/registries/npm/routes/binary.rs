//! Mirrors of binaries: `/-/binary/…`. Source: contract npm §16, §19.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::error::Error;
use crate::registries::queries;

/// Longest path below a mirror, in bytes.
const MAX_PATH: usize = 1024;

/// Entries of one answer, at most, where a part is asked for.
const MAX_LISTED: u64 = 1000;

/// What is asked of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `/-/binary/`.
    List,
    /// `/-/binary/{name}/`, and below it `{sub}/`, which stands in `path` with its slash.
    Directory { name: Box<str>, path: Box<str>, part: Option<Part> },
    /// `/-/binary/{name}/{sub}/{file}`; or a directory, without its slash.
    File { name: Box<str>, path: Box<str>, file: Box<str>, part: Option<Part> },
    /// `POST /-/binary/{name}/sync`.
    Sync { name: Box<str> },
    /// `/-/binary/{name}/syncs/{id}/log`.
    Log { name: Box<str>, id: Box<str> },
}

/// A part of a directory, by the dates of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of this date and later.
    pub since: Box<str>,
    pub limit: u64,
}

/// Finds what lies under `/-/binary`.
pub fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    Ok(match segments {
        [] | [""] => Target::read(Binary::List),
        [scope, name, rest @ ..] if scope.starts_with('@') => find_in(&format!("{scope}/{name}"), rest, query)?,
        [name, rest @ ..] => find_in(name, rest, query)?,
    })
}

fn find_in(name: &str, segments: &[&str], query: &str) -> Result<Target, Error> {
    let path = segments.join("/");
    let is_plain = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if name.len() + path.len() > MAX_PATH || !is_plain(name) || !is_plain(&path) {
        return Err(Error::not_found("a binary of such a path"));
    }
    let (name, part): (Box<str>, _) = (name.into(), Part::read(query)?);
    let post = (segments == ["sync"]).then(|| Binary::Sync { name: name.clone() }.into());
    let asked = match segments.split_last() {
        _ if matches!(segments, ["syncs", _, "log"]) => Binary::Log { name, id: segments[1].into() },
        None => Binary::Directory { name, path: path.into(), part },
        Some((&"", _)) => {
            let path = if segments.len() == 1 { String::new() } else { path };
            Binary::Directory { name, path: path.into(), part }
        }
        Some((file, above)) => {
            let above: String = above.iter().map(|segment| format!("{segment}/")).collect();
            Binary::File { name, path: above.into(), file: (*file).into(), part }
        }
    };
    Ok(Target { post, ..Target::read(asked) })
}

// === impl Part ===

impl Part {
    /// Reads `since` and `limit`; `None` where neither is there.
    fn read(query: &str) -> Result<Option<Self>, Error> {
        let (since, limit) = (queries::find(query, "since"), queries::find(query, "limit"));
        if since.is_none() && limit.is_none() {
            return Ok(None);
        }
        let limit = limit.and_then(|limit| limit.parse().ok()).filter(|limit| (1..=MAX_LISTED).contains(limit));
        let limit = limit.ok_or_else(|| Error::not_found(format!("limit should be from 1 to {MAX_LISTED}: a list")))?;
        Ok(Some(Self { since: since.unwrap_or_default().into(), limit }))
    }
}

// === impl Binary ===

impl Binary {
    /// Says who is let in: who may read of the registry as a whole; whether who has a mirror walked may, is asked of admins.
    pub fn access(&self) -> Access<'_> {
        if matches!(self, Self::Sync { .. }) { Access::Known } else { Access::Read("") }
    }

    pub fn reads(&self) -> Reads<'_> {
        if matches!(self, Self::Sync { .. }) { Reads::Body } else { Reads::Nothing }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::List => "binaries",
            Self::Directory { .. } => "binary_directory",
            Self::File { .. } => "binary",
            Self::Sync { .. } => "sync_binary",
            Self::Log { .. } => "binary_log",
        }
    }
}

impl From<Binary> for Action {
    fn from(asked: Binary) -> Self {
        Self::Binary(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::routes::parse;

    fn directory(name: &str, path: &str) -> Binary {
        Binary::Directory { name: name.into(), path: path.into(), part: None }
    }

    fn file(name: &str, path: &str, file: &str) -> Binary {
        Binary::File { name: name.into(), path: path.into(), file: file.into(), part: None }
    }

    #[test]
    fn a_path_is_a_directory_or_a_file() {
        for (path, expected) in [
            ("/-/binary", Binary::List),
            ("/-/binary/", Binary::List),
            ("/-/binary/node", directory("node", "")),
            ("/-/binary/node/", directory("node", "")),
            ("/-/binary/node/v1/x/", directory("node", "v1/x/")),
            ("/-/binary/node/v1", file("node", "", "v1")),
            ("/-/binary/node/v1/a%20b+c%25.tgz", file("node", "v1/", "a b+c%.tgz")),
            ("/-/binary/@acme/tool", directory("@acme/tool", "")),
            ("/-/binary/@acme%2ftool/v1/a", file("@acme/tool", "v1/", "a")),
            ("/-/binary/node/sync", file("node", "", "sync")),
            ("/-/binary/node/syncs/1/log", Binary::Log { name: "node".into(), id: "1".into() }),
            ("/-/binary/node/syncs/1/", directory("node", "syncs/1/")),
        ] {
            let action = parse(&http::Method::GET, path, "").unwrap();
            assert_eq!(action, Action::Binary(expected), "{path}");
            assert_eq!(action.access(), Access::Read(""), "{path}");
        }
    }

    #[test]
    fn who_has_a_mirror_walked_says_so_in_a_body() {
        for (path, name) in [("/-/binary/node/sync", "node"), ("/-/binary/@acme/tool/sync", "@acme/tool")] {
            let action = parse(&http::Method::POST, path, "").unwrap();
            assert_eq!(action, Action::Binary(Binary::Sync { name: name.into() }), "{path}");
            assert_eq!((action.access(), action.reads()), (Access::Known, Reads::Body), "{path}");
        }
        let refused = parse(&http::Method::POST, "/-/binary/node/v1/sync", "");
        assert!(matches!(refused, Err(Error::MethodNotAllowed { .. })));
    }

    #[test]
    fn what_no_mirror_has_is_not_looked_for() {
        let long = format!("/-/binary/node/{}", "a".repeat(1021));
        for path in ["/-/binary/node/%C3%A9", &long] {
            assert!(matches!(parse(&http::Method::GET, path, ""), Err(Error::NotFound { .. })), "{path}");
        }
        for path in ["/-/binary/node/../x", "/-/binary/node/%2e%2e/x", "/-/binary/node//x", "/-/binary/node/a%00b"] {
            assert!(matches!(parse(&http::Method::GET, path, ""), Err(Error::BadRequest(_))), "{path}");
        }
        assert!(parse(&http::Method::GET, &long[..long.len() - 1], "").is_ok());
        let refused = parse(&http::Method::PUT, "/-/binary/node/a", "");
        assert!(matches!(refused, Err(Error::MethodNotAllowed { .. })));
    }

    #[test]
    fn a_part_needs_a_limit() {
        let part = |query| Part::read(query).map(|part| part.map(|part| (part.since, part.limit)));
        assert_eq!(part("x=1").unwrap(), None);
        assert_eq!(part("since=2024-03-01T00%3A00&limit=1000").unwrap(), Some(("2024-03-01T00:00".into(), 1000)));
        assert_eq!(part("limit=1").unwrap(), Some(("".into(), 1)));
        for query in ["since=2024", "since=2024&limit=1001", "since=2024&limit=0", "since=2024&limit=x", "limit=-1"] {
            let told = part(query).unwrap_err().to_string();
            assert!(told.starts_with("limit should"), "{query}: {told}");
        }
    }
}
