//! Who has written what, from where and why: one line for each write, in the same transaction.

use std::net::IpAddr;
use std::time::SystemTime;

use super::Overlay;
use super::db::audit;
use super::error::Error;

/// Who writes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user's name, or that of a part of ours.
    pub name: String,
    /// By what it is known: `token 12`, `password`, `command`.
    pub via: String,
    pub address: Option<IpAddr>,
    /// In its own words, where it gave any.
    pub reason: Option<String>,
}

/// What is written of one write.
pub(super) struct Entry<'a> {
    pub(super) actor: &'a Actor,
    /// What was done: `publish`, `issue token`.
    pub(super) verb: &'static str,
    /// To what: `npm/left-pad`, `user joe`.
    pub(super) subject: String,
    /// In which way. Never holds a secret.
    pub(super) detail: String,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place among all writes.
    pub number: u64,
    pub at: SystemTime,
    pub actor: Actor,
    pub verb: String,
    pub subject: String,
    pub detail: String,
}

impl Overlay {
    /// Lists at most `limit` lines of the audit log below the number `before`, latest first; of one subject, or all.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit(&self, subject: Option<&str>, before: Option<u64>, limit: u64) -> Result<Vec<Line>, Error> {
        audit::list(self.db.link(), subject, before.unwrap_or(u64::MAX), limit).await
    }
}

// === impl Actor ===

impl Actor {
    /// Returns the operator at the command line.
    pub fn operator(reason: Option<&str>) -> Self {
        let (name, via) = ("operator".to_owned(), "command".to_owned());
        Self { name, via, address: None, reason: reason.map(str::to_owned) }
    }

    /// Returns what brings packages up to their upstreams, by a task.
    pub fn sync(task: &str) -> Self {
        Self { name: "sync".to_owned(), via: format!("task {task}"), address: None, reason: None }
    }
}
