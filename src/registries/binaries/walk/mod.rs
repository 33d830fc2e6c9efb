//! A walk through a mirror, as a task does it: breadth first, each directory listed anew, what is new or another fetched
//! through the tree that it lies in. What was walked and says that it has not changed is not entered again, but for the
//! newest directory, whose files may still be coming. What upstream lists and does not have is passed over.
//!
//! Nothing is undone: a walk that breaks off leaves what it has, and the next one passes over that.
//!
//! Source: contract npm §16.

use std::collections::{HashMap, VecDeque};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use tokio::sync::Semaphore;

use self::newest::newer;
use super::depot::Depot;
use super::tree::receive;
use crate::mirror::fresh::Demand;
use crate::overlay::Overlay;
use crate::overlay::binaries::Entry;
use crate::registries::failure::Error;
use crate::registries::replica::{Failure, Journal, Mark};

mod cursor;
mod newest;

pub use self::cursor::Cursor;

/// Files that one walk waits for at once; all walks of a node share their turns beside that.
const FETCHES: usize = 8;

/// Failures that are told one by one.
const MAX_FAILURES: usize = 1000;

/// Whatever its age, what is held will do.
const HELD: Demand = Demand { only_if_cached: true, max_stale: Some(std::time::Duration::MAX), ..Demand::NONE };

/// What a walk is given.
pub struct Walk<'a> {
    pub depot: &'a Depot,
    pub overlay: &'a Overlay,
    pub journal: &'a dyn Journal,
    /// Held while a file is fetched: all runs of this node share them.
    pub turns: &'a Semaphore,
    pub cursor: &'a Cursor,
    /// Look into every directory, whatever it says of itself.
    pub is_thorough: bool,
}

/// What a walk came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    pub directories: u64,
    pub fetched: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// What was here before.
    pub held: u64,
    /// What upstream lists and does not have, and what is too long.
    pub skipped: u64,
    pub failed: u64,
    /// The paths of the first of those, and why each has failed.
    pub failures: Vec<(String, String)>,
}

/// What became of one file.
enum Fate {
    Held,
    Fetched(u64),
    Skipped(String),
    Failed(String),
    /// Nobody answers: there is no use in going on.
    Broken(Failure),
}

/// Directories that were listed, before they are looked into.
struct Listed {
    directories: Vec<(String, Vec<Entry>)>,
    /// What directories below them said of themselves before.
    dates: HashMap<String, String>,
}

// === impl Walk ===

