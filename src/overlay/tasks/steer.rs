//! What people do with tasks that are there: they cancel them, and have them tried again. And the end of old ones.

use std::time::Duration;

use super::journal::{Mark, line};
use super::{Cause, Enqueued, NewTask, Patience, Rank, Task};
use crate::overlay::Overlay;
use crate::overlay::audit::{Actor, Entry};
use crate::overlay::db::tasks as rows;
use crate::overlay::error::Error;

/// How many old tasks are taken away at once: others write in between.
const PAGE: u64 = 100;

/// For how long it is remembered that a node ran tasks.
const FORGOTTEN: Duration = Duration::from_secs(86_400);

impl Overlay {
    /// Cancels a task, and what its dependencies have led to and nobody else asked for. One that runs is dropped by its
    /// holder within seconds. Returns whether anything was left to be cancelled.
    ///
    /// # Errors
    /// [`Error::Absent`], or the database's. Nothing was changed.
    pub async fn cancel_task(&self, id: &str, actor: &Actor) -> Result<bool, Error> {
        let task = self.known_task(id).await?;
        let write = self.db.write(self.clock.now()).await?;
        let last = line(write.now, Mark::Failed, &format!("cancelled by {}", actor.name));
        let count = rows::cancel(write.link(), &task.id, write.now, &last).await?;
        if count == 0 {
            return Ok(false);
        }
        let detail = format!("task {}, {count} in all", task.id);
        write.commit(&Entry { actor, verb: "cancel sync", subject: subject(&task), detail }).await?;
        self.backlog.note_cancelled();
        Ok(true)
    }

    /// Asks anew for what a task that is over was to fetch.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::InUse`], [`Error::QueueFull`], or the database's. Nothing was changed.
    pub async fn retry_task(&self, id: &str, patience: &Patience, actor: &Actor) -> Result<Enqueued, Error> {
        let task = self.known_task(id).await?;
        if !task.state.is_over() {
            return Err(Error::InUse("the task is not over yet"));
        }
        let Task { mount, kind, subject, wish, .. } = &task;
        let (kind, wish, cause, rank) = (*kind, wish.clone(), Cause::Asked, Rank::Asked);
        let new = NewTask { mount, kind, subject, wish, cause, rank, parent: None };
        let made = self.enqueue(vec![new], patience, actor).await?;
        made.into_iter().next().ok_or_else(|| Error::absent("task", id))
    }

    /// Takes tasks away that were over for longer than `keep`, with their logs, a page at a time.
    ///
    /// # Errors
    /// The database's. What was taken away stays so.
    pub async fn fold_tasks(&self, keep: Duration) -> Result<u64, Error> {
        let now = self.clock.now();
        rows::forget_workers(&self.db, now - FORGOTTEN).await?;
        let mut count = 0;
        loop {
            let page = rows::forget(&self.db, now - keep, PAGE).await?;
            count += page;
            if page < PAGE {
                return Ok(count);
            }
        }
    }

    async fn known_task(&self, id: &str) -> Result<Task, Error> {
        self.task(id).await?.ok_or_else(|| Error::absent("task", id))
    }
}

fn subject(task: &Task) -> String {
    format!("{}/{}", task.mount, task.subject)
}
