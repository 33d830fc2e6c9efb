//! What was published: packages, their releases and files, tags, owners and stars.
//!
//! One verb changes a package, [`Overlay::change_package`]: a list of edits that all happen, or none. A dialect turns a
//! request into edits and nothing else, so that its quirks stay its own: npm's whole documents, Hex's replacements,
//! niso's systems. What a version is called is a dialect's too, in one spelling each: it is compared as text.
//!
//! A package's revision counts up with every change, and is never used again: it makes the `_rev` of npm, it is what a
//! client that edits names, and it keys what is prepared of the package, together with a stamp: a database that was
//! restored comes to a revision again, and to another package.

mod audience;
mod decide;
mod event;
mod listing;
mod roster;
#[cfg(test)]
pub mod samples;

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::blobs::Blob;
use super::db::packages as rows;
use super::error::Error;
use super::teams::{Permission, TeamId};
use super::users::{UserId, UserName};

pub use self::audience::{Audience, Binding, Edition, Listed, Reach, SecondFactor};
pub use self::event::{Event, EventKind, News};
pub use self::listing::{Author, Census, Span, Summary};

pub(super) use self::decide::{Effect, State};
pub(super) use self::roster::Roster;

/// A package as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub mount: String,
    pub name: String,
    pub edition: Edition,
    /// Whether no more than its owners and the members of its namespace may see it.
    pub is_restricted: bool,
    pub second_factor: SecondFactor,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
    /// Removed ones too: in the order in which they were first published.
    pub releases: Vec<Release>,
    /// Tag to version.
    pub tags: BTreeMap<String, String>,
    pub owners: Vec<Owner>,
    /// The teams that it is bound to.
    pub bindings: Vec<Binding>,
    /// The names of users who like it.
    pub stars: Vec<UserName>,
}

/// One version of a package, for one system where a dialect tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    /// Which system; else empty.
    pub variant: String,
    /// As the dialect wrote it. Empty once it is removed.
    pub manifest: Vec<u8>,
    pub publisher: Option<UserId>,
    pub published_at: SystemTime,
    pub modified_at: SystemTime,
    pub removed_at: Option<SystemTime>,
    pub files: Vec<File>,
}

/// Where a release is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub mount: &'a str,
    pub package: &'a str,
    pub version: &'a str,
    pub variant: &'a str,
}

/// Published bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The dialect's own word: `archive`, `docs`, `attestations`.
    pub kind: String,
    pub blob: Blob,
}

/// Who may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub user: UserId,
    pub name: UserName,
    pub email: Option<String>,
    /// The dialect's own word: `full`, `maintainer`.
    pub level: String,
}

/// A change of a package, to be made as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub mount: &'a str,
    pub package: &'a str,
    /// The revision it must be at; `None` for whatever it is.
    pub expected: Option<u64>,
    /// Who must own it at that moment, unless it is new; `None` where others than owners may do this.
    pub by_owner: Option<UserId>,
    /// What the audit log calls it: `publish`, `deprecate`.
    pub verb: &'static str,
    /// One after the other.
    pub edits: &'a [Edit<'a>],
}

/// One thing that is to become of a package.
#[derive(Clone, Debug)]
pub enum Edit<'a> {
    /// Refuses a version that the dialect calls the same as another, of any system, that is or was there: as if it were that
    /// one.
    Unlike {
        version: &'a str,
        is_same: fn(&str, &str) -> bool,
    },
    Publish(NewRelease<'a>),
    /// Writes another manifest for a version that is there, which says why it is not to be used; or, without a reason, says
    /// that no longer.
    Deprecate {
        version: &'a str,
        variant: &'a str,
        manifest: &'a [u8],
        reason: Option<&'a str>,
    },
    /// Removes a version, of one system or of all. Tags that still point at it go too.
    Unpublish {
        version: &'a str,
        variant: Option<&'a str>,
    },
    UnpublishAll,
    Tag {
        tag: &'a str,
        version: &'a str,
        when: When,
    },
    Untag {
        tag: &'a str,
    },
    /// Makes an owner, or changes its level.
    Own {
        user: UserId,
        level: &'a str,
    },
    Disown {
        user: UserId,
    },
    Star {
        user: UserId,
    },
    Unstar {
        user: UserId,
    },
    /// Keeps something beside the manifest of a version, in the dialect's own form, for as long as the version is there.
    Document {
        version: &'a str,
        variant: &'a str,
        document: &'a [u8],
    },
    Restrict(bool),
    /// Binds it to a team, whose members alone see it then; or gives the team another permission.
    Bind {
        team: TeamId,
        permission: Permission,
    },
    Unbind {
        team: TeamId,
    },
    /// Says which writes to it need a second factor.
    Ask(SecondFactor),
}

/// A version to be published. Its bytes are kept already: [`Overlay::keep_blob`].
#[derive(Clone, Debug)]
pub struct NewRelease<'a> {
    pub version: &'a str,
    pub variant: &'a str,
    pub manifest: &'a [u8],
    pub publisher: Option<UserId>,
    pub files: Vec<File>,
    pub replaces: Replaces,
}

