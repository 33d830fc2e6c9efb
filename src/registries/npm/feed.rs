//! What has happened here, for who follows: the overlay's feed in cnpm's words. Source: contract npm §10.3.
//!
//! | here | there |
//! |---|---|
//! | version added, removed | `PACKAGE_VERSION_ADDED`, `PACKAGE_VERSION_REMOVED` |
//! | tag added, changed, removed | `PACKAGE_TAG_ADDED`, `PACKAGE_TAG_CHANGED`, `PACKAGE_TAG_REMOVED` |
//! | unpublished | `PACKAGE_UNPUBLISHED` |
//! | owner added, removed | `PACKAGE_MAINTAINER_CHANGED`, `PACKAGE_MAINTAINER_REMOVED` |
//! | blocked, unblocked | `PACKAGE_BLOCKED`, `PACKAGE_UNBLOCKED` |
//! | version deprecated, undeprecated | `PACKAGE_META_CHANGED` with what is said of it now |
//! | version changed, package changed, starred, unstarred | `PACKAGE_META_CHANGED` |

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Instant, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};

use super::Npm;
use super::error::Error;
use super::replies::listed;
use super::routes::Since;
use crate::base::http::Reply;
use crate::overlay::packages::{Event, EventKind};
use crate::overlay::users::{UserId, UserName};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

/// Clients that wait for changes at once; one more is answered as if it would not wait.
pub const MAX_WAITING: usize = 1024;

/// Events that are read for one answer, whether or not the client may read of them, and at once: of what nobody but others
/// sees, a client gets to the end by asking on from where it was told that it stands.
const MAX_READ: u64 = 10_000;
const PAGE: u64 = 500;

/// Which packages a client may read of, as far as that was looked up for one answer.
type Known = HashMap<String, bool>;

/// A part of the feed, as one client may read it.
struct Page {
    results: Vec<Value>,
    /// The last number that it goes to, whether or not the client may read of it.
    last: Option<u64>,
    /// How many events were read.
    read: u64,
}

/// Whom a part of the feed tells of.
struct People {
    /// By the names of packages.
    owners: BTreeMap<String, Vec<UserName>>,
    names: BTreeMap<UserId, UserName>,
}

impl Npm {
    /// `GET /_changes`: what has happened from a number on. Who waits is answered as soon as there is something.
    pub(super) async fn changes(&self, visitor: &Visitor, since: &Since) -> Result<Reply, Error> {
        let _place = since.wait.and_then(|_| self.waiting.try_acquire().ok());
        let until = since.wait.filter(|_| _place.is_some()).map(|wait| Instant::now() + wait);
        let (mut after, mut left, mut known) = (since.number.saturating_sub(1), MAX_READ, Known::new());
        loop {
            // Asked before the feed is read: what comes in between is waited for in vain otherwise.
            let head = self.gate.overlay().heads().await?.changes;
            let page = self.page(visitor, after, since.limit, &mut known).await?;
            after = page.last.unwrap_or(after);
            left = left.saturating_sub(page.read);
            if page.last.is_none() {
                // While it waits, it may lose the right to read.
                known.clear();
            }
            let is_over = left == 0 || page.last.is_none() && !self.has_changed(head, until).await?;
            if is_over || !page.results.is_empty() {
                return Ok(listed(StatusCode::OK, &json!({ "results": page.results, "last_seq": after })));
            }
        }
    }

    /// Waits for what comes after `head`; at most until then, or not at all.
    async fn has_changed(&self, head: u64, until: Option<Instant>) -> Result<bool, Error> {
        let Some(until) = until else { return Ok(false) };
        Ok(self.gate.overlay().wait_for_changes(head, until).await?)
    }

    /// Reads on after a number: at most `limit` events that the client may read of.
    async fn page(&self, visitor: &Visitor, after: u64, limit: u64, known: &mut Known) -> Result<Page, Error> {
        let events = self.gate.overlay().events(self.gate.mount(), after, limit.max(PAGE)).await?;
        let (read, end) = (events.len() as u64, events.last().map(|event| event.number));
        let mut readable = self.readable(visitor, events, known).await?;
        let is_cut = readable.len() as u64 > limit;
        readable.truncate(limit as usize);
        let people = self.people(&readable).await?;
        let tell = |event: &Event| {
            json!({
                "seq": event.number,
                "type": kind(event.kind),
                "id": event.package,
                "changes": [tell_change(event, &people)],
            })
        };
        let results = readable.iter().map(tell).collect();
        let last = if is_cut { readable.last().map(|event| event.number) } else { end };
        Ok(Page { results, last, read })
    }

