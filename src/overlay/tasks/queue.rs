//! Putting tasks into the queue, and looking at it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::wish::Wish;
use super::{Cause, Kind, Patience, Rank, Task, TaskFilter, TaskId, TaskResult};
use crate::overlay::Overlay;
use crate::overlay::audit::{Actor, Entry};
use crate::overlay::db::sql::Link;
use crate::overlay::db::tasks as rows;
use crate::overlay::error::Error;

/// For how long it is taken as known how many tasks wait.
const COUNTED: u64 = 1000;

/// A node that was not seen for so long runs no tasks.
const AWAY: Duration = Duration::from_secs(15);

/// How many names the line of the audit log has, where more were asked for at once.
const NAMED: usize = 20;

/// A task to be made, or to be joined where one waits.
#[derive(Clone, Debug)]
pub struct NewTask<'a> {
    pub mount: &'a str,
    pub kind: Kind,
    pub subject: &'a str,
    pub wish: Wish,
    pub cause: Cause,
    pub rank: Rank,
    /// The task that leads to it by its dependencies.
    pub parent: Option<&'a Task>,
}

/// What became of a [`NewTask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub id: TaskId,
    pub subject: String,
    /// Whether such a task waited already.
    pub joined: bool,
}

/// What waits and runs, on all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    pub waiting: u64,
    pub processing: u64,
    /// When the oldest of those was made that wait.
    pub oldest: Option<SystemTime>,
    /// Nodes that run tasks.
    pub workers: u64,
}

/// What one row is made of.
pub(in crate::overlay) struct Order<'a> {
    pub(in crate::overlay) wish: Wish,
    pub(in crate::overlay) cause: Cause,
    pub(in crate::overlay) rank: Rank,
    /// `None`: its own.
    pub(in crate::overlay) root: Option<&'a str>,
    pub(in crate::overlay) depth: u64,
    pub(in crate::overlay) asked_by: &'a str,
}

/// What a process knows of the queue.
#[derive(Default)]
pub(in crate::overlay) struct Backlog {
    /// How many tasks wait, and when that was counted, in milliseconds. Held for a few instructions only.
    counted: Mutex<Option<(u64, u64)>>,
    /// Told when this process has made a task.
    made: Notify,
    /// Told when this process has cancelled one that runs.
    cancelled: Notify,
}

impl Overlay {
    /// Asks for tasks: each is made, or joins the one that waits for the same. They are told of in the order in which they
    /// were asked for.
    ///
    /// # Errors
    /// [`Error::QueueFull`], or the database's. Nothing was kept.
    pub async fn enqueue(
        &self,
        new: Vec<NewTask<'_>>,
        patience: &Patience,
        actor: &Actor,
    ) -> Result<Vec<Enqueued>, Error> {
        if self.room_for_tasks(patience).await? == 0 {
            return Err(Error::QueueFull { limit: patience.max_waiting });
        }
        let write = self.db.write(self.clock.now()).await?;
        let mounts: Vec<&str> = new.iter().map(|new| new.mount).collect();
        let made = put(write.link(), write.now, new, &actor.name).await?;
        let (subject, detail) = describe(&mounts, &made);
        write.commit(&Entry { actor, verb: "sync", subject, detail }).await?;
        self.backlog.note_made(&made);
        Ok(made)
    }

    /// Returns how many more tasks may wait.
    ///
    /// # Errors
    /// The database's.
    pub async fn room_for_tasks(&self, patience: &Patience) -> Result<u64, Error> {
        let now = self.clock.now_millis();
        let waiting = match self.backlog.waiting(now) {
            Some(waiting) => waiting,
            None => {
                let waiting = rows::count_waiting(self.db.link(), patience.max_waiting).await?;
                self.backlog.hold(now, waiting);
                waiting
            }
        };
        Ok(patience.max_waiting.saturating_sub(waiting))
    }

    /// Waits until this process has made a task.
    pub async fn task_made(&self) {
        self.backlog.made.notified().await;
    }

    /// Waits until this process has cancelled a task that runs: its holder learns so by renewing it.
    pub async fn task_cancelled(&self) {
        self.backlog.cancelled.notified().await;
    }

    /// Finds a task; of one that goes on as another, that one.
    ///
    /// # Errors
    /// The database's.
    pub async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        Ok(rows::chain(self.db.link(), id).await?.pop())
    }

    /// Lists tasks, those that were made last first.
    ///
    /// # Errors
    /// The database's.
    pub async fn tasks(&self, filter: &TaskFilter<'_>, limit: u64) -> Result<Vec<Task>, Error> {
        rows::list(self.db.link(), filter, limit).await
    }

    /// Lists the versions that did not come out as a task wanted them.
    ///
    /// # Errors
    /// The database's.
    pub async fn task_results(&self, id: &str) -> Result<Vec<TaskResult>, Error> {
        match self.task(id).await? {
            Some(task) => rows::results(self.db.link(), &task.id).await,
            None => Ok(Vec::new()),
        }
    }

    /// Tells what waits and runs.
    ///
    /// # Errors
    /// The database's.
    pub async fn queue(&self) -> Result<Queue, Error> {
        rows::queue(self.db.link(), self.clock.now() - AWAY).await
    }
}

