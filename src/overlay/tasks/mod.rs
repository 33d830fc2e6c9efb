//! What is to be brought up to its upstream: tasks that wait in a queue, and how each of them went.
//!
//! A task names a package of a mount (or a directory of a binary mirror, or what is to be repaired) and what of it is
//! wanted. Whoever asks for the same while it waits joins it ([`wish`] says how two wishes become one). A node claims it
//! ([`claim`]), writes its log while it runs ([`journal`]), and ends it ([`conclude`]); of one subject no two tasks run at
//! once. This part says what is due and what comes of it; who runs tasks is another's business.
//!
//! ```text
//! waiting → processing → success, partial, error, cancelled
//!    ↑          │
//!    └──────────┴ put back, and due later; taken over from a node that went away; tried often enough: error, timed out
//! ```
//!
//! # Who may write what of a task
//!
//! Whoever holds it renews its lease. What a holder writes names the task, itself and the count of tries: once the lease
//! was over and somebody else has taken over, it writes nothing more, and is told so.
//!
//! Claims, renewals, lines and ends are notes, not writes: they wait for no publish, and hold none up. That somebody asked
//! is a write, with its line in the audit log.
//!
//! # Which rows wait for which
//!
//! Who locks several rows takes those that are held by nodes first, in the order of their ids, then those that wait, in
//! the order of their subjects: no two wait for each other. Claims wait for nobody: they pass over what is locked.

pub mod claim;
pub mod conclude;
pub mod family;
pub mod follow;
pub mod journal;
mod queue;
mod steer;
mod strangers;
pub mod wish;

use std::time::{Duration, SystemTime};

pub use self::claim::{Held, Renewal};
pub use self::conclude::{Conclusion, End};
pub use self::family::Member;
pub use self::follow::{Followed, Need};
pub use self::journal::Log;
pub use self::queue::{Enqueued, NewTask, Queue};
pub use self::wish::Wish;

pub(super) use self::queue::{Backlog, Order, put};
use crate::config;

/// How long a node holds a task after each renewal, which it sends three times as often.
const LEASE: Duration = Duration::from_secs(15);

/// Names a task: 24 hexadecimal digits, of which the first half tells the time at which it was made, and nobody can guess
/// the other.
pub type TaskId = String;

/// What is brought up to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Package,
    /// A directory of a binary mirror.
    Binary,
    /// Whatever a mount is to have, compared with what it has.
    Repair,
    /// All names that an upstream lists.
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Processing,
    Success,
    /// Done, but for some versions.
    Partial,
    Error,
    /// Whoever tried it went away, each time.
    TimedOut,
    Cancelled,
}

/// Why there is a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Asked,
    Dependency,
    Feed,
    Schedule,
    Repair,
}

/// Which tasks are claimed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Somebody waits for it.
    Asked,
    /// It follows from that, or from a feed.
    Followed,
    /// It can wait for all others.
    Planned,
}

/// A task, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub id: TaskId,
    pub mount: String,
    pub kind: Kind,
    pub subject: String,
    pub wish: Wish,
    /// The task that led to it by dependencies; itself where none did.
    pub root: TaskId,
    /// How many dependencies lie between them.
    pub depth: u64,
    pub cause: Cause,
    /// Who asked for it, or for its root: the name of a user, or of a part of ours.
    pub asked_by: String,
    pub rank: Rank,
    pub state: State,
    /// How often it was tried, with the try that is under way.
    pub tries: u64,
    pub made_at: SystemTime,
    /// Of one that waits: not before that.
    pub due_at: SystemTime,
    /// When the last try began.
    pub begun_at: Option<SystemTime>,
    pub ended_at: Option<SystemTime>,
    /// Whether its holder is to drop it.
    pub is_cancelled: bool,
    /// Lines of its log.
    pub lines: u64,
    /// Bytes that came from upstream.
    pub received: u64,
    /// Why it failed, or why it was put back; of one that is done, what went wrong last.
    pub error: Option<String>,
    /// The task as which it goes on.
    pub successor: Option<TaskId>,
}

/// What became of a version that is not as it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskResult {
    pub version: String,
    /// `skipped` or `failed`, or what else a dialect tells.
    pub outcome: String,
    pub detail: Option<String>,
}

/// How much is tried and waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often a task is tried.
    pub attempts: u64,
    /// How long is waited after the first failure; four times as long after each further one.
    pub pause: Duration,
    /// How long a node holds a task after each renewal.
    pub lease: Duration,
    /// How many tasks may wait.
    pub max_waiting: u64,
}

/// Which tasks are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskFilter<'a> {
    pub mount: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub state: Option<State>,
    /// Those that a task has led to, and itself.
    pub root: Option<&'a str>,
    /// Those that were made before this one.
    pub before: Option<&'a str>,
}

// === impl Patience ===

impl Patience {
    /// Returns what the configuration wants.
    pub fn of(config: &config::Sync) -> Self {
        Self {
            attempts: u64::from(config.attempts),
            pause: config.pause,
            lease: LEASE,
            max_waiting: u64::from(config.max_waiting),
        }
    }
}

// === impl Task ===

impl Task {
    /// Returns what a holder names in all that it writes.
    pub fn held_by(&self, node: &str) -> Held {
        Held { id: self.id.clone(), node: node.to_owned(), tries: self.tries }
    }
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 4] = [Self::Package, Self::Binary, Self::Repair, Self::List];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Binary => "binary",
            Self::Repair => "repair",
            Self::List => "list",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

// === impl State ===

impl State {
    const ALL: [Self; 7] =
        [Self::Waiting, Self::Processing, Self::Success, Self::Partial, Self::Error, Self::TimedOut, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Processing => "processing",
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Error => "error",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Tells whether nothing more comes of the task.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Processing)
    }
}

// === impl Cause ===

impl Cause {
    const ALL: [Self; 5] = [Self::Asked, Self::Dependency, Self::Feed, Self::Schedule, Self::Repair];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Dependency => "dependency",
            Self::Feed => "feed",
            Self::Schedule => "schedule",
            Self::Repair => "repair",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

// === impl Rank ===

impl Rank {
    pub(super) const ALL: [Self; 3] = [Self::Asked, Self::Followed, Self::Planned];

    pub(super) fn number(self) -> u64 {
        self as u64
    }

    pub(super) fn parse(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.number() == number)
    }
}
