//! Follows the feeds of upstreams: what has changed there is brought up to them here, as far as a mount wants it.
//!
//! Of all nodes, one reads a feed, by a lease. How far it was read moves in one transaction with the tasks that come of it:
//! where a node dies in between, the next reads the same again, and what that asks for joins what waits. Contract npm §12.5.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{InStep, Mode};
use crate::mirror::store::{self, Store};
use crate::overlay::feeds::{Feed, FeedHold, Step};
use crate::overlay::rights::matches;
use crate::overlay::tasks::{Cause, Kind, NewTask, Patience, Rank, Wish};
use crate::overlay::{self, Overlay};
use crate::registries::replica::{Change, Failure, Poll, Position, Replica, Replicas};

/// What follows its upstream, by the names of the mounts: as the configuration has it now.
pub type InSteps = Arc<ArcSwap<HashMap<String, InStep>>>;

/// How long a node has a feed after each time that it asked it, and how long one answer may take: less than that.
const LEASE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(50);

/// How often it is looked whether a feed is due, and how long one is left alone that had more.
const LOOK: Duration = Duration::from_secs(1);
const MORE: Duration = Duration::from_millis(500);

/// How many names are asked for at once.
const PAGE: u64 = 1000;

/// Follows feeds. One a process.
pub struct Follower {
    pub overlay: Arc<Overlay>,
    pub store: Store,
    pub replicas: Replicas,
    pub in_steps: InSteps,
    /// A name that no other process has.
    pub node: String,
    pub patience: Patience,
    /// How long a feed is left alone that had nothing new.
    pub poll: Duration,
}

/// A feed of a mount.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    mount: String,
    feed: String,
}

