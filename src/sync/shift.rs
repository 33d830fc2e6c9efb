//! What this node is about: the tasks that it holds, each by a run of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::Worker;
use super::journal::Journal;
use crate::overlay::tasks::journal::Lines;
use crate::overlay::tasks::{End, Held, Task};
use crate::overlay::{self, Overlay};
use crate::registries::replica::{Journal as _, Mark};

/// What is told of a fault of ours.
const INTERNAL: &str = "an internal error";

/// The tasks that run here.
#[derive(Default)]
pub struct Shift {
    /// When it was said for the last time that this node lives.
    pub renewed_at: Option<Instant>,
    runs: JoinSet<()>,
    under_way: HashMap<Id, Running>,
}

/// How a run has ended: well, or by a panic.
pub type Ended = Result<(Id, ()), JoinError>;

struct Running {
    held: Held,
    journal: Arc<Journal>,
    handle: AbortHandle,
}

impl Shift {
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    pub fn held(&self) -> Vec<Held> {
        self.under_way.values().map(|running| running.held.clone()).collect()
    }

    pub fn begin(&mut self, worker: &Arc<Worker>, task: Task) {
        let (held, journal) = (task.held_by(&worker.node), Arc::new(Journal::new(worker.clock.clone())));
        let (worker, own) = (Arc::clone(worker), Arc::clone(&journal));
        let handle = self.runs.spawn(async move { worker.work(&task, &own).await });
        self.under_way.insert(handle.id(), Running { held, journal, handle });
    }

    /// Writes down what the runs have told since the last time, all at once.
    pub async fn write_logs(&self, overlay: &Overlay) -> Result<(), overlay::Error> {
        let told: Vec<_> = self.under_way.values().filter_map(|run| Some((run, run.journal.take()?))).collect();
        if told.is_empty() {
            return Ok(());
        }
        let batch = told.iter().map(|(run, page)| Lines {
            held: run.held.clone(),
            lines: page.lines.clone(),
            received: page.received,
        });
        let written = overlay.write_lines(batch.collect()).await;
        if written.is_err() {
            told.into_iter().for_each(|(run, page)| run.journal.put_back(page));
        }
        written.map(drop)
    }

    /// Lets go of a task that is another's now: what it fetches goes on by itself.
    pub fn drop_run(&mut self, id: &str) {
        if let Some(running) = self.take(id) {
            tracing::warn!(task = id, "a task was taken over by another node");
            running.handle.abort();
        }
    }

    /// Ends a task that somebody has cancelled.
    pub async fn cancel(&mut self, worker: &Worker, id: &str) {
        let Some(running) = self.take(id) else { return };
        running.handle.abort();
        running.journal.line(Mark::Failed, "cancelled");
        worker.end(&running.held, &running.journal, End::Cancelled).await;
    }

    /// Ends all runs, and lets others go on with their tasks at once.
    pub async fn give_back(&mut self, worker: &Worker) {
        self.runs.shutdown().await;
        for (_, running) in self.under_way.drain() {
            running.journal.line(Mark::Fact, "this node stops: the next that is free goes on");
            worker.end(&running.held, &running.journal, End::GivenBack).await;
        }
    }

    /// Waits until a run has ended; for ever while there is none.
    pub async fn end_of_one(&mut self) -> Ended {
        match self.runs.join_next_with_id().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Forgets what has ended meanwhile.
    pub async fn reap(&mut self, worker: &Worker) {
        while let Some(ended) = self.runs.try_join_next_with_id() {
            self.end(worker, ended).await;
        }
    }

    /// Forgets a run. The task of one that has panicked is tried again, as often as others that fail.
    pub async fn end(&mut self, worker: &Worker, ended: Ended) {
        let error = match ended {
            Ok((id, ())) => return drop(self.under_way.remove(&id)),
            Err(error) => error,
        };
        let Some(running) = self.under_way.remove(&error.id()) else { return };
        if error.is_panic() {
            tracing::error!(task = running.held.id, %error, "a task was not done");
            running.journal.line(Mark::Failed, INTERNAL);
            worker.end(&running.held, &running.journal, End::Again { error: INTERNAL.to_owned(), after: None }).await;
        }
    }

    fn take(&mut self, id: &str) -> Option<Running> {
        let found = self.under_way.iter().find(|(_, running)| running.held.id == id).map(|(run, _)| *run);
        self.under_way.remove(&found?)
    }
}
