//! The end of a try: all that it came to is written in one transaction, by whoever still holds the task, or none of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::journal::{Length, fit};
use super::queue::{Order, put};
use super::{Cause, Enqueued, Held, NewTask, Patience, Rank, State, Task, TaskResult, Wish};
use crate::overlay::Overlay;
use crate::overlay::db::sql::{Link, is_clash};
use crate::overlay::db::tasks::{self as queue, conclude as rows, journal};
use crate::overlay::error::Error;

/// How many dependencies may lie between a task and its root.
pub const MAX_DEPTH: u64 = 64;

/// The longest pause between two tries, unless upstream asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The longest pause that an upstream is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// How often it is tried again to put a task back that somebody asks for anew at that very moment.
const CLASHES: usize = 5;

/// All that a try came to.
pub struct Conclusion<'a> {
    pub end: End,
    /// Versions that did not come out as they were wanted; in place of those of earlier tries.
    pub results: Vec<TaskResult>,
    /// What is followed, of what is done: names that the task's root has not led to before become tasks.
    pub needs: Vec<Need>,
    /// Whether all versions of those are wanted, not only those that were named.
    pub needs_all: bool,
    /// How many names, each time in other words, a root may lead to.
    pub max_dependencies: u64,
    /// Bytes that came from upstream since it was last told of.
    pub received: u64,
    /// Makes the last lines of the log, once it is known what follows.
    pub closing: &'a (dyn Fn(&Followed) -> Vec<String> + Send + Sync),
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done {
        /// Something was left out, or failed.
        is_partial: bool,
        /// What went wrong last.
        error: Option<String>,
    },
    /// It would fail again.
    Refused { error: String },
    /// It may be better later: it is put back, unless it was tried often enough.
    Again {
        error: String,
        /// For how long upstream asks to be left alone.
        after: Option<Duration>,
    },
    /// Whoever asked for it wants it no more.
    Cancelled,
    /// The node stops: it is put back as if this try had not been.
    GivenBack,
}

/// A name, and which of its versions something depends on, in the dialect's own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub package: String,
    pub spec: String,
}

/// What follows from a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub tasks: Vec<Enqueued>,
    /// Needs that were not followed, since there were too many, or the queue was full.
    pub left_out: u64,
}

/// What becomes of a task after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Over { state: State, error: Option<String> },
    Back { due_at: SystemTime, tries: u64, error: Option<String> },
}

impl Overlay {
    /// Ends a try, with all that it came to. `None`: another node has taken over, and nothing was written.
    ///
    /// # Errors
    /// The database's. Nothing was written: the task is taken over after its lease, unless this is tried again.
    pub async fn conclude_task(
        &self,
        held: &Held,
        conclusion: &Conclusion<'_>,
        patience: &Patience,
    ) -> Result<Option<Followed>, Error> {
        let room = if conclusion.needs.is_empty() { 0 } else { self.room_for_tasks(patience).await? };
        let mut clashes = 0;
        loop {
            match self.try_to_conclude(held, conclusion, (patience, room)).await {
                // Somebody has asked anew: it is not put back beside that.
                Err(error) if is_clash(&error) && clashes < CLASHES => clashes += 1,
                concluded => return concluded,
            }
        }
    }

    async fn try_to_conclude(
        &self,
        held: &Held,
        conclusion: &Conclusion<'_>,
        (patience, room): (&Patience, u64),
    ) -> Result<Option<Followed>, Error> {
        let (note, now) = (self.db.note().await?, self.clock.now());
        let Some((task, length)) = rows::fence(note.link(), held, conclusion.received).await? else {
            return Ok(None);
        };
        let followed = write(note.link(), now, (&task, length), conclusion, (patience, room)).await?;
        note.commit().await?;
        self.backlog.note_made(&followed.tasks);
        Ok(Some(followed))
    }
}

/// Writes all that a try came to, of a task that is still held.
async fn write(
    link: Link<'_>,
    now: SystemTime,
    (task, length): (&Task, Length),
    conclusion: &Conclusion<'_>,
    (patience, room): (&Patience, u64),
) -> Result<Followed, Error> {
    let verdict = judge(&conclusion.end, task, patience, now);
    let followed = match conclusion.end {
        End::Done { .. } => follow(link, now, task, conclusion, room).await?,
        _ => Followed::default(),
    };
    rows::save_results(link, &task.id, &conclusion.results).await?;
    let is_over = matches!(verdict, Verdict::Over { .. });
    let (lines, length) = fit(now, length, &(conclusion.closing)(&followed), is_over);
    journal::append(link, &task.id, &lines, length).await?;
    match verdict {
        Verdict::Over { state, error } => rows::end(link, &task.id, now, (state, error.as_deref(), None)).await?,
        Verdict::Back { due_at, tries, error } => {
            if !rows::put_back(link, &task.id, (due_at, tries), error.as_deref()).await? {
                let twin = join_twin(link, now, task).await?;
                rows::end(link, &task.id, now, (State::Cancelled, error.as_deref(), Some(&twin))).await?;
            }
        }
    }
    Ok(followed)
}

