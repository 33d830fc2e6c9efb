//! One task, from its first line to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Worker;
use super::journal::Journal;
use crate::overlay::replicas::NewReplica;
use crate::overlay::tasks::{Conclusion, End, Enqueued, Followed, Held, Kind, Task, TaskResult};
use crate::registries::binaries::walk::Walked;
use crate::registries::replica::{Failure, Journal as _, Mark, Order, Outcome, Replica, Report, Run};

/// How often, and after which pauses, it is tried to write down what came of a run: for about as long as its lease lasts.
const TRIES: usize = 15;
const PAUSE: Duration = Duration::from_secs(1);

/// How many names the last lines of a log tell.
const NAMED: usize = 500;

/// What a run comes to that went well.
enum Done {
    Report(Report),
    Walk(Walked),
    /// Tasks were made, as many as this.
    Made(usize),
}

// === impl Worker ===

impl Worker {
    /// Runs one task, and writes down what came of it.
    pub(super) async fn work(&self, task: &Task, journal: &Journal) {
        let held = task.held_by(&self.node);
        journal.line(Mark::Start, &self.beginning(task).await);
        let ended = tokio::select! {
            ended = self.act(task, journal) => ended,
            why = self.lose_patience(journal) => Err(Failure::Again { error: why.to_owned(), after: None }),
        };
        let end = match ended {
            Ok(Done::Report(report)) => return self.report(task, &held, journal, &report).await,
            Ok(Done::Walk(walked)) => return self.conclude_walk(&held, journal, walked).await,
            Ok(Done::Made(count)) => {
                journal.line(Mark::Done, &format!("{count} packages are brought up to their upstream"));
                End::Done { is_partial: false, error: None }
            }
            Err(failure) => {
                journal.line(Mark::Failed, &failure.to_string());
                match failure {
                    Failure::Refused(error) => End::Refused { error },
                    Failure::Again { error, after } => End::Again { error, after },
                }
            }
        };
        self.end(&held, journal, end).await;
    }

    async fn act(&self, task: &Task, journal: &Journal) -> Result<Done, Failure> {
        match task.kind {
            Kind::Package => self.bring_up(task, journal).await.map(Done::Report),
            Kind::Binary => self.walk(task, journal).await.map(Done::Walk),
            Kind::List => self.list(task, journal).await.map(Done::Made),
            Kind::Repair => self.repair(task, journal).await.map(Done::Made),
        }
    }

    /// Brings one package up to its upstream.
    async fn bring_up(&self, task: &Task, journal: &Journal) -> Result<Report, Failure> {
        let replica = self.replica(&task.mount)?;
        let known = self.overlay.replica(&task.mount, &task.subject).await.map_err(|error| again(&error))?;
        let known = known.map(|known| known.roll);
        let is_last = task.tries >= self.settings.patience.attempts;
        let order = Order { package: task.subject.clone(), wish: task.wish.clone(), known, is_last };
        replica.sync(&order, &Run { journal, turns: &self.turns }).await
    }

    /// Returns what brings the packages of a mount up to their upstreams.
    pub(super) fn replica(&self, mount: &str) -> Result<Arc<dyn Replica>, Failure> {
        let replica = self.replicas.load().get(mount).cloned();
        replica.ok_or_else(|| Failure::Refused(format!("nothing is mirrored as {mount}")))
    }

