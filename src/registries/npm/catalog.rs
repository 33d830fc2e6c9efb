//! What is published here, held in memory to be searched: one entry a package, as its `latest` has it. Brought up to date
//! by the feed when its head has moved, so that a search reads no rows of what has not changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::error::Error;
use super::name::LATEST;
use super::wire::LISTED_MEMBERS;
use crate::overlay::downloads::{Day, Of};
use crate::overlay::packages::{Census, Span, Summary};
use crate::registries::bodies;
use crate::registries::gate::Gate;

/// How many packages, or events of the feed, are read at once.
const PAGE: u64 = 500;

/// How long sums of downloads are told before they are added up anew.
const SUMS_AGE: Duration = Duration::from_secs(60);

/// All entries of a mount, as of a number of the feed.
#[derive(Default)]
pub struct Catalog {
    held: RwLock<Held>,
    /// Held by whoever reads the feed: one at a time.
    turn: Mutex<()>,
    /// As of a number of the feed.
    census: Mutex<Option<(u64, Census)>>,
    sums: Mutex<Option<Sums>>,
}

/// By name.
pub type Entries = BTreeMap<String, Arc<Entry>>;

/// The downloads of all packages that everybody sees, by day.
#[derive(Clone)]
pub struct Sums {
    /// When they were added up.
    pub at: SystemTime,
    from: Day,
    pub days: Arc<[(Day, u64)]>,
}

#[derive(Default)]
struct Held {
    /// `None`: nothing has been read yet.
    read_to: Option<u64>,
    entries: Arc<Entries>,
}

/// What is known of a package.
pub struct Entry {
    pub summary: Summary,
    /// Of its manifest, what is told of packages.
    pub manifest: Map<String, Value>,
    /// Names that it depends on at run time.
    pub requires: BTreeSet<String>,
}

// === impl Catalog ===

impl Catalog {
    /// Returns all entries, as they are now on whatever node.
    pub async fn read(&self, gate: &Gate) -> Result<Arc<Entries>, Error> {
        let head = gate.overlay().heads().await?.changes;
        if let Some(entries) = self.find(head) {
            return Ok(entries);
        }
        let _turn = self.turn.lock().await;
        while self.find(head).is_none() {
            match self.read_to() {
                None => self.read_all(gate, head).await?,
                Some(read_to) => self.read_on(gate, read_to, head).await?,
            }
        }
        Ok(Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner).entries))
    }

    /// Counts what there is; again when something has become of what was published here. What becomes of mirrored packages
    /// moves no more than the number of the last change.
    pub async fn census(&self, gate: &Gate) -> Result<Census, Error> {
        let head = gate.overlay().heads().await?.changes;
        let mut held = self.census.lock().await;
        if let Some((at, census)) = &mut *held {
            let still_holds = *at == head || still_holds(gate, census).await?;
            if still_holds {
                *at = head;
                return Ok(census.clone());
            }
        }
        let census = gate.overlay().census(gate.mount()).await?;
        *held = Some((head, census.clone()));
        Ok(census)
    }

    /// Adds up the downloads of what everybody sees from a day on; again after a while.
    pub async fn sums(&self, gate: &Gate, from: Day) -> Result<Sums, Error> {
        let (overlay, now) = (gate.overlay(), gate.overlay().now());
        let mut held = self.sums.lock().await;
        if let Some(sums) = &*held
            && sums.from == from
            && now.duration_since(sums.at).is_ok_and(|age| age < SUMS_AGE)
        {
            return Ok(sums.clone());
        }
        let days = overlay.all_downloads(gate.mount(), Of::All, (from, overlay.today())).await?;
        let sums = Sums { at: now, from, days: days.into() };
        *held = Some(sums.clone());
        Ok(sums)
    }

    fn read_to(&self) -> Option<u64> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).read_to
    }

    fn find(&self, head: u64) -> Option<Arc<Entries>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.read_to.filter(|read_to| *read_to >= head).map(|_| Arc::clone(&held.entries))
    }

    async fn read_all(&self, gate: &Gate, head: u64) -> Result<(), Error> {
        let (mut entries, mut after) = (Entries::new(), String::new());
        loop {
            let span = Span::After { name: &after, limit: PAGE };
            let page = gate.overlay().summaries(gate.mount(), LATEST, span).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.name);
            entries.extend(read_entries(page).await?);
        }
        // What has changed since `head` was asked for is read once more by the feed.
        *self.held.write().unwrap_or_else(PoisonError::into_inner) =
            Held { read_to: Some(head), entries: Arc::new(entries) };
        Ok(())
    }

    async fn read_on(&self, gate: &Gate, read_to: u64, head: u64) -> Result<(), Error> {
        let events = gate.overlay().events(gate.mount(), read_to, PAGE).await?;
        let is_end = (events.len() as u64) < PAGE;
        let last = events.last().map_or(read_to, |event| event.number);
        let moved: BTreeSet<String> = events.into_iter().map(|event| event.package).collect();
        let names: Vec<&str> = moved.iter().map(String::as_str).collect();
        let found = gate.overlay().summaries(gate.mount(), LATEST, Span::Those(&names)).await?;
        // Before the lock: manifests are long.
        let found = read_entries(found).await?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let entries = Arc::make_mut(&mut held.entries);
        moved.iter().for_each(|name| drop(entries.remove(name)));
        entries.extend(found);
        held.read_to = Some(if is_end { last.max(head) } else { last });
        Ok(())
    }
}

/// Reads on in the feed from where a census stands, as far as nothing has become of what was published here; tells whether
/// that was its end.
async fn still_holds(gate: &Gate, census: &mut Census) -> Result<bool, Error> {
    loop {
        let events = gate.overlay().events(gate.mount(), census.head, PAGE).await?;
        for event in &events {
            if gate.holds(&event.package).await?.is_some() {
                return Ok(false);
            }
        }
        census.head = events.last().map_or(census.head, |event| event.number);
        if (events.len() as u64) < PAGE {
            return Ok(true);
        }
    }
}

/// Reads the manifests of packages, off the async threads.
async fn read_entries(found: Vec<Summary>) -> Result<Vec<(String, Arc<Entry>)>, Error> {
    let read = |summary: Summary| (summary.name.clone(), Arc::new(Entry::of(summary)));
    bodies::apart(move || Ok(found.into_iter().map(read).collect())).await
}

// === impl Entry ===

impl Entry {
    pub fn of(mut summary: Summary) -> Self {
        let mut manifest = manifest_of(&summary);
        summary.manifest = Vec::new();
        let requires = manifest.get("dependencies").and_then(Value::as_object);
        let requires = requires.into_iter().flat_map(Map::keys).cloned().collect();
        manifest.retain(|member, _| LISTED_MEMBERS.contains(&&**member) || matches!(&**member, "deprecated" | "name"));
        Self { summary, manifest, requires }
    }
}

/// Reads a manifest of ours; one that is no object, which none is, has no members.
pub fn manifest_of(summary: &Summary) -> Map<String, Value> {
    serde_json::from_slice(&summary.manifest).unwrap_or_default()
}
