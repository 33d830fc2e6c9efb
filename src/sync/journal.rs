//! The log of a task while it runs: lines are told in memory, and written down a few times a second.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::base::clock::{Clock, print_millis};
use crate::registries::replica::{self, Mark};

/// What a run has told and fetched.
pub struct Journal {
    clock: Clock,
    /// Held for a few lines, and never across an `.await`.
    told: Mutex<Told>,
}

struct Told {
    page: Page,
    /// When something was told or received for the last time.
    at: Instant,
}

/// What was told and is not written down yet.
#[derive(Default)]
pub struct Page {
    pub lines: Vec<String>,
    /// Bytes that came from upstream.
    pub received: u64,
}

// === impl Journal ===

impl Journal {
    pub fn new(clock: Clock) -> Self {
        Self { clock, told: Mutex::new(Told { page: Page::default(), at: Instant::now() }) }
    }

    /// Takes what is not written down yet, if there is anything.
    pub fn take(&self) -> Option<Page> {
        let page = self.with(|told| std::mem::take(&mut told.page));
        (!page.lines.is_empty() || page.received > 0).then_some(page)
    }

    /// Puts back what could not be written down, before what was told since.
    pub fn put_back(&self, unwritten: Page) {
        self.with(|told| {
            let later = std::mem::replace(&mut told.page, unwritten);
            told.page.lines.extend(later.lines);
            told.page.received += later.received;
        });
    }

    /// Returns when something was told or received for the last time.
    pub fn touched_at(&self) -> Instant {
        self.with(|told| told.at)
    }

    /// Prints a line: whatever is told, it stays one. Source: contract npm §12.4.
    pub fn print(&self, mark: Mark, text: &str) -> String {
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        format!(
            "[{}] {} {}",
            print_millis(self.clock.now()),
            mark.as_str(),
            text.chars().map(plain).collect::<String>()
        )
    }

    fn with<T>(&self, act: impl FnOnce(&mut Told) -> T) -> T {
        act(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl replica::Journal for Journal {
    fn line(&self, mark: Mark, text: &str) {
        let line = self.print(mark, text);
        self.with(|told| {
            told.page.lines.push(line);
            told.at = Instant::now();
        });
    }

    fn received(&self, bytes: u64) {
        self.with(|told| {
            told.page.received += bytes;
            told.at = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::replica::Journal as _;
    use super::*;

    fn journal() -> Journal {
        Journal::new(Clock::stopped_at(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)))
    }

    #[test]
    fn a_line_has_its_time_and_its_mark_and_stays_one_line() {
        let journal = journal();
        journal.line(Mark::Failed, "upstream said:\r\n500");
        assert_eq!(journal.take().unwrap().lines, ["[2023-11-14T22:13:20.123Z] ❌ upstream said:  500"]);
    }

    #[test]
    fn what_could_not_be_written_down_comes_first_the_next_time() {
        let journal = journal();
        journal.line(Mark::Start, "one");
        journal.received(3);
        let page = journal.take().unwrap();
        journal.line(Mark::Done, "two");
        journal.received(4);
        journal.put_back(page);
        let page = journal.take().unwrap();
        assert_eq!((page.lines.len(), page.received), (2, 7));
        assert!(page.lines[0].ends_with("one") && page.lines[1].ends_with("two"), "{:?}", page.lines);
        assert!(journal.take().is_none());
    }
}
