//! What was brought up to its upstream: what that had then, which versions it has no more, and what is pinned for it.
//!
//! Written at the end of a task, all at once ([`super::tasks::conclude`]). A roll says what upstream had, in its dialect's
//! own form: the next run compares with it, not with what is held, which a client may have had renewed meanwhile. A pin
//! says what every node is to hold; that a node does is written in its store.

use std::time::SystemTime;

use super::Overlay;
use super::db::replicas as rows;
use super::error::Error;
use crate::base::digest::Digest;

/// What a run has learnt of a package as a whole.
#[derive(Clone, Copy, Debug)]
pub struct NewReplica<'a> {
    /// Who was asked, without credentials.
    pub upstream: &'a str,
    pub roll: &'a [u8],
    /// Of the document that it was read from; `None`: upstream had none.
    pub digest: Option<Digest>,
}

/// A package that was brought up to its upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub package: String,
    pub upstream: String,
    pub roll: Vec<u8>,
    pub digest: Option<Digest>,
    pub synced_at: SystemTime,
}

/// The same in a list, without its roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub package: String,
    pub digest: Option<Digest>,
    pub synced_at: SystemTime,
}

/// What every node is to hold: a version of a package, or its document, which is the empty version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub package: String,
    pub version: String,
}

/// A version that upstream had once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub version: String,
    /// When that was noticed.
    pub at: SystemTime,
}

impl Overlay {
    /// Finds what upstream had of a package when it was synced last.
    ///
    /// # Errors
    /// The database's.
    pub async fn replica(&self, mount: &str, package: &str) -> Result<Option<Replica>, Error> {
        rows::find(self.db.link(), mount, package).await
    }

    /// Lists at most `limit` packages of a mount that were synced, after a name, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn replicas(&self, mount: &str, after: &str, limit: u64) -> Result<Vec<Synced>, Error> {
        rows::list(self.db.link(), mount, after, limit).await
    }

    /// Lists at most `limit` of what is pinned at a mount, after a package and one of its versions, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn pins(&self, mount: &str, after: (&str, &str), limit: u64) -> Result<Vec<Pin>, Error> {
        rows::pins(self.db.link(), mount, after, limit).await
    }

    /// Lists the versions of a package that upstream has no more.
    ///
    /// # Errors
    /// The database's.
    pub async fn tombstones(&self, mount: &str, package: &str) -> Result<Vec<Tombstone>, Error> {
        rows::tombstones(self.db.link(), mount, package).await
    }
}
