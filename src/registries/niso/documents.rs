//! Answers that are made of upstream's documents: the list, the versions of a package, its tags.

use std::fmt::{self, Display};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::Niso;
use super::error::{Error, of_mirror};
use super::name::{Arch, PackageName, Spec, Version};
use super::replies;
use super::routes::Filter;
use super::sources::Sources;
use super::wire;
use crate::base::digest::Digest;
use crate::base::http::{CacheState, Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::{self, Resource};
use crate::registries::blocks::Barred;
use crate::registries::bodies;
use crate::registries::replies::Document;

/// About what it takes to remember what a wish comes to, in bytes, besides the row.
const LISTED: usize = 1_024;

/// How tags are called that an upstream never has.
const TAGS: &str = "tags";

/// What a client asks of one package.
#[derive(Clone)]
pub struct Wish {
    pub name: PackageName,
    pub spec: Spec,
    /// `None`: whichever comes first.
    pub arch: Option<Arch>,
}

/// What upstream says of one package.
struct Documents {
    versions: Document,
    /// `None`: it has none, or they were not asked for.
    tags: Option<Document>,
}

/// The archive that a wish comes to.
pub struct Listed {
    pub version: Version,
    pub arch: Arch,
    pub checksum: Option<Digest>,
    pub want: Arc<Resource>,
}

impl Niso {
    /// `GET /v1/packages`. Source: contract niso §3.
    pub(super) async fn list(&self, request: &Request<'_>, filter: &Filter) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let document = self.document(&self.sources.list()?, &demand, "the list of packages").await?;
        let body = document.body.clone();
        let print = move || {
            let list = wire::print_list(&wire::parse_list(&body)?)?;
            let weight = list.weight();
            Ok::<_, Error>((Arc::new(list), weight))
        };
        let list = self.lists.work_out(document.mark("list"), print).await?;
        let (filter, screen) = (filter.clone(), self.blocks.screen().await?);
        let is_hidden = move |name: &PackageName, version: Option<&Version>| match version {
            Some(version) => screen.of(name.as_str()).find(version.as_str()).is_some(),
            None => screen.hides(name.as_str()),
        };
        let body = bodies::apart(move || Ok::<_, Error>(list.select(&filter, is_hidden))).await?;
        Ok(document.origin.tell(replies::document(body)))
    }

    /// `GET /v1/packages/{name}/versions`. Source: contract niso §3.
    pub(super) async fn versions(&self, request: &Request<'_>, name: &PackageName) -> Result<Reply, Error> {
        let document = self.versions_of(name, &Demand::of(request.headers)).await?;
        let barred = self.blocks.of(name.as_str()).await?;
        let mark = document.mark(format_args!("versions of {name}{barred}"));
        let (body, name) = (document.body.clone(), name.clone());
        let print = move || {
            let versions = open_versions(&body, &name, &barred)?;
            printed(|out| wire::print_versions(&versions, out))
        };
        let printed = self.printed.work_out(mark, print).await?;
        Ok(document.origin.tell(replies::document(printed)))
    }

    /// `GET /v1/packages/{name}/tags`. Source: contract niso §3.
    pub(super) async fn tags(&self, request: &Request<'_>, name: &PackageName) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let documents = self.versions_of(name, &demand).await?;
        let documents = Documents { tags: self.tags_of(name, &demand).await?, versions: documents };
        let barred = self.blocks.of(name.as_str()).await?;
        let mark = documents.mark(format_args!("tags of {name}{barred}"));
        let (versions, tags, name) = (documents.versions.body.clone(), documents.tags_body(), name.clone());
        let print = move || {
            let versions = open_versions(&versions, &name, &barred)?;
            let tags = tags.as_deref().map(wire::parse_tags).transpose()?.unwrap_or_default();
            printed(|out| wire::print_tags(&tags, &versions, out))
        };
        let printed = self.printed.work_out(mark, print).await?;
        // `latest` and what is known of each tag come from the versions: these tell no time of change for both.
        let Documents { versions, tags } = documents;
        Ok(tags.unwrap_or(versions).origin.untimed().tell(replies::document(printed)))
    }

    /// Finds what is wished for. Upstream is asked anew if the documents that are held do not have it yet.
    pub(super) async fn find(&self, wish: &Wish, demand: &Demand) -> Result<Arc<Listed>, Error> {
        let held = match self.look_up(wish, demand).await? {
            (Some(listed), _) => return Ok(listed),
            (None, held) => held,
        };
        let (name, missing) = (wish.name.as_str(), wish.to_string());
        if self.missed.is_known(name, &missing) {
            return Err(Error::missing(missing, held));
        }
        match self.look_up(wish, &demand.newest()).await? {
            (Some(listed), _) => Ok(listed),
            (None, cache) => {
                if cache != CacheState::Stale {
                    self.missed.note(name, &missing);
                }
                Err(Error::missing(missing, cache))
            }
        }
    }

    async fn look_up(&self, wish: &Wish, demand: &Demand) -> Result<(Option<Arc<Listed>>, CacheState), Error> {
        let documents = self.documents_for(wish, demand).await?;
        let barred = self.blocks.of(wish.name.as_str()).await?;
        let (cache, mark) = (documents.cache(), documents.mark(format_args!("wish {wish}{barred}")));
        let Documents { versions, .. } = &documents;
        let (body, place, tags) = (versions.body.clone(), versions.place.clone(), documents.tags_body());
        let (sources, wish) = (Arc::clone(&self.sources), wish.clone());
        let resolve = move || {
            let rows = open_versions(&body, &wish.name, &barred)?;
            let tags = tags.as_deref().map(wire::parse_tags).transpose()?.unwrap_or_default();
            let row = rows.resolve(&wish.spec, wish.arch.as_ref(), &tags);
            let listed = row.map(|row| Listed::of(&sources, &wish.name, row, place)).transpose()?;
            Ok::<_, Error>((listed.map(Arc::new), LISTED + row.map_or(0, |row| row.written.len())))
        };
        Ok((self.found.work_out(mark, resolve).await?, cache))
    }

    /// Returns the documents that tell what a wish comes to. What is latest can be told without tags that cannot be had.
    /// Source: contract niso §3.
    async fn documents_for(&self, wish: &Wish, demand: &Demand) -> Result<Documents, Error> {
        let versions = self.versions_of(&wish.name, demand).await?;
        let tags = match &wish.spec {
            Spec::Version(_) => None,
            Spec::Tag(tag) => match self.tags_of(&wish.name, demand).await {
                Err(Error::Unreachable { .. } | Error::TimedOut { .. } | Error::NotHeld { .. }) if tag.is_latest() => {
                    None
                }
                tags => tags?,
            },
        };
        Ok(Documents { versions, tags })
    }

    pub(super) async fn versions_of(&self, name: &PackageName, demand: &Demand) -> Result<Document, Error> {
        self.document(&self.sources.versions(name)?, demand, name.as_str()).await
    }

    /// Returns the tags of a package; `None` where upstream has none, or never has any: no fault of the package.
    pub(super) async fn tags_of(&self, name: &PackageName, demand: &Demand) -> Result<Option<Document>, Error> {
        let want = self.sources.tags(name)?;
        if self.missed.is_known(&want.key, TAGS) {
            return Ok(None);
        }
        match self.mirror.document(&want, demand).await {
            Ok(found) => Ok(Some(Document::read(found).await?)),
            Err(mirror::Error::Absent { .. }) => Ok(None),
            Err(mirror::Error::Refused { status: 405 }) => {
                self.missed.note(&want.key, TAGS);
                Ok(None)
            }
            Err(error) => Err(of_mirror(error, name.as_str())),
        }
    }

    pub(super) async fn document(&self, want: &Arc<Resource>, demand: &Demand, what: &str) -> Result<Document, Error> {
        let found = self.mirror.document(want, demand).await.map_err(|error| of_mirror(error, what))?;
        Ok(Document::read(found).await?)
    }
}

/// Reads the versions of a package that are not blocked.
fn open_versions<'a>(document: &'a [u8], name: &PackageName, barred: &Barred) -> Result<wire::Versions<'a>, Error> {
    let versions = wire::parse_versions(document, name)?;
    Ok(versions.without(|version| barred.find(version.as_str()).is_some()))
}

