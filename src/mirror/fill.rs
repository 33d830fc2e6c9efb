//! One fill: asks upstream once for one resource, proves what comes, keeps it, and tells every rider.
//!
//! ```text
//! statements hold? → ask (conditional) ─ 304 → the entry holds on
//!                                      ├ 404, 410 → an absence, unless what is held is pinned
//!                                      └ 200 → temporary file → proofs → commit
//! ```
//! A fill belongs to nobody: clients come and go, it goes on.

use std::sync::Arc;

use super::crash::{self, Step};
use super::document;
use super::download::Download;
use super::error::Error;
use super::fetch::{Ask, Response};
use super::flight::{Change, Head, Landed, Pilot};
use super::fresh::{self, Lifetimes};
use super::resource::{Kind, Resource};
use super::retry::back_off;
use super::room::Room;
use super::store::{self, Draft, Entry, Http};
use super::verify::Evidence;
use super::{Engine, first_seen, verify};
use crate::base::chain::Chain;
use crate::base::digest::Hashed;
use crate::base::secret::SafeUrl;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// One fill under way.
pub struct Fill {
    pub engine: Arc<Engine>,
    pub want: Arc<Resource>,
    /// What is kept so far, fresh no longer.
    pub held: Option<Arc<Entry>>,
    pub pilot: Pilot,
    pub errand: Errand,
}

/// How a fill came about; matters to files only.
#[derive(Default)]
pub struct Errand {
    /// What was looked for: the resource's key, or that of a variant.
    pub key: String,
    pub manner: Manner,
}

/// Whom a fill is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Whoever comes.
    #[default]
    Shared,
    /// One client, since what comes may not be shared.
    Alone,
    /// One client, who wants nothing of it stored.
    Unkept,
}

impl Fill {
    /// Runs to the end and tells the riders how it went.
    pub async fn run(self) {
        let landed = match self.want.kind {
            Kind::Document | Kind::Artifact => self.work().await.map(|(entry, change)| Landed::Held { entry, change }),
            Kind::File => self.work_on_file().await,
        };
        let landed = match landed {
            Ok(landed) => landed,
            Err(error) => {
                self.report(&error).await;
                Landed::Failed(error)
            }
        };
        self.pilot.land(landed);
    }

    async fn work(&self) -> Result<(Arc<Entry>, Change), Error> {
        if let Some(entry) = self.landed_before().await {
            return Ok((entry, Change::Before));
        }
        let stated = verify::before(&self.want.proofs)?;
        let mut conditions = self.validators();
        let mut attempt = 1;
        loop {
            let response = self.ask(&conditions).await?;
            let taken = match response.status.as_u16() {
                200 => self.take(response, stated.clone()).await,
                304 => self.confirm(&response).await,
                404 | 410 => self.miss(&response).await,
                status => Err(Error::Refused { status }),
            };
            match taken {
                // What is held cannot be renewed: all of it is asked for. Source: RFC 9111 §4.3.3.
                Err(Error::Senseless { .. } | Error::Died) if !conditions.is_empty() => conditions.clear(),
                // An artifact has resumed by itself; a document starts again.
                Err(Error::Truncated { .. }) if self.may_start_again(attempt) => {
                    tokio::time::sleep(back_off(attempt)).await;
                    attempt += 1;
                }
                taken => return taken,
            }
        }
    }

    fn may_start_again(&self, attempt: u32) -> bool {
        self.want.kind == Kind::Document && attempt < self.engine.fetch.settings().attempts
    }

    /// Returns what another fill has brought since ours was found to be needed: whoever looked into the store just before
    /// that one landed boards too late for it, and must not ask upstream again.
    async fn landed_before(&self) -> Option<Arc<Entry>> {
        let entry = self.engine.find(&self.want.key).await?;
        self.held.as_ref().is_none_or(|held| entry.validated_at > held.validated_at).then_some(entry)
    }

    /// Builds the GET for this resource under `conditions`.
    pub fn question<'a>(&'a self, conditions: &'a HeaderMap) -> Ask<'a> {
        Ask {
            upstream: &self.want.upstream,
            url: &self.want.url,
            accept: self.want.accept,
            gzip: self.want.kind == Kind::Document,
            headers: &self.want.headers,
            conditions,
            redirects: self.want.redirects,
            failures: self.failures(),
        }
    }

    /// Returns the validators of what is held. Source: RFC 9111 §4.3.1.
    pub fn validators(&self) -> HeaderMap {
        let Some(held) = self.held.as_ref().filter(|held| !held.is_absence()) else { return HeaderMap::new() };
        [(IF_NONE_MATCH, &held.http.etag), (IF_MODIFIED_SINCE, &held.http.last_modified)]
            .into_iter()
            .filter_map(|(name, validator)| Some((name, validator.clone()?)))
            .collect()
    }

