//! One version, as upstream describes it: in the document of its package, or alone.
//!
//! Who installs by a lockfile asks for tarballs and nothing else, and the document of a package may be a thousand times
//! as long as what it says of one version. So a package whose document is not held has that version described alone,
//! where that description proves as much as the document would.

use std::sync::Arc;

use bytes::Bytes;

use super::Npm;
use super::documents::part;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::proofs::KeySet;
use super::vouch::{self, Release};
use super::wire;
use crate::base::digest::Digest;
use crate::base::http::CacheState;
use crate::mirror::fresh::Demand;
use crate::mirror::{self, Prepared};
use crate::registries::bodies;

/// One version, as its document describes it.
pub struct Described {
    pub manifest: Bytes,
    /// In milliseconds since 1970, if the document says so.
    pub published: Option<u64>,
    /// The document's key and digest.
    pub document: Option<(Arc<str>, Digest)>,
}

impl Npm {
    /// Returns one version as upstream describes it.
    pub(super) async fn describe(
        &self,
        name: &PackageName,
        version: &Version,
        keys: &KeySet,
        demand: &Demand,
    ) -> Result<Described, Error> {
        let is_known = self.mirror.store().find(&self.sources.packument_key(name)).await?.is_some();
        let alone = if is_known { None } else { self.described_alone(name, version, demand).await? };
        match alone.filter(|alone| self.proves_enough(alone, name, version, keys)) {
            Some(alone) => Ok(alone),
            None => self.described_in_document(name, version, demand).await,
        }
    }

    /// Returns what upstream says of one version alone; `None` where it says nothing of use, which few registries do.
    ///
    /// Source: contract npm §5.2.
    async fn described_alone(
        &self,
        name: &PackageName,
        version: &Version,
        demand: &Demand,
    ) -> Result<Option<Described>, Error> {
        use mirror::Error as Engine;
        let found = match self.mirror.document(&self.sources.manifest(name, version)?, demand).await {
            Ok(found) => found,
            Err(Engine::Absent { .. } | Engine::Refused { .. } | Engine::Unproven(_) | Engine::Senseless { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(of_mirror(error, &format!("{name}@{version}"))),
        };
        // A document of the package that comes meanwhile is another, and may deny this.
        let digest = found.entry.and_then(|entry| entry.digest);
        let document = digest.map(|digest| (self.sources.packument_key(name).into(), digest));
        Ok(Some(Described { manifest: bodies::read(found.body).await?, published: None, document }))
    }

    /// Tells whether the document of the package could prove no more: it has the time of publication, which an expired
    /// key is judged by.
    fn proves_enough(&self, alone: &Described, name: &PackageName, version: &Version, keys: &KeySet) -> bool {
        let Ok(written) = wire::find_dist(&alone.manifest) else { return false };
        let Ok(dist) = wire::parse_dist(written) else { return false };
        let release = Release { name, version, dist: &dist, written, published: None };
        vouch::is_settled(&release, keys, self.signatures)
    }

    /// Returns one version as the document of its package describes it. Upstream is asked anew if the document that is held
    /// does not have it yet.
    async fn described_in_document(
        &self,
        name: &PackageName,
        version: &Version,
        demand: &Demand,
    ) -> Result<Described, Error> {
        let held = self.indexed(name, demand).await?;
        if let Some(described) = self.described_by(&held, version).await? {
            return Ok(described);
        }
        let what = format!("{name}@{version}");
        if self.missed.is_known(name.as_str(), version.as_str()) {
            return Err(Error::missing(what, held.cache));
        }
        let newest = self.indexed(name, &demand.newest()).await?;
        let described = self.described_by(&newest, version).await?;
        described.ok_or_else(|| {
            if newest.cache != CacheState::Stale {
                self.missed.note(name.as_str(), version.as_str());
            }
            Error::missing(what, newest.cache)
        })
    }

    /// Returns one version as a document describes it; `None` when it does not have it.
    async fn described_by(&self, prepared: &Prepared, version: &Version) -> Result<Option<Described>, Error> {
        let index = self.index(prepared).await?;
        let Some(line) = wire::find_version(&index, version.as_str()) else { return Ok(None) };
        let document = &prepared.document;
        Ok(Some(Described {
            manifest: part(document.body()?, &line.original).await?,
            published: line.published,
            document: document.digest.map(|digest| (Arc::clone(&document.key), digest)),
        }))
    }
}
