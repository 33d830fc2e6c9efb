//! How often what is served was fetched, by day. Counted in memory, in a shard for each thread, so that who serves waits
//! for nobody; written down every few seconds, where the counts of all nodes add up. What was counted since then is lost
//! with the process: these are statistics.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Overlay;
use super::db::downloads as rows;
use super::error::Error;
use crate::base::clock::Clock;

/// More threads than this share shards.
const SHARDS: usize = 64;

/// How many rows are written at once: others write in between.
const BATCH: usize = 500;

const MILLIS_OF_DAY: u64 = 86_400_000;

/// For how many days versions are told apart: more than the year that is asked for at most.
const KEPT: Day = 400;

/// Days since 1970, in UTC.
pub type Day = u64;

/// What is counted: mount, package, day, version; without a version a scope with its slash, or nothing, for the sums alone.
/// In the order in which rows are written, which is the same on all nodes.
pub(super) type Key = (Box<str>, Box<str>, Day, Box<str>);

/// Counts that were not written down yet.
pub(super) struct Tally {
    /// Each is held for a few lines by its thread, and now and then by who writes down.
    shards: Vec<Mutex<Shard>>,
}

/// By day, mount, package and version.
type Shard = BTreeMap<Day, HashMap<Box<str>, HashMap<Box<str>, HashMap<Box<str>, u64>>>>;

/// Counts of one package within some days: in the order of days, then of versions as text. Of days long ago there is one,
/// of all versions, which is empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub day: Day,
    pub version: String,
    pub count: u64,
}

/// Whose downloads are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// Of all packages of a mount.
    All,
    /// Of those below a scope, with its `@`.
    Scope(&'a str),
}

impl Overlay {
    /// Counts a download.
    pub fn count_download(&self, mount: &str, package: &str, version: &str) {
        self.tally.count(day_of(&self.clock), mount, package, version);
    }

    /// Counts a download of what others tell the downloads of: in the sums, and nowhere else.
    pub fn count_download_in_sums(&self, mount: &str, package: &str) {
        let slash = package.find('/').filter(|_| package.starts_with('@'));
        self.tally.count(day_of(&self.clock), mount, slash.map_or("", |slash| &package[..=slash]), "");
    }

    /// Adds up the counts of versions of long ago, a day at a time: others write in between.
    ///
    /// # Errors
    /// The database's. What was added up stays so.
    pub async fn fold_downloads(&self) -> Result<(), Error> {
        let before = self.today().saturating_sub(KEPT);
        while rows::fold(&self.db, before).await? {}
        Ok(())
    }

    /// Writes down what was counted. What cannot be written is kept for the next time.
    ///
    /// # Errors
    /// The database's.
    pub async fn save_downloads(&self) -> Result<(), Error> {
        let counted = self.tally.take();
        let mut left = counted.as_slice();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(left.len().min(BATCH));
            if let Err(error) = rows::add(&self.db, batch).await {
                self.tally.give_back(left);
                return Err(error);
            }
            left = rest;
        }
        Ok(())
    }

    /// Lists the downloads of a package from one day to another, both included. Those of the last few seconds may be missing.
    ///
    /// # Errors
    /// The database's.
    pub async fn downloads(&self, mount: &str, package: &str, days: (Day, Day)) -> Result<Vec<Count>, Error> {
        rows::list(self.db.link(), mount, package, days).await
    }

    /// Adds up by day the downloads of the packages that everybody sees now, from one day to another, both included.
    ///
    /// # Errors
    /// The database's.
    pub async fn all_downloads(&self, mount: &str, of: Of<'_>, days: (Day, Day)) -> Result<Vec<(Day, u64)>, Error> {
        rows::sum(self.db.link(), mount, of, days).await
    }

    /// Returns the day it is.
    pub fn today(&self) -> Day {
        day_of(&self.clock)
    }
}

fn day_of(clock: &Clock) -> Day {
    clock.now_millis() / MILLIS_OF_DAY
}

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Tally {
    fn count(&self, day: Day, mount: &str, package: &str, version: &str) {
        add(&mut self.own_shard(), (day, mount, package, version), 1);
    }

    /// Takes all counts out, in the order of their keys.
    fn take(&self) -> Vec<(Key, u64)> {
        let mut taken: BTreeMap<Key, u64> = BTreeMap::new();
        for shard in &self.shards {
            let shard = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for (day, mounts) in shard {
                for (mount, packages) in mounts {
                    for (package, versions) in packages {
                        for (version, count) in versions {
                            *taken.entry((mount.clone(), package.clone(), day, version)).or_default() += count;
                        }
                    }
                }
            }
        }
        taken.into_iter().collect()
    }

    fn give_back(&self, counts: &[(Key, u64)]) {
        let mut shard = self.own_shard();
        for ((mount, package, day, version), count) in counts {
            add(&mut shard, (*day, mount, package, version), *count);
        }
    }

    fn own_shard(&self) -> MutexGuard<'_, Shard> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        self.shards[OWN.with(|own| *own) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a count. What was counted before is found without a copy of its names.
fn add(shard: &mut Shard, (day, mount, package, version): (Day, &str, &str, &str), count: u64) {
    let mounts = shard.entry(day).or_default();
    let found = mounts.get_mut(mount).and_then(|packages| packages.get_mut(package)?.get_mut(version));
    if let Some(found) = found {
        *found += count;
        return;
    }
    let packages = mounts.entry(mount.into()).or_default();
    *packages.entry(package.into()).or_default().entry(version.into()).or_default() += count;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_are_taken_once() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..100).for_each(|number| tally.count(7, "npm", "x", if number < 40 { "1" } else { "2" }))
                });
            }
        });
        let key = |version: &str| (Box::from("npm"), Box::from("x"), 7, Box::from(version));
        let taken = tally.take();
        assert_eq!(taken, [(key("1"), 160), (key("2"), 240)]);
        assert_eq!(tally.take(), []);
        tally.give_back(&taken[1..]);
        tally.count(7, "npm", "x", "2");
        assert_eq!(tally.take(), [(key("2"), 241)]);
    }

    #[test]
    fn mounts_packages_days_and_versions_are_told_apart() {
        let tally = Tally::default();
        for (day, mount, package, version) in
            [(1, "a", "b", "c"), (2, "a", "b", "c"), (1, "x", "b", "c"), (1, "a", "x", "c")]
        {
            tally.count(day, mount, package, version);
        }
        assert_eq!(tally.take().len(), 4);
    }
}
