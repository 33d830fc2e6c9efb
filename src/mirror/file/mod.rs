//! Files: whatever a server has under a URL, kept and reused by the letter of RFC 9111.
//!
//! ```text
//! store ─ fresh, or stale and the client does not mind ───→ hit, stale
//!       └ stale or absent → board the fill ─ it lands ────→ miss, joined, revalidated, expired
//!                                          ├ a body comes → ride along, if it is ours to share
//!                                          ├ not to be kept → one rider takes it as it comes; the others ask again
//!                                          └ it fails ────→ stale, where allowed; else the error
//! ```
//!
//! Riders share one fill only as far as what it brings may be reused: it must be fresh for them and selected by their
//! headers (RFC 9111 §4). Who finds that it is not asks again: for the variant of his own, or for himself alone. What
//! may not be kept is never written to disk, and for a while nobody waits for anybody else's.
//!
//! A HEAD is answered from a GET, whose answer updates what is stored: so there is nothing that the answer to a HEAD
//! could freshen (§4.3.5).

mod fill;
mod passing;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::AGE;
use http::{HeaderMap, StatusCode};
use tokio::time::timeout;

use self::passing::Passing;
use super::fetch::Response;
use super::fill::{Errand, Fill, Manner};
use super::flight::{Change, Head, Landed, Rider, Sight};
use super::fresh::{Demand, Verdict};
use super::resource::{Kind, Resource};
use super::shared::lifetime::{Arrival, lifetimes};
use super::shared::reuse::Stored;
use super::shared::{storing, vary};
use super::store::Entry;
use super::{Engine, Error, Mirror, fallback, state};
use crate::base::http::{Body, CacheState};

/// For how long nobody waits for an answer that could not be shared the last time.
const UNSHARED_FOR: Duration = Duration::from_secs(30);

/// An answer as upstream gave it.
pub struct Answer {
    pub status: StatusCode,
    /// All that go to clients, but for `Age` and what frames the body.
    pub headers: HeaderMap,
    pub body: Body,
    pub cache: CacheState,
    /// How old it is; `None` when it is none of ours, and upstream does not say.
    pub age: Option<Duration>,
}

/// How upstream is asked.
enum Way {
    /// With whoever asks for the same resource.
    Together,
    /// With whoever asks for the variant of this key.
    Variant(String),
    /// For one client.
    Alone,
}

/// What one try comes to.
enum Tried {
    Answered(Answer),
    /// What came was not for us.
    Again(Way),
}

/// What a try to ask upstream is made of.
struct Try<'a> {
    want: &'a Arc<Resource>,
    demand: &'a Demand,
    key: Cow<'a, str>,
    held: Option<Arc<Entry>>,
    manner: Manner,
}

impl Mirror {
    /// Answers a file: from disk, or as it comes from upstream.
    ///
    /// The body streams; memory held is at most a block a client and a window a fill.
    ///
    /// # Errors
    /// See [`Error`]; a status that upstream sends is none.
    pub async fn file(&self, want: &Arc<Resource>, demand: &Demand) -> Result<Answer, Error> {
        debug_assert!(want.kind == Kind::File, "only files are answered by the letter");
        let mut way = Way::Together;
        // Together, then for the variant, then alone: whoever is alone is always answered.
        for _ in 0..2 {
            match self.0.try_file(want, demand, way).await? {
                Tried::Answered(answer) => return Ok(answer),
                Tried::Again(next) => way = next,
            }
        }
        match self.0.try_file(want, demand, Way::Alone).await? {
            Tried::Answered(answer) => Ok(answer),
            Tried::Again(_) => Err(Error::Died),
        }
    }

    /// Forgets all that is kept of a resource, and what is on its way: a client has changed it at its upstream.
    ///
    /// # Errors
    /// [`Error::Store`].
    ///
    /// Source: RFC 9111 §4.4.
    pub async fn invalidate(&self, mount: &str, package: &str) -> Result<(), Error> {
        self.0.changed.note(&changed_key(mount, package), self.0.clock.now());
        Ok(self.0.store.purge_package(mount, package).await.map(drop)?)
    }
}

