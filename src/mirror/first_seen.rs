//! First seen, held to: what a release was when it was first proved, it stays, whatever its upstream says later.
//!
//! With the digest of every release, it is remembered for good what vouched for it ([`Firsts`](super::firsts::Firsts)).
//! Two things are read against that:
//!
//! - a new document, before anybody sees it. Where it vouches for other bytes, the words that were first proved are put
//!   back, so that document and artifact go on agreeing; the rival is listed as an incident, once. A hit costs nothing.
//!   In a signed one nothing can be put back: then it is the rival's bytes that are refused.
//! - an artifact that is fetched again. Its document names the first hashes, so that other bytes fail their proof. Where
//!   another node has seen the first bytes since this one read the document, they are refused all the same, and the
//!   document is read anew.
//!
//! Bytes are remembered before anybody has all of them: of two nodes that prove different ones at once, one is first. While
//! nobody can be asked what was seen first, nothing is kept that was not kept before; what was kept is served on.
//!
//! Bytes that could still be replaced by rights when they were proved are remembered at the first request after that
//! time: until then nothing is held to them.
//!
//! An operator who accepts the rival has all of this forgotten, with what is kept of it
//! ([`super::store::Store::remove_held`]).

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::Engine;
use super::document::{self, Settled};
use super::error::Error;
use super::fill::Fill;
use super::firsts::{First, Verdict};
use super::fresh::Demand;
use super::resource::Resource;
use super::store::{Entry, Store};
use super::verify::{Broken, FIRST_SEEN};
use crate::base::digest::{Digest, Integrity};

/// How the index says that a document had the first words put back.
pub const HELD: &str = "held to first seen";

/// How the index says that an artifact was kept while its bytes could still be replaced.
pub const PROVISIONAL: &str = "may still be replaced";

/// How long who asks for what is kept waits until its first digest is remembered.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a document says of releases, as its dialect reads it.
pub trait Chronicle: Send + Sync {
    /// What the names of all its releases start with: `npm/left-pad@`.
    fn prefix(&self) -> &str;

    /// Reads a document against what its releases were when they were first proved. Blocks.
    ///
    /// # Errors
    /// Why the document cannot be understood; it was proved before, so this is a fault of ours.
    fn read(&self, document: &[u8], firsts: &[First], is_of: &IsOf<'_>) -> io::Result<Reading>;
}

/// Tells whether the bytes of a digest have a hash; `None` when they are not kept.
pub type IsOf<'a> = dyn Fn(Digest, &Integrity) -> Option<bool> + 'a;

/// Where a document says something else than what was proved first.
#[derive(Debug, Default)]
pub struct Reading {
    pub rivals: Vec<Rival>,
    /// The document with the first words put back; none where there is no rival, or where nothing can be put back.
    pub mended: Option<Vec<u8>>,
    /// Releases that were proved and that it no longer has, where its dialect cares.
    pub lost: Vec<String>,
    /// Releases that it cannot speak of: what other documents say of them stays.
    pub passed_over: Vec<String>,
}

/// Other bytes under the name of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    pub release: String,
    /// The hashes that its document names now.
    pub claim: String,
}

