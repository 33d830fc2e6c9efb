//! Fetches, proves and pins the tarballs that are wanted, several at once, and finds what they need of other packages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::needs::{self, Source};
use super::survey::Seen;
use super::{Found, Round};
use crate::config::Signatures;
use crate::mirror;
use crate::mirror::fresh::Demand;
use crate::mirror::store::{self, Checked};
use crate::registries::bodies;
use crate::registries::npm::documents::part;
use crate::registries::npm::error::{Error, of_mirror};
use crate::registries::npm::name::{PackageName, Version};
use crate::registries::npm::proofs::KeySet;
use crate::registries::npm::release::Described;
use crate::registries::npm::wire;
use crate::registries::replica::{Failure, Mark, Need, Outcome};

/// Versions of one package that are looked at, at once; of these, as many are fetched as there are turns.
const AT_ONCE: usize = 16;

/// After so many in a row that upstream could not be asked for, it is left alone, unless this is the last try.
const UNANSWERED: usize = 8;

/// An entry may be evicted between its fill and its pin: it is fetched once more then.
const TRIES: usize = 2;

/// Why something that was fetched does not stay.
const NO_ROOM: &str = "there is no room to keep it";

/// What all versions of a run have in common.
struct Ground<'a> {
    found: &'a Found,
    keys: KeySet,
    /// Versions, one after another, that upstream could not be asked for.
    unanswered: AtomicUsize,
    /// What may do better another time. Held for a moment, and never across an `.await`.
    again: Mutex<Option<Failure>>,
}

/// A version that is wanted.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    seen: &'a Seen,
    version: &'a Version,
}

