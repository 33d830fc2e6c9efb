//! How far the feeds of upstreams were read. A feed is read by one node at a time, by a lease; its cursor moves in one
//! transaction with the tasks that come of what was read: where a node dies in between, the same is read again, and what
//! that asks for joins what waits.

use std::time::{Duration, SystemTime};

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::feeds as rows;
use super::error::Error;
use super::tasks::{Enqueued, NewTask, put};

/// The longest pause after failures, unless upstream asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The longest pause that an upstream is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A feed, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub mount: String,
    pub name: String,
    /// In its own words; `None`: it was not asked yet.
    pub cursor: Option<String>,
    /// Of a list, what it said then.
    pub memory: Option<Vec<u8>>,
    /// How often its cursor was set.
    pub moves: u64,
    /// When it is to be asked again.
    pub due_at: SystemTime,
    /// When it was asked last, and has answered.
    pub read_at: Option<SystemTime>,
    /// When it was read to its end.
    pub caught_up_at: Option<SystemTime>,
    /// How old the last of what was read was then, where it says so.
    pub behind: Option<Duration>,
    /// How often it has failed since.
    pub failures: u64,
    pub error: Option<String>,
}

/// The fence of a feed: what a holder writes holds only while this is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHold {
    pub mount: String,
    pub name: String,
    pub node: String,
    pub moves: u64,
}

/// How far a feed was read.
pub struct Step<'a> {
    pub cursor: &'a str,
    pub memory: Option<&'a [u8]>,
    /// Whether that was all there is now.
    pub is_at_head: bool,
    /// How old the last of it is, where the feed says so.
    pub behind: Option<Duration>,
    /// For how long it is left alone.
    pub pause: Duration,
    /// What comes of it.
    pub tasks: Vec<NewTask<'a>>,
}

impl Overlay {
    /// Takes a feed that is due, or renews the hold on it; `None`: it is not due, or another node has it. One that was
    /// never heard of is due at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn lease_feed(
        &self,
        (mount, name): (&str, &str),
        node: &str,
        lease: Duration,
    ) -> Result<Option<(Feed, FeedHold)>, Error> {
        let now = self.clock.now();
        if !rows::may_be_leased(self.db.link(), (mount, name), node, now).await? {
            return Ok(None);
        }
        let feed = rows::lease(&self.db, (mount, name), node, (now, now + lease)).await?;
        Ok(feed.map(|feed| {
            let (mount, name) = (feed.mount.clone(), feed.name.clone());
            let hold = FeedHold { mount, name, node: node.to_owned(), moves: feed.moves };
            (feed, hold)
        }))
    }

    /// Notes how far a feed was read, and makes the tasks that come of it. `None`: it is not held any more, or somebody has
    /// set its cursor; nothing was written.
    ///
    /// # Errors
    /// The database's. Nothing was written.
    pub async fn move_feed(&self, hold: &FeedHold, step: Step<'_>) -> Result<Option<Vec<Enqueued>>, Error> {
        let now = self.clock.now();
        let note = self.db.note().await?;
        if !rows::advance(note.link(), hold, &step, now).await? {
            return Ok(None);
        }
        let made = put(note.link(), now, step.tasks, &format!("feed {}", hold.name)).await?;
        note.commit().await?;
        self.backlog.note_made(&made);
        Ok(Some(made))
    }

    /// Notes that a feed has failed: it is left alone for `pause` after the first time, twice as long after each further
    /// one, and for as long as upstream asks for.
    ///
    /// # Errors
    /// The database's.
    pub async fn fail_feed(
        &self,
        hold: &FeedHold,
        error: &str,
        (pause, after): (Duration, Option<Duration>),
    ) -> Result<(), Error> {
        let failures = self.feed(&hold.mount, &hold.name).await?.map_or(0, |feed| feed.failures);
        let pause = backed_off(failures, pause).mul_f64(rand::random_range(0.8..1.2));
        let pause = pause.max(after.unwrap_or_default().min(LONGEST_WAIT));
        rows::fail(&self.db, hold, error, self.clock.now() + pause).await
    }

    /// Has a feed asked at once; with a cursor, from there on.
    ///
    /// # Errors
    /// The database's. Nothing was changed.
    pub async fn set_feed(
        &self,
        (mount, name): (&str, &str),
        cursor: Option<&str>,
        actor: &Actor,
    ) -> Result<Feed, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let feed = rows::set(write.link(), (mount, name), cursor, write.now).await?;
        let detail = cursor.map_or(String::new(), |cursor| format!("from {cursor}"));
        let subject = format!("feed {mount}/{name}");
        write.commit(&Entry { actor, verb: "read feed", subject, detail }).await?;
        Ok(feed)
    }

    /// Finds a feed that was asked for.
    ///
    /// # Errors
    /// The database's.
    pub async fn feed(&self, mount: &str, name: &str) -> Result<Option<Feed>, Error> {
        rows::find(self.db.link(), mount, name).await
    }

    /// Lists all feeds that were ever asked for, without their memories.
    ///
    /// # Errors
    /// The database's.
    pub async fn feeds(&self) -> Result<Vec<Feed>, Error> {
        rows::list(self.db.link()).await
    }

    /// Returns by mount when the oldest task was made that comes of a feed and is not over.
    ///
    /// # Errors
    /// The database's.
    pub async fn oldest_followed(&self) -> Result<Vec<(String, SystemTime)>, Error> {
        rows::oldest_followed(self.db.link()).await
    }
}

