//! One run of a replica whose dialect has versions and artifacts, and little else: looks at what upstream has, fetches what
//! is wanted of it, pins that, and reports. What a dialect has of its own stands in its [`Shop`].
//!
//! What was fetched stays: one version that fails does not fail the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::blocks::{Barred, Blocks, Subject};
use super::bodies;
use super::failure::Error;
use super::range::{Precedence, Range};
use super::replica::{Failure, Mark, News, Order, Outcome, Report, Run};
use super::roll::Roll;
use crate::base::digest::Digest;
use crate::base::http::CacheState;
use crate::mirror::fresh::Demand;
use crate::mirror::store::{self, Checked};
use crate::mirror::{self, Mirror, Resource};
use crate::overlay::packages::EventKind;

mod tell;

use self::tell::list;

/// Versions of one package that are looked at at once; of these, as many are fetched as there are turns.
const AT_ONCE: usize = 8;

/// After so many in a row that upstream could not be asked for, it is left alone.
const UNANSWERED: usize = 8;

/// An entry may be evicted between its fill and its pin: it is fetched once more then.
const TRIES: usize = 2;

/// After so long, upstream may show what its list has told of.
const BEHIND: Duration = Duration::from_secs(15);

const NOTHING: &str = "upstream has no such version";
const NO_ROOM: &str = "there is no room for more that is pinned";

/// One run: a package, and what is to be done with it.
pub struct Round<'a> {
    pub mirror: &'a Mirror,
    pub blocks: &'a Blocks,
    /// As its dialect spells it.
    pub package: &'a str,
    /// Who is asked, without credentials.
    pub upstream: String,
    pub order: &'a Order,
    pub run: &'a Run<'a>,
}

/// What upstream has of a package now.
#[derive(Debug, Default)]
pub struct Stock {
    /// Of the document that says so.
    pub digest: Option<Digest>,
    /// In upstream's order.
    pub versions: Vec<String>,
    /// Why some of them are not to be used.
    pub reasons: BTreeMap<String, String>,
    pub roll: Roll,
    /// The keys of documents that clients ask for whichever version they take.
    pub documents: Vec<String>,
}

/// What clients ask for of one version.
pub struct Goods {
    pub artifacts: Vec<Arc<Resource>>,
    /// The keys of documents of this version alone.
    pub documents: Vec<String>,
}

/// How a dialect gets what a version has.
#[async_trait]
pub trait Shop: Send + Sync {
    /// Finds what a version has.
    ///
    /// # Errors
    /// Why that cannot be said.
    async fn goods(&self, version: &str) -> Result<Goods, Error>;

    /// Tells why the engine has no answer.
    fn told(&self, error: mirror::Error, what: &str) -> Error {
        super::failure::of_mirror(error, what)
    }

    /// Tells whether a version is among those that a text in the dialect's own words means.
    fn suits(&self, spec: &str, version: &str) -> bool {
        let range = Range::parse(spec).zip(Precedence::parse(version));
        range.is_none_or(|(range, version)| range.contains(version))
    }

    /// Waits until upstream may be asked once more.
    async fn pace(&self) {}
}

/// How an artifact came to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brought {
    Held,
    Fetched,
    NoRoom,
}

/// What all versions of a run have in common.
struct Ground<'a> {
    shop: &'a dyn Shop,
    barred: Barred,
    /// How many are wanted.
    all: usize,
    /// Versions, one after another, that upstream could not be asked for.
    unanswered: AtomicUsize,
    answered: AtomicUsize,
}

// === impl Round ===

