//! The end of a try: all that it came to is written in one transaction, by whoever still holds the task, or none of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::follow::{Followed, Need, follow};
use super::journal::fit;
use super::queue::Order;
use super::{Held, Patience, State, Task, TaskResult};
use crate::overlay::Overlay;
use crate::overlay::audit::{Actor, Entry};
use crate::overlay::db::sql::{Link, is_clash};
use crate::overlay::db::tasks::{self as queue, conclude as rows, journal};
use crate::overlay::db::{packages, replicas};
use crate::overlay::error::Error;
use crate::overlay::packages::{EventKind, News};
use crate::overlay::replicas::NewReplica;

/// The longest pause between two tries, unless upstream asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The longest pause that an upstream is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// How many changes of a package the feed is told of one by one.
const MOST_NEWS: usize = 1000;

/// The longest text of one of them, in bytes.
const LONGEST_REASON: usize = 10_240;

/// How often it is tried again to put a task back that somebody asks for anew at that very moment.
const CLASHES: usize = 5;

/// All that a try came to.
pub struct Conclusion<'a> {
    pub end: End,
    /// What upstream has of the package now. Where it was never synced before, the feed tells of it as a whole.
    pub replica: Option<NewReplica<'a>>,
    /// Versions that upstream has no more.
    pub gone: Vec<String>,
    /// What is pinned now; the empty version is the document.
    pub pins: Vec<String>,
    /// What the feed is to tell, where upstream was asked for the package as a whole.
    pub news: Vec<News>,
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
        bounds: (&Patience, u64),
    ) -> Result<Option<Followed>, Error> {
        let (now, news) = (self.clock.now(), self.news(held, conclusion).await?);
        let followed = if news.is_empty() {
            let note = self.db.note().await?;
            let Some((_, followed)) = write(note.link(), now, held, conclusion, bounds).await? else { return Ok(None) };
            note.commit().await?;
            followed
        } else {
            let open = self.db.write(now).await?;
            let Some((task, followed)) = write(open.link(), now, held, conclusion, bounds).await? else {
                return Ok(None);
            };
            packages::announce(&open, (&task.mount, &task.subject), &news).await?;
            let (actor, detail) = (Actor::sync(&task.id), format!("told of {} changes", news.len()));
            let subject = format!("{}/{}", task.mount, task.subject);
            open.commit(&Entry { actor: &actor, verb: "synced", subject, detail }).await?;
            followed
        };
        self.backlog.note_made(&followed.tasks);
        Ok(Some(followed))
    }

    /// Says what the feed is to tell: of a package that was never synced before, and of very much, only that it changed.
    async fn news(&self, held: &Held, conclusion: &Conclusion<'_>) -> Result<Vec<News>, Error> {
        let task = match conclusion.replica {
            Some(_) => queue::find(self.db.link(), &held.id).await?,
            None => None,
        };
        let Some(task) = task else { return Ok(Vec::new()) };
        // Nobody else writes it meanwhile: of one subject, one task is held.
        let is_known = replicas::is_known(self.db.link(), &task.mount, &task.subject).await?;
        if is_known && conclusion.news.len() <= MOST_NEWS {
            return Ok(conclusion.news.iter().map(clean).collect());
        }
        Ok(vec![News::of(EventKind::PackageChanged)])
    }
}

/// Makes of what upstream says what both databases can hold.
fn clean(news: &News) -> News {
    let plain = |text: &String| {
        let text = text.replace('\0', "\u{fffd}");
        text[..text.floor_char_boundary(LONGEST_REASON)].to_owned()
    };
    let News { kind, version, tag, reason } = news;
    let (version, tag) = (version.as_ref().map(plain), tag.as_ref().map(plain));
    News { kind: *kind, version, tag, reason: reason.as_ref().map(plain) }
}

/// Writes all that a try came to; `None`, and nothing, where the task is not held any more.
async fn write(
    link: Link<'_>,
    now: SystemTime,
    held: &Held,
    conclusion: &Conclusion<'_>,
    (patience, room): (&Patience, u64),
) -> Result<Option<(Task, Followed)>, Error> {
    let Some((task, length)) = rows::fence(link, held, conclusion.received).await? else { return Ok(None) };
    let verdict = judge(&conclusion.end, &task, patience, now);
    let followed = match conclusion.end {
        End::Done { .. } => follow(link, now, &task, conclusion, room).await?,
        _ => Followed::default(),
    };
    keep(link, now, &task, conclusion).await?;
    let is_over = matches!(verdict, Verdict::Over { .. });
    let (lines, length) = fit(now, length, &(conclusion.closing)(&followed), is_over);
    journal::append(link, &task.id, &lines, length).await?;
    settle(link, now, &task, verdict).await?;
    Ok(Some((task, followed)))
}

/// Writes what is known of the package now.
async fn keep(link: Link<'_>, now: SystemTime, task: &Task, conclusion: &Conclusion<'_>) -> Result<(), Error> {
    rows::save_results(link, &task.id, &conclusion.results).await?;
    let subject = replicas::Subject { mount: &task.mount, package: &task.subject, task: &task.id, now };
    if let Some(replica) = &conclusion.replica {
        replicas::save(link, subject, replica).await?;
    }
    replicas::pin(link, subject, &conclusion.pins).await?;
    replicas::raise(link, subject, &conclusion.pins).await?;
    replicas::bury(link, subject, &conclusion.gone).await
}

async fn settle(link: Link<'_>, now: SystemTime, task: &Task, verdict: Verdict) -> Result<(), Error> {
    match verdict {
        Verdict::Over { state, error } => rows::end(link, &task.id, now, (state, error.as_deref(), None)).await,
        Verdict::Back { due_at, tries, error } => {
            if rows::put_back(link, &task.id, (due_at, tries), error.as_deref()).await? {
                return Ok(());
            }
            let twin = join_twin(link, now, task).await?;
            rows::end(link, &task.id, now, (State::Cancelled, error.as_deref(), Some(&twin))).await
        }
    }
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
            replica: None,
            gone: Vec::new(),
            pins: Vec::new(),
            news: Vec::new(),
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
}
