//! What mirrors of binaries were found to hold: a listing a directory, replaced as a whole.
//!
//! Observations, not writes: whoever lists a directory notes what it saw. Nodes that list one at the same time do so one
//! after the other. What is written of an entry stays as it is for as long as nothing new is seen of it, so that its time of
//! change is one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::Overlay;
use super::db::binaries as rows;
use super::error::Error;

/// Directories whose rows are replaced at once.
const BATCH: usize = 50;

/// One thing in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without a slash.
    pub name: String,
    pub is_directory: bool,
    /// In bytes, where it is known.
    pub size: Option<u64>,
    /// When upstream says that it changed, in RFC 3339 with milliseconds in UTC; empty where it does not say.
    pub date: String,
    /// Where it lies in the tree of files that its bytes come from.
    pub place: String,
    /// Whether it was seen. What was worked out may not be there.
    pub is_certain: bool,
}

/// An entry as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub entry: Entry,
    /// When something new was last seen of it.
    pub modified_at: SystemTime,
}

/// When a directory was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    pub listed_at: SystemTime,
    /// When all that it listed was last fetched; `None`: never.
    pub walked_at: Option<SystemTime>,
}

/// Where a directory is: the root is empty text, all others end in a slash.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    pub mirror: &'a str,
    pub path: &'a str,
}

/// Which entries of a directory are wanted, of those that were seen, in the order of their dates, then of their names.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// Those of this date and later.
    pub date: &'a str,
    pub limit: u64,
}

impl Overlay {
    /// Notes what a directory holds. What it held before and does not now goes, with all that is below it. What was found
    /// out of an entry that is still the same stays known.
    ///
    /// # Errors
    /// The database's. Nothing was changed.
    pub async fn note_binaries(&self, at: Directory<'_>, entries: &[Entry]) -> Result<(), Error> {
        rows::replace(&self.db, at.mirror, &[(at.path, entries)], self.clock.now()).await
    }

    /// Notes what several directories hold, those above before those below: some at a time, so that others write in
    /// between.
    ///
    /// # Errors
    /// The database's. Those before may have been changed.
    pub async fn note_all_binaries(&self, mirror: &str, listings: &[(String, Vec<Entry>)]) -> Result<(), Error> {
        for batch in listings.chunks(BATCH) {
            let batch: Vec<_> = batch.iter().map(|(path, entries)| (path.as_str(), entries.as_slice())).collect();
            rows::replace(&self.db, mirror, &batch, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Notes that all that a directory lists was fetched.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_walk(&self, at: Directory<'_>) -> Result<(), Error> {
        rows::walked(&self.db, at, self.clock.now()).await
    }

    /// Notes that an entry was seen, and how long it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_binary(&self, at: Directory<'_>, name: &str, size: u64) -> Result<(), Error> {
        rows::settle(&self.db, at, name, size, self.clock.now()).await
    }

    /// Tells when a directory was listed; `None`: never.
    ///
    /// # Errors
    /// The database's.
    pub async fn binary_visit(&self, at: Directory<'_>) -> Result<Option<Visit>, Error> {
        rows::visit(self.db.link(), at).await
    }

    /// Returns an entry of a directory.
    ///
    /// # Errors
    /// The database's.
    pub async fn binary(&self, at: Directory<'_>, name: &str) -> Result<Option<Held>, Error> {
        rows::find(self.db.link(), at, name).await
    }

    /// Lists a directory in the order of names, or a part of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn binaries(&self, at: Directory<'_>, since: Option<Since<'_>>) -> Result<Vec<Held>, Error> {
        rows::list(self.db.link(), at, since).await
    }
}

/// What becomes of a directory's rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Names that are there no more.
    pub gone: Vec<String>,
    /// Those of them that are directories, or are none any more.
    pub emptied: Vec<String>,
    /// What is new, or not as it was.
    pub changed: Vec<Entry>,
}

// === impl Entry ===

impl Entry {
    /// Returns what is known of an entry that was held before. What it was found to be stays so while it is the same.
    fn after(&self, held: &Self) -> Self {
        let is_same = (&self.date, &self.place, self.is_directory) == (&held.date, &held.place, held.is_directory);
        let known = if is_same { held.size } else { None };
        Self { size: self.size.or(known), is_certain: self.is_certain || (is_same && held.is_certain), ..self.clone() }
    }
}

// === impl Change ===

impl Change {
    /// Tells what must be written where a directory held some entries, and holds others now. Of two entries of one name the
    /// first counts.
    pub(super) fn of(held: &[Entry], now: &[Entry]) -> Self {
        let before: BTreeMap<&str, &Entry> = held.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let mut change = Self::default();
        let mut names = BTreeSet::new();
        for entry in now {
            if !names.insert(entry.name.as_str()) {
                continue;
            }
            let known = before.get(entry.name.as_str());
            let next = known.map_or_else(|| entry.clone(), |held| entry.after(held));
            if known.is_some_and(|held| held.is_directory && !next.is_directory) {
                change.emptied.push(entry.name.clone());
            }
            if known.is_none_or(|held| **held != next) {
                change.changed.push(next);
            }
        }
        for entry in held.iter().filter(|entry| !names.contains(entry.name.as_str())) {
            change.gone.push(entry.name.clone());
            if entry.is_directory {
                change.emptied.push(entry.name.clone());
            }
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, date: &str) -> Entry {
        let (name, date, place) = (name.to_owned(), date.to_owned(), format!("d/{name}"));
        Entry { name, is_directory: false, size: None, date, place, is_certain: false }
    }

    fn directory(name: &str) -> Entry {
        Entry { is_directory: true, is_certain: true, ..file(name, "") }
    }

    #[test]
    fn only_what_is_not_as_it_was_is_written() {
        let seen = Entry { size: Some(7), is_certain: true, ..file("b", "2024") };
        let held = [directory("a"), seen.clone(), file("c", "2024")];
        assert_eq!(Change::of(&held, &[directory("a"), file("b", "2024"), file("c", "2024")]), Change::default());
        let longer = Entry { size: Some(8), ..file("b", "2024") };
        let change = Change::of(&held, &[longer, file("c", "2025"), file("d", ""), file("d", "2025")]);
        let expected = [Entry { size: Some(8), ..seen }, file("c", "2025"), file("d", "")];
        assert_eq!(change.changed, expected);
        assert_eq!((change.gone, change.emptied), (vec!["a".to_owned()], vec!["a".to_owned()]));
    }

    #[test]
    fn what_is_another_is_known_no_more() {
        let held = [Entry { size: Some(7), is_certain: true, ..file("b", "2024") }, directory("v")];
        let change = Change::of(&held, &[file("b", "2025"), file("v", "")]);
        assert_eq!(change.changed, [file("b", "2025"), file("v", "")]);
        assert_eq!((change.gone, change.emptied), (Vec::new(), vec!["v".to_owned()]));
    }
}