    // === 304 ===

    /// What is held still holds: its times are renewed, its bytes are not touched.
    async fn confirm(&self, response: &Response) -> Result<(Arc<Entry>, Change), Error> {
        let senseless = |detail| Error::Senseless { host: response.host.clone(), detail };
        let held = self.held.as_ref().filter(|held| !held.is_absence());
        let held = held.ok_or_else(|| senseless("a 304 that nobody asked for"))?;
        let now = self.engine.clock.now();
        let http = fresh::renewed(&held.http, &self.request(), &self.want.understood(&response.headers), now)
            .ok_or_else(|| senseless("a 304 with a validator that is not ours"))?;
        let entry = self.engine.store.refresh(&self.want.key, http, now).await?.ok_or(Error::Died)?;
        Ok((entry, Change::Same))
    }

    // === 404, 410 ===

    async fn miss(&self, response: &Response) -> Result<(Arc<Entry>, Change), Error> {
        if self.is_pinned(&self.want.key).await {
            return Err(self.leave_pinned(response.status));
        }
        let draft = self.draft(self.http(response), response.status.as_u16(), Vec::new());
        let entry = self.engine.store.commit(draft, None).await?;
        Ok((entry, self.change()))
    }

    // === 200 ===

    async fn take(&self, response: Response, stated: Vec<String>) -> Result<(Arc<Entry>, Change), Error> {
        match self.want.kind {
            Kind::Document => self.take_document(response, stated).await,
            Kind::Artifact | Kind::File => self.take_artifact(response, stated).await,
        }
    }

    /// Takes a document whole, proves it, and only then lets anybody see it.
    async fn take_document(&self, response: Response, mut proved: Vec<String>) -> Result<(Arc<Entry>, Change), Error> {
        let http = self.http(&response);
        let gzip = document::is_gzip(response.header(CONTENT_ENCODING))
            .ok_or_else(|| Error::Senseless { host: response.host.clone(), detail: "an encoding nobody asked for" })?;
        let spool = document::download(&self.engine.store, response, self.want.max_bytes).await?;
        let (want, headers) = (Arc::clone(&self.want), http.headers.clone());
        let _heavy = self.engine.heavy.acquire().await.map_err(|_| Error::Died)?;
        let raw = spool.into_bytes().map_err(Error::disk)?;
        let settled = tokio::task::spawn_blocking(move || document::settle(&want, headers.as_deref(), raw, gzip));
        let settled = settled.await.map_err(|_| Error::Died)??;
        let _turn = self.turn().await;
        let settled = self.hold_document(settled).await?;
        proved.extend(settled.proved);
        crash::reach(Step::Proved);
        let room = self.write(settled.body).await?;
        self.keep(http, proved, room, settled.hashed).await
    }

    /// Makes room for a document and writes it there.
    async fn write(&self, body: Bytes) -> Result<Room, Error> {
        let mut room = Room::make(&self.engine.store, Some(body.len() as u64)).await?;
        crash::reach(Step::Reserved);
        let write = move || room.write(&body, 0).map(|_| room);
        let room = tokio::task::spawn_blocking(write).await.map_err(|_| Error::Died)??;
        crash::reach(Step::TempWritten);
        Ok(room)
    }

    /// Streams an artifact to its riders while it is hashed, holding its end back until the proofs hold. One that is
    /// disputed is held back whole: its failure is to be an answer that says why, not a connection that was cut.
    async fn take_artifact(&self, response: Response, mut proved: Vec<String>) -> Result<(Arc<Entry>, Change), Error> {
        let http = self.http(&response);
        let is_disputed = self.is_disputed().await?;
        let status = response.status.as_u16();
        let head = (!is_disputed).then(|| Head { key: self.want.key.clone(), status, http: http.clone() });
        let download = Download::start(self, response, head).await?;
        let (room, hashed) = download.run().await?;
        let found = self.prove(&room, &hashed, &http).await;
        proved.extend(if is_disputed { found.map_err(first_seen::as_rival) } else { found }?);
        let is_provisional = self.want.release.as_ref().is_some_and(|release| release.is_provisional);
        proved.extend(is_provisional.then(|| first_seen::PROVISIONAL.to_owned()));
        crash::reach(Step::Proved);
        let _turn = self.turn().await;
        let room = if self.hold_artifact(hashed.digest, is_disputed).await? { room } else { room.forgo() };
        self.pilot.release(hashed.length);
        self.keep(http, proved, room, hashed).await
    }

