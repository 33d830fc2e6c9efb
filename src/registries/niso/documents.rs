//! Answers that are made of upstream's documents: the list, the versions of a package, its tags.

use std::io;
use std::sync::Arc;

use super::Niso;
use super::error::{Error, of_mirror};
use super::name::{Arch, PackageName, Spec, Version};
use super::replies;
use super::routes::Filter;
use super::sources::Sources;
use super::wire;
use crate::base::digest::Digest;
use crate::base::http::{CacheState, Reply, Request};
use crate::mirror::Resource;
use crate::mirror::fresh::Demand;
use crate::registries::bodies;
use crate::registries::replies::Document;

/// What a client asks of one package.
#[derive(Clone)]
pub struct Wish {
    pub name: PackageName,
    pub spec: Spec,
    /// `None`: whichever comes first.
    pub arch: Option<Arch>,
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
        let (body, filter) = (document.body.clone(), filter.clone());
        let print = move || {
            let packages = wire::parse_list(&body)?;
            printed(|out| wire::print_list(&packages, &filter, out))
        };
        Ok(document.origin.tell(replies::document(bodies::apart(print).await?)))
    }

    /// `GET /v1/packages/{name}/versions`. Source: contract niso §3.
    pub(super) async fn versions(&self, request: &Request<'_>, name: &PackageName) -> Result<Reply, Error> {
        let document = self.versions_of(name, &Demand::of(request.headers)).await?;
        let (body, name) = (document.body.clone(), name.clone());
        let print = move || {
            let versions = wire::parse_versions(&body, &name)?;
            printed(|out| wire::print_versions(&versions, out))
        };
        Ok(document.origin.tell(replies::document(bodies::apart(print).await?)))
    }

    /// `GET /v1/packages/{name}/tags`. Source: contract niso §3.
    pub(super) async fn tags(&self, request: &Request<'_>, name: &PackageName) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let versions = self.versions_of(name, &demand).await?;
        let tags = self.tags_of(name, &demand).await?;
        let bodies = (versions.body.clone(), tags.as_ref().map(|tags| tags.body.clone()), name.clone());
        let print = move || {
            let (versions, tags, name) = bodies;
            let versions = wire::parse_versions(&versions, &name)?;
            let tags = tags.as_deref().map(wire::parse_tags).transpose()?.unwrap_or_default();
            printed(|out| wire::print_tags(&tags, &versions, out))
        };
        let printed = bodies::apart(print).await?;
        // `latest` and what is known of each tag come from the versions: these tell no time of change for both.
        Ok(tags.unwrap_or(versions).origin.untimed().tell(replies::document(printed)))
    }

    /// Finds what is wished for. Upstream is asked anew if the documents that are held do not have it yet.
    pub(super) async fn find(&self, wish: &Wish, demand: &Demand) -> Result<Listed, Error> {
        if let (Some(listed), _) = self.look_up(wish, demand).await? {
            return Ok(listed);
        }
        let (name, missing) = (wish.name.as_str(), wish.to_string());
        if self.missed.is_known(name, &missing) {
            return Err(Error::not_found(missing));
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

    async fn look_up(&self, wish: &Wish, demand: &Demand) -> Result<(Option<Listed>, CacheState), Error> {
        let versions = self.versions_of(&wish.name, demand).await?;
        let tags = match wish.spec {
            Spec::Version(_) => None,
            Spec::Tag(_) => self.tags_of(&wish.name, demand).await?,
        };
        let (sources, wish) = (Arc::clone(&self.sources), wish.clone());
        let resolve = move || {
            let rows = wire::parse_versions(&versions.body, &wish.name)?;
            let tags = tags.as_ref().map(|tags| wire::parse_tags(&tags.body)).transpose()?.unwrap_or_default();
            let row = rows.resolve(&wish.spec, wish.arch.as_ref(), &tags);
            row.map(|row| Listed::of(&sources, &wish.name, row, versions.place)).transpose()
        };
        Ok((bodies::apart(resolve).await?, versions.origin.cache))
    }

    async fn versions_of(&self, name: &PackageName, demand: &Demand) -> Result<Document, Error> {
        self.document(&self.sources.versions(name)?, demand, name.as_str()).await
    }

    /// Returns the tags of a package; `None` where upstream has none, which is no fault of the package.
    async fn tags_of(&self, name: &PackageName, demand: &Demand) -> Result<Option<Document>, Error> {
        match self.document(&self.sources.tags(name)?, demand, name.as_str()).await {
            Err(Error::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn document(&self, want: &Arc<Resource>, demand: &Demand, what: &str) -> Result<Document, Error> {
        let found = self.mirror.document(want, demand).await.map_err(|error| of_mirror(error, what))?;
        Ok(Document::read(found).await?)
    }
}

fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    print(&mut out)?;
    Ok(out)
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

impl std::fmt::Display for Wish {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, spec, arch } = self;
        write!(formatter, "{name} {}", spec.as_str())?;
        arch.as_ref().map_or(Ok(()), |arch| write!(formatter, " for {arch}"))
    }
}