/// Returns how long a feed is left alone that has failed so often before.
fn backed_off(failures: u64, pause: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(u32::try_from(failures).unwrap_or(u32::MAX));
    pause.saturating_mul(factor).min(LONGEST_PAUSE.max(pause))
}

// === impl Feed ===

impl Feed {
    /// Returns how far a mount may be behind its upstream: since nobody knows better, or since the oldest task of its feeds
    /// was made that is not over. `None`: the feed was never read to its end, and does not say how old things are.
    pub fn lag(&self, oldest: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
        let since = |at: SystemTime| now.duration_since(at).unwrap_or_default();
        let caught_up = self.caught_up_at.map(since);
        let read = self.read_at.zip(self.behind).map(|(read_at, behind)| since(read_at) + behind);
        let known = caught_up.into_iter().chain(read).min()?;
        Some(known.max(oldest.map_or(Duration::ZERO, since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    #[test]
    fn a_feed_that_fails_is_asked_less_often() {
        let seconds = |failures| backed_off(failures, Duration::from_secs(60)).as_secs();
        assert_eq!([seconds(0), seconds(1), seconds(3), seconds(4), seconds(99)], [60, 120, 480, 600, 600]);
        assert_eq!(backed_off(9, Duration::from_secs(3600)).as_secs(), 3600, "no more often than without failures");
    }

    #[test]
    fn lag_is_what_may_have_been_missed() {
        let at = |seconds: u64| Some(from_millis(seconds * 1000));
        let feed = |read_at, caught_up_at, behind: Option<u64>| Feed {
            mount: "npm".to_owned(),
            name: String::new(),
            cursor: None,
            memory: None,
            moves: 0,
            due_at: from_millis(0),
            read_at,
            caught_up_at,
            behind: behind.map(Duration::from_secs),
            failures: 0,
            error: None,
        };
        let now = from_millis(1_000_000);
        for (feed, oldest, lag) in [
            (feed(None, None, None), None, None),
            (feed(at(990), None, None), at(5), None),
            (feed(at(990), at(990), None), None, Some(10)),
            (feed(at(990), at(990), None), at(900), Some(100)),
            (feed(at(990), at(400), Some(50)), None, Some(60)),
            (feed(at(990), at(400), Some(5000)), None, Some(600)),
            (feed(at(990), None, Some(50)), at(2000), Some(60)),
        ] {
            assert_eq!(feed.lag(oldest, now).map(|lag| lag.as_secs()), lag, "{feed:?}");
        }
    }
}