    /// Runs the proofs of an artifact that is there.
    async fn prove(&self, room: &Room, hashed: &Hashed, http: &Http) -> Result<Vec<String>, Error> {
        let mut proved = verify::hashed(&self.want.proofs, hashed)?;
        proved.extend(self.prove_content(room, hashed, http).await?);
        Ok(proved)
    }

    /// Runs the proofs that need a whole artifact, which only few do.
    async fn prove_content(&self, room: &Room, hashed: &Hashed, http: &Http) -> Result<Vec<String>, Error> {
        if !verify::needs_body(&self.want.proofs) {
            return Ok(Vec::new());
        }
        let _turn = self.engine.proving.acquire().await.map_err(|_| Error::Died)?;
        let (body, want, headers) = (room.temp.slice(hashed.length), Arc::clone(&self.want), http.headers.clone());
        let run = move || {
            let evidence = Evidence::of_file(&body).beside(headers.as_deref());
            Ok(verify::content(&want.proofs, &evidence)?)
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| Error::Died)?
    }

    async fn keep(
        &self,
        http: Http,
        proved: Vec<String>,
        room: Room,
        hashed: Hashed,
    ) -> Result<(Arc<Entry>, Change), Error> {
        let held_same = self.held.as_ref().filter(|held| held.digest == Some(hashed.digest) && held.proofs == proved);
        if let Some(held) = held_same {
            let now = self.engine.clock.now();
            if let Some(entry) = self.engine.store.refresh(&held.key, http.clone(), now).await? {
                return Ok((entry, Change::Same));
            }
        }
        let draft = self.draft(http, 200, proved);
        let entry = room.keep(&self.engine.store, draft, &hashed).await?;
        Ok((entry, self.change()))
    }

    // === Small things ===

    pub fn change(&self) -> Change {
        if self.held.is_some() { Change::Replaced } else { Change::New }
    }

    pub fn draft(&self, http: Http, status: u16, proofs: Vec<String>) -> Draft {
        let now = self.engine.clock.now();
        Draft {
            key: self.want.key.as_str().into(),
            mount: Arc::clone(&self.want.mount),
            package: self.want.package.as_str().into(),
            status,
            http,
            stored_at: now,
            validated_at: now,
            proofs,
            pinned: self.held.as_ref().is_some_and(|held| held.pinned),
            source: None,
            segments: Vec::new(),
        }
    }

    /// The request as caching sees it: without our own credentials, whose answers the mount's rights guard.
    fn request(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        // A `url::Url` with a host is a valid URI but for characters that the URI type is stricter about; the caching
        // rules only compare it with itself.
        *request.uri_mut() = self.want.url.as_str().parse().unwrap_or_default();
        request
    }

    fn http(&self, response: &Response) -> Http {
        let header = |name| response.headers.get(name).cloned();
        let (request, understood) = (self.request(), self.want.understood(&response.headers));
        Http {
            content_type: header(CONTENT_TYPE),
            etag: self.want.etag.clone().or_else(|| header(ETAG)),
            last_modified: header(LAST_MODIFIED),
            lifetimes: Lifetimes::of(&request, response.status, &understood, self.engine.clock.now()),
            headers: self.want.kept_of(&response.headers),
        }
    }

    /// Logs and counts what went wrong, and lists it when a proof failed.
    async fn report(&self, error: &Error) {
        let url = SafeUrl::from(self.want.url.clone());
        match error {
            Error::Unproven(broken) => {
                tracing::error!(%url, key = self.want.key, kind = broken.kind, detail = broken.detail, "unproven, not kept");
                self.engine.refused.note(&self.want.key, self.engine.clock.now());
                self.list(broken).await;
            }
            Error::Offline | Error::Absent { .. } | Error::NotHeld => {}
            other => tracing::warn!(%url, error = %Chain(other), "fill failed"),
        }
    }

    /// Counts and lists a proof that does not hold. The list is public, and what is private is not on it.
    pub(super) async fn list(&self, broken: &verify::Broken) {
        self.engine.metrics.proofs_failed.with_label_values(&[broken.kind]).inc();
        if self.want.is_private {
            return;
        }
        let incident = store::Incident {
            at: self.engine.clock.now(),
            mount: self.want.mount.to_string(),
            key: self.want.key.clone(),
            package: self.want.package.clone(),
            kind: broken.kind.to_owned(),
            detail: broken.detail.clone(),
        };
        if let Err(error) = self.engine.store.report(incident).await {
            tracing::error!(error = %Chain(&error), "incident not listed");
        }
    }
}