impl Round<'_> {
    /// Brings every version that is wanted, each with its place in the survey.
    pub(super) async fn bring(&self, found: &Found) -> Result<Vec<(usize, Outcome)>, Failure> {
        let keys = self.npm.keys_for(self.name).await.map_err(|error| Failure::from(&error))?;
        let ground = Ground { found, keys, unanswered: AtomicUsize::new(0), again: Mutex::new(None) };
        let work: Vec<_> =
            (1..).zip(&found.choice.wanted).map(|(number, place)| self.bring_one(&ground, number, *place)).collect();
        let mut brought: Vec<_> = stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await?;
        brought.sort_unstable_by_key(|(place, _)| *place);
        match ground.again.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(again) if !self.order.is_last => Err(again),
            _ => Ok(brought),
        }
    }

    async fn bring_one(&self, ground: &Ground<'_>, number: usize, place: usize) -> Result<(usize, Outcome), Failure> {
        let seen = &ground.found.survey.releases[place];
        let outcome = match Version::parse(&seen.version) {
            Ok(version) => self.outcome(ground, Wanted { seen, version: &version }).await?,
            Err(error) => Outcome::Skipped(error.to_string()),
        };
        self.tell_version(ground.found, number, seen, &outcome);
        Ok((place, outcome))
    }

    async fn outcome(&self, ground: &Ground<'_>, wanted: Wanted<'_>) -> Result<Outcome, Failure> {
        // It may have been blocked since the run began.
        match self.npm.blocks.of(self.name.as_str()).await {
            Ok(barred) => {
                if let Some(block) = barred.find(wanted.version.as_str()) {
                    return Ok(Outcome::Skipped(format!("it is blocked here: {}", block.reason)));
                }
            }
            Err(error) => return self.judge(ground, &error),
        }
        match self.hold(ground, wanted).await {
            Ok(outcome) => {
                ground.unanswered.store(0, Ordering::Relaxed);
                Ok(outcome)
            }
            Err(error) => self.judge(ground, &error),
        }
    }

    /// Judges a failure: upstream may be what fails, and not the version.
    fn judge(&self, ground: &Ground<'_>, error: &Error) -> Result<Outcome, Failure> {
        let (why, again) = match Failure::from(error) {
            Failure::Refused(why) => return Ok(Outcome::Failed(why)),
            Failure::Again { error, after } => (error.clone(), Failure::Again { error, after }),
        };
        let unanswered = ground.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if unanswered >= UNANSWERED && !self.order.is_last {
            return Err(again);
        }
        ground.again.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(again);
        Ok(Outcome::Failed(why))
    }

    /// Makes sure that a version is held, and stays.
    async fn hold(&self, ground: &Ground<'_>, wanted: Wanted<'_>) -> Result<Outcome, Error> {
        let (store, key) = (self.npm.mirror.store(), self.npm.sources.tarball_key(self.name, wanted.version));
        for _ in 0..TRIES {
            let kept = self.npm.find_kept_tarball(self.name, wanted.version).await?;
            let is_pinned = kept.as_ref().and_then(|kept| kept.entry.as_ref()).is_some_and(|entry| entry.pinned);
            let outcome = if kept.is_some() && self.is_whole(&key, wanted.version).await? {
                Outcome::Held
            } else if store.room_for_pins() == 0 {
                return Ok(Outcome::Failed(NO_ROOM.to_owned()));
            } else {
                self.fetch(ground, wanted).await?;
                Outcome::Fetched
            };
            if outcome == Outcome::Held && is_pinned {
                return Ok(outcome);
            }
            match store.pin(&key, true).await {
                Ok(true) => return Ok(outcome),
                Ok(false) => {}
                Err(store::Error::PinsFull) => return Ok(Outcome::Failed(NO_ROOM.to_owned())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Failed(NO_ROOM.to_owned()))
    }

    /// Tells whether what is held is what was proved, if that is to be looked at; what is not, is dropped.
    async fn is_whole(&self, key: &str, version: &Version) -> Result<bool, Error> {
        let wish = &self.order.wish;
        if !wish.force && !wish.force_history {
            return Ok(true);
        }
        let checked = self.npm.mirror.store().check(key).await?;
        if checked == Checked::Damaged {
            let text = format!("{}@{version}: what was held is damaged, and fetched again", self.name);
            self.run.journal.line(Mark::Mended, &text);
        }
        Ok(checked == Checked::Whole)
    }

    /// Fetches a tarball to its end, when it has its turn.
    async fn fetch(&self, ground: &Ground<'_>, Wanted { seen, version }: Wanted<'_>) -> Result<(), Error> {
        let _turn = self.run.turns.acquire().await.map_err(|_| Error::internal("a queue that is closed"))?;
        let document = &ground.found.prepared.document;
        let described = Described {
            manifest: part(document.body()?, &seen.place).await?,
            published: seen.published,
            document: document.digest.map(|digest| (document.key.clone(), digest)),
        };
        let what = (self.name, version);
        let demand = if self.order.wish.force { Demand::NONE.strict() } else { Demand::NONE };
        let tarball = self.npm.fetch_tarball(what, &described, &ground.keys, &demand).await?;
        let told = |error: mirror::Error| of_mirror(error, &format!("{}@{version}", self.name));
        let body = bodies::settle(tarball.body).await.map_err(told)?;
        self.run.journal.received(body.length().unwrap_or_default());
        Ok(())
    }

    /// Pins what vouches for the versions: the document, and the keys that they are signed by. Tells whether the document is
    /// pinned.
    pub(super) async fn pin_documents(&self) -> Result<bool, Error> {
        let sources = &self.npm.sources;
        if self.npm.signatures != Signatures::Off {
            // A registry that signs nothing has none.
            self.pin(&sources.keys(sources.upstream(self.name))?.key).await?;
        }
        let is_pinned = self.pin(&sources.packument_key(self.name)).await?;
        if !is_pinned {
            self.run.journal.line(Mark::Skipped, &format!("The document is not pinned: {NO_ROOM}"));
        }
        Ok(is_pinned)
    }

    async fn pin(&self, key: &str) -> Result<bool, Error> {
        match self.npm.mirror.store().pin(key, true).await {
            Err(store::Error::PinsFull) => Ok(false),
            pinned => Ok(pinned?),
        }
    }

    /// Finds what versions that are held need of other packages, each once.
    pub(super) async fn needs(&self, found: &Found, held: &[usize]) -> Result<Vec<Need>, Failure> {
        let failed = |error: Error| Failure::from(&error);
        let document = found.prepared.document.body().map_err(|error| failed(error.into()))?;
        let places: Vec<_> = held.iter().map(|place| found.survey.releases[*place].place.clone()).collect();
        let read = bodies::apart(move || {
            let (mut needs, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
            for place in places {
                let manifest = bodies::read_all(document.slice(place))?;
                for dependency in wire::find_dependencies(&manifest)? {
                    match needs::read(&dependency) {
                        Source::Registry(need) => drop(needs.insert(need)),
                        Source::Elsewhere => drop(elsewhere.insert((dependency.name, dependency.spec))),
                    }
                }
            }
            Ok::<_, Error>((needs, elsewhere))
        });
        let (needs, elsewhere) = read.await.map_err(failed)?;
        self.tell_elsewhere(&elsewhere);
        let mut followed = Vec::new();
        for need in needs {
            if self.is_followed(&need).await.map_err(failed)? {
                followed.push(need);
            }
        }
        Ok(followed)
    }

    /// Tells whether an upstream may be asked for what is needed.
    async fn is_followed(&self, need: &Need) -> Result<bool, Error> {
        // Itself it needs in the very versions that are there.
        if need.package == self.name.as_str() && self.order.wish.all || PackageName::parse(&need.package).is_err() {
            return Ok(false);
        }
        let is_own = self.npm.gate.is_kept_from_upstream(&need.package).await?;
        Ok(!is_own && !self.npm.blocks.of(&need.package).await?.hides_all())
    }
}