impl Round<'_> {
    /// Lets a package through that upstream may be asked for.
    ///
    /// # Errors
    /// [`Failure`]: it is blocked.
    pub async fn admit(&self) -> Result<(), Failure> {
        self.blocks.check(Subject::package(self.package)).await.map_err(|error| Failure::from(&error))?;
        self.tell_begin();
        Ok(())
    }

    /// Brings what is wanted of what upstream was found to have, and reports.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn follow(&self, stock: Result<Stock, Error>, shop: &dyn Shop) -> Result<Report, Failure> {
        let known = self.order.known.as_deref().and_then(Roll::unpack);
        let stock = match (stock, known.as_ref()) {
            (Ok(stock), _) => stock,
            (Err(error @ (Error::NotFound { .. } | Error::Gone { .. })), Some(known)) => {
                return self.bury(known, &error);
            }
            (Err(error), _) => return Err(Failure::from(&error)),
        };
        let difference = stock.roll.compare(known.as_ref());
        self.tell_found(&stock, &difference);
        if let Some(late) = self.order.wish.expects.iter().find(|version| !stock.roll.has(version)) {
            let error = format!("upstream does not show {} {late} yet, which its list has", self.package);
            return Err(Failure::Again { error, after: Some(BEHIND) });
        }
        let (wanted, missing) = self.choose(&stock, shop, known.as_ref());
        let mut versions = self.bring(wanted, shop).await?;
        self.pin_documents(&stock.documents).await?;
        versions.extend(missing.into_iter().map(|version| (version, Outcome::Failed(NOTHING.to_owned()))));
        let report = Report {
            roll: stock.roll.pack().map_err(|error| Failure::from(&Error::from(error)))?,
            digest: stock.digest,
            upstream: self.upstream.clone(),
            changes: difference.news(&stock.reasons),
            gone: difference.gone,
            needs: Vec::new(),
            pins: held(&versions).chain([""]).map(str::to_owned).collect(),
            last_error: last_error(&versions),
            versions,
        };
        self.tell_end(&report);
        Ok(report)
    }

    /// Reports that upstream has nothing any more. What was fetched stays.
    fn bury(&self, known: &Roll, error: &Error) -> Result<Report, Failure> {
        let gone: Vec<_> = known.names().map(str::to_owned).collect();
        let what = "Upstream has this package no longer; what is held of it stays";
        self.line(Mark::Skipped, format!("{what}: {}", list(&gone)));
        let is_news = !gone.is_empty();
        Ok(Report {
            versions: Vec::new(),
            roll: Roll::default().pack().map_err(|error| Failure::from(&Error::from(error)))?,
            digest: None,
            upstream: self.upstream.clone(),
            gone,
            changes: is_news.then(|| News::of(EventKind::Unpublished)).into_iter().collect(),
            needs: Vec::new(),
            pins: Vec::new(),
            last_error: Some(error.to_string()),
        })
    }

    /// Chooses what is wanted of what there is, and tells what is not there.
    fn choose(&self, stock: &Stock, shop: &dyn Shop, known: Option<&Roll>) -> (Vec<String>, Vec<String>) {
        let (wish, there) = (&self.order.wish, stock.versions.iter().collect::<BTreeSet<_>>());
        let is_wanted = |version: &&String| {
            let is_added = wish.added && known.is_some_and(|known| !known.has(version));
            wish.all
                || is_added
                || wish.versions.contains(*version)
                || wish.ranges.iter().any(|spec| shop.suits(spec, version))
        };
        let wanted: Vec<_> = stock.versions.iter().filter(is_wanted).cloned().collect();
        let missing = wish.versions.iter().filter(|version| !there.contains(version)).cloned();
        let (remote, chosen) = (stock.versions.len(), wanted.len());
        self.line(Mark::Start, format!("Syncing versions {remote} => {chosen} to sync"));
        (wanted, missing.collect())
    }

    /// Brings every version that is wanted.
    async fn bring(&self, wanted: Vec<String>, shop: &dyn Shop) -> Result<Vec<(String, Outcome)>, Failure> {
        let barred = self.blocks.of(self.package).await.map_err(|error| Failure::from(&error))?;
        let (unanswered, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let ground = Ground { shop, barred, all: wanted.len(), unanswered, answered };
        let work: Vec<_> =
            (1..).zip(wanted).map(|(number, version)| self.bring_one(&ground, number, version)).collect();
        let brought: Vec<_> = stream::iter(work).buffered(AT_ONCE).try_collect().await?;
        match ground.unanswered.into_inner() {
            // Nothing came at all: it is not the versions that failed.
            count if count > 0 && ground.answered.into_inner() == 0 => {
                let error = format!("nothing came of {count} versions that were asked for last");
                Err(Failure::Again { error, after: None })
            }
            _ => Ok(brought),
        }
    }

    async fn bring_one(
        &self,
        ground: &Ground<'_>,
        number: usize,
        version: String,
    ) -> Result<(String, Outcome), Failure> {
        let outcome = match ground.barred.find(&version) {
            Some(block) => Outcome::Skipped(format!("it is blocked here: {}", block.reason)),
            None => ground.judge(self.hold(ground.shop, &version).await)?,
        };
        self.tell_version((number, ground.all), &version, &outcome);
        Ok((version, outcome))
    }

    /// Makes sure that all of a version is held, and stays.
    async fn hold(&self, shop: &dyn Shop, version: &str) -> Result<Outcome, Error> {
        let (goods, mut outcome) = (shop.goods(version).await?, Outcome::Held);
        for want in &goods.artifacts {
            match self.hold_one(shop, version, want).await? {
                Brought::Held => {}
                Brought::Fetched => outcome = Outcome::Fetched,
                Brought::NoRoom => return Ok(Outcome::Failed(NO_ROOM.to_owned())),
            }
        }
        for key in &goods.documents {
            self.pin(key).await?;
        }
        Ok(outcome)
    }

    async fn hold_one(&self, shop: &dyn Shop, version: &str, want: &Arc<Resource>) -> Result<Brought, Error> {
        if self.order.wish.force && self.mirror.store().check(&want.key).await? == Checked::Damaged {
            self.line(Mark::Mended, format!("{} {version} was damaged, and is fetched again", self.package));
        }
        for _ in 0..TRIES {
            let told = |error| shop.told(error, &format!("{} {version}", self.package));
            let kept = self.mirror.find_artifact(&want.key).await.map_err(told)?;
            let brought = match kept.and_then(|kept| kept.entry) {
                Some(entry) if entry.pinned => return Ok(Brought::Held),
                Some(_) => Brought::Held,
                None => self.fetch(shop, version, want).await?,
            };
            match self.pin(&want.key).await? {
                Some(true) => return Ok(brought),
                Some(false) => {}
                None => return Ok(Brought::NoRoom),
            }
        }
        Ok(Brought::NoRoom)
    }

    /// Fetches an artifact to its end, when it has its turn.
    async fn fetch(&self, shop: &dyn Shop, version: &str, want: &Arc<Resource>) -> Result<Brought, Error> {
        let told = |error| shop.told(error, &format!("{} {version}", self.package));
        let _turn = self.run.turns.acquire().await.map_err(|_| Error::internal("a queue that is closed"))?;
        shop.pace().await;
        let demand = if self.order.wish.force { Demand::NONE.strict() } else { Demand::NONE };
        let found = self.mirror.artifact(want, &demand).await.map_err(told)?;
        let is_kept = found.cache == CacheState::Hit;
        let body = bodies::settle(found.body).await.map_err(told)?;
        if is_kept {
            return Ok(Brought::Held);
        }
        self.run.journal.received(body.length().unwrap_or_default());
        Ok(Brought::Fetched)
    }

    /// Pins what is kept under a key; `None`: there is no room for more.
    async fn pin(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.mirror.store().pin(key, true).await {
            Ok(found) => Ok(Some(found)),
            Err(store::Error::PinsFull) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn pin_documents(&self, keys: &[String]) -> Result<(), Failure> {
        for key in keys {
            match self.pin(key).await.map_err(|error| Failure::from(&error))? {
                Some(true) => {}
                // A key that is the operator's own is kept nowhere.
                Some(false) => tracing::debug!(key, "nothing is kept to be pinned"),
                None => self.line(Mark::Skipped, format!("A document is not pinned: {NO_ROOM}")),
            }
        }
        Ok(())
    }
}

// === impl Ground ===

impl Ground<'_> {
    /// Counts a failure; upstream may be what fails, and not the version.
    fn judge(&self, brought: Result<Outcome, Error>) -> Result<Outcome, Failure> {
        let error = match brought {
            Ok(outcome) => {
                self.unanswered.store(0, Ordering::Relaxed);
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Ok(outcome);
            }
            Err(error) => Failure::from(&error),
        };
        match error {
            Failure::Refused(why) => Ok(Outcome::Failed(why)),
            Failure::Again { error, after } => {
                let unanswered = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
                // Who says when to come again is not asked before.
                let is_over = unanswered >= UNANSWERED || after.is_some();
                if is_over { Err(Failure::Again { error, after }) } else { Ok(Outcome::Failed(error)) }
            }
        }
    }
}

/// Returns the versions that are here.
pub fn held(versions: &[(String, Outcome)]) -> impl Iterator<Item = &str> {
    let held = versions.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Held | Outcome::Fetched));
    held.map(|(version, _)| version.as_str())
}

fn last_error(versions: &[(String, Outcome)]) -> Option<String> {
    versions.iter().rev().find_map(|(version, outcome)| match outcome {
        Outcome::Failed(why) => Some(format!("{version}: {why}")),
        Outcome::Held | Outcome::Fetched | Outcome::Skipped(_) => None,
    })
}
