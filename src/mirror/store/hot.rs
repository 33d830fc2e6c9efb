//! The hot tier: entries and their small bodies in memory, bounded in bytes.
//!
//! A hit is one look-up and one relaxed load. What keeps the tier true to the index are gates, one for each 64th of the
//! keys: whoever reads a row takes a ticket first, and may put what he made of the row here only if no write has passed
//! the gate since. Hits never touch a gate.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::entry::Entry;

const GATES: usize = 64;

/// The entries in memory.
pub(super) struct Hot {
    cache: Cache<Arc<str>, Arc<Entry>>,
    /// Each counts the writes that have passed it. Order: a gate before [`Marks`].
    gates: Vec<Mutex<u64>>,
    hasher: RandomState,
    marks: Marks,
}

/// Keys that were asked for and left the tier before that was written down.
type Marks = Arc<Mutex<Vec<Arc<str>>>>;

/// Leave to put an entry into the tier, as long as nothing was written since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    gate: usize,
    writes: u64,
}

impl Hot {
    /// Makes a tier that holds at most `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        let marks = Marks::default();
        let left = Arc::clone(&marks);
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &Arc<str>, entry: &Arc<Entry>| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            .eviction_listener(move |key, entry: Arc<Entry>, cause| {
                if cause != RemovalCause::Replaced && entry.used.load(Ordering::Relaxed) {
                    lock(&left).push(Arc::clone(&key));
                }
            })
            .build();
        let gates = (0..GATES).map(|_| Mutex::default()).collect();
        Self { cache, gates, hasher: RandomState::new(), marks }
    }

    /// Finds an entry and marks it as asked for.
    pub(super) fn find(&self, key: &str) -> Option<Arc<Entry>> {
        let entry = self.cache.get(key)?;
        entry.mark_used();
        Some(entry)
    }

    /// Gives leave to [`Hot::offer`] what the index is about to be asked for.
    pub(super) fn ticket(&self, key: &str) -> Ticket {
        let gate = self.gate(key);
        Ticket { gate, writes: *lock(&self.gates[gate]) }
    }

    /// Takes an entry in that was read from the index, unless its ticket has run out.
    pub(super) fn offer(&self, entry: &Arc<Entry>, ticket: Ticket) {
        let writes = lock(&self.gates[ticket.gate]);
        if *writes == ticket.writes {
            self.cache.insert(Arc::clone(&entry.key), Arc::clone(entry));
        } else {
            lock(&self.marks).push(Arc::clone(&entry.key));
        }
    }

    /// Takes an entry in that has just been written.
    pub(super) fn replace(&self, entry: &Arc<Entry>) {
        let mut writes = lock(&self.gates[self.gate(&entry.key)]);
        *writes += 1;
        self.cache.insert(Arc::clone(&entry.key), Arc::clone(entry));
    }

    /// Replaces an entry, if there is one, by what `change` makes of it; `None` takes it out.
    pub(super) fn change(&self, key: &str, change: impl FnOnce(&Entry) -> Option<Entry>) {
        let mut writes = lock(&self.gates[self.gate(key)]);
        *writes += 1;
        let Some(held) = self.cache.get(key) else { return };
        match change(&held) {
            Some(entry) => self.cache.insert(Arc::clone(&held.key), Arc::new(entry)),
            None => self.cache.invalidate(key),
        }
    }

    /// Forgets an entry that has been removed.
    pub(super) fn forget(&self, key: &str) {
        self.change(key, |_| None);
    }

    /// Forgets everything: somebody else has written.
    pub(super) fn clear(&self) {
        for gate in &self.gates {
            *lock(gate) += 1;
        }
        self.cache.invalidate_all();
    }

    /// Returns the keys that were asked for since this was called last.
    pub(super) fn take_marks(&self) -> Vec<Arc<str>> {
        let mut marks = std::mem::take(&mut *lock(&self.marks));
        marks.extend(self.cache.iter().filter_map(|(_, entry)| {
            let used = entry.used.swap(false, Ordering::Relaxed);
            used.then(|| Arc::clone(&entry.key))
        }));
        marks
    }

    fn gate(&self, key: &str) -> usize {
        self.hasher.hash_one(key) as usize % GATES
    }

    /// Returns what the tier weighs now, in bytes, after its own housekeeping.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.weighted_size()
    }
}

/// A panic cannot leave a number or a list half changed, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
