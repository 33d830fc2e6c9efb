//! The pull-through engine: fetch once, prove, keep, serve. Knows HTTP and disk, knows no registry.
//!
//! A dialect names what it wants ([`Resource`]: key, URL, proofs) and is given an entry, or a body that is still
//! coming. [`Engine::get`] is the whole story:
//!
//! ```text
//! store ─ fresh ──────────────────────────────────────────→ hit
//!       ├ stale, may be served meanwhile → start a fill ──→ stale
//!       └ stale or absent → board the fill ─ it lands ────→ miss, joined, revalidated, expired
//!                                          ├ a body comes → ride along (artifacts)
//!                                          └ it fails ────→ stale, where allowed; else the error
//! ```
//!
//! Files of servers that are no registries go the same way by stricter rules: [`mod@file`]. What was seen first is
//! remembered elsewhere, by who hands in [`firsts::Firsts`]: it outlasts the cache.

mod breaker;
pub mod crash;
mod document;
mod download;
pub mod egress;
mod error;
mod fallback;
mod fetch;
pub mod file;
mod fill;
pub mod first_seen;
pub mod firsts;
mod flight;
pub mod fresh;
mod host;
pub mod own;
mod peek;
pub mod prepare;
mod question;
pub mod recent;
pub mod resource;
mod retry;
mod room;
pub mod shared;
mod spool;
pub mod store;
pub mod turns;
pub mod verify;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use self::document::{is_gzip, uncompress};
pub use self::error::Error;
pub use self::fetch::{Fetch, via};
pub use self::peek::Peek;
pub use self::question::{Answer, Question};
pub use self::resource::{Kind, Release, Resource, Rules, Upstream};

use self::fill::{Errand, Fill};
use self::firsts::Firsts;
use self::flight::{Change, Flights, Landed, Rider, Sight};
use self::fresh::{Demand, Times, Verdict};
use self::prepare::{Keys, Shape};
use self::recent::Recent;
use self::store::{Entry, Store};
use self::turns::Turns;
use crate::base::clock::Clock;
use crate::base::http::{Body, CacheState};
use crate::telemetry::metrics::Metrics;

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Mirror(Arc<Engine>);

/// What the engine is made of.
pub struct Engine {
    store: Store,
    fetch: Fetch,
    firsts: Arc<dyn Firsts>,
    flights: Arc<Flights>,
    preparing: Turns,
    /// A package's document and its artifacts are kept one after another, since each is held to the others.
    keeping: Turns,
    /// Documents are held whole in memory while they are proved and prepared: as many at once as there are cores.
    heavy: Semaphore,
    /// Artifacts whose content is a proof are read through, from disk: as many at once.
    proving: Semaphore,
    /// Files that may not be kept: who asks for one waits for nobody else's.
    unshared: Recent,
    /// Files that a client has changed at their upstream, and when.
    changed: Recent,
    /// What was fetched and failed its proofs, and when.
    refused: Recent,
    /// What is pinned and its upstream no longer has, and when that was last said.
    missed: Recent,
    /// Artifacts of which it is remembered since that their releases have these bytes.
    settled: Recent,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// A resource that was found: in the store, or on its way.
pub struct Found {
    pub content_type: Option<HeaderValue>,
    pub etag: Option<HeaderValue>,
    pub last_modified: Option<HeaderValue>,
    /// The headers that are kept beside it.
    pub beside: Option<Box<HeaderMap>>,
    /// The entry it is kept as; none while it is still coming.
    pub entry: Option<Arc<Entry>>,
    pub body: Body,
    pub cache: CacheState,
    /// How long ago upstream vouched for it.
    pub age: Duration,
}

/// A document and what was prepared of it; both of one generation.
#[derive(Clone)]
pub struct Prepared {
    pub document: Arc<Entry>,
    pub forms: Arc<Entry>,
    pub cache: CacheState,
    pub age: Duration,
    /// How much longer it is fresh.
    pub remaining: Duration,
    /// It is no upstream's: it may change at any time, and whoever asks is to see that.
    pub is_own: bool,
}

/// What [`Engine::get`] comes to.
enum Got {
    Kept(Arc<Entry>, CacheState),
    Coming(Rider, CacheState),
}

impl Mirror {
    pub fn new(store: Store, fetch: Fetch, firsts: Arc<dyn Firsts>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let flights = Flights::new(metrics.fills_in_flight.clone(), metrics.waiters.clone());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Engine {
            store,
            fetch,
            firsts,
            flights,
            preparing: Turns::default(),
            keeping: Turns::default(),
            heavy: Semaphore::new(cores),
            proving: Semaphore::new(cores),
            unshared: Recent::default(),
            changed: Recent::default(),
            refused: Recent::default(),
            missed: Recent::default(),
            settled: Recent::default(),
            clock,
            metrics,
        }))
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn fetch(&self) -> &Fetch {
        &self.0.fetch
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Returns an artifact that is kept for good, without asking anybody: one whose release may be replaced by rights is
    /// found by [`Mirror::artifact`] alone, which knows whether that time is over.
    ///
    /// # Errors
    /// [`Error::Broken`], [`Error::Store`].
    pub async fn find_artifact(&self, key: &str) -> Result<Option<Found>, Error> {
        let entry = self.0.find(key).await.filter(|entry| !entry.is_absence() && !first_seen::is_provisional(entry));
        entry.map(|entry| self.0.found(&entry, Kind::Artifact, CacheState::Hit)).transpose()
    }

    /// Returns a document that is in memory and fresh: the hit path. Asks no disk, no database and no upstream, and need
    /// not be told where it would come from.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn find_document(&self, key: &str, rules: &Rules, demand: &Demand) -> Result<Option<Found>, Error> {
        let entry = self.0.find_fresh(key, rules, demand);
        entry.map(|entry| self.0.found(&entry, Kind::Document, CacheState::Hit)).transpose()
    }

