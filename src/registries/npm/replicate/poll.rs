//! Asks the feeds of upstreams what has changed.
//!
//! | kind | asks for | counts by |
//! |---|---|---|
//! | npm | what is behind the cursor | numbers, or words of its own |
//! | cnpmcore, Heliostat | what is at the cursor or behind | numbers |
//! | cnpmjsorg | what is at the cursor or behind | milliseconds since 1970, with the names that were told of that one |
//!
//! Source: contract npm §10.3, §12.5.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::pages::{self, Numbered, Senseless, Timed};
use crate::base::clock::{from_millis, millis};
use crate::config::ChangesType;
use crate::mirror::Peek;
use crate::registries::npm::Npm;
use crate::registries::npm::error::of_mirror;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::registries::feeds::Feed;
use crate::registries::replica::{Change, Failure, Poll, Position};

/// Events that are asked for at once.
const LIMIT: usize = 1_000;
/// As many at most, where all of a page are of one moment.
const MAX_LIMIT: usize = 10_000;
/// A longer page is none, in bytes.
const MAX_PAGE: u64 = 32 << 20;
/// How long a feed may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far before its end a feed is begun with, in events and in time: a server may be some behind another.
const BEFORE: u64 = 10;
const BEFORE_TIME: Duration = Duration::from_secs(300);

/// Without it, npm's feed is the older one, which is no more.
const OPT_IN: HeaderName = HeaderName::from_static("npm-replication-opt-in");

/// What a page comes to.
#[derive(Debug, PartialEq, Eq)]
struct Turned {
    names: Vec<String>,
    position: Position,
    is_at_head: bool,
    /// When the last of it changed.
    at: Option<SystemTime>,
}

impl Npm {
    /// Asks a feed what has changed since a position; without one, where it stands.
    pub(super) async fn poll_feed(&self, feed: &Feed, position: Option<&Position>) -> Result<Poll, Failure> {
        let Some(position) = position else { return self.begin_feed(feed).await };
        let turned = match feed.kind {
            ChangesType::Npm => npm(position, pages::parse_numbered(&self.page_of_feed(feed, position, LIMIT).await?)?),
            ChangesType::Cnpmcore => {
                cnpmcore(position, pages::parse_numbered(&self.page_of_feed(feed, position, LIMIT).await?)?)?
            }
            ChangesType::Cnpmjsorg => self.timed(feed, position).await?,
        };
        let lag =
            turned.at.filter(|_| !turned.is_at_head).and_then(|at| self.gate.overlay().now().duration_since(at).ok());
        let (position, is_at_head) = (turned.position, turned.is_at_head);
        Ok(Poll { changes: self.changes_of(feed, turned.names).await?, position, is_at_head, lag })
    }

    /// Finds where a feed is begun with: a little before where it stands.
    async fn begin_feed(&self, feed: &Feed) -> Result<Poll, Failure> {
        let cursor = match feed.kind {
            ChangesType::Cnpmjsorg => {
                let begin = self.gate.overlay().now().checked_sub(BEFORE_TIME).unwrap_or(SystemTime::UNIX_EPOCH);
                millis(begin).to_string()
            }
            ChangesType::Npm | ChangesType::Cnpmcore => {
                let head = pages::parse_head(&self.look_at(feed, &feed.root).await?)?;
                let head =
                    head.ok_or_else(|| Failure::Refused("upstream does not say where its feed stands".into()))?;
                head.parse().map_or(head, |number: u64| number.saturating_sub(BEFORE).to_string())
            }
        };
        let position = Position { cursor, memory: None };
        Ok(Poll { changes: Vec::new(), position, is_at_head: false, lag: None })
    }

    /// Asks for a page by time: a longer one, as long as all of it is of one moment that there is no way behind.
    async fn timed(&self, feed: &Feed, position: &Position) -> Result<Turned, Failure> {
        let mut limit = LIMIT;
        loop {
            let page = pages::parse_timed(&self.page_of_feed(feed, position, limit).await?)?;
            match cnpmjsorg(position, page, limit)? {
                Some(turned) => return Ok(turned),
                None if limit >= MAX_LIMIT => {
                    let error = format!("upstream tells of more than {MAX_LIMIT} changes at one moment");
                    return Err(Failure::Refused(error));
                }
                None => limit = MAX_LIMIT,
            }
        }
    }