    /// Waits until nothing was told or received for too long, or all of it takes too long.
    async fn lose_patience(&self, journal: &Journal) -> &'static str {
        let begun_at = Instant::now();
        loop {
            let (silent, all) = (journal.touched_at().elapsed(), begun_at.elapsed());
            if all >= self.settings.timeout {
                return "it took too long";
            }
            let Some(left) = self.settings.silence.checked_sub(silent).filter(|left| !left.is_zero()) else {
                return "nothing came for too long";
            };
            tokio::time::sleep(left.min(self.settings.timeout - all)).await;
        }
    }

    /// Writes down what a run came to, and makes tasks of what follows from it.
    async fn report(&self, task: &Task, held: &Held, journal: &Journal, report: &Report) {
        let results: Vec<_> = report.versions.iter().filter_map(result).collect();
        let error = report.last_error.clone();
        let is_partial = report.versions.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        let needs = if task.wish.skip_dependencies { Vec::new() } else { report.needs.clone() };
        let tail = |followed: &Followed| self.tail(task, journal, report, followed);
        let Report { upstream, roll, digest, gone, pins, changes, .. } = report;
        let conclusion = Conclusion {
            replica: Some(NewReplica { upstream, roll, digest: *digest }),
            gone: gone.clone(),
            pins: pins.clone(),
            news: changes.clone(),
            results,
            needs,
            max_dependencies: self.settings.max_dependencies,
            ..Conclusion::of(End::Done { is_partial, error })
        };
        self.conclude(held, journal, conclusion, &tail).await;
    }

    /// Ends a try that came to nothing more.
    pub(super) async fn end(&self, held: &Held, journal: &Journal, end: End) {
        self.conclude(held, journal, Conclusion::of(end), &|_| Vec::new()).await;
    }

    /// Writes down the end of a try. While the overlay cannot be written, it is tried again; a task whose end cannot be
    /// written in time is taken over, and done again.
    pub(super) async fn conclude(
        &self,
        held: &Held,
        journal: &Journal,
        conclusion: Conclusion<'_>,
        tail: &(dyn Fn(&Followed) -> Vec<String> + Send + Sync),
    ) {
        let page = journal.take().unwrap_or_default();
        let closing = |followed: &Followed| [page.lines.clone(), tail(followed)].concat();
        let conclusion = Conclusion { received: page.received, closing: &closing, ..conclusion };
        for _ in 0..TRIES {
            match self.overlay.conclude_task(held, &conclusion, &self.settings.patience).await {
                Ok(Some(_)) => return,
                Ok(None) => return tracing::warn!(task = held.id, "a task was taken over before its end"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(task = held.id, error, "the end of a task is not written down yet");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::error!(task = held.id, "the end of a task was not written down: it is done again");
    }

    /// Says what begins; the replica says what of whom. Source: contract npm §12.4.
    async fn beginning(&self, task: &Task) -> String {
        let patience = &self.settings.patience;
        let room = self.overlay.room_for_tasks(patience).await.ok();
        let waiting = room.map_or_else(|| "?".to_owned(), |room| (patience.max_waiting - room).to_string());
        let (tries, attempts, node, tasks) = (task.tries, patience.attempts, &self.node, self.settings.tasks);
        format!("Task {}, attempts: {tries}/{attempts}, worker: {node}, taskQueue: {waiting}/{tasks}", task.id)
    }

    /// Says what follows, and what it all came to. Source: contract npm §12.4.
    fn tail(&self, task: &Task, journal: &Journal, report: &Report, followed: &Followed) -> Vec<String> {
        let dependency = |made: &Enqueued| {
            let joined = if made.joined { " (it waits already)" } else { "" };
            journal.print(Mark::Dependency, &format!("{}: task {}{joined}", made.subject, made.id))
        };
        let mut lines: Vec<_> = followed.tasks.iter().take(NAMED).map(dependency).collect();
        if followed.tasks.len() > NAMED {
            let more = followed.tasks.len() - NAMED;
            lines.push(journal.print(Mark::Dependency, &format!("and {more} more")));
        }
        if followed.left_out > 0 {
            let text = format!("{} dependencies are left out: there are too many", followed.left_out);
            lines.push(journal.print(Mark::Skipped, &text));
        }
        let count = |is: fn(&Outcome) -> bool| report.versions.iter().filter(|(_, outcome)| is(outcome)).count();
        let text = format!(
            "{}: {} fetched, {} here before, {} skipped, {} failed, {} gone",
            task.subject,
            count(|outcome| *outcome == Outcome::Fetched),
            count(|outcome| *outcome == Outcome::Held),
            count(|outcome| matches!(outcome, Outcome::Skipped(_))),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            report.gone.len(),
        );
        lines.push(journal.print(Mark::Done, &text));
        lines
    }
}

/// Returns what is written down of a version: those that came out as they were wanted are told of by the log alone.
fn result((version, outcome): &(String, Outcome)) -> Option<TaskResult> {
    let (outcome, detail) = match outcome {
        Outcome::Held | Outcome::Fetched => return None,
        Outcome::Skipped(why) => ("skipped", why),
        Outcome::Failed(why) => ("failed", why),
    };
    Some(TaskResult { version: version.clone(), outcome: outcome.to_owned(), detail: Some(detail.clone()) })
}

/// Says that something of ours does not answer: another time it does.
pub(super) fn again(error: &(dyn std::error::Error + 'static)) -> Failure {
    tracing::warn!(error, "a task does not know what is here");
    Failure::Again { error: "what is kept here cannot be asked".to_owned(), after: None }
}