    /// Tells whether a resource was fetched and failed its proofs at `since` or later: what vouched for it then may have
    /// been too old.
    pub fn was_refused(&self, key: &str, since: SystemTime) -> bool {
        self.0.refused.is_noted(key, since)
    }

    /// Answers one artifact: from disk, or as it comes from upstream.
    ///
    /// The body streams; memory held is at most a block a client and a window a fill.
    ///
    /// # Errors
    /// See [`Error`]; nothing unproven was kept.
    pub async fn artifact(&self, want: &Arc<Resource>, demand: &Demand) -> Result<Found, Error> {
        match self.0.get(want, demand).await? {
            Got::Kept(entry, cache) => {
                self.0.hold_kept(want, &entry).await?;
                self.0.found(&entry, Kind::Artifact, cache)
            }
            Got::Coming(rider, cache) => {
                let http = rider.body().ok_or(Error::Died)?.head.http.clone();
                Ok(Found {
                    content_type: http.content_type,
                    etag: http.etag,
                    last_modified: http.last_modified,
                    beside: http.headers,
                    entry: None,
                    body: Body::Stream(Box::new(rider.follow())),
                    cache,
                    age: Duration::ZERO,
                })
            }
        }
    }

    /// Answers one document as upstream gave it.
    ///
    /// # Errors
    /// See [`Error`]; a transport fault is never [`Error::Absent`].
    pub async fn document(&self, want: &Arc<Resource>, demand: &Demand) -> Result<Found, Error> {
        let (entry, cache) = self.0.entry(want, demand).await?;
        self.0.found(&entry, Kind::Document, cache)
    }

    /// Returns a document in the forms that `shape` makes of it.
    ///
    /// # Errors
    /// As [`Mirror::document`].
    pub async fn prepared(
        &self,
        want: &Arc<Resource>,
        shape: &Arc<dyn Shape>,
        demand: &Demand,
    ) -> Result<Prepared, Error> {
        let (document, cache) = self.0.entry(want, demand).await?;
        let forms = self.0.forms_of(&document, shape).await?;
        Ok(self.0.prepared(document, forms, cache, &want.rules))
    }

    /// Drops an entry that an answer turned out to be damaged, so that the next try fetches it again. Tells whether
    /// another try is of use.
    pub async fn heal(&self, error: &Error) -> bool {
        let Error::Broken { key } = error else { return false };
        tracing::warn!(key = &**key, "damaged entry dropped");
        self.0.store.remove(key).await.is_ok()
    }

    /// Returns a document's forms if both are in memory, fresh and of one generation: the hit path. Asks no disk, no
    /// database and no upstream.
    pub fn find_prepared(&self, keys: &Keys, rules: &Rules, demand: &Demand) -> Option<Prepared> {
        let document = self.0.find_fresh(keys.document(), rules, demand)?;
        let forms = self.0.store.find_hot(keys.forms())?;
        (forms.source == document.digest).then(|| self.0.prepared(document, forms, CacheState::Hit, rules))
    }
}

impl Engine {
    /// Answers one resource: from disk while fresh, else from upstream, else stale from disk.
    ///
    /// Source: RFC 9111 §4 (reuse), RFC 5861 (stale).
    async fn get(self: &Arc<Self>, want: &Arc<Resource>, demand: &Demand) -> Result<Got, Error> {
        let held = self.find(&want.key).await;
        let verdict =
            held.as_ref().map(|held| fresh::judge(&times(held, want.kind), &want.rules, demand, self.clock.now()));
        match (held, verdict) {
            (Some(held), Some(Verdict::Fresh)) => Ok(Got::Kept(held, CacheState::Hit)),
            (Some(held), Some(Verdict::FreshEnough)) => {
                drop(self.board(want, Some(&held)));
                Ok(Got::Kept(held, CacheState::Stale))
            }
            _ if demand.only_if_cached => Err(Error::NotHeld),
            (held, _) => self.fill(want, held, demand).await,
        }
    }

