//! Which node runs a task: it claims some that are due, renews its hold on them while it runs them, and loses those whose
//! lease was over when another looked.

use std::time::SystemTime;

use super::{Patience, Task, TaskId};
use crate::overlay::Overlay;
use crate::overlay::db::tasks::claim as rows;
use crate::overlay::error::Error;

/// The fence of a task: what a holder writes holds only while this is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub id: TaskId,
    /// A name of the node's own, another one after each start.
    pub node: String,
    pub tries: u64,
}

/// What became of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    Held,
    /// Whoever asked for the task wants it no more: it is to be dropped, and ended as cancelled.
    Cancelled,
    /// Another node has taken over: it is to be dropped, and nothing more can be written.
    Lost,
}

impl Overlay {
    /// Claims at most `limit` tasks that are due, those of the lowest rank first, then those that are due for longest; and
    /// before all of them such whose holders went away. Those that went away too often are ended.
    ///
    /// # Errors
    /// The database's. What was claimed then is taken over after its lease.
    pub async fn claim_tasks(&self, node: &str, limit: usize, patience: &Patience) -> Result<Vec<Task>, Error> {
        let now = self.clock.now();
        let due = rows::find_due(self.db.link(), now).await?;
        if limit == 0 || !due.has_any() {
            return Ok(Vec::new());
        }
        let claim = rows::Claim { node, limit: limit as u64, now, until: now + patience.lease };
        let mut claimed = rows::claim(&self.db, &claim, due, patience.attempts).await?;
        let place = |task: &Task| (task.rank, task.due_at, task.id.clone());
        claimed.sort_by_cached_key(place);
        Ok(claimed)
    }

    /// Renews the hold on tasks, and notes that this node runs some; for every few seconds.
    ///
    /// # Errors
    /// The database's. They are held until their leases are over.
    pub async fn renew_tasks(
        &self,
        node: &str,
        held: &[Held],
        patience: &Patience,
    ) -> Result<Vec<(TaskId, Renewal)>, Error> {
        let now: SystemTime = self.clock.now();
        let ids: Vec<&str> = held.iter().map(|held| held.id.as_str()).collect();
        let renewed = rows::renew(&self.db, node, &ids, (now, now + patience.lease)).await?;
        let judge = |held: &Held| match renewed.get(&held.id) {
            Some((tries, false)) if *tries == held.tries => Renewal::Held,
            Some((tries, true)) if *tries == held.tries => Renewal::Cancelled,
            _ => Renewal::Lost,
        };
        Ok(held.iter().map(|held| (held.id.clone(), judge(held))).collect())
    }

    /// Notes that a node runs no tasks any more.
    ///
    /// # Errors
    /// The database's. It is taken for one that does, for a while.
    pub async fn leave_tasks(&self, node: &str) -> Result<(), Error> {
        rows::forget(&self.db, node).await
    }
}
