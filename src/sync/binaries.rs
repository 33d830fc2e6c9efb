//! A task that walks a mirror of binaries.

use super::Worker;
use super::journal::Journal;
use crate::overlay::tasks::{Conclusion, End, Held, Task, TaskResult};
use crate::registries::binaries::walk::{Cursor, Walk, Walked};
use crate::registries::replica::Failure;

impl Worker {
    /// Walks the mirror that a task names.
    pub(super) async fn walk(&self, task: &Task, journal: &Journal) -> Result<Walked, Failure> {
        let depot = self.binaries.load().find(&task.subject).cloned();
        let depot =
            depot.ok_or_else(|| Failure::Refused(format!("there is no mirror of binaries {}", task.subject)))?;
        let cursor = task.wish.page.as_deref().map(Cursor::parse).unwrap_or_default();
        let (overlay, turns, is_thorough) = (&*self.overlay, &self.turns, task.wish.force);
        Walk { depot: &depot, overlay, journal, turns, cursor: &cursor, is_thorough }.run().await
    }

    /// Writes down what a walk came to.
    pub(super) async fn conclude_walk(&self, held: &Held, journal: &Journal, walked: Walked) {
        let failed = |(path, why): (String, String)| TaskResult {
            version: path,
            outcome: "failed".to_owned(),
            detail: Some(why),
        };
        let error = walked.failures.last().map(|(path, why)| format!("{path}: {why}"));
        let end = End::Done { is_partial: error.is_some(), error };
        let results = walked.failures.into_iter().map(failed).collect();
        self.conclude(held, journal, Conclusion { results, ..Conclusion::of(end) }, &|_| Vec::new()).await;
    }
}