    /// Finds what is kept. A store that fails holds nothing: then everything is fetched through.
    async fn find(&self, key: &str) -> Option<Arc<Entry>> {
        match self.store.find(key).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(key, error = &error as &dyn std::error::Error, "the store cannot be asked");
                None
            }
        }
    }

    /// Finds a document that is in memory and fresh.
    fn find_fresh(&self, key: &str, rules: &Rules, demand: &Demand) -> Option<Arc<Entry>> {
        let entry = self.store.find_hot(key).filter(|entry| !entry.is_absence())?;
        let verdict = fresh::judge(&times(&entry, Kind::Document), rules, demand, self.clock.now());
        (verdict == Verdict::Fresh).then_some(entry)
    }

    /// Waits for upstream, and falls back on what is held where that is allowed.
    async fn fill(
        self: &Arc<Self>,
        want: &Arc<Resource>,
        held: Option<Arc<Entry>>,
        demand: &Demand,
    ) -> Result<Got, Error> {
        let fallback = self.fallback(held.as_ref(), want, demand);
        if self.fetch.is_offline() {
            return fallback.map(stale).ok_or(Error::Offline);
        }
        if let Some(held) = fallback.clone().filter(|held| self.was_missed(held, want, demand)) {
            return Ok(stale(held));
        }
        self.refuse_rival(want, demand).await?;
        let (mut rider, joined) = self.board(want, held.as_ref());
        let sight = match &fallback {
            None => rider.sight(want.kind).await,
            Some(held) => match timeout(self.fetch.settings().first_byte_timeout, rider.sight(want.kind)).await {
                Ok(sight) => sight,
                Err(_) => return Ok(stale(Arc::clone(held))),
            },
        };
        match sight {
            Sight::Body => Ok(Got::Coming(rider, if joined { CacheState::Joined } else { CacheState::Miss })),
            Sight::Landed(Landed::Held { entry, change }) => Ok(Got::Kept(entry, state(change, joined))),
            Sight::Landed(Landed::Passed(_)) => Err(Error::Died),
            Sight::Landed(Landed::Failed(error)) => match fallback {
                Some(held) if fallback::stands_in(&held, &error) => Ok(stale(held)),
                _ => Err(error),
            },
        }
    }

    /// Boards the fill of a resource, starting it if nobody has. Tells whether somebody had.
    fn board(self: &Arc<Self>, want: &Arc<Resource>, held: Option<&Arc<Entry>>) -> (Rider, bool) {
        let (rider, pilot) = self.flights.board(&want.key);
        let joined = pilot.is_none();
        if let Some(pilot) = pilot {
            let (engine, want, held, errand) = (Arc::clone(self), Arc::clone(want), held.cloned(), Errand::default());
            tokio::spawn(Fill { engine, want, held, pilot, errand }.run());
        }
        (rider, joined)
    }

    async fn entry(self: &Arc<Self>, want: &Arc<Resource>, demand: &Demand) -> Result<(Arc<Entry>, CacheState), Error> {
        debug_assert!(want.kind == Kind::Document, "only documents are answered whole");
        match self.get(want, demand).await? {
            Got::Kept(entry, cache) if !entry.is_absence() => Ok((entry, cache)),
            Got::Kept(entry, cache) => Err(absent(&entry, cache)),
            Got::Coming(..) => Err(Error::Died),
        }
    }

    fn found(&self, entry: &Arc<Entry>, kind: Kind, cache: CacheState) -> Result<Found, Error> {
        if entry.is_absence() {
            return Err(absent(entry, cache));
        }
        let age = fresh::age(&times(entry, kind), self.clock.now());
        let http = entry.http.clone();
        Ok(Found {
            content_type: http.content_type,
            etag: http.etag,
            last_modified: http.last_modified,
            beside: http.headers,
            body: entry.body()?,
            cache,
            age,
            entry: Some(Arc::clone(entry)),
        })
    }
}

fn stale(held: Arc<Entry>) -> Got {
    Got::Kept(held, CacheState::Stale)
}

fn absent(entry: &Entry, cache: CacheState) -> Error {
    Error::Absent { cache, for_good: entry.status == 410 }
}

/// Returns what freshness needs to know of an entry.
fn times(entry: &Entry, kind: Kind) -> Times {
    let (absence, validated_at, lifetimes) = (entry.is_absence(), entry.validated_at, entry.http.lifetimes);
    Times { kind, absence, pinned: entry.pinned, validated_at, lifetimes }
}

fn state(change: Change, joined: bool) -> CacheState {
    match change {
        _ if joined => CacheState::Joined,
        Change::Before => CacheState::Joined,
        Change::New => CacheState::Miss,
        Change::Same => CacheState::Revalidated,
        Change::Replaced => CacheState::Expired,
    }
}