impl Walk<'_> {
    /// Walks.
    ///
    /// # Errors
    /// [`Failure`]. What was listed and fetched stays.
    pub async fn run(&self) -> Result<Walked, Failure> {
        let (mut walked, mut open) = (Walked::default(), VecDeque::from([self.cursor.directory.clone()]));
        self.line(Mark::Source, &format!("{} at {}", self.name(), self.depot.tree.root()));
        while let Some(path) = open.pop_front() {
            let Some(listed) = self.list(&path, &mut walked).await? else { continue };
            for (path, entries) in &listed.directories {
                if *path == self.cursor.directory || !self.is_known(path, &listed).await? {
                    self.fetch_all(path, entries, &mut walked).await?;
                }
            }
            open.extend(self.below(&path, &listed).await?);
        }
        self.tell(&walked);
        Ok(walked)
    }

    fn name(&self) -> &str {
        &self.depot.rules.name
    }

    fn line(&self, mark: Mark, text: &str) {
        self.journal.line(mark, text);
    }

    fn tell(&self, walked: &Walked) {
        let Walked { directories, fetched, bytes, held, skipped, failed, .. } = walked;
        let text = format!(
            "{directories} directories: {fetched} files fetched ({bytes} bytes), {held} held, {skipped} skipped, \
             {failed} failed"
        );
        self.line(if *failed == 0 { Mark::Done } else { Mark::Failed }, &text);
    }

    /// Lists a directory anew and notes what it holds; `None` where it is gone.
    async fn list(&self, path: &str, walked: &mut Walked) -> Result<Option<Listed>, Failure> {
        walked.directories += 1;
        let listing = match self.depot.list(path, &Demand::NONE.strict()).await {
            Ok(Some(listing)) => listing,
            Ok(None) if path == self.cursor.directory => {
                return Err(Failure::Refused(format!("upstream has no {}/{path}", self.name())));
            }
            Ok(None) => {
                self.line(Mark::Skipped, &format!("{path} is listed above, and is not there"));
                walked.skipped += 1;
                return Ok(None);
            }
            Err(error) => return Err(broken(&error)),
        };
        let left_out = listing.left_out;
        let directories = listing.into_directories();
        let count: usize = directories.iter().map(|(_, entries)| entries.len()).sum();
        self.line(Mark::Start, &format!("/{path} lists {count}, {left_out} of which could be nowhere"));
        let dates = self.dates(&directories).await?;
        if self.has_emptied(path, &directories).await? {
            return Err(again(format!("/{path} lists nothing any more, which is hardly so")));
        }
        self.depot_note(&directories).await?;
        Ok(Some(Listed { directories, dates }))
    }

    async fn depot_note(&self, directories: &[(String, Vec<Entry>)]) -> Result<(), Failure> {
        self.overlay.note_all_binaries(self.name(), directories).await.map_err(|error| again(error.to_string()))
    }

    /// Tells whether a directory that held something is listed as empty: a server that is being repaired lists so.
    async fn has_emptied(&self, path: &str, directories: &[(String, Vec<Entry>)]) -> Result<bool, Failure> {
        let is_empty = directories.iter().any(|(listed, entries)| listed == path && entries.is_empty());
        Ok(is_empty && !self.held(path).await?.is_empty())
    }

    async fn held(&self, path: &str) -> Result<Vec<Entry>, Failure> {
        let held = self.overlay.binaries(self.depot.at(path), None).await;
        Ok(held.map_err(|error| again(error.to_string()))?.into_iter().map(|held| held.entry).collect())
    }

    /// Returns what the directories below these said of themselves before.
    async fn dates(&self, directories: &[(String, Vec<Entry>)]) -> Result<HashMap<String, String>, Failure> {
        let mut dates = HashMap::new();
        for (path, _) in directories {
            let below = self.held(path).await?.into_iter().filter(|entry| entry.is_directory);
            dates.extend(below.map(|entry| (format!("{path}{}/", entry.name), entry.date)));
        }
        Ok(dates)
    }

    /// Returns the directories below one that are still to be listed.
    async fn below(&self, path: &str, listed: &Listed) -> Result<Vec<String>, Failure> {
        let mut open = Vec::new();
        let entries = listed.directories.iter().find(|(listed, _)| listed == path).map(|(_, entries)| entries);
        for entry in entries.into_iter().flatten().filter(|entry| entry.is_directory) {
            let below = format!("{path}{}/", entry.name);
            let is_listed = listed.directories.iter().any(|(path, _)| *path == below);
            if !is_listed && !self.is_known(&below, listed).await? {
                open.push(below);
            }
        }
        Ok(open)
    }

    /// Tells whether a directory need not be looked into: all of it was fetched, it says that it is as it was, and it is not
    /// the newest of those around it.
    async fn is_known(&self, path: &str, listed: &Listed) -> Result<bool, Failure> {
        let (above, name) = split(path);
        let around = listed.directories.iter().find(|(path, _)| path == above).map(|(_, entries)| entries);
        let Some(entry) = around.and_then(|entries| entries.iter().find(|entry| entry.name == name)) else {
            return Ok(false);
        };
        if !self.cursor.wants(&entry.date) {
            return Ok(true);
        }
        let is_same = listed.dates.get(path) == Some(&entry.date);
        let is_newest = around
            .into_iter()
            .flatten()
            .filter(|other| other.is_directory)
            .max_by(|one, other| newer(one, other))
            .is_some_and(|newest| newest.name == name);
        if self.is_thorough || !is_same || is_newest {
            return Ok(false);
        }
        let visit = self.overlay.binary_visit(self.depot.at(path)).await;
        Ok(visit.map_err(|error| again(error.to_string()))?.is_some_and(|visit| visit.walked_at.is_some()))
    }

    /// Fetches the files of a directory. Where none has failed, it need not be looked into before it changes.
    async fn fetch_all(&self, path: &str, entries: &[Entry], walked: &mut Walked) -> Result<(), Failure> {
        let mut left = entries.iter();
        let (mut open, mut has_failed) = (FuturesUnordered::new(), false);
        loop {
            while open.len() < FETCHES
                && let Some(entry) = left.find(|entry| !entry.is_directory && self.cursor.wants(&entry.date))
            {
                open.push(self.fetch(entry));
            }
            let Some((entry, fate)) = open.next().await else { break };
            has_failed |= matches!(fate, Fate::Failed(_));
            self.settle(path, entry, fate, walked).await?;
        }
        if has_failed || !self.cursor.since.is_empty() {
            return Ok(());
        }
        let noted = self.overlay.note_walk(self.depot.at(path)).await;
        noted.map_err(|error| again(error.to_string()))
    }

    async fn fetch<'a>(&self, entry: &'a Entry) -> (&'a Entry, Fate) {
        (entry, self.fetch_one(entry).await)
    }

    async fn fetch_one(&self, entry: &Entry) -> Fate {
        let (place, tree) = (&entry.place, &self.depot.tree);
        match tree.open(place, "", &HELD).await {
            Ok(reply) if reply.status == StatusCode::OK => return Fate::Held,
            _ => {}
        }
        let longest = tree.longest_file();
        if entry.size.is_some_and(|size| size > longest) {
            return Fate::Skipped(format!("it is longer than {longest} bytes"));
        }
        let Ok(_turn) = self.turns.acquire().await else { return Fate::Broken(again("the server stops".to_owned())) };
        match tree.open(place, "", &Demand::NONE).await {
            Ok(reply) if reply.status == StatusCode::OK => {
                match receive(reply.body, place, |length| self.journal.received(length)).await {
                    Ok(length) => Fate::Fetched(length),
                    Err(error) => Fate::of(&error),
                }
            }
            Ok(reply) if is_absence(reply.status) => Fate::Skipped(format!("upstream answers {}", reply.status)),
            Ok(reply) => Fate::Failed(format!("upstream answers {}", reply.status)),
            Err(error) => Fate::of(&error),
        }
    }

    /// Counts and tells what became of a file.
    async fn settle(&self, path: &str, entry: &Entry, fate: Fate, walked: &mut Walked) -> Result<(), Failure> {
        let file = format!("/{path}{}", entry.name);
        match fate {
            Fate::Held => walked.held += 1,
            Fate::Fetched(length) => {
                walked.fetched += 1;
                walked.bytes += length;
                self.line(Mark::Stored, &format!("{file}, {length} bytes"));
                let noted = self.overlay.note_binary(self.depot.at(path), &entry.name, length).await;
                noted.map_err(|error| again(error.to_string()))?;
            }
            Fate::Skipped(why) => {
                walked.skipped += 1;
                // Of what was only worked out, most is not there.
                if entry.is_certain {
                    self.line(Mark::Skipped, &format!("{file}: {why}"));
                }
            }
            Fate::Failed(why) => {
                walked.failed += 1;
                self.line(Mark::Failed, &format!("{file}: {why}"));
                if walked.failures.len() < MAX_FAILURES {
                    walked.failures.push((file, why));
                }
            }
            Fate::Broken(failure) => return Err(failure),
        }
        Ok(())
    }
}

