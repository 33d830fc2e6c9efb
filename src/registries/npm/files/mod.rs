//! The files of a version, one by one: of those that are published here, and of mirrored ones. Source: contract npm §17.
//!
//! They come from the tarball, which is proved and kept as for any client, and judged anew with each request: who may not
//! have it has no file of it. It is read through once for a list, which is remembered by the tarball's digest, and once for
//! the bytes of all files, which the cache keeps one after another; from then on a file is a part of that. What they hold
//! is strangers': a browser is told to run nothing, and to take nothing for a page.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, LOCATION, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use self::print::{header, print_directory, print_file};
use self::unpack::{File, Listing};
use super::Npm;
use super::artifacts::FOR_EVER;
use super::cors::ANYBODY;
use super::documents::VARY_ON;
use super::error::{Error, of_mirror};
use super::merge::JSON;
use super::name::{PackageName, Spec, Version};
use super::own::told;
use super::replies::{NO_CACHE, unkept};
use super::routes::{Files, Wish, escape, escape_path};
use super::wire;
use crate::base::digest::{Digest, Hasher};
use crate::base::http::{Body, CacheState, Reply, Request};
use crate::mirror::fresh::Demand;
use crate::registries::gate::Visitor;
use crate::registries::memo::Memo;
use crate::registries::paths::no_route;
use crate::registries::untar;
use crate::registries::{bodies, replies};

mod print;
#[cfg(test)]
mod samples;
mod unpack;

/// What lists of files take in memory, in bytes.
const LISTINGS: usize = 32 << 20;
/// Tarballs whose bytes are read through at once.
const TURNS: usize = 2;

/// What may be another tomorrow: which version a tag names, which file a path means. Source: contract npm §17.
const SHORT: HeaderValue = HeaderValue::from_static("public, s-maxage=600, max-age=60");

/// Nothing is loaded, run, sent or framed.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const INTEGRITY: HeaderName = HeaderName::from_static("x-integrity");

/// Tarballs that were opened.
pub struct Opened {
    /// By the tarballs' digests; or why one is not opened.
    listings: Memo<Result<Arc<Listing>, Arc<str>>>,
    turns: Arc<Semaphore>,
}

/// What is known of a tarball that is whole and proved.
#[derive(Clone, Copy)]
struct Packed {
    digest: Digest,
    cache: CacheState,
    /// Whether it may be another one's tomorrow, or nobody's.
    is_fleeting: bool,
}

/// What is asked of the files of one version.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a PackageName,
    version: &'a Version,
    wish: &'a Wish,
}

impl Npm {
    /// Answers what is asked of a version's files.
    pub(super) async fn answer_files(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        files: &Files,
    ) -> Result<Reply, Error> {
        let Some(opened) = &self.files else { return Err(no_route()) };
        let Files { name, spec, wish } = files;
        if *wish == Wish::Unpack {
            self.gate.let_rule(visitor)?;
        }
        let version = match spec {
            Spec::Version(version) => version.clone(),
            spec => {
                let (version, kept) = self.meant(request, name, spec).await?;
                if *wish != Wish::Unpack {
                    return Ok(moved(&place(request, name, &version, &wish.rest()), kept));
                }
                version
            }
        };
        self.open(request, opened, Asked { name, version: &version, wish }).await
    }

    /// Answers from the tarball of one version.
    async fn open(
        &self,
        request: &Request<'_>,
        opened: &Opened,
        Asked { name, version, wish }: Asked<'_>,
    ) -> Result<Reply, Error> {
        let place = |rest: &str| place(request, name, version, rest);
        let (packed, tarball) = self.packed(request, name, version).await?;
        let again = copy(&tarball);
        let listing = opened.list(packed.digest, tarball).await?;
        let pieces = || unpack::pieces(again, Arc::clone(&opened.turns));
        let unpacked = || self.unpacked(name, packed.digest, pieces(), &listing);
        match wish {
            Wish::Main => {
                let main = format!("/{}", escape_path(listing.main()));
                Ok(moved(&place(&main), packed.kept(SHORT)))
            }
            Wish::Unpack => {
                unpacked().await?;
                let all: Vec<Value> = listing.files().map(|(path, file)| print_file(path, file)).collect();
                Ok(unkept(StatusCode::OK, &Value::Array(all)))
            }
            Wish::Directory { path } => described(packed, print_directory(&listing, path)),
            Wish::File { path, is_listed: true } => {
                let file = listing.file(path).map(|file| print_file(path, file));
                described(packed, file.or_else(|| print_directory(&listing, path)))
            }
            Wish::File { path, is_listed: false } => match listing.file(path) {
                Some(file) => {
                    let all = unpacked().await?;
                    Ok(contents(packed, path, file, &all))
                }
                None => {
                    let path = meant_by(&listing, path).ok_or_else(|| Error::not_found("a file of this path"))?;
                    Ok(moved(&place(&format!("/{path}")), packed.kept(SHORT)))
                }
            },
        }
    }

    /// Returns the version that a tag or a range names, and for how long.
    async fn meant(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        spec: &Spec,
    ) -> Result<(Version, HeaderValue), Error> {
        let prepared = self.prepared(request, name, &Demand::of(request.headers)).await?;
        let index = self.index(&prepared).await?;
        let missing = || Error::missing(format!("{name}@{}", spec.as_str()), prepared.cache);
        let line = wire::resolve(&index, spec).ok_or_else(missing)?;
        Ok((Version::parse(line.version)?, if prepared.is_own { NO_CACHE } else { SHORT }))
    }

