//! The fill of a file: asks, and keeps what may be kept.

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use http::header::{AGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED, VARY};

use super::{changed_key, status, stored};
use crate::base::digest::Hashed;
use crate::mirror::crash::{self, Step};
use crate::mirror::download::Download;
use crate::mirror::error::Error;
use crate::mirror::fetch::{Failures, Response};
use crate::mirror::fill::{Fill, Manner};
use crate::mirror::flight::{Change, Handed, Head, Landed};
use crate::mirror::resource::Kind;
use crate::mirror::room::Room;
use crate::mirror::shared::lifetime::{Arrival, lifetimes};
use crate::mirror::shared::{storing, vary};
use crate::mirror::store::{Draft, Entry, Http};
use crate::mirror::verify;

/// How many variants of one resource are kept, with the marker that tells what they vary by.
const VARIANTS: u64 = 33;

impl Fill {
    /// Runs the fill of a file.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn work_on_file(&self) -> Result<Landed, Error> {
        if let Some(entry) = self.brought_before().await {
            return Ok(Landed::Held { entry, change: Change::Before });
        }
        let mut conditions = self.file_validators();
        loop {
            let began = self.engine.clock.now();
            let response = self.ask(&conditions).await?;
            if response.status != StatusCode::NOT_MODIFIED {
                return self.take_file(response, began).await;
            }
            if conditions.is_empty() {
                return Err(senseless(&response, "a 304 that nobody asked for"));
            }
            if let Some(entry) = self.confirm_file(&response).await? {
                return Ok(Landed::Held { entry, change: Change::Same });
            }
            // What is held is not what upstream speaks of: all of it is asked for. Source: RFC 9111 §4.3.4.
            conditions.clear();
        }
    }

    /// A file whose upstream fails is answered with what upstream says of that, unless something better is held.
    pub fn failures(&self) -> Failures {
        let is_held = |held: &Arc<Entry>| stored(held).may_be_served_stale(&self.want.rules, self.engine.clock.now());
        let answers = self.want.kind == Kind::File && !self.held.as_ref().is_some_and(is_held);
        // A body that broke off is not gone on with by an error.
        if answers && !self.pilot.is_streaming() { Failures::AreAnswers } else { Failures::AreErrors }
    }

    /// Returns what another fill has brought since ours was found to be needed, for those who share.
    async fn brought_before(&self) -> Option<Arc<Entry>> {
        if self.errand.manner != Manner::Shared {
            return None;
        }
        let entry = self.engine.find_stored(&self.errand.key).await?;
        self.held.as_ref().is_none_or(|held| entry.validated_at > held.validated_at).then_some(entry)
    }

    /// What is no representation has no validators worth asking with.
    fn file_validators(&self) -> HeaderMap {
        let good = self.held.as_ref().is_some_and(|held| status(held.status).is_success());
        if good { self.validators() } else { HeaderMap::new() }
    }

    // === 304 ===

    /// Renews what is held, headers and all; `None` when the answer is about something else.
    ///
    /// Source: RFC 9111 §3.2, §4.3.4.
    async fn confirm_file(&self, response: &Response) -> Result<Option<Arc<Entry>>, Error> {
        let Some(held) = &self.held else { return Ok(None) };
        let Some(headers) = held.http.headers.as_ref().filter(|_| is_about(&held.http, &response.headers)) else {
            return Ok(None);
        };
        let now = self.engine.clock.now();
        let updated = storing::updated(headers, &response.headers, now);
        let is_other = vary::key(&self.want.key, &updated, &self.want.headers).as_deref() != Some(&*held.key);
        if is_other || !storing::may_store(status(held.status), &updated) {
            return Ok(None);
        }
        let http = http(status(held.status), updated, response, now);
        Ok(self.engine.store.refresh(&held.key, http, now).await?)
    }

    // === Everything else ===

    async fn take_file(&self, response: Response, began: SystemTime) -> Result<Landed, Error> {
        if response.status == StatusCode::PARTIAL_CONTENT {
            return Err(senseless(&response, "a part that nobody asked for"));
        }
        if is_error(response.status) && self.is_pinned(&self.errand.key).await {
            return Err(self.leave_pinned(response.status));
        }
        let may_store = self.errand.manner != Manner::Unkept && storing::may_store(response.status, &response.headers);
        match vary::key(&self.want.key, &response.headers, &self.want.headers).filter(|_| may_store) {
            Some(key) => self.keep_coming(response, key, began).await,
            None => self.pass(response).await,
        }
    }

    /// Hands on what may not be kept, and forgets what it has replaced.
    async fn pass(&self, response: Response) -> Result<Landed, Error> {
        if self.errand.manner != Manner::Unkept {
            self.engine.unshared.note(&self.errand.key, self.engine.clock.now());
            if let Some(held) = self.held.as_ref().filter(|_| !is_error(response.status)) {
                self.engine.store.remove(&held.key).await?;
            }
        }
        Ok(Landed::Passed(Handed::new(response)))
    }

    /// Streams what may be kept to its riders, and keeps it.
    async fn keep_coming(&self, response: Response, key: String, began: SystemTime) -> Result<Landed, Error> {
        let now = self.engine.clock.now();
        let http = http(response.status, storing::kept(&response.headers, now), &response, now);
        // What is stale at once cannot be shared either, though it can be kept.
        match http.lifetimes.fresh.is_some_and(|fresh| fresh.is_zero()) {
            true => self.engine.unshared.note(&self.errand.key, now),
            false => self.engine.unshared.forget(&self.errand.key),
        }
        let head = Head { key, status: response.status.as_u16(), http };
        let (room, hashed) = Download::start(self, response, Some(head.clone())).await?.run().await?;
        let proofs = verify::hashed(&self.want.proofs, &hashed)?;
        crash::reach(Step::Proved);
        self.pilot.release(hashed.length);
        let draft = Draft { key: head.key.into(), validated_at: now, ..self.draft(head.http, head.status, proofs) };
        let entry = self.keep_file(draft, room, &hashed, began).await?;
        Ok(Landed::Held { entry, change: self.change() })
    }

    async fn keep_file(
        &self,
        draft: Draft,
        room: Room,
        hashed: &Hashed,
        began: SystemTime,
    ) -> Result<Arc<Entry>, Error> {
        let (engine, key) = (&self.engine, changed_key(&self.want.mount, &self.want.package));
        if engine.changed.is_noted(&key, began) {
            return room.forgo().keep(&engine.store, draft, hashed).await;
        }
        let entry = room.keep(&engine.store, draft, hashed).await?;
        // Whoever changes it now removes what is kept by now; whoever has just before us must not be overlooked.
        if engine.changed.is_noted(&key, began) {
            engine.store.purge_package(&self.want.mount, &self.want.package).await?;
        } else if *entry.key != *self.want.key {
            self.mark(&entry).await?;
        }
        Ok(entry)
    }

    /// Notes under the resource's own key what its variants vary by.
    async fn mark(&self, variant: &Entry) -> Result<(), Error> {
        let vary = |entry: &Entry| -> Vec<HeaderValue> {
            let headers = entry.http.headers.as_deref();
            headers.map_or_else(Vec::new, |headers| headers.get_all(VARY).iter().cloned().collect())
        };
        let names = vary(variant);
        let marker = self.engine.find(&self.want.key).await;
        if !marker.is_some_and(|marker| marker.is_absence() && vary(&marker) == names) {
            let names = names.into_iter().map(|line| (VARY, line)).collect();
            let http = Http { headers: Some(Box::new(names)), ..Http::default() };
            let draft = Draft { pinned: false, ..self.draft(http, StatusCode::OK.as_u16(), Vec::new()) };
            self.engine.store.commit(draft, None).await?;
        }
        Ok(self.engine.store.trim_package(&self.want.mount, &self.want.package, VARIANTS).await?)
    }
}

