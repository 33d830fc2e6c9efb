//! The logs of tasks: lines that never change, numbered from 0 on, whoever has written them.
//!
//! The first is written with the task. A holder writes the others, those of all its tasks together and every half second:
//! each write is a wait for the disk. A log has an end, after which no more than the last line is written.

use std::time::SystemTime;

use super::{Held, Task, TaskId};
use crate::base::clock::print_millis;
use crate::overlay::Overlay;
use crate::overlay::db::tasks::{self, journal as rows};
use crate::overlay::error::Error;

/// Lines of one log, and bytes of them.
const MOST_LINES: u64 = 20_000;
const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// The longest line, in bytes.
const LONGEST: usize = 4096;

/// What stands where a log has its end.
const NO_MORE: &str = "not written down any more";

/// What a line of ours begins with. Source: npm's contract, section 12.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::overlay) enum Mark {
    Start,
    Tip,
    Skipped,
    Failed,
}

/// Lines of a task, as [`Overlay::write_lines`] takes them.
#[derive(Clone, Debug)]
pub struct Lines {
    pub held: Held,
    pub lines: Vec<String>,
    /// Bytes that came from upstream meanwhile.
    pub received: u64,
}

/// Lines of a log, from one on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub lines: Vec<String>,
    /// The number of the line that comes next.
    pub next: u64,
}

/// How much of a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::overlay) struct Length {
    pub(in crate::overlay) lines: u64,
    pub(in crate::overlay) bytes: u64,
}

impl Overlay {
    /// Writes lines of tasks that a node holds, and returns those that it does not hold any more: nothing of them was
    /// written.
    ///
    /// # Errors
    /// The database's. Nothing was written.
    pub async fn write_lines(&self, mut batch: Vec<Lines>) -> Result<Vec<TaskId>, Error> {
        // In the order in which all who lock such rows do.
        batch.sort_by(|one, other| one.held.id.cmp(&other.held.id));
        rows::write(&self.db, self.clock.now(), &batch).await
    }

    /// Reads the log of a task from a line on, as it is now; nothing, where there is no such task. The log of one that goes
    /// on as another is its own, and after it that one's.
    ///
    /// # Errors
    /// The database's.
    pub async fn task_log(&self, id: &str, from: u64) -> Result<Log, Error> {
        let mut log = Log { lines: Vec::new(), next: 0 };
        for Task { id, lines, .. } in tasks::chain(self.db.link(), id).await? {
            if log.next + lines > from {
                log.lines.extend(rows::read(self.db.link(), &id, from.saturating_sub(log.next)).await?);
            }
            log.next += lines;
        }
        // Lines may have been written since the tasks were read.
        log.next = log.next.max(from + log.lines.len() as u64);
        Ok(log)
    }
}

/// Prints a line of a log.
pub(in crate::overlay) fn line(at: SystemTime, mark: Mark, text: &str) -> String {
    format!("[{}] {} {text}", print_millis(at), mark.as_str())
}

/// Returns the lines that a task is made with.
pub(in crate::overlay) fn first_lines(now: SystemTime, tips: &str) -> Vec<String> {
    let tips = Some(tips).filter(|tips| !tips.is_empty()).map(|tips| line(now, Mark::Tip, tips));
    let waiting = line(now, Mark::Start, "waiting in the queue");
    tips.into_iter().chain([waiting]).map(|line| tidy(&line)).collect()
}

/// Says what is written of lines, and how long the log is then: as much as there is room for, and of the last ones of a
/// task at least the very last.
pub(in crate::overlay) fn fit(
    now: SystemTime,
    mut length: Length,
    lines: &[String],
    are_last: bool,
) -> (Vec<String>, Length) {
    let mut fitting = Vec::new();
    for (index, text) in lines.iter().enumerate() {
        let text = tidy(text);
        let is_last = are_last && index + 1 == lines.len();
        if is_last || length.has_room_for(&text) {
            length = length.with(&text);
            fitting.push(text);
        } else if !length.is_closed() {
            let text = line(now, Mark::Skipped, NO_MORE);
            length = Length { bytes: MOST_BYTES, ..length.with(&text) };
            fitting.push(text);
        }
    }
    (fitting, length)
}

/// Makes one line of a text, which both databases can hold and everybody can read.
fn tidy(text: &str) -> String {
    let plain = |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
    let mut line: String = text.chars().map(plain).collect();
    line.truncate(line.floor_char_boundary(LONGEST));
    line
}

// === impl Length ===

impl Length {
    /// Tells whether a line can be written, and after it, if need be, that there is no room for more.
    fn has_room_for(self, line: &str) -> bool {
        self.lines + 1 < MOST_LINES && self.with(line).bytes < MOST_BYTES
    }

    /// Tells whether it was written already that there is no room for more.
    fn is_closed(self) -> bool {
        self.bytes >= MOST_BYTES
    }

    fn with(self, line: &str) -> Self {
        Self { lines: self.lines + 1, bytes: self.bytes + line.len() as u64 + 1 }
    }
}

// === impl Mark ===

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "🚧",
            Self::Tip => "👉",
            Self::Skipped => "⚠️",
            Self::Failed => "❌",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn fit_all(length: Length, count: usize, text: &str, are_last: bool) -> (Vec<String>, Length) {
        fit(NOW, length, &vec![text.to_owned(); count], are_last)
    }

    #[test]
    fn a_log_has_an_end_and_says_so_once() {
        let (lines, length) = fit_all(Length::default(), 30_000, "x", false);
        assert_eq!((lines.len() as u64, length.lines), (MOST_LINES, MOST_LINES));
        assert_eq!(lines.last().unwrap(), "[1970-01-01T00:00:00.000Z] ⚠️ not written down any more");
        assert_eq!(fit_all(length, 3, "x", false), (vec![], length));
        let (lines, length) = fit_all(length, 3, "the end", true);
        assert_eq!((lines.as_slice(), length.lines), (&["the end".to_owned()][..], MOST_LINES + 1));
    }

    #[test]
    fn a_log_of_long_lines_ends_sooner() {
        let (lines, length) = fit_all(Length::default(), 1000, &"x".repeat(LONGEST), false);
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!(lines.len() < 1000 && bytes as u64 <= MOST_BYTES + 100, "{}", lines.len());
        assert!(length.is_closed() && lines.last().unwrap().ends_with(NO_MORE));
    }

    #[test]
    fn a_line_is_one_line_of_text() {
        let (lines, _) = fit_all(Length::default(), 1, "a\0b\r\nc\u{1b}", false);
        assert_eq!(lines, ["a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}"]);
        let (lines, _) = fit_all(Length::default(), 1, &"\u{e4}".repeat(LONGEST), false);
        assert_eq!(lines[0].len(), LONGEST);
    }

    #[test]
    fn a_task_is_made_with_its_tips_and_a_line() {
        let now = from_millis(1_700_000_000_123);
        let waiting = "[2023-11-14T22:13:20.123Z] 🚧 waiting in the queue";
        assert_eq!(first_lines(now, ""), [waiting]);
        assert_eq!(first_lines(now, "by\nhand"), ["[2023-11-14T22:13:20.123Z] 👉 by\u{fffd}hand", waiting]);
    }
}
