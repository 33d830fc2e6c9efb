//! Answers that are made of a package's document: the document itself, one version of it, its dist-tags; and those that are
//! mirrored as they are.

use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Npm;
use super::error::{Error, of_mirror};
use super::merge::{self, Indexed, Served};
use super::name::{PackageName, Spec, Version};
use super::own::Whose;
use super::replies;
use super::replies::NO_CACHE;
use super::wire::{self, VersionLine};
use crate::base::conditional;
use crate::base::digest::{Digest, hex};
use crate::base::http::{Body, Reply, Request};
use crate::base::negotiate;
use crate::mirror::fresh::Demand;
use crate::mirror::prepare::{Keys, Shape};
use crate::mirror::store::Segment;
use crate::mirror::{self, Prepared, Resource};
use crate::registries::blocks::{Barred, Subject};
use crate::registries::bodies;

/// What an answer that is made of a document depends on; on the origin by [`super::cors`].
pub(super) const VARY_ON: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding, Origin");

/// How long clients may keep a single version. Source: contract npm §5.2.
const MANIFEST_AGE: HeaderValue = HeaderValue::from_static("max-age=60");

/// Which form of a document a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Full,
    Abbreviated,
}

impl Form {
    /// Chooses: abbreviated only if it is named, and at least as welcome as plain JSON. Source: contract npm §3.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let short = negotiate::named(headers, merge::INSTALL).unwrap_or(0);
        if short > 0 && short >= negotiate::named(headers, merge::JSON).unwrap_or(0) {
            Self::Abbreviated
        } else {
            Self::Full
        }
    }

    fn segment(self, gzip: bool) -> &'static str {
        match (self, gzip) {
            (Self::Full, false) => merge::FULL,
            (Self::Full, true) => merge::FULL_GZIP,
            (Self::Abbreviated, false) => merge::ABBREVIATED,
            (Self::Abbreviated, true) => merge::ABBREVIATED_GZIP,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Full => merge::JSON,
            Self::Abbreviated => merge::INSTALL,
        })
    }
}