/// Prints what is remembered by its length.
fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(Bytes, usize), Error> {
    let mut out = Vec::new();
    print(&mut out)?;
    let weight = out.len();
    Ok((out.into(), weight))
}

// === impl Documents ===

impl Documents {
    /// Returns the digest that what was made of both is remembered by, with what else it was made of.
    fn mark(&self, more: impl Display) -> Digest {
        match &self.tags {
            Some(tags) => self.versions.mark(tags.mark(more)),
            None => self.versions.mark(more),
        }
    }

    /// Tells how they came: one that is stale cannot tell what is missing.
    fn cache(&self) -> CacheState {
        let tags = self.tags.as_ref().map(|tags| tags.origin.cache);
        if tags == Some(CacheState::Stale) { CacheState::Stale } else { self.versions.origin.cache }
    }

    fn tags_body(&self) -> Option<Bytes> {
        self.tags.as_ref().map(|tags| tags.body.clone())
    }
}

// === impl Listed ===

impl Listed {
    fn of(
        sources: &Sources,
        name: &PackageName,
        row: &wire::Row<'_>,
        document: Option<(Arc<str>, Digest)>,
    ) -> Result<Self, Error> {
        let (version, arch) = (row.version.clone(), row.arch.clone());
        Ok(Self { version, arch, checksum: row.checksum, want: sources.archive(name, row, document)? })
    }
}

// === impl Wish ===

impl Display for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, spec, arch } = self;
        write!(formatter, "{name} {}", spec.as_str())?;
        arch.as_ref().map_or(Ok(()), |arch| write!(formatter, " for {arch}"))
    }
}
