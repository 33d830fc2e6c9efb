//! Builds of Hex and rebar3, for machines without any Internet: lists as their builder signed them, builds as their list
//! has them. Source: contract hex §1.4.
//!
//! A list and its signature are two files, and clients believe both or neither. So both are asked for whenever one is
//! wanted, a signature is kept for the one state of its list that it came with, and when upstream goes away between the two,
//! the last pair of one moment is served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::Repository;
use super::error::{Error, of_mirror};
use super::replies::{self, CSV, NO_TIME, OCTETS, TEXT, WEEK};
use super::wire::{self, Archive, Install, List};
use crate::base::clock::Clock;
use crate::base::digest::{Digest, Promise};
use crate::base::http::{Body, CacheState, Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::store::Entry;
use crate::mirror::{Found, Resource};
use crate::registries::bodies;

/// The last pair of each list; in memory, since they are short.
pub struct Pairs {
    clock: Clock,
    /// Held for a few lines only.
    known: Mutex<HashMap<List, Arc<Pair>>>,
}

/// A list and its signature, of one moment.
struct Pair {
    list: Page,
    /// None where upstream has none.
    signature: Option<Page>,
}

/// One of the two.
#[derive(Clone)]
struct Page {
    body: Bytes,
    digest: Digest,
    entry: Arc<Entry>,
    last_modified: Option<HeaderValue>,
    cache: CacheState,
}

impl Repository {
    /// `GET installs/…`.
    pub(super) async fn install(&self, request: &Request<'_>, install: &Install) -> Result<Reply, Error> {
        match install {
            Install::List(list @ List::Hex1) => match self.list(request, *list).await {
                // mix asks for this one by itself once a day, and shows its user anything but a good answer.
                Err(Error::NotFound { .. } | Error::Unreachable { .. } | Error::TimedOut { .. }) => Ok(no_builds()),
                listed => listed,
            },
            Install::List(list) => self.list(request, *list).await,
            Install::Signature(list) => self.list_signature(request, *list).await,
            Install::Archive(archive) => self.build(request, archive).await,
        }
    }

    async fn list(&self, request: &Request<'_>, list: List) -> Result<Reply, Error> {
        let pair = self.pair(list, &insisting(request)).await?;
        Ok(replies::reply(self.pairs.found(&pair.list), CSV, NO_TIME))
    }

    async fn list_signature(&self, request: &Request<'_>, list: List) -> Result<Reply, Error> {
        let pair = self.pair(list, &insisting(request)).await?;
        let missing = || Error::not_found(Install::Signature(list).path());
        Ok(replies::reply(self.pairs.found(pair.signature.as_ref().ok_or_else(missing)?), TEXT, NO_TIME))
    }

    /// Returns a list with its signature; where one of them cannot be had, both as they were last.
    async fn pair(&self, list: List, demand: &Demand) -> Result<Arc<Pair>, Error> {
        match self.ask_for_pair(list, demand).await {
            Ok(pair) => Ok(self.pairs.keep(list, pair)),
            Err(error) if is_upstreams(&error) => self.pairs.last(list).ok_or(error),
            Err(error) => Err(error),
        }
    }

    async fn ask_for_pair(&self, list: List, demand: &Demand) -> Result<Pair, Error> {
        let pair = self.list_and_signature(list, demand).await?;
        let is_new = |page: &Page| matches!(page.cache, CacheState::Miss | CacheState::Expired);
        if !pair.signature.as_ref().is_some_and(is_new) {
            return Ok(pair);
        }
        // A signature that was not there before may be that of a list which has changed after we had it.
        let again = self.page(&self.sources.build_list(list)?, &demand.newest(), list.file()).await?;
        if again.digest == pair.list.digest { Ok(pair) } else { self.list_and_signature(list, demand).await }
    }

    async fn list_and_signature(&self, list: List, demand: &Demand) -> Result<Pair, Error> {
        let page = self.page(&self.sources.build_list(list)?, demand, list.file()).await?;
        if !list.is_signed() {
            return Ok(Pair { list: page, signature: None });
        }
        let want = self.sources.list_signature(list, &page.digest)?;
        match self.page(&want, demand, &Install::Signature(list).path()).await {
            Ok(signature) => Ok(Pair { list: page, signature: Some(signature) }),
            Err(Error::NotFound { .. }) => Ok(Pair { list: page, signature: None }),
            Err(error) => Err(error),
        }
    }

    async fn page(&self, want: &Arc<Resource>, demand: &Demand, what: &str) -> Result<Page, Error> {
        let Found { body, entry, last_modified, cache, .. } = self.document(want, demand, what).await?;
        let entry = entry.ok_or_else(|| Error::internal("a document that is not kept"))?;
        let digest = entry.digest.ok_or_else(|| Error::internal("a document without its digest"))?;
        Ok(Page { body: bodies::read(body).await?, digest, entry, last_modified, cache })
    }

    async fn build(&self, request: &Request<'_>, archive: &Archive) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let what = Install::Archive(archive.clone()).path();
        let promise = match self.promise(archive, &demand).await? {
            (Some(promise), _) => promise,
            (None, held) => self.newest_promise(archive, &demand, held).await?,
        };
        let want = self.sources.archive(archive, promise)?;
        let found = self.mirror.artifact(&want, &demand).await;
        let found = found.map_err(|error| of_mirror(error, &what))?;
        Ok(replies::reply(found, OCTETS, WEEK))
    }

    /// Asks for the list anew: the one that is held, and came as `held` says, may be too old to have a build.
    async fn newest_promise(&self, archive: &Archive, demand: &Demand, held: CacheState) -> Result<Promise, Error> {
        let (list, what) = (archive.list.file(), Install::Archive(archive.clone()).path());
        if self.missed.is_known(list, &what) {
            return Err(Error::missing(what, held));
        }
        let (promise, cache) = self.promise(archive, &demand.newest()).await?;
        promise.ok_or_else(|| {
            if cache != CacheState::Stale {
                self.missed.note(list, &what);
            }
            Error::missing(what, cache)
        })
    }

    /// Returns what the list promises of a build, `None` when it does not have it, and how the list came.
    async fn promise(&self, archive: &Archive, demand: &Demand) -> Result<(Option<Promise>, CacheState), Error> {
        let page = self.page(&self.sources.build_list(archive.list)?, demand, archive.list.file()).await?;
        let found = wire::find_sum(&page.body, archive);
        let found = found.map_err(|_| Error::internal("a list of builds that cannot be read"))?;
        Ok((found, page.cache))
    }
}

/// Tells whether upstream failed, so that what it gave before is as good as it gets.
fn is_upstreams(error: &Error) -> bool {
    use Error::{BadGateway, TimedOut, Unproven, Unreachable};
    matches!(error, Unreachable { .. } | TimedOut { .. } | BadGateway { .. } | Unproven { .. })
}

/// Returns the demand of a client that wants what upstream has now.
fn insisting(request: &Request<'_>) -> Demand {
    Demand { max_age: Some(Duration::ZERO), ..Demand::of(request.headers) }
}

/// Says that there is nothing newer.
fn no_builds() -> Reply {
    let mut reply = Reply::bytes(StatusCode::OK, "text/csv", "");
    reply.set(http::header::CACHE_CONTROL, NO_TIME);
    reply
}

// === impl Pairs ===

impl Pairs {
    pub fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    fn keep(&self, list: List, pair: Pair) -> Arc<Pair> {
        let pair = Arc::new(pair);
        self.known().insert(list, Arc::clone(&pair));
        pair
    }

    /// Returns what was served last, which is stale now.
    fn last(&self, list: List) -> Option<Arc<Pair>> {
        let known = self.known();
        let pair = known.get(&list)?;
        let stale = |page: &Page| Page { cache: CacheState::Stale, ..page.clone() };
        Some(Arc::new(Pair { list: stale(&pair.list), signature: pair.signature.as_ref().map(stale) }))
    }

    fn found(&self, page: &Page) -> Found {
        let Page { body, entry, last_modified, cache, .. } = page.clone();
        let age = self.clock.now().duration_since(entry.validated_at).unwrap_or_default();
        let body = Body::Bytes(body);
        Found { content_type: None, etag: None, last_modified, beside: None, entry: Some(entry), body, cache, age }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<List, Arc<Pair>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
