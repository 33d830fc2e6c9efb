//! When schedules made their tasks: each time once, over all nodes, and once for all the times that nobody was there.

use std::time::SystemTime;

use super::Overlay;
use super::db::schedules as rows;
use super::error::Error;
use super::tasks::{Enqueued, NewTask, put};

impl Overlay {
    /// Returns when a schedule made tasks last; of one that was never heard of, now.
    ///
    /// # Errors
    /// The database's.
    pub async fn last_fired(&self, name: &str) -> Result<SystemTime, Error> {
        match rows::find(self.db.link(), name).await? {
            Some(at) => Ok(at),
            None => rows::begin(&self.db, name, self.clock.now()).await,
        }
    }

    /// Makes the tasks of a schedule, for a time at which it was to. `None`: another node has done so.
    ///
    /// # Errors
    /// The database's. Nothing was made.
    pub async fn fire_schedule(
        &self,
        name: &str,
        at: SystemTime,
        tasks: Vec<NewTask<'_>>,
    ) -> Result<Option<Vec<Enqueued>>, Error> {
        let note = self.db.note().await?;
        if !rows::fire(note.link(), name, at).await? {
            return Ok(None);
        }
        let made = put(note.link(), self.clock.now(), tasks, &format!("schedule {name}")).await?;
        note.commit().await?;
        self.backlog.note_made(&made);
        Ok(Some(made))
    }
}
