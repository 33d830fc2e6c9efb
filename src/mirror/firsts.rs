//! Where it is remembered what releases were when they were first proved: not with the cache, which may be deleted at any
//! time, but for good, and for all nodes. Whoever builds the mirror hands it in.

use async_trait::async_trait;

use super::error::Error;
use super::resource::Release;
use crate::base::digest::Digest;

/// What is remembered of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Its name: `npm/left-pad@1.0.0`.
    pub release: String,
    pub digest: Digest,
    /// What vouched for it, in its dialect's own words.
    pub testimony: Option<String>,
    /// The hashes that its document names now, where those are of other bytes.
    pub rival: Option<String>,
}

/// How bytes compare with those that were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are the first, for good, or the same as the first.
    Held,
    /// The first were others, and stay the first.
    Other(Digest),
    /// There is no first, and no room to write these down as it.
    Unwritten,
}

/// Remembers what releases were when they were first proved.
///
/// # Errors
/// All of them: [`Error::Unasked`].
#[async_trait]
pub trait Firsts: Send + Sync {
    /// Finds what a release was.
    async fn find(&self, release: &str) -> Result<Option<First>, Error>;

    /// Lists the releases whose names start with `prefix`.
    async fn list(&self, prefix: &str) -> Result<Vec<First>, Error>;

    /// Remembers a digest as the first of its release, unless there is one: of several who try at once, one is first. It is
    /// remembered for good when this returns. What vouches for the first is remembered as it was said last.
    async fn hold(&self, release: &Release, digest: Digest) -> Result<Verdict, Error>;

    /// Writes down what documents say of releases now: `None` where it is what was first proved.
    async fn note_rivals(&self, rivals: &[(String, Option<String>)]) -> Result<(), Error>;
}
