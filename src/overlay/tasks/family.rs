//! What tasks have led to, for whoever waits for all of it.

use super::{State, TaskId};
use crate::overlay::Overlay;
use crate::overlay::db::tasks::family as rows;
use crate::overlay::error::Error;

/// A task among those that were asked for and those that followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: TaskId,
    pub mount: String,
    pub subject: String,
    pub state: State,
    /// Bytes that came from upstream.
    pub received: u64,
    pub error: Option<String>,
}

impl Overlay {
    /// Lists tasks, those that they go on as, and what has followed from them, in the order in which they were made.
    ///
    /// # Errors
    /// The database's.
    pub async fn task_family(&self, ids: &[TaskId]) -> Result<Vec<Member>, Error> {
        rows::list(self.db.link(), ids).await
    }
}