    /// `GET /-/all/changes`: the same by time, with what cnpm's older servers count by.
    pub(super) async fn changes_by_time(
        &self,
        visitor: &Visitor,
        since: SystemTime,
        after: u64,
        limit: u64,
    ) -> Result<Reply, Error> {
        let events = self.events_by_time(visitor, since, after, limit).await?;
        let people = self.people(&events).await?;
        let tell = |event: &Event| {
            json!({
                "type": kind(event.kind),
                "id": event.package,
                "changes": [tell_change(event, &people)],
                "gmt_modified": print_millis(event.at),
                "cursorId": event.number,
            })
        };
        let results: Vec<Value> = events.iter().map(tell).collect();
        Ok(listed(StatusCode::OK, &json!({ "results": results })))
    }

    /// Lists the next events from a time on, after a number, that a client may read of.
    async fn events_by_time(
        &self,
        visitor: &Visitor,
        since: SystemTime,
        mut after: u64,
        limit: u64,
    ) -> Result<Vec<Event>, Error> {
        let (mut left, mut known) = (MAX_READ, Known::new());
        loop {
            let events = self.gate.overlay().events_since(self.gate.mount(), since, after, limit.max(PAGE)).await?;
            let Some(last) = events.last().map(|event| event.number) else { return Ok(Vec::new()) };
            left = left.saturating_sub(events.len() as u64);
            let mut readable = self.readable(visitor, events, &mut known).await?;
            if !readable.is_empty() || left == 0 {
                readable.truncate(limit as usize);
                return Ok(readable);
            }
            after = last;
        }
    }

    /// Leaves out what is of packages that a visitor may not read. Of mirrored ones there are blocks, and what was synced.
    async fn readable(
        &self,
        visitor: &Visitor,
        mut events: Vec<Event>,
        known: &mut Known,
    ) -> Result<Vec<Event>, Error> {
        for event in &events {
            if !known.contains_key(&event.package) {
                known.insert(event.package.clone(), self.gate.hears(visitor, &event.package).await?);
            }
        }
        events.retain(|event| known.get(&event.package) == Some(&true));
        Ok(events)
    }

    /// Finds whom events tell of, all at once.
    async fn people(&self, events: &[Event]) -> Result<People, Error> {
        let (mut packages, mut users) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            match event.kind {
                EventKind::OwnerAdded { .. } => drop(packages.insert(event.package.as_str())),
                EventKind::OwnerRemoved { user } => drop(users.insert(user)),
                _ => {}
            }
        }
        let overlay = self.gate.overlay();
        let owners = overlay.owners(self.gate.mount(), &packages).await?;
        Ok(People { owners, names: overlay.user_names(&users).await? })
    }
}

/// Says what has changed.
fn tell_change(event: &Event, people: &People) -> Value {
    let Event { package, version, tag, reason, .. } = event;
    let name = |name: &UserName| name.to_string();
    match event.kind {
        EventKind::VersionAdded | EventKind::VersionRemoved => json!({ "version": version }),
        EventKind::Blocked => json!({ "version": version, "reason": reason }),
        EventKind::Unblocked => json!({ "version": version }),
        EventKind::VersionDeprecated | EventKind::VersionUndeprecated => {
            json!({ "deprecateds": [{ "version": version, "deprecated": reason.as_deref().unwrap_or_default() }] })
        }
        EventKind::VersionChanged => json!({ "version": version }),
        EventKind::TagAdded | EventKind::TagChanged => json!({ "tag": tag, "version": version }),
        EventKind::TagRemoved => json!({ "tag": tag }),
        EventKind::Unpublished | EventKind::PackageChanged => json!({}),
        EventKind::Starred { .. } | EventKind::Unstarred { .. } => json!({}),
        EventKind::OwnerRemoved { user } => json!({ "maintainer": people.names.get(&user).map(name) }),
        EventKind::OwnerAdded { .. } => {
            let owners = people.owners.get(package).into_iter().flatten().map(name);
            json!({ "maintainers": owners.collect::<Vec<_>>() })
        }
    }
}

fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::VersionAdded => "PACKAGE_VERSION_ADDED",
        EventKind::VersionRemoved => "PACKAGE_VERSION_REMOVED",
        EventKind::TagAdded => "PACKAGE_TAG_ADDED",
        EventKind::TagChanged => "PACKAGE_TAG_CHANGED",
        EventKind::TagRemoved => "PACKAGE_TAG_REMOVED",
        EventKind::Unpublished => "PACKAGE_UNPUBLISHED",
        EventKind::OwnerAdded { .. } => "PACKAGE_MAINTAINER_CHANGED",
        EventKind::OwnerRemoved { .. } => "PACKAGE_MAINTAINER_REMOVED",
        EventKind::Blocked => "PACKAGE_BLOCKED",
        EventKind::Unblocked => "PACKAGE_UNBLOCKED",
        EventKind::VersionDeprecated | EventKind::VersionUndeprecated => "PACKAGE_META_CHANGED",
        EventKind::VersionChanged | EventKind::PackageChanged => "PACKAGE_META_CHANGED",
        EventKind::Starred { .. } | EventKind::Unstarred { .. } => "PACKAGE_META_CHANGED",
    }
}
