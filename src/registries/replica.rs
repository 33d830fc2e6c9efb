//! A mount as sync sees it: what brings a package up to its upstream, and tells what has changed there.
//!
//! A replica fetches by the same engine and the same proofs as a client's request, decides what is new, and says so in a
//! [`Report`]. It keeps nothing in the overlay: who runs it does, all of a report at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::failure::Error;
use super::gate::Visitor;
use crate::base::chain::Chain;
use crate::base::digest::Digest;
use crate::overlay::tasks::Wish;

pub use crate::overlay::packages::News;
pub use crate::overlay::tasks::Need;

/// The replicas of all mounts that have one, by the names of the mounts.
pub type Replicas = Arc<ArcSwap<HashMap<String, Arc<dyn Replica>>>>;

/// A mount as sync sees it.
#[async_trait]
pub trait Replica: Send + Sync {
    /// Brings what is held of a package up to what upstream has now. One version that fails does not fail the others.
    ///
    /// # Errors
    /// [`Failure`]: nothing is known that was not known before. What was fetched stays.
    async fn sync(&self, order: &Order, run: &Run<'_>) -> Result<Report, Failure>;

    /// Reads a name as this dialect spells it.
    ///
    /// # Errors
    /// It is none.
    fn spell(&self, text: &str) -> Result<String, Error>;

    /// Names the feeds that tell of changes at the upstreams: none, where no upstream has one.
    ///
    /// # Errors
    /// [`Failure`].
    async fn feeds(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// Asks a feed what has changed since a position; without one, where it stands now. Keeps nothing: who has read a
    /// page twice is told the same.
    ///
    /// # Errors
    /// [`Failure`].
    async fn poll(&self, _feed: &str, _position: Option<&Position>) -> Result<Poll, Failure> {
        Err(Failure::Refused("this mount has no feed".to_owned()))
    }

    /// Returns a page of the names that upstream lists: those after a name that it lists, or the first.
    ///
    /// # Errors
    /// [`Failure`].
    async fn names(&self, _after: Option<&str>) -> Result<Names, Failure> {
        Err(Failure::Refused("this mount has no list".to_owned()))
    }

    /// Lets a visitor know what is done about a package.
    ///
    /// # Errors
    /// [`Error`]: it may not read that package, or not know of it.
    async fn let_read(&self, _visitor: &Visitor, _package: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Prints the document that webhooks are shown of a mirrored package, for clients at `base`; `None` where none is held.
    ///
    /// # Errors
    /// [`Error`].
    async fn payload(&self, _package: &str, _base: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

/// What is to be brought up to upstream.
#[derive(Clone, Debug)]
pub struct Order {
    /// As [`Replica::spell`] spells it.
    pub package: String,
    pub wish: Wish,
    /// The roll of the last report.
    pub known: Option<Vec<u8>>,
    /// Nobody tries again: what upstream does not give now has failed.
    pub is_last: bool,
}

/// What a run is given.
pub struct Run<'a> {
    pub journal: &'a dyn Journal,
    /// Held while an artifact is fetched: all runs of this node share them.
    pub turns: &'a Semaphore,
}

/// Where a run tells what it does. No text holds a credential.
pub trait Journal: Send + Sync {
    fn line(&self, mark: Mark, text: &str);

    /// Counts bytes that came from upstream.
    fn received(&self, bytes: u64);
}

/// What a line of the log is about. Source: contract npm §12.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Start,
    Done,
    Stored,
    Failed,
    Skipped,
    Mended,
    Tip,
    Fact,
    Dependency,
    Log,
    Source,
    Caches,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Those that were wanted, in upstream's order.
    pub versions: Vec<(String, Outcome)>,
    /// What upstream had, for [`Order::known`] of the next run; nobody else reads it.
    pub roll: Vec<u8>,
    /// Of the document that all of this was read from; `None`: upstream has none any more.
    pub digest: Option<Digest>,
    /// Who was asked, without credentials.
    pub upstream: String,
    /// Versions that upstream has no longer.
    pub gone: Vec<String>,
    pub changes: Vec<News>,
    /// What the versions that are held need of others, each once.
    pub needs: Vec<Need>,
    /// Versions that are pinned now; the empty one is the document.
    pub pins: Vec<String>,
    /// What failed last, of a run that went on.
    pub last_error: Option<String>,
}

/// What became of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was here before.
    Held,
    Fetched,
    Skipped(String),
    Failed(String),
}

/// Why a run came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It would fail again: what is asked for is blocked, ours, unknown, or does not prove to be right.
    #[error("{0}")]
    Refused(String),
    /// It may do better another time.
    #[error("{error}")]
    Again {
        error: String,
        /// When upstream wants to be asked again.
        after: Option<Duration>,
    },
}

/// How far a feed was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// In the feed's own words.
    pub cursor: String,
    /// Of a list, what it said then; nobody else reads it.
    pub memory: Option<Vec<u8>>,
}

