//! What every release was when it was first proved: held here, deleting the cache forgets none of it, and all nodes hold
//! an upstream to the same.
//!
//! A release is named as by the mirror, `npm/left-pad@1.0.0`: the namespace of its upstreams, the package, the version.
//! Its prefixes name all of a package. These are observations, many a second while a cache is cold, so they leave no line
//! in the audit log; that an operator accepts other bytes does.

use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::firsts as rows;
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

/// How bytes compare with those that were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are the first, or the same as the first.
    Held,
    /// The first were others. They stay the first.
    Other(Digest),
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
    /// remembered as it was said last. What is known already costs one question and no write.
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
        rows::hold(&self.db, std::slice::from_ref(&first)).await?;
        // Another node may have been first.
        Ok(match self.first_seen(release).await? {
            Some(held) if held.digest != digest => Verdict::Other(held.digest),
            _ => Verdict::Held,
        })
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

    /// Forgets what a release was, since an operator accepts what comes next. `false`: nothing was remembered.
    ///
    /// # Errors
    /// The database's.
    pub async fn accept(&self, release: &str, actor: &Actor) -> Result<bool, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let Some(first) = rows::forget(&write, release).await? else { return Ok(false) };
        let (subject, detail) = (release.to_owned(), format!("was {first}"));
        write.commit(&Entry { actor, verb: "accept", subject, detail }).await?;
        Ok(true)
    }
}