    async fn page_of_feed(&self, feed: &Feed, position: &Position, limit: usize) -> Result<Vec<u8>, Failure> {
        self.look_at(feed, &place(&feed.url, &position.cursor, limit)).await
    }

    async fn look_at(&self, feed: &Feed, url: &Url) -> Result<Vec<u8>, Failure> {
        let mut headers = HeaderMap::new();
        if feed.kind == ChangesType::Npm {
            headers.insert(OPT_IN, HeaderValue::from_static("true"));
        }
        let peek = Peek {
            upstream: feed.upstream.clone(),
            url: url.clone(),
            headers,
            max_answer_bytes: MAX_PAGE,
            patience: PATIENCE,
        };
        let answer = self.mirror.peek(&peek).await.map_err(|error| Failure::from(&of_mirror(error, "its feed")))?;
        match answer.status {
            StatusCode::OK => Ok(answer.body.into()),
            status => Err(Failure::Refused(format!("upstream has no feed there: it answers with status {status}"))),
        }
    }

    /// Returns those of these names that come from the feed's upstream, each once.
    async fn changes_of(&self, feed: &Feed, names: Vec<String>) -> Result<Vec<Change>, Failure> {
        let (mut seen, mut changes) = (HashSet::new(), Vec::new());
        for text in names {
            let Ok(name) = PackageName::parse(&text) else { continue };
            let is_its = self.sources.upstream(&name).id == feed.id_of_upstream && seen.insert(text);
            let kept = is_its && self.gate.is_kept_from_upstream(name.as_str()).await.map_err(|e| Failure::from(&e))?;
            if is_its && !kept {
                changes.push(Change { package: name.to_string(), expects: BTreeSet::new() });
            }
        }
        Ok(changes)
    }
}

impl From<Senseless> for Failure {
    fn from(error: Senseless) -> Self {
        Self::Again { error: crate::base::chain::Chain(&error).to_string(), after: None }
    }
}

/// Returns where a page is asked for.
fn place(url: &Url, since: &str, limit: usize) -> Url {
    let mut place = url.clone();
    let others = url.query_pairs().filter(|(name, _)| name != "since" && name != "limit");
    let others: Vec<_> = others.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    place
        .query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .extend_pairs([("since", since), ("limit", &limit.to_string())]);
    place
}

/// Goes on behind what was told.
fn npm(position: &Position, page: Numbered) -> Turned {
    let cursor = page.stands_at.or(page.last).unwrap_or_else(|| position.cursor.clone());
    Turned { is_at_head: page.events < LIMIT, names: page.names, position: Position { cursor, memory: None }, at: None }
}

/// Goes on at the number behind the last. A feed that says where it stands may leave out what we may not read: it is at its
/// end when it stands still.
fn cnpmcore(position: &Position, page: Numbered) -> Result<Turned, Failure> {
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| Failure::Refused("upstream's feed does not count by numbers".to_owned()))
    };
    let since = number(&position.cursor)?;
    let (last, stands_at) =
        (page.last.as_deref().map(number).transpose()?, page.stands_at.as_deref().map(number).transpose()?);
    let next = last.max(stands_at).map_or(since, |last| last.saturating_add(1).max(since));
    let is_at_head = if stands_at.is_some() { next == since } else { page.events < LIMIT };
    let position = Position { cursor: next.to_string(), memory: None };
    Ok(Turned { names: page.names, position, is_at_head, at: None })
}