/// What a feed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The oldest first; a package once.
    pub changes: Vec<Change>,
    /// Where to go on.
    pub position: Position,
    /// Whether that was all there is now.
    pub is_at_head: bool,
    /// How old the newest is that was read, where the feed says so.
    pub lag: Option<Duration>,
}

/// A package that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub package: String,
    /// Versions that it must have now.
    pub expects: BTreeSet<String>,
}

/// A page of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub names: Vec<String>,
    /// The name to go on after; `None`: these were the last.
    pub next: Option<String>,
}

// === impl Failure ===

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let text = tell(error);
        match error {
            Error::BadRequest(_)
            | Error::Unauthorized(_)
            | Error::Challenge(_)
            | Error::Forbidden(_)
            | Error::NotFound { .. }
            | Error::MethodNotAllowed { .. }
            | Error::NotAcceptable(_)
            | Error::Gone { .. }
            | Error::Blocked { .. }
            | Error::Barred { .. }
            | Error::NothingLeft { .. }
            | Error::Conflict(_)
            | Error::Unprocessable(_)
            | Error::TooLarge
            | Error::NotImplemented(_)
            | Error::Loop
            | Error::Unproven { .. } => Self::Refused(text),
            Error::Unreachable { retry_after, .. } => Self::Again { error: text, after: *retry_after },
            Error::TooManyAttempts { seconds } => {
                Self::Again { error: text, after: Some(Duration::from_secs(*seconds)) }
            }
            Error::TooMany
            | Error::Unavailable(_)
            | Error::BadGateway { .. }
            | Error::TimedOut { .. }
            | Error::NotHeld { .. }
            | Error::Internal(_) => Self::Again { error: text, after: None },
        }
    }
}

/// Tells what went wrong, to whoever reads the log of a task: upstream's own words, and of our own faults no more than that
/// it was one.
pub fn tell(error: &Error) -> String {
    if error.is_ours() {
        tracing::error!(error = %Chain(error), "a sync failed by a fault of ours");
        return error.to_string();
    }
    Chain(error).to_string()
}

/// Fits what an upstream says into one line of a log.
pub fn plain(text: &str, longest: usize) -> String {
    let mut plain: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if plain.len() > longest {
        plain.truncate(plain.floor_char_boundary(longest));
        plain.push('…');
    }
    plain
}

// === impl Mark ===

impl Mark {
    /// Returns the sign that it stands in a log as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "🚧",
            Self::Done => "🟢",
            Self::Stored => "🎉",
            Self::Failed => "❌",
            Self::Skipped => "⚠️",
            Self::Mended => "🐛",
            Self::Tip => "👉",
            Self::Fact => "📖",
            Self::Dependency => "📦",
            Self::Log => "📝",
            Self::Source => "🔗",
            Self::Caches => "🗑️",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::failure::every;

    #[test]
    fn what_upstream_may_do_better_is_tried_again() {
        let again = every().into_iter().filter(|error| matches!(Failure::from(error), Failure::Again { .. }));
        let again: Vec<u16> = again.map(|error| error.status().as_u16()).collect();
        assert!(again.iter().all(|status| *status == 429 || *status >= 500), "{again:?}");
        let wait = Duration::from_secs(7);
        let error = Error::Unreachable { what: "x".to_owned(), retry_after: Some(wait), cause: None };
        let expected = "upstream cannot be reached and x is not held".to_owned();
        assert_eq!(Failure::from(&error), Failure::Again { error: expected, after: Some(wait) });
        assert_eq!(Failure::from(&Error::not_found("x")), Failure::Refused("x not found".to_owned()));
    }

    #[test]
    fn what_upstream_says_makes_one_line() {
        assert_eq!(plain("a\r\n[x] 🟢 b\0", 100), "a  [x] 🟢 b ");
        assert_eq!(plain("äöü", 3), "ä…");
    }
}