impl Npm {
    /// `GET /{name}`. With `write`, the newest there is, and not to be kept. Source: contract npm §5.1.
    pub(super) async fn packument(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        write: bool,
    ) -> Result<Reply, Error> {
        let form = if write { Form::Full } else { Form::wanted(request.headers) };
        let demand = if write { Demand::NONE.newest() } else { Demand::of(request.headers) };
        let prepared = self.prepared(request, name, &demand).await?;
        let segment = segment(&prepared, form.segment(negotiate::accepts_gzip(request.headers)))?;
        let mut reply = head(&prepared, form.content_type());
        if let Some(etag) = &segment.etag {
            reply.set(ETAG, etag.clone());
        }
        if segment.name.ends_with(".gz") {
            reply.set(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if write {
            reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if conditional::wants_content(request.headers, &reply.headers) {
            reply.body = prepared.forms.segment_body(segment)?;
        }
        Ok(reply)
    }

    /// `GET /{name}/{version, tag or range}`. Source: contract npm §5.2.
    pub(super) async fn manifest(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        spec: &Spec,
    ) -> Result<Reply, Error> {
        let prepared = self.prepared(request, name, &Demand::of(request.headers)).await?;
        let index = self.index(&prepared).await?;
        let line = wire::resolve(&index, spec)
            .ok_or_else(|| Error::missing(format!("{name}@{}", spec.as_str()), prepared.cache))?;
        let form = Form::wanted(request.headers);
        let body = slice(&prepared, form, &line).await?;
        // The media type of the abbreviated form names a whole document.
        let mut reply = told(&prepared, body);
        if !prepared.is_own {
            reply.set(CACHE_CONTROL, MANIFEST_AGE);
        }
        Ok(reply)
    }

    /// Returns the document of a mirrored package as upstream has it.
    pub(super) async fn upstreams_document(&self, name: &PackageName, demand: &Demand) -> Result<Bytes, Error> {
        self.blocks.check(Subject::package(name.as_str())).await?;
        if self.gate.is_kept_from_upstream(name.as_str()).await? {
            return Err(Error::not_found(name.as_str()));
        }
        let found = self.mirror.document(&self.sources.packument(name)?, demand).await;
        Ok(bodies::read(found.map_err(|error| of_mirror(error, name.as_str()))?.body).await?)
    }

    /// `GET /-/package/{name}/dist-tags`. Source: contract npm §5.4.
    pub(super) async fn dist_tags(&self, request: &Request<'_>, name: &PackageName) -> Result<Reply, Error> {
        let prepared = self.prepared(request, name, &Demand::of(request.headers)).await?;
        let index = self.index(&prepared).await?;
        let tags: serde_json::Map<_, _> =
            wire::tags(&index).map(|(tag, version)| (tag.to_owned(), version.into())).collect();
        Ok(told(&prepared, serde_json::Value::Object(tags).to_string().into()))
    }

    /// `GET /-/npm/v1/attestations/{name}@{version}`. Source: contract npm §6.3.
    pub(super) async fn attestations(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let what = format!("attestations of {name}@{version}");
        let own = match self.whose(name).await? {
            Whose::Ours(edition) => Some(edition),
            Whose::Both(edition) if self.has_own(name, version, edition).await? => Some(edition),
            Whose::Both(_) | Whose::Upstreams => None,
        };
        if let Some(edition) = own {
            return self.own_attestations(name, version, edition).await?.ok_or_else(|| Error::not_found(what));
        }
        self.mirrored(request, &self.sources.attestations(name, version)?, &what).await
    }

    /// Answers with a document that is mirrored as it is.
    pub(super) async fn mirrored(
        &self,
        request: &Request<'_>,
        want: &Arc<Resource>,
        what: &str,
    ) -> Result<Reply, Error> {
        let found = self.mirror.document(want, &Demand::of(request.headers)).await;
        Ok(replies::mirrored(found.map_err(|error| of_mirror(error, what))?))
    }

    /// Returns a package's document in the forms this client's base URL needs.
    pub(super) async fn prepared(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        demand: &Demand,
    ) -> Result<Prepared, Error> {
        self.prepared_at(request.base, name, demand).await
    }

    /// Returns a package's document in the forms that clients at this base URL need.
    pub(super) async fn prepared_at(&self, base: &str, name: &PackageName, demand: &Demand) -> Result<Prepared, Error> {
        let barred = self.blocks.of(name.as_str()).await?;
        if barred.is_empty() {
            return self.prepared_without(base, name, demand, barred).await;
        }
        let prepared = self.prepared_without(base, name, demand, barred.clone()).await?;
        let is_empty = wire::versions(&self.index(&prepared).await?).next().is_none();
        if is_empty { Err(barred.nothing_left(name.as_str())) } else { Ok(prepared) }
    }

    /// Returns a package's document without what is barred of it: found, or prepared.
    async fn prepared_without(
        &self,
        base: &str,
        name: &PackageName,
        demand: &Demand,
        barred: Barred,
    ) -> Result<Prepared, Error> {
        let whose = self.whose(name).await?;
        let over = if let Whose::Both(edition) = whose { Some(self.own_state(edition)) } else { None };
        let shape = Served::id_at(base, &barred, over.as_deref());
        let found = match whose {
            Whose::Ours(edition) => self.mirror.find_own(&Keys::new(&self.own_key(name, edition), &shape)),
            Whose::Both(_) => self.find_prepared(name, &shape, demand).map(with_ours),
            Whose::Upstreams => self.find_prepared(name, &shape, demand),
        };
        if let Some(prepared) = found {
            return Ok(prepared);
        }
        self.bases.admit(base, Instant::now())?;
        let served = Served::new(name, base, barred);
        match whose {
            Whose::Ours(_) => self.print_own(name, Arc::new(served)).await,
            Whose::Both(_) => self.prepare_both(name, served, demand).await,
            Whose::Upstreams => self.prepare(name, Arc::new(served), demand).await,
        }
    }

    /// Returns upstream's document with ours over it; ours alone where upstream has none. That upstream cannot be asked is
    /// no reason to show less than both: clients would choose other versions than a moment ago.
    async fn prepare_both(&self, name: &PackageName, served: Served, demand: &Demand) -> Result<Prepared, Error> {
        let package = self.own_package(name).await?;
        let state = self.own_state(package.edition);
        let ours = self.printed(package).await?;
        let both: Arc<dyn Shape> = Arc::new(served.clone().over(ours, &state));
        match self.mirror.prepared(&self.sources.packument(name)?, &both, demand).await {
            Ok(prepared) => Ok(with_ours(prepared)),
            Err(mirror::Error::Absent { .. }) => self.print_own(name, Arc::new(served)).await,
            Err(error) => Err(of_mirror(error, name.as_str())),
        }
    }

    /// Returns a package's document with its index alone.
    pub(super) async fn indexed(&self, name: &PackageName, demand: &Demand) -> Result<Prepared, Error> {
        let indexed = Indexed::new(name);
        match self.find_prepared(name, indexed.id(), demand) {
            Some(prepared) => Ok(prepared),
            None => self.prepare(name, Arc::new(indexed), demand).await,
        }
    }

    fn find_prepared(&self, name: &PackageName, shape: &str, demand: &Demand) -> Option<Prepared> {
        let keys = Keys::new(&self.sources.packument_key(name), shape);
        self.mirror.find_prepared(&keys, &self.sources.shelf.rules, demand)
    }

    async fn prepare(&self, name: &PackageName, shape: Arc<dyn Shape>, demand: &Demand) -> Result<Prepared, Error> {
        let want = self.sources.packument(name)?;
        let prepared = self.mirror.prepared(&want, &shape, demand).await;
        prepared.map_err(|error| of_mirror(error, name.as_str()))
    }

    /// Returns the index of a document: small, and nearly always in memory.
    pub(super) async fn index(&self, prepared: &Prepared) -> Result<Bytes, Error> {
        let body = prepared.forms.segment_body(segment(prepared, merge::INDEX)?)?;
        Ok(bodies::read(body).await?)
    }
}

/// Says that something of ours is in it, which may change at any time.
fn with_ours(prepared: Prepared) -> Prepared {
    Prepared { is_own: true, ..prepared }
}

pub(super) fn segment<'a>(prepared: &'a Prepared, name: &'static str) -> Result<&'a Segment, Error> {
    prepared.forms.segment(name).ok_or_else(|| Error::internal("a document without one of its forms"))
}

async fn slice(prepared: &Prepared, form: Form, line: &VersionLine<'_>) -> Result<Bytes, Error> {
    let place = match form {
        Form::Full => &line.full,
        Form::Abbreviated => &line.abbreviated,
    };
    part(prepared.forms.segment_body(segment(prepared, form.segment(false))?)?, place).await
}

pub(super) async fn part(body: Body, place: &Range<u64>) -> Result<Bytes, Error> {
    Ok(bodies::read(body.slice(place.clone())).await?)
}

/// Replies with what was taken from a document, by an entity tag of its own.
fn told(prepared: &Prepared, body: Bytes) -> Reply {
    let mut reply = head(prepared, HeaderValue::from_static(merge::JSON));
    if let Ok(etag) = HeaderValue::try_from(format!("W/\"{}\"", hex(&Digest::of(&body).as_bytes()[..16]))) {
        reply.set(ETAG, etag);
    }
    reply.body = Body::Bytes(body);
    reply
}

/// Begins a reply that is made of a document.
fn head(prepared: &Prepared, content_type: HeaderValue) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(CONTENT_TYPE, content_type);
    reply.set(VARY, VARY_ON);
    let fresh_for = prepared.age + prepared.remaining;
    reply.set(CACHE_CONTROL, if prepared.is_own { NO_CACHE } else { max_age(fresh_for.as_secs()) });
    reply.set(AGE, HeaderValue::from(prepared.age.as_secs()));
    if let Some(modified) = &prepared.forms.http.last_modified {
        reply.set(LAST_MODIFIED, modified.clone());
    }
    reply.note.cache = prepared.cache;
    reply
}

/// Clients may keep a document for as long as we may: with `Age`, this leaves what is left. Source: contract npm §2.4,
/// RFC 9111 §4.2.3.
fn max_age(seconds: u64) -> HeaderValue {
    // The usual ones are printed once.
    static USUAL: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| (0..=600).map(print_max_age).collect());
    USUAL.get(seconds as usize).cloned().unwrap_or_else(|| print_max_age(seconds))
}

fn print_max_age(seconds: u64) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={seconds}")).expect("digits are header text")
}