/// Why it is not known what is here, or how far a feed was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the overlay cannot be asked")]
    Overlay(#[from] overlay::Error),
    #[error("the store cannot be asked")]
    Store(#[from] store::Error),
}

// === impl Follower ===

impl Follower {
    /// Goes on for ever.
    pub async fn run(self: Arc<Self>) {
        let (mut reading, mut under_way) = (JoinSet::new(), HashMap::new());
        loop {
            for name in self.feeds().await {
                if !under_way.values().any(|busy| *busy == name) {
                    let (follower, own) = (Arc::clone(&self), name.clone());
                    let task = reading.spawn(async move { follower.read(&own).await });
                    under_way.insert(task.id(), name);
                }
            }
            tokio::time::sleep(LOOK).await;
            while let Some(ended) = reading.try_join_next_with_id() {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                under_way.remove(&id);
            }
        }
    }

    /// Lists the feeds of all mounts that follow any.
    async fn feeds(&self) -> Vec<Name> {
        let mut names = Vec::new();
        for (mount, replica) in self.following() {
            match replica.feeds().await {
                Ok(feeds) => names.extend(feeds.into_iter().map(|feed| Name { mount: mount.clone(), feed })),
                Err(error) => tracing::warn!(mount, %error, "it is not known where upstream tells of changes"),
            }
        }
        names
    }

    fn following(&self) -> Vec<(String, Arc<dyn Replica>)> {
        let (in_steps, replicas) = (self.in_steps.load(), self.replicas.load());
        let follows = |mount: &String| in_steps.get(mount).is_some_and(|in_step| in_step.mode != Mode::Demand);
        let following = replicas.iter().filter(|(mount, _)| follows(mount));
        following.map(|(mount, replica)| (mount.clone(), Arc::clone(replica))).collect()
    }

    /// Asks a feed once, if it is due and nobody else reads it.
    async fn read(&self, name: &Name) {
        if let Err(error) = self.try_to_read(name).await {
            let (mount, feed, error) = (&name.mount, &name.feed, &error as &dyn std::error::Error);
            tracing::warn!(mount, feed, error, "a feed is read later");
        }
    }

    async fn try_to_read(&self, name: &Name) -> Result<(), Error> {
        let Some(replica) = self.replicas.load().get(&name.mount).cloned() else { return Ok(()) };
        let whose = (name.mount.as_str(), name.feed.as_str());
        let Some((feed, hold)) = self.overlay.lease_feed(whose, &self.node, LEASE).await? else { return Ok(()) };
        if self.overlay.room_for_tasks(&self.patience).await? == 0 {
            let full = "too many tasks wait";
            return Ok(self.overlay.fail_feed(&hold, full, (self.poll, None)).await?);
        }
        let position = position(&feed);
        let polled = timeout(ANSWER, replica.poll(&name.feed, position.as_ref())).await;
        match polled.unwrap_or_else(|_| Err(Failure::Again { error: "it does not answer".to_owned(), after: None })) {
            Ok(poll) => self.go_on(name, &feed, &hold, poll).await,
            Err(Failure::Refused(error)) => Ok(self.overlay.fail_feed(&hold, &error, (self.poll, None)).await?),
            Err(Failure::Again { error, after }) => {
                tracing::info!(mount = name.mount, feed = name.feed, error, "a feed does not answer");
                Ok(self.overlay.fail_feed(&hold, &error, (self.poll, after)).await?)
            }
        }
    }

    /// Makes tasks of what has changed, and notes how far that was read.
    async fn go_on(&self, name: &Name, feed: &Feed, hold: &FeedHold, poll: Poll) -> Result<(), Error> {
        let in_step = self.in_steps.load().get(&name.mount).cloned().unwrap_or_default();
        // Where a feed is begun with, nothing has changed: what there is then is another's to fetch.
        let changes = if feed.cursor.is_none() && in_step.mode != Mode::All { Vec::new() } else { poll.changes };
        let wanted = self.choose(&name.mount, &in_step, changes).await?;
        let tasks = wanted.iter().map(|change| NewTask {
            mount: &name.mount,
            kind: Kind::Package,
            subject: &change.package,
            wish: wish(in_step.mode, change),
            cause: Cause::Feed,
            rank: Rank::Followed,
            parent: None,
        });
        let step = Step {
            cursor: &poll.position.cursor,
            memory: poll.position.memory.as_deref(),
            is_at_head: poll.is_at_head,
            behind: poll.lag,
            pause: if poll.is_at_head { self.poll } else { MORE },
            tasks: tasks.collect(),
        };
        let made = self.overlay.move_feed(hold, step).await?;
        let (mount, feed, tasks) = (&name.mount, &name.feed, made.map_or(0, |made| made.len()));
        tracing::debug!(mount, feed, tasks, "a feed was read on");
        Ok(())
    }

    /// Keeps what a mount wants to be in step with.
    async fn choose(&self, mount: &str, in_step: &InStep, changes: Vec<Change>) -> Result<Vec<Change>, Error> {
        let keep =
            |keep: &dyn Fn(&str) -> bool| changes.iter().filter(|change| keep(&change.package)).cloned().collect();
        Ok(match in_step.mode {
            Mode::Demand => Vec::new(),
            Mode::All => changes,
            Mode::Listed => keep(&|name| in_step.names.iter().any(|pattern| matches(pattern, name))),
            Mode::Known if changes.is_empty() => Vec::new(),
            Mode::Known => {
                let known = known(&self.overlay, &self.store, mount).await?;
                keep(&|name| known.contains(name))
            }
        })
    }
}

/// Returns what a change asks for. Whoever wants all of something wants every version of it; of the rest, what is new.
fn wish(mode: Mode, change: &Change) -> Wish {
    let all = matches!(mode, Mode::All | Mode::Listed);
    Wish { all, added: !all, expects: change.expects.clone(), skip_dependencies: true, ..Wish::default() }
}

fn position(feed: &Feed) -> Option<Position> {
    Some(Position { cursor: feed.cursor.clone()?, memory: feed.memory.clone() })
}

/// Lists the packages of a mount that were synced, on whichever node, or of which something is kept here.
pub async fn known(overlay: &Overlay, store: &Store, mount: &str) -> Result<BTreeSet<String>, Error> {
    let mut known = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = overlay.replicas(mount, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.package);
        known.extend(page.into_iter().map(|synced| synced.package));
    }
    after.clear();
    loop {
        let page = store.packages(mount, &after, PAGE as usize).await?;
        let Some(last) = page.last() else { return Ok(known) };
        after.clone_from(last);
        known.extend(page);
    }
}