impl Engine {
    async fn try_file(self: &Arc<Self>, want: &Arc<Resource>, demand: &Demand, way: Way) -> Result<Tried, Error> {
        let (key, held) = match &way {
            Way::Together | Way::Alone => self.find_variant(want).await,
            Way::Variant(key) => (Cow::Borrowed(key.as_str()), self.find_stored(key).await),
        };
        let now = self.clock.now();
        let verdict = held.as_ref().map(|held| stored(held).judge(&want.rules, demand, now));
        if let (Some(held), Some(verdict)) = (&held, verdict) {
            match verdict {
                Verdict::Fresh => return Ok(Tried::Answered(self.answer(held, CacheState::Hit)?)),
                Verdict::Accepted => return Ok(Tried::Answered(self.answer(held, CacheState::Stale)?)),
                Verdict::FreshEnough => {
                    let held = Some(Arc::clone(held));
                    drop(self.board_file(&Try { want, demand, key, held: held.clone(), manner: Manner::Shared }));
                    return held
                        .map_or(Err(Error::Died), |held| self.answer(&held, CacheState::Stale))
                        .map(Tried::Answered);
                }
                Verdict::Stale => {}
            }
        }
        if demand.only_if_cached {
            return Err(Error::NotHeld);
        }
        let manner = self.manner(demand, &way, &key, now);
        self.fill_file(Try { want, demand, key, held, manner }).await
    }

    fn manner(&self, demand: &Demand, way: &Way, key: &str, now: SystemTime) -> Manner {
        let since = now.checked_sub(UNSHARED_FOR).unwrap_or(now);
        match way {
            _ if demand.no_store => Manner::Unkept,
            Way::Alone => Manner::Alone,
            Way::Together | Way::Variant(_) if self.unshared.is_noted(key, since) => Manner::Alone,
            Way::Together | Way::Variant(_) => Manner::Shared,
        }
    }