/// Goes on at the last moment, past the names that were told of it; `None` where that leads nowhere, since a full page is of
/// that one moment.
fn cnpmjsorg(position: &Position, page: Timed, limit: usize) -> Result<Option<Turned>, Failure> {
    let senseless = || Failure::Refused("upstream's feed does not count by times".to_owned());
    let since: u64 = position.cursor.parse().map_err(|_| senseless())?;
    let told = position.memory.as_deref().and_then(|memory| std::str::from_utf8(memory).ok()).unwrap_or_default();
    let told: HashSet<&str> = told.lines().collect();
    let is_full = page.events.len() >= limit;
    let last = page.events.last().map_or(since, |(at, _)| (*at).max(since));
    if is_full && last == since {
        return Ok(None);
    }
    let is_new = |(at, name): &&(u64, String)| *at > since || *at == since && !told.contains(name.as_str());
    let names: Vec<String> = page.events.iter().filter(is_new).map(|(_, name)| name.clone()).collect();
    let of_last = page.events.iter().filter(|(at, _)| *at == last).map(|(_, name)| name.as_str());
    let earlier = told.iter().copied().filter(|_| last == since);
    let memory: BTreeSet<&str> = of_last.chain(earlier).collect();
    let memory = memory.into_iter().collect::<Vec<_>>().join("\n").into_bytes();
    Ok(Some(Turned {
        names,
        position: Position { cursor: last.to_string(), memory: Some(memory) },
        is_at_head: !is_full,
        at: Some(from_millis(last)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cursor: &str) -> Position {
        Position { cursor: cursor.to_owned(), memory: None }
    }

    fn numbered(events: usize, last: Option<&str>, stands_at: Option<&str>) -> Numbered {
        let names = vec!["a".to_owned(); events];
        Numbered { names, events, last: last.map(str::to_owned), stands_at: stands_at.map(str::to_owned) }
    }

    #[test]
    fn a_page_is_asked_for_by_cursor_and_limit() {
        let at = |url: &str| place(&url.parse().unwrap(), "5-a&b", 10).to_string();
        assert_eq!(at("https://r.example/_changes"), "https://r.example/_changes?since=5-a%26b&limit=10");
        assert_eq!(at("https://r.example/c?key=x&since=now"), "https://r.example/c?key=x&since=5-a%26b&limit=10");
    }

    #[test]
    fn npms_feed_goes_on_behind_the_last() {
        for (page, cursor, is_at_head) in [
            (numbered(LIMIT, Some("7"), Some("8")), "8", false),
            (numbered(3, Some("7"), None), "7", true),
            (numbered(0, None, None), "5", true),
            (numbered(2, Some("9-x"), Some("9-y")), "9-y", true),
        ] {
            let turned = npm(&at("5"), page);
            assert_eq!((turned.position.cursor.as_str(), turned.is_at_head), (cursor, is_at_head));
        }
    }

    #[test]
    fn cnpmcores_feed_goes_on_at_the_next() {
        for (page, cursor, is_at_head) in [
            (numbered(LIMIT, Some("7"), None), "8", false),
            (numbered(3, Some("7"), None), "8", true),
            (numbered(0, None, None), "5", true),
            // Heliostat's: it says where it stands, whether or not we may read what is there.
            (numbered(3, Some("7"), Some("9")), "10", false),
            (numbered(0, None, Some("9")), "10", false),
            (numbered(0, None, Some("4")), "5", true),
        ] {
            let turned = cnpmcore(&at("5"), page).unwrap();
            assert_eq!((turned.position.cursor.as_str(), turned.is_at_head), (cursor, is_at_head));
        }
        assert!(cnpmcore(&at("5-x"), numbered(0, None, None)).is_err());
        assert!(cnpmcore(&at("5"), numbered(1, Some("x"), None)).is_err());
    }

    #[test]
    fn a_feed_by_time_tells_of_a_moment_once() {
        let page =
            |events: &[(u64, &str)]| Timed { events: events.iter().map(|(at, n)| (*at, (*n).to_owned())).collect() };
        let turn = |position: &Position, events: &[(u64, &str)]| cnpmjsorg(position, page(events), 3).unwrap();
        let first = turn(&at("5"), &[(5, "a"), (6, "b")]).unwrap();
        assert_eq!((first.names.join(" "), first.is_at_head), ("a b".to_owned(), true));
        let (cursor, memory) = (first.position.cursor.as_str(), first.position.memory.as_deref());
        assert_eq!((cursor, memory), ("6", Some(&b"b"[..])));
        let second = turn(&first.position, &[(6, "b"), (6, "c")]).unwrap();
        assert_eq!((second.names.join(" "), second.position.memory.as_deref()), ("c".to_owned(), Some(&b"b\nc"[..])));
        assert_eq!(turn(&second.position, &[(6, "b"), (6, "c")]).unwrap().names, [""; 0]);
        assert_eq!(turn(&second.position, &[]).unwrap().position, second.position);
        let full = turn(&second.position, &[(6, "b"), (6, "c"), (7, "d")]).unwrap();
        assert_eq!((full.names.join(" "), full.is_at_head), ("d".to_owned(), false));
        assert_eq!(turn(&second.position, &[(6, "b"), (6, "c"), (6, "d")]), None, "there is no way behind this moment");
    }
}