/// Makes tasks, or joins those that wait, within what is written together.
pub(in crate::overlay) async fn put(
    link: Link<'_>,
    now: SystemTime,
    new: Vec<NewTask<'_>>,
    asked_by: &str,
) -> Result<Vec<Enqueued>, Error> {
    let keys: Vec<rows::Key<'_>> = new.iter().map(|new| (new.mount, new.kind, new.subject)).collect();
    let orders = unite(new, asked_by);
    let made = rows::put(link, now, &orders).await?;
    let mut made: HashMap<rows::Key<'_>, _> = orders.into_keys().zip(made).collect();
    let mut told = Vec::with_capacity(keys.len());
    for key in keys {
        let (id, is_new) = made.get_mut(&key).ok_or(Error::Row("a task is missing"))?;
        // Of two that ask for the same at once, the first has made it.
        let joined = !std::mem::take(is_new);
        told.push(Enqueued { id: id.clone(), subject: key.2.to_owned(), joined });
    }
    Ok(told)
}

/// Joins what is asked for twice, and puts it in the order in which all nodes write.
fn unite<'a>(new: Vec<NewTask<'a>>, asked_by: &'a str) -> BTreeMap<rows::Key<'a>, Order<'a>> {
    let mut orders: BTreeMap<rows::Key<'a>, Order<'a>> = BTreeMap::new();
    for NewTask { mount, kind, subject, wish, cause, rank, parent } in new {
        match orders.get_mut(&(mount, kind, subject)) {
            Some(held) => {
                held.wish = held.wish.join(&wish);
                held.rank = held.rank.min(rank);
            }
            None => {
                let root = parent.map(|parent| parent.root.as_str());
                let depth = parent.map_or(0, |parent| parent.depth + 1);
                let asked_by = parent.map_or(asked_by, |parent| parent.asked_by.as_str());
                orders.insert((mount, kind, subject), Order { wish, cause, rank, root, depth, asked_by });
            }
        }
    }
    orders
}

/// Says what was asked for, for the audit log: of many, the first.
fn describe(mounts: &[&str], made: &[Enqueued]) -> (String, String) {
    let names: Vec<_> = mounts.iter().zip(made).map(|(mount, made)| format!("{mount}/{}", made.subject)).collect();
    let of_one = |made: &Enqueued| format!("{} {}", if made.joined { "joins" } else { "task" }, made.id);
    let more = names.len().saturating_sub(NAMED);
    let (named, tasks) = (&names[..names.len() - more], made.iter().take(NAMED).map(of_one).collect::<Vec<_>>());
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    (format!("{}{rest}", named.join(" ")), tasks.join(", "))
}

// === impl Backlog ===

impl Backlog {
    /// Notes that tasks were made: whoever runs some here begins at once.
    pub(in crate::overlay) fn note_made(&self, made: &[Enqueued]) {
        let count = made.iter().filter(|made| !made.joined).count() as u64;
        if let Some((_, waiting)) = self.lock().as_mut() {
            *waiting += count;
        }
        self.made.notify_one();
    }

    pub(in crate::overlay) fn note_cancelled(&self) {
        self.cancelled.notify_one();
    }

    fn waiting(&self, now: u64) -> Option<u64> {
        let counted = *self.lock();
        counted.filter(|(at, _)| now.abs_diff(*at) < COUNTED).map(|(_, waiting)| waiting)
    }

    fn hold(&self, now: u64, waiting: u64) {
        *self.lock() = Some((now, waiting));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new<'a>(subject: &'a str, rank: Rank, versions: &[&str]) -> NewTask<'a> {
        let versions = versions.iter().map(|version| (*version).to_owned()).collect();
        let wish = Wish { versions, ..Wish::default() };
        NewTask { mount: "npm", kind: Kind::Package, subject, wish, cause: Cause::Asked, rank, parent: None }
    }

    #[test]
    fn what_is_asked_for_twice_is_one_order() {
        let some =
            vec![new("b", Rank::Planned, &["1.0.0"]), new("a", Rank::Asked, &[]), new("b", Rank::Asked, &["2.0.0"])];
        let orders = unite(some, "joe");
        let told: Vec<_> = orders.iter().map(|(key, order)| (key.2, order.rank, order.wish.versions.len())).collect();
        assert_eq!(told, [("a", Rank::Asked, 0), ("b", Rank::Asked, 2)]);
    }

    #[test]
    fn of_many_the_first_are_told() {
        let made =
            |number: usize| Enqueued { id: number.to_string(), subject: format!("p{number}"), joined: number == 1 };
        let made: Vec<_> = (0..NAMED + 2).map(made).collect();
        let (subject, detail) = describe(&vec!["npm"; made.len()], &made);
        assert!(subject.starts_with("npm/p0 npm/p1 ") && subject.ends_with("npm/p19 and 2 more"), "{subject}");
        assert!(detail.starts_with("task 0, joins 1, task 2, ") && detail.ends_with("task 19"), "{detail}");
        let (subject, detail) = describe(&["npm"], &made[1..2]);
        assert_eq!((subject.as_str(), detail.as_str()), ("npm/p1", "joins 1"));
    }
}