impl Fill {
    /// Waits until nothing else of the package is being kept: a document must not miss what is proved meanwhile, nor an
    /// artifact that its document has changed.
    pub(super) async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        let want = &self.want;
        let is_held = want.chronicle.is_some() || want.release.is_some();
        let key = || [&want.mount, "/", want.package.as_str()].concat();
        if is_held { Some(self.engine.keeping.turn(&key()).await) } else { None }
    }

    // === Documents ===

    /// Reads a proved document against what was proved first, and puts that back where it says something else.
    ///
    /// # Errors
    /// [`Error::Unasked`]; [`Error::Store`]: the store cannot be read.
    pub(super) async fn hold_document(&self, settled: Settled) -> Result<Settled, Error> {
        let Some(chronicle) = self.want.chronicle.clone() else { return Ok(settled) };
        let firsts: Arc<[First]> = self.engine.firsts.list(chronicle.prefix()).await?.into();
        if firsts.is_empty() {
            return Ok(settled);
        }
        let (want, store, known) = (Arc::clone(&self.want), self.engine.store.clone(), Arc::clone(&firsts));
        let read = move || mend(&want, &store, &*chronicle, settled, &known);
        let (settled, reading) = tokio::task::spawn_blocking(read).await.map_err(|_| Error::Died)??;
        self.tell_of(&firsts, &reading).await;
        self.count_lost(&settled, &reading.lost);
        Ok(settled)
    }

    /// Lists rivals that nobody has been told of, and forgets those that are gone.
    async fn tell_of(&self, firsts: &[First], reading: &Reading) {
        let mut news = Vec::new();
        for first in firsts.iter().filter(|first| !reading.passed_over.contains(&first.release)) {
            let rival = reading.rivals.iter().find(|rival| rival.release == first.release);
            let claim = rival.map(|rival| rival.claim.clone());
            if claim == first.rival {
                continue;
            }
            if let Some(claim) = &claim {
                let detail = print(first, claim);
                tracing::error!(key = self.want.key, detail, "document of other bytes held to the first seen");
                self.list(&Broken { kind: FIRST_SEEN, detail }).await;
            }
            news.push((first.release.clone(), claim));
        }
        if news.is_empty() {
            return;
        }
        if let Err(error) = self.engine.firsts.note_rivals(&news).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "rivals of what was seen first not written down");
        }
    }

    /// Counts releases that have gone since the document was kept last: it may be an old one.
    fn count_lost(&self, settled: &Settled, lost: &[String]) {
        let is_known = self.held.as_ref().is_some_and(|held| held.digest == Some(settled.hashed.digest));
        if lost.is_empty() || is_known {
            return;
        }
        self.engine.metrics.releases_lost.inc_by(lost.len() as u64);
        tracing::warn!(key = self.want.key, releases = lost.join(", "), "document lacks releases that were proved");
    }

    // === Artifacts ===

    /// Tells whether the document of this artifact speaks of other bytes now: upstream may have only those.
    ///
    /// # Errors
    /// [`Error::Unasked`].
    pub(super) async fn is_disputed(&self) -> Result<bool, Error> {
        let Some(release) = &self.want.release else { return Ok(false) };
        let first = self.engine.firsts.find(&release.name).await?;
        Ok(first.is_some_and(|first| first.rival.is_some()))
    }

    /// Holds an artifact to the first digest ever proved for its release, or makes its own that one. Tells whether it may
    /// be kept: not where its document has changed meanwhile, nor where there is no room to remember it.
    ///
    /// Source: design "First seen, held to".
    ///
    /// # Errors
    /// [`Error::Unproven`], [`Error::Unasked`].
    pub(super) async fn hold_artifact(&self, digest: Digest, is_disputed: bool) -> Result<bool, Error> {
        let Some(release) = &self.want.release else { return Ok(true) };
        let is_current = self.is_still_vouched_for().await;
        let verdict = if is_current && !release.is_provisional {
            self.engine.firsts.hold(release, digest).await?
        } else {
            let first = self.engine.firsts.find(&release.name).await?.map(|first| first.digest);
            first.filter(|first| *first != digest).map_or(Verdict::Held, Verdict::Other)
        };
        match verdict {
            Verdict::Held => Ok(is_current),
            Verdict::Unwritten => {
                tracing::warn!(release = release.name, "served, not kept: there is no room for its first digest");
                Ok(false)
            }
            Verdict::Other(first) => {
                if !is_disputed {
                    self.drop_document().await;
                }
                Err(other_bytes(&release.name, &first, &digest).into())
            }
        }
    }

    /// Drops the document of this artifact, which knows nothing of the first bytes: another node has seen them since it was
    /// read. The next one is read against them.
    async fn drop_document(&self) {
        let Some((key, _)) = self.want.release.as_ref().and_then(|release| release.document.as_ref()) else { return };
        if let Err(error) = self.engine.store.purge_key(key).await {
            tracing::warn!(key = &**key, error = &error as &dyn std::error::Error, "document not read anew");
        }
    }

    /// Tells whether the document that vouches for this artifact is the one that is kept: another may have come while the
    /// bytes were on their way.
    async fn is_still_vouched_for(&self) -> bool {
        let document = self.want.release.as_ref().and_then(|release| release.document.as_ref());
        let Some((key, digest)) = document else { return true };
        self.engine.find(key).await.is_none_or(|kept| kept.digest == Some(*digest))
    }
}

