//! Many packages at once: for lists and searches, which show of each no more than one of its versions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::{Event, EventKind, News};
use crate::overlay::Overlay;
use crate::overlay::audit::{Actor, Entry};
use crate::overlay::db::{listing as rows, packages};
use crate::overlay::error::Error;
use crate::overlay::users::{UserId, UserName};

/// How often other nodes are asked for while a change is waited for: half of the second within which all must know.
const LOOK: Duration = Duration::from_millis(500);

/// A package as one of its tags shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub name: String,
    pub modified_at: SystemTime,
    /// What the tag points at, and its manifest as the dialect wrote it.
    pub version: String,
    pub manifest: Vec<u8>,
    pub published_at: SystemTime,
    pub publisher: Option<Author>,
    pub tags: BTreeMap<String, String>,
    pub owners: Vec<Author>,
    /// Whether searches find it.
    pub is_listed: bool,
    /// Whether not everybody sees it.
    pub is_closed: bool,
}

/// A user as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: UserName,
    pub email: Option<String>,
}

/// Which packages are listed.
#[derive(Clone, Copy, Debug)]
pub enum Span<'a> {
    One(&'a str),
    /// Some by their names, in order; of what there is.
    Those(&'a [&'a str]),
    /// Those after a name, in order.
    After {
        name: &'a str,
        limit: u64,
    },
    /// Of those, what has changed since.
    Changed {
        since: SystemTime,
        after: &'a str,
        limit: u64,
    },
}

/// How much there is at a mount that everybody sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// With a version that is there.
    pub packages: u64,
    /// Without any left.
    pub emptied: u64,
    pub versions: u64,
    /// The name of the package that was made last.
    pub last_package: Option<String>,
    /// The name and version of what was published last.
    pub last_release: Option<(String, String)>,
    /// The number of the mount's last change.
    pub head: u64,
}

impl Overlay {
    /// Lists packages of a mount that have a tag, in the order of their names.
    ///
    /// # Errors
    /// The database's.
    pub async fn summaries(&self, mount: &str, tag: &str, span: Span<'_>) -> Result<Vec<Summary>, Error> {
        rows::summaries(&self.db, mount, tag, &span).await
    }

    /// Finds the owners of packages of a mount, by the packages' names.
    ///
    /// # Errors
    /// The database's.
    pub async fn owners(&self, mount: &str, names: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<UserName>>, Error> {
        let mut owners = BTreeMap::<String, Vec<UserName>>::new();
        for (package, owner) in rows::owners(self.db.link(), mount, names).await? {
            owners.entry(package).or_default().push(owner);
        }
        Ok(owners)
    }

    /// Finds the names of users by their identifiers.
    ///
    /// # Errors
    /// The database's.
    pub async fn user_names(&self, users: &BTreeSet<UserId>) -> Result<BTreeMap<UserId, UserName>, Error> {
        rows::user_names(self.db.link(), users).await
    }

    /// Has searches find a package, or no longer. The feed tells of it either way, so that all nodes look at it anew.
    ///
    /// # Errors
    /// [`Error::Absent`], or the database's. Nothing was changed.
    pub async fn set_listed(&self, mount: &str, package: &str, is_listed: bool, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        if packages::load_state(write.link(), mount, package).await?.is_none() {
            return Err(Error::absent("package", package));
        }
        rows::set_listed(write.link(), mount, package, is_listed).await?;
        let verb = if is_listed { "list" } else { "leave out of searches" };
        packages::announce(&write, (mount, package), &[News::of(EventKind::PackageChanged)]).await?;
        let subject = format!("{mount}/{package}");
        write.commit(&Entry { actor, verb, subject, detail: String::new() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Counts what there is at a mount that everybody sees. Reads all of its names.
    ///
    /// # Errors
    /// The database's.
    pub async fn census(&self, mount: &str) -> Result<Census, Error> {
        rows::census(&self.db, mount).await
    }

    /// Lists at most `limit` names and versions of a mount that were published at or after `from` and before `to`, after
    /// one of them, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn published(
        &self,
        mount: &str,
        within: (SystemTime, SystemTime),
        after: (&str, &str),
        limit: u64,
    ) -> Result<Vec<(String, String, SystemTime)>, Error> {
        rows::published(self.db.link(), mount, within, after, limit).await
    }

    /// Lists at most `limit` events of a mount from a time on, after a number, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn events_since(
        &self,
        mount: &str,
        since: SystemTime,
        after: u64,
        limit: u64,
    ) -> Result<Vec<Event>, Error> {
        rows::events_since(self.db.link(), mount, since, after, limit).await
    }

    /// Waits until the feed has gone beyond a number, on whatever node, or until a time; tells whether it has.
    ///
    /// # Errors
    /// The database's.
    pub async fn wait_for_changes(&self, beyond: u64, until: Instant) -> Result<bool, Error> {
        let mut told = self.pulse.listen();
        loop {
            if self.heads().await?.changes > beyond {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // What this node writes is told at once; what others do is asked for.
            tokio::select! {
                _ = told.changed() => {}
                () = tokio::time::sleep(left.min(LOOK)) => {}
            }
        }
    }
}
