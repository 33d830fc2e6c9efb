//! What every release was when it was first proved: held here, deleting the cache forgets none of it, and all nodes hold
//! an upstream to the same.
//!
//! A release is named as by the mirror, `npm/left-pad@1.0.0`: the namespace of its upstreams, the package, the version. The
//! namespace is the mount; of an upstream that was named at run time, `npm:0a1b2c3d-7`, the mount and that upstream.
//! Its prefixes name all of a package. These are observations, many a second while a cache is cold, so they leave no line
//! in the audit log; that an operator accepts other bytes does.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Database, firsts as rows};
use super::error::Error;
use crate::base::digest::Digest;

/// What is remembered of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    pub release: String,
    pub digest: Digest,
    /// What vouched for it, in its dialect's own words.
    pub testimony: Option<String>,
    /// The hashes that its document names now, where those are of other bytes.
    pub rival: Option<String>,
    pub seen_at: SystemTime,
}

/// A release that an operator accepts other bytes of, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub release: String,
    pub digest: Digest,
}

/// How bytes compare with those that were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are the first, or the same as the first.
    Held,
    /// The first were others. They stay the first.
    Other(Digest),
}

/// Writes first digests of many fills together: each commit is a wait for the disk.
#[derive(Default)]
pub(super) struct Recorder {
    /// Held for a few instructions only, also by whoever has the turn.
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever writes.
    turn: tokio::sync::Mutex<()>,
}

/// What is to be written, and who waits for it.
struct Waiting {
    first: First,
    answer: oneshot::Sender<Result<Digest, Error>>,
}

impl Overlay {
    /// Finds what a release was when it was first proved.
    ///
    /// # Errors
    /// The database's.
    pub async fn first_seen(&self, release: &str) -> Result<Option<First>, Error> {
        rows::find(self.db.link(), release).await
    }

    /// Lists the releases whose names start with `prefix`, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn firsts(&self, prefix: &str) -> Result<Vec<First>, Error> {
        rows::list(self.db.link(), prefix).await
    }

    /// Remembers a digest as the first of its release, or holds it against the first. What vouches for the first is
    /// remembered as it was said last. What is known already costs one question and no write; what is not is written
    /// together with what others have to write meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold_first(&self, release: &str, digest: Digest, testimony: Option<&str>) -> Result<Verdict, Error> {
        match self.first_seen(release).await? {
            Some(first) if first.digest != digest => return Ok(Verdict::Other(first.digest)),
            Some(first) if testimony.is_none() || first.testimony.as_deref() == testimony => return Ok(Verdict::Held),
            _ => {}
        }
        let first = First {
            release: release.to_owned(),
            digest,
            testimony: testimony.map(str::to_owned),
            rival: None,
            seen_at: self.clock.now(),
        };
        // Another node may have been first.
        let held = self.recorder.record(&self.db, first).await?;
        Ok(if held == digest { Verdict::Held } else { Verdict::Other(held) })
    }

    /// Takes over what another index remembers, and returns how much of it was not known here. What is known stays.
    ///
    /// # Errors
    /// The database's: nothing was taken over.
    pub async fn take_firsts(&self, firsts: &[First]) -> Result<u64, Error> {
        rows::take(&self.db, firsts).await
    }

    /// Writes down what documents say of releases now: `None` where it is what was first proved.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_rivals(&self, rivals: &[(String, Option<String>)]) -> Result<(), Error> {
        rows::note_rivals(&self.db, rivals).await
    }

    /// Forgets what a release was, since an operator accepts what comes next, and returns what it was; where it was
    /// forgotten before, that again. `None`: nothing was ever remembered.
    ///
    /// # Errors
    /// The database's.
    pub async fn accept(&self, release: &str, actor: &Actor) -> Result<Option<Accepted>, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let Some(digest) = rows::forget(&write, release).await? else {
            drop(write);
            return rows::find_accepted(self.db.link(), release).await;
        };
        let (subject, detail) = (release.to_owned(), format!("was {digest}"));
        write.commit(&Entry { actor, verb: "accept", subject, detail }).await?;
        Ok(Some(Accepted { release: release.to_owned(), digest }))
    }

    /// Lists what was accepted after a write, in that order, each release once.
    ///
    /// # Errors
    /// The database's.
    pub async fn accepted_since(&self, write: u64) -> Result<Vec<Accepted>, Error> {
        rows::list_accepted(self.db.link(), write).await
    }
}

// === impl Recorder ===

impl Recorder {
    /// Writes a first digest, with all others that wait, and returns the one that its release has now.
    async fn record(&self, database: &Database, first: First) -> Result<Digest, Error> {
        let (answer, mut answered) = oneshot::channel();
        self.lock().push(Waiting { first, answer });
        // Whoever writes for all may have written for this one too.
        let _turn = self.turn.lock().await;
        if let Ok(answer) = answered.try_recv() {
            return answer;
        }
        let waiting = std::mem::take(&mut *self.lock());
        write(database, waiting).await;
        answered.await.map_err(Error::failed)?
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits in one transaction, and tells everybody.
async fn write(database: &Database, waiting: Vec<Waiting>) {
    let mut firsts: Vec<First> = Vec::new();
    let mut releases = HashSet::new();
    for Waiting { first, .. } in &waiting {
        // Of two that are told at once, the one that came first is first.
        if releases.insert(first.release.as_str()) {
            firsts.push(first.clone());
        }
    }
    let held = rows::hold(database, &firsts).await;
    for Waiting { first, answer } in waiting {
        let of_this = |held: &HashMap<String, Digest>| held.get(&first.release).copied().ok_or(Error::forgotten());
        // Whoever asked may have gone away; what was written stays.
        drop(answer.send(held.as_ref().map_err(Error::clone).and_then(of_this)));
    }
}