    /// Finds what a request's headers select, and the key that it has or would have.
    async fn find_variant<'a>(&self, want: &'a Resource) -> (Cow<'a, str>, Option<Arc<Entry>>) {
        let own = Cow::Borrowed(want.key.as_str());
        match self.find(&want.key).await {
            None => (own, None),
            Some(entry) if !entry.is_absence() => (own, Some(entry)),
            Some(marker) => {
                let names = marker.http.headers.as_ref();
                match names.and_then(|names| vary::key(&want.key, names, &want.headers)) {
                    Some(key) => {
                        let entry = self.find_stored(&key).await;
                        (Cow::Owned(key), entry)
                    }
                    None => (own, None),
                }
            }
        }
    }

    async fn find_stored(&self, key: &str) -> Option<Arc<Entry>> {
        self.find(key).await.filter(|entry| !entry.is_absence())
    }

    /// Waits for upstream, and falls back on what is held where that is allowed.
    async fn fill_file(self: &Arc<Self>, trial: Try<'_>) -> Result<Tried, Error> {
        let held = trial.held.as_ref().filter(|_| !trial.demand.strict);
        let fallback = held.filter(|held| self.may_fall_back(held, trial.want)).cloned();
        let stale = |held: &Arc<Entry>| self.answer(held, CacheState::Stale).map(Tried::Answered);
        if self.fetch.is_offline() {
            return fallback.as_ref().map_or(Err(Error::Offline), stale);
        }
        let (mut rider, joined) = self.board_file(&trial);
        let sight = match &fallback {
            None => rider.sight(Kind::File).await,
            Some(held) => match timeout(self.fetch.settings().first_byte_timeout, rider.sight(Kind::File)).await {
                Ok(sight) => sight,
                Err(_) => return stale(held),
            },
        };
        match sight {
            Sight::Body => self.ride(rider, &trial, joined),
            Sight::Landed(Landed::Held { entry, change }) => self.take_up(&entry, change, &trial, joined),
            // Whoever asked first is given it; riders must not take it from him.
            Sight::Landed(Landed::Passed(_)) if joined => Ok(Tried::Again(Way::Alone)),
            Sight::Landed(Landed::Passed(handed)) => Ok(match handed.take() {
                Some(response) => Tried::Answered(self.passed(response)),
                None => Tried::Again(Way::Alone),
            }),
            Sight::Landed(Landed::Failed(error)) => match &fallback {
                Some(held) if fallback::stands_in(held, &error) => stale(held),
                _ => Err(error),
            },
        }
    }

    fn may_fall_back(&self, held: &Entry, want: &Resource) -> bool {
        let stored = stored(held);
        if self.fetch.is_offline() {
            return held.pinned || !stored.lifetimes.never_stale;
        }
        stored.may_be_served_stale(&want.rules, self.clock.now())
    }

    /// Boards the fill of a file, starting it if nobody has. Tells whether somebody had.
    fn board_file(self: &Arc<Self>, trial: &Try<'_>) -> (Rider, bool) {
        static ALONE: AtomicU64 = AtomicU64::new(0);
        let flight = match trial.manner {
            Manner::Shared => trial.key.to_string(),
            // No two of these meet.
            Manner::Alone | Manner::Unkept => format!("{}\n#{}", trial.key, ALONE.fetch_add(1, Ordering::Relaxed)),
        };
        let (rider, pilot) = self.flights.board(&flight);
        let joined = pilot.is_none();
        if let Some(pilot) = pilot {
            let errand = Errand { key: trial.key.to_string(), manner: trial.manner };
            // A 304 would change what is stored.
            let held = trial.held.clone().filter(|_| trial.manner != Manner::Unkept);
            let (engine, want) = (Arc::clone(self), Arc::clone(trial.want));
            tokio::spawn(Fill { engine, want, held, pilot, errand }.run());
        }
        (rider, joined)
    }

    /// Answers with a body that is still coming.
    fn ride(&self, rider: Rider, trial: &Try<'_>, joined: bool) -> Result<Tried, Error> {
        let head = rider.body().ok_or(Error::Died)?.head.clone();
        if joined && let Some(way) = self.unsuited(&head, self.clock.now(), trial) {
            return Ok(Tried::Again(way));
        }
        let (status, age) = (status(head.status), Some(head.http.lifetimes.age));
        Ok(Tried::Answered(Answer {
            status,
            headers: head.http.headers.map(|headers| *headers).unwrap_or_default(),
            body: Body::Stream(Box::new(rider.follow())),
            cache: if joined { CacheState::Joined } else { CacheState::Miss },
            age,
        }))
    }

    /// Answers with what a fill has brought.
    fn take_up(&self, entry: &Arc<Entry>, change: Change, trial: &Try<'_>, joined: bool) -> Result<Tried, Error> {
        let head = Head { key: entry.key.to_string(), status: entry.status, http: entry.http.clone() };
        if (joined || change == Change::Before)
            && let Some(way) = self.unsuited(&head, entry.validated_at, trial)
        {
            return Ok(Tried::Again(way));
        }
        self.answer(entry, state(change, joined)).map(Tried::Answered)
    }

    /// Tells how else a rider is to ask, when what came is another's: selected by other headers, or not fresh for him.
    ///
    /// Source: RFC 9111 §4, §4.1.
    fn unsuited(&self, head: &Head, validated_at: SystemTime, trial: &Try<'_>) -> Option<Way> {
        let headers = head.http.headers.as_deref();
        let own = headers.and_then(|headers| vary::key(&trial.want.key, headers, &trial.want.headers));
        match own {
            None => return Some(Way::Alone),
            Some(own) if own != head.key => return Some(Way::Variant(own)),
            Some(_) => {}
        }
        let (status, lifetimes) = (status(head.status), head.http.lifetimes);
        let stored = Stored { status, validated_at, lifetimes, pinned: false };
        let verdict = stored.judge(&trial.want.rules, trial.demand, self.clock.now());
        (verdict != Verdict::Fresh).then_some(Way::Alone)
    }

    fn answer(&self, entry: &Arc<Entry>, cache: CacheState) -> Result<Answer, Error> {
        let stored = stored(entry);
        Ok(Answer {
            status: stored.status,
            headers: entry.http.headers.as_deref().cloned().unwrap_or_default(),
            body: entry.body()?,
            cache,
            age: Some(stored.age(self.clock.now())),
        })
    }

    /// Answers with what is not kept anywhere.
    fn passed(&self, response: Response) -> Answer {
        let now = self.clock.now();
        let arrival = Arrival { at: now, delay: response.delay };
        let said = lifetimes(response.status, &response.headers, arrival);
        Answer {
            status: response.status,
            headers: storing::kept(&response.headers, now),
            age: response.headers.contains_key(AGE).then_some(said.age),
            cache: CacheState::Passed,
            body: Body::Stream(Box::new(Passing::new(response))),
        }
    }
}

fn stored(entry: &Entry) -> Stored {
    let (status, lifetimes) = (status(entry.status), entry.http.lifetimes);
    Stored { status, validated_at: entry.validated_at, lifetimes, pinned: entry.pinned }
}

/// Returns a status as the store holds it; it was one when it was stored.
fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// Names a resource among those that were changed.
fn changed_key(mount: &str, package: &str) -> String {
    format!("{mount}\n{package}")
}