/// Returns the HTTP facts of a response: the headers that are kept of it, and what all it said of freshness.
fn http(status: StatusCode, kept: HeaderMap, response: &Response, now: SystemTime) -> Http {
    let mut said = kept.clone();
    if let Some(age) = response.headers.get(AGE) {
        said.insert(AGE, age.clone());
    }
    let header = |name| kept.get(name).cloned();
    Http {
        content_type: header(CONTENT_TYPE),
        etag: header(ETAG),
        last_modified: header(LAST_MODIFIED),
        lifetimes: lifetimes(status, &said, Arrival { at: now, delay: response.delay }),
        headers: Some(Box::new(kept)),
    }
}

/// Tells whether a 304 is about what is held: its validator is the same. One without any answers the only condition
/// there was. Source: RFC 9111 §4.3.4.
fn is_about(held: &Http, given: &HeaderMap) -> bool {
    let opaque = |etag: &HeaderValue| etag.as_bytes().strip_prefix(b"W/").unwrap_or(etag.as_bytes()).to_vec();
    match (given.get(ETAG), &held.etag) {
        (Some(given), Some(held)) if given.as_bytes().starts_with(b"W/") => opaque(given) == opaque(held),
        (Some(given), Some(held)) => given == held,
        (Some(_), None) => false,
        (None, _) => match (given.get(LAST_MODIFIED), &held.last_modified) {
            (Some(given), Some(held)) => given == held,
            _ => true,
        },
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn senseless(response: &Response, detail: &'static str) -> Error {
    Error::Senseless { host: response.host.clone(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_304_is_about_what_has_its_validator() {
        let http = |etag: Option<&'static str>, modified: Option<&'static str>| Http {
            etag: etag.map(HeaderValue::from_static),
            last_modified: modified.map(HeaderValue::from_static),
            ..Http::default()
        };
        for (held, given, expected) in [
            (http(Some("\"a\""), None), &[][..], true),
            (http(Some("\"a\""), None), &[(ETAG, "\"a\"")], true),
            (http(Some("\"a\""), None), &[(ETAG, "W/\"a\"")], true),
            (http(Some("W/\"a\""), None), &[(ETAG, "W/\"a\"")], true),
            (http(Some("W/\"a\""), None), &[(ETAG, "\"a\"")], false),
            (http(Some("\"a\""), None), &[(ETAG, "\"b\"")], false),
            (http(None, Some("x")), &[(ETAG, "\"b\"")], false),
            (http(None, Some("x")), &[(LAST_MODIFIED, "x")], true),
            (http(None, Some("x")), &[(LAST_MODIFIED, "y")], false),
            (http(None, None), &[], true),
        ] {
            let headers = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            assert_eq!(is_about(&held, &headers), expected, "{held:?} {given:?}");
        }
    }
}