// === impl Fate ===

impl Fate {
    fn of(error: &Error) -> Self {
        match error {
            Error::NotFound { .. } | Error::Gone { .. } => Self::Skipped(error.to_string()),
            Error::Barred { .. } | Error::Blocked { .. } => Self::Skipped(error.to_string()),
            Error::Unreachable { .. } => Self::Broken(broken(error)),
            error => Self::Failed(error.to_string()),
        }
    }
}

fn is_absence(status: StatusCode) -> bool {
    // Stores that do not let their keys be listed answer 403 for those that are not there.
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN)
}

fn again(error: String) -> Failure {
    Failure::Again { error, after: None }
}

/// Tells why there is no use in going on.
fn broken(error: &Error) -> Failure {
    match error {
        Error::Unreachable { retry_after, .. } => Failure::Again { error: error.to_string(), after: *retry_after },
        Error::Barred { .. } | Error::Blocked { .. } | Error::Forbidden(_) => Failure::Refused(error.to_string()),
        error => again(error.to_string()),
    }
}

/// Cuts a directory's path into what is above it and its name.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.rsplit_once('/').map_or(("", path), |(above, name)| (&path[..=above.len()], name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_is_above_it_and_its_name() {
        for (path, expected) in [("v1/", ("", "v1")), ("v1/x/", ("v1/", "x")), ("", ("", ""))] {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}