/// Has a task go on as the one that waits for the same.
async fn join_twin(link: Link<'_>, now: SystemTime, task: &Task) -> Result<String, Error> {
    let order = Order {
        wish: task.wish.clone(),
        cause: task.cause,
        rank: task.rank,
        root: Some(task.root.as_str()).filter(|root| *root != task.id),
        depth: task.depth,
        asked_by: &task.asked_by,
    };
    let key = (task.mount.as_str(), task.kind, task.subject.as_str());
    let put = queue::put(link, now, &BTreeMap::from([(key, order)])).await?;
    put.into_iter().next().map(|(id, _)| id).ok_or(Error::Row("a task is missing"))
}

/// Makes tasks of what a task needs and its root has not led to yet.
async fn follow(
    link: Link<'_>,
    now: SystemTime,
    task: &Task,
    conclusion: &Conclusion<'_>,
    room: u64,
) -> Result<Followed, Error> {
    let needs: BTreeSet<&Need> = conclusion.needs.iter().collect();
    if needs.is_empty() || rows::is_cancelled(link, &task.root).await? {
        return Ok(Followed::default());
    }
    if room == 0 || task.depth >= MAX_DEPTH {
        return Ok(Followed { tasks: Vec::new(), left_out: needs.len() as u64 });
    }
    let visited = rows::count_visits(link, &task.root).await?;
    let mut new = rows::visit(link, &task.root, &needs.into_iter().collect::<Vec<_>>()).await?;
    let most = conclusion.max_dependencies.saturating_sub(visited).min(room) as usize;
    let left_out = new.len().saturating_sub(most) as u64;
    new.truncate(most);
    let wishes = wishes(new, conclusion.needs_all);
    let tasks = wishes.iter().map(|(subject, wish)| NewTask {
        mount: &task.mount,
        kind: task.kind,
        subject,
        wish: wish.clone(),
        cause: Cause::Dependency,
        rank: task.rank.max(Rank::Followed),
        parent: Some(task),
    });
    Ok(Followed { tasks: put(link, now, tasks.collect(), &task.asked_by).await?, left_out })
}

/// Returns what is wanted of each name.
fn wishes(needs: Vec<Need>, all: bool) -> BTreeMap<String, Wish> {
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    for Need { package, spec } in needs {
        let wish = wishes.entry(package).or_insert_with(|| Wish { all, ..Wish::default() });
        if !all {
            wish.ranges.insert(spec);
        }
    }
    wishes
}

/// Says what becomes of a task.
fn judge(end: &End, task: &Task, patience: &Patience, now: SystemTime) -> Verdict {
    let over = |state, error: Option<&String>| Verdict::Over { state, error: error.cloned() };
    match end {
        End::Done { is_partial: true, error } => over(State::Partial, error.as_ref()),
        End::Done { is_partial: false, error } => over(State::Success, error.as_ref()),
        End::Refused { error } => over(State::Error, Some(error)),
        End::Cancelled => over(State::Cancelled, None),
        _ if task.is_cancelled => over(State::Cancelled, None),
        End::GivenBack => Verdict::Back { due_at: now, tries: task.tries.saturating_sub(1), error: task.error.clone() },
        End::Again { error, .. } if task.tries >= patience.attempts => over(State::Error, Some(error)),
        End::Again { error, after } => {
            let pause = pause(task.tries, patience.pause).mul_f64(rand::random_range(0.8..1.2));
            let pause = pause.max(after.unwrap_or_default().min(LONGEST_WAIT));
            Verdict::Back { due_at: now + pause, tries: task.tries, error: Some(error.clone()) }
        }
    }
}

/// Returns how long is waited after so many tries.
fn pause(tries: u64, first: Duration) -> Duration {
    let factor = 4_u32.saturating_pow(u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    first.saturating_mul(factor).min(LONGEST_PAUSE)
}

// === impl Conclusion ===

impl Conclusion<'_> {
    /// Says how a try ended that came to nothing else.
    pub fn of(end: End) -> Self {
        Self {
            end,
            results: Vec::new(),
            needs: Vec::new(),
            needs_all: false,
            max_dependencies: 0,
            received: 0,
            closing: &|_| Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let first = Duration::from_secs(30);
        let seconds = |tries| pause(tries, first).as_secs();
        assert_eq!([seconds(0), seconds(1), seconds(2), seconds(3), seconds(9)], [30, 30, 120, 480, 3600]);
        assert_eq!(pause(u64::MAX, first), LONGEST_PAUSE);
    }

    #[test]
    fn needs_of_one_name_are_one_wish() {
        let need = |package: &str, spec: &str| Need { package: package.to_owned(), spec: spec.to_owned() };
        let needs = || vec![need("a", "^1"), need("b", "*"), need("a", "^2")];
        let some = wishes(needs(), false);
        assert_eq!(some["a"].ranges.iter().collect::<Vec<_>>(), ["^1", "^2"]);
        assert!(!some["a"].all && some.len() == 2);
        let all = wishes(needs(), true);
        assert_eq!(all["a"], Wish { all: true, ..Wish::default() });
    }
}