/// What a publish may take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// A version is for good, and a removed one is never used again.
    Nothing,
    /// Of a version that is there, other bytes; what was removed stays so.
    Living,
    /// Also of a version that was removed. Source: Hex, section 3.5.
    Anything,
}

/// When a tag is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// Only if there is no such tag: npm's `latest`.
    Absent,
}

/// What became of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub edition: Edition,
    /// The package was not there before.
    pub is_new: bool,
    /// Whether it was not all so already.
    pub has_changed: bool,
}

impl Overlay {
    /// Makes a change of a package, which is made if the change publishes something.
    ///
    /// # Errors
    /// Of the package: [`Error::Absent`], [`Error::Stale`], [`Error::NotOwner`]. Of an edit: [`Error::Published`],
    /// [`Error::Reserved`], [`Error::Absent`], [`Error::LastOwner`]. [`Error::Collected`]: keep the bytes again. Else the
    /// database's. Nothing was changed; after [`Error::Unavailable`], perhaps all.
    pub async fn change_package(&self, change: &Change<'_>, actor: &Actor) -> Result<Changed, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let state = match rows::load_state(write.link(), change.mount, change.package).await? {
            Some(state) => state,
            None if change.publishes() => State::default(),
            None => return Err(Error::absent("package", change.package)),
        };
        let (is_new, held) = (state.id.is_none(), Edition { revision: state.revision, stamp: state.stamp });
        let (effects, events) = decide::decide(state.clone(), change)?;
        if effects.is_empty() {
            return Ok(Changed { edition: held, is_new, has_changed: false });
        }
        let stamp = rows::apply(&write, change, &state, &effects).await?;
        rows::announce(&write, (change.mount, change.package), &events).await?;
        let subject = format!("{}/{}", change.mount, change.package);
        let detail = decide::tell(&events);
        write.commit(&Entry { actor, verb: change.verb, subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        let edition = Edition { revision: held.revision + 1, stamp };
        Ok(Changed { edition, is_new, has_changed: true })
    }

    /// Finds a package with all that belongs to it.
    ///
    /// # Errors
    /// The database's.
    pub async fn package(&self, mount: &str, name: &str) -> Result<Option<Package>, Error> {
        let snapshot = self.db.snapshot().await?;
        rows::find(snapshot.link(), mount, name).await
    }

    /// Finds a file of a release that was not removed.
    ///
    /// # Errors
    /// The database's.
    pub async fn file(&self, release: Place<'_>, kind: &str) -> Result<Option<File>, Error> {
        rows::find_file(self.db.link(), release, kind).await
    }

    /// Returns what is kept beside the manifest of a release.
    ///
    /// # Errors
    /// The database's.
    pub async fn document(&self, release: Place<'_>) -> Result<Option<Vec<u8>>, Error> {
        rows::find_document(self.db.link(), release).await
    }

    /// Returns what is held in memory of a package that was published here; `None` for a name that is not ours. Asks no
    /// database while nothing is published anywhere.
    ///
    /// # Errors
    /// The database's.
    pub async fn holds(&self, mount: &str, name: &str) -> Result<Option<Listed>, Error> {
        let heads = self.pulse.heads(&self.db).await?;
        if heads.changes == 0 {
            return Ok(None);
        }
        self.roster.find(&self.db, heads.changes, mount, name).await
    }

    /// Tells whether anything was ever published at a mount.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_packages(&self, mount: &str) -> Result<bool, Error> {
        let heads = self.pulse.heads(&self.db).await?;
        if heads.changes == 0 {
            return Ok(false);
        }
        self.roster.has_any(&self.db, heads.changes, mount).await
    }

    /// Lists at most `limit` names of a mount after a name, with their revisions, in order; of packages with a version left.
    ///
    /// # Errors
    /// The database's.
    pub async fn package_names(&self, mount: &str, after: &str, limit: u64) -> Result<Vec<(String, u64)>, Error> {
        rows::list(self.db.link(), mount, after, limit).await
    }

    /// Lists the names that a user owns at a mount, of packages with a version left.
    ///
    /// # Errors
    /// The database's.
    pub async fn owned_by(&self, mount: &str, user: UserId) -> Result<Vec<String>, Error> {
        rows::list_owned(self.db.link(), mount, user).await
    }

    /// Lists the names that a user likes at a mount.
    ///
    /// # Errors
    /// The database's.
    pub async fn starred_by(&self, mount: &str, user: UserId) -> Result<Vec<String>, Error> {
        rows::list_starred(self.db.link(), mount, user).await
    }

    /// Lists at most `limit` events of a mount after a number, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn events(&self, mount: &str, after: u64, limit: u64) -> Result<Vec<Event>, Error> {
        rows::events(self.db.link(), mount, after, limit).await
    }
}

// === impl Change ===

impl Change<'_> {
    fn publishes(&self) -> bool {
        self.edits.iter().any(|edit| matches!(edit, Edit::Publish(_)))
    }
}