impl Engine {
    /// Refuses an artifact whose document speaks of other bytes now, without asking for those again, if they were refused a
    /// short while ago. As soon as the document speaks of the first ones again, or an operator accepts the others, or
    /// somebody asks strictly, upstream is asked.
    ///
    /// # Errors
    /// [`Error::Unproven`]; [`Error::Unasked`].
    pub(super) async fn refuse_rival(&self, want: &Resource, demand: &Demand) -> Result<(), Error> {
        let Some(release) = want.release.as_ref().filter(|_| !demand.strict) else { return Ok(()) };
        let since = self.clock.now().checked_sub(want.rules.negative_ttl).unwrap_or(SystemTime::UNIX_EPOCH);
        if !self.refused.is_noted(&want.key, since) {
            return Ok(());
        }
        match self.firsts.find(&release.name).await? {
            Some(First { digest, rival: Some(claim), .. }) => {
                let detail = format!("{} was sha256 {digest} when first seen, and upstream has {claim}", release.name);
                Err(Broken { kind: FIRST_SEEN, detail }.into())
            }
            _ => Ok(()),
        }
    }

    /// Remembers what a release is by bytes that were kept while they could still be replaced, once they no longer can.
    ///
    /// # Errors
    /// [`Error::Unproven`]: other bytes were seen first since.
    pub(super) async fn hold_kept(&self, want: &Resource, entry: &Entry) -> Result<(), Error> {
        let release = want.release.as_ref().filter(|release| !release.is_provisional);
        let (Some(release), Some(digest), true) = (release, entry.digest, is_provisional(entry)) else { return Ok(()) };
        if self.settled.is_noted(&entry.key, SystemTime::UNIX_EPOCH) {
            return Ok(());
        }
        let late = |_| Err(Error::unasked(io::Error::from(io::ErrorKind::TimedOut)));
        match timeout(PATIENCE, self.firsts.hold(release, digest)).await.unwrap_or_else(late) {
            Ok(Verdict::Held) => self.settled.note(&entry.key, self.clock.now()),
            Ok(Verdict::Other(first)) => return Err(other_bytes(&release.name, &first, &digest).into()),
            Ok(Verdict::Unwritten) => tracing::warn!(release = release.name, "no room to remember a first digest"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(release = release.name, error, "first digest not remembered");
            }
        }
        Ok(())
    }
}

/// Tells whether an artifact was kept while its release might be replaced by rights.
pub(super) fn is_provisional(entry: &Entry) -> bool {
    entry.proofs.iter().any(|proof| proof == PROVISIONAL)
}

/// Says of bytes that are not those of a disputed release what they are: the rival's.
pub(super) fn as_rival(error: Error) -> Error {
    match error {
        Error::Unproven(Broken { detail, .. }) => {
            let detail = format!("upstream no longer has what was first seen: {detail}");
            Broken { kind: FIRST_SEEN, detail }.into()
        }
        other => other,
    }
}

fn mend(
    want: &Resource,
    store: &Store,
    chronicle: &dyn Chronicle,
    settled: Settled,
    firsts: &[First],
) -> Result<(Settled, Reading), Error> {
    let is_of = |digest, promised: &Integrity| {
        store.is_of(digest, promised).unwrap_or_else(|error| {
            tracing::warn!(%digest, %error, "kept content not read");
            None
        })
    };
    let mut reading = chronicle.read(&settled.body, firsts, &is_of).map_err(Error::disk)?;
    let Some(mended) = reading.mended.take() else { return Ok((settled, reading)) };
    // Proved anew: what is kept and served is the mended one.
    let mut mended = document::settle(want, None, mended.into(), false)?;
    mended.proved.push(HELD.to_owned());
    Ok((mended, reading))
}

fn other_bytes(release: &str, first: &Digest, digest: &Digest) -> Broken {
    let detail = format!("{release} was sha256 {first} when first seen, and is {digest} now");
    Broken { kind: FIRST_SEEN, detail }
}

fn print(first: &First, claim: &str) -> String {
    let First { release, digest, .. } = first;
    format!("{release} was sha256 {digest} when first seen, and its document says {claim} now: the first is held to")
}