    /// Returns the tarball of a version, once it is whole and proved.
    async fn packed(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<(Packed, Body), Error> {
        if let Some((digest, body)) = self.find_own_tarball(name, version).await? {
            return Ok((Packed { digest, cache: CacheState::Hit, is_fleeting: true }, body));
        }
        let found = self.find_tarball(name, version, &Demand::of(request.headers)).await?;
        let (kept, cache) = (found.entry.and_then(|entry| entry.digest), found.cache);
        let body = bodies::settle(found.body).await.map_err(|error| of_mirror(error, &format!("{name}@{version}")))?;
        let (body, digest) = match kept {
            Some(digest) => (body, digest),
            None => measured(body).await?,
        };
        Ok((Packed { digest, cache, is_fleeting: self.gate.merges(name.as_str()) }, body))
    }

    /// Returns the bytes of all files of a tarball, one after another: kept, or from these pieces.
    async fn unpacked(
        &self,
        name: &PackageName,
        digest: Digest,
        pieces: impl Stream<Item = Result<Bytes, Error>>,
        listing: &Listing,
    ) -> Result<Body, Error> {
        let key = format!("{}@/files/{digest}", self.sources.shelf.mount);
        let body = self.mirror.own_artifact(self.own(name, &key), listing.digest, pieces).await;
        body.map_err(|failed| told(failed, name.as_str()))
    }
}

/// Returns the same bytes, to be read apart.
fn copy(body: &Body) -> Body {
    body.slice(0..body.length().unwrap_or_default())
}

/// Measures a tarball that has only just come.
async fn measured(body: Body) -> Result<(Body, Digest), Error> {
    bodies::apart(move || {
        let mut reader = bodies::reader(copy(&body));
        let mut hasher = Hasher::new(None);
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                return Ok((body, hasher.finish().digest));
            }
            hasher.update(piece);
            let read = piece.len();
            reader.consume(read);
        }
    })
    .await
}

/// Returns where a path leads at which there is no file.
fn meant_by(listing: &Listing, path: &str) -> Option<String> {
    let directory = || listing.within(path).map(|_| format!("{}/", escape_path(path)));
    listing.meant_by(path).map(|path| escape_path(&path)).or_else(directory)
}

fn place(request: &Request<'_>, name: &PackageName, version: &Version, rest: &str) -> String {
    format!("{}/{name}/{}/files{rest}", request.base, escape(version.as_str()))
}

fn moved(place: &str, kept: HeaderValue) -> Reply {
    let mut reply = Reply::empty(StatusCode::FOUND);
    reply.headers.extend(HeaderValue::try_from(place).ok().map(|place| (LOCATION, place)));
    reply.set(CACHE_CONTROL, kept);
    for_all(reply)
}

fn described(packed: Packed, printed: Option<Value>) -> Result<Reply, Error> {
    let printed = printed.ok_or_else(|| Error::not_found("a file or directory of this path"))?;
    let mut reply = replies::tagged(JSON, printed.to_string());
    reply.set(CACHE_CONTROL, packed.kept(SHORT));
    reply.note.cache = packed.cache;
    Ok(for_all(reply))
}

fn contents(packed: Packed, path: &str, file: &File, all: &Body) -> Reply {
    let mut reply = replies::whole(HeaderValue::from_static(header(path)));
    reply.set(CACHE_CONTROL, packed.kept(FOR_EVER));
    reply.headers.extend(replies::entity_tag(file.digest).map(|etag| (ETAG, etag)));
    reply.headers.extend(HeaderValue::try_from(file.digest.to_sri()).ok().map(|sri| (INTEGRITY, sri)));
    reply.note.cache = packed.cache;
    reply.body = match file.size {
        0 => Body::Bytes(Bytes::new()),
        size => all.slice(file.start..file.start + size),
    };
    for_all(reply)
}

/// Says what browsers may make of it, whoever's page it is on.
fn for_all(mut reply: Reply) -> Reply {
    reply.set(VARY, VARY_ON);
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    reply.set(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply.set(CONTENT_SECURITY_POLICY, POLICY);
    reply
}

// === impl Opened ===

impl Default for Opened {
    fn default() -> Self {
        Self { listings: Memo::new(LISTINGS), turns: Arc::new(Semaphore::new(TURNS)) }
    }
}

impl Opened {
    /// Lists the files of a tarball. Why one is not opened is remembered too: it would be read through again to no end.
    async fn list(&self, digest: Digest, tarball: Body) -> Result<Arc<Listing>, Error> {
        let work = move || match unpack::list(tarball) {
            Ok(listing) => {
                let weight = listing.weight();
                Ok((Ok(Arc::new(listing)), weight))
            }
            // The disk may do better the next time.
            Err(error @ untar::Error::Read(_)) => Err(unpack::refused(&error)),
            Err(error) => Ok((Err(error.to_string().into()), 256)),
        };
        let known = self.listings.work_out(digest, work).await?;
        known.map_err(|why| Error::Unprocessable(format!("the files of this version cannot be shown: {why}").into()))
    }
}

// === impl Packed ===

impl Packed {
    fn kept(self, for_long: HeaderValue) -> HeaderValue {
        if self.is_fleeting { NO_CACHE } else { for_long }
    }
}
