//! Archives, and the READMEs in them: what a version's document vouches for is known before a byte is asked of upstream.

use bytes::Bytes;

use super::Nessemble;
use super::documents::Described;
use super::error::{Error, of_mirror};
use super::name::{Title, Version};
use super::replies::{self, Keeping};
use super::{proofs, wire};
use crate::base::http::{Body, Reply, Request};
use crate::mirror::Found;
use crate::mirror::fresh::Demand;
use crate::registries::bodies;
use crate::registries::replies::Origin;

/// The whole archive of one version, which is short.
struct Archive {
    version: Version,
    bytes: Bytes,
    origin: Origin,
}

impl Nessemble {
    /// `GET /package/{title}/data`, and of one version. Source: contract nessemble §5.6.
    pub(super) async fn data(
        &self,
        request: &Request<'_>,
        title: &Title,
        version: Option<&Version>,
    ) -> Result<Reply, Error> {
        let archive = self.archive(title, version, &Demand::of(request.headers)).await?;
        let Archive { version: served, bytes, origin } = archive;
        let shasum = proofs::shasum(&bytes);
        let mut reply = replies::archive(title, &served, &shasum, keeping(version), self.clock.now());
        reply.body = Body::Bytes(bytes);
        Ok(origin.tell(reply))
    }

    /// `GET /package/{title}/README`, and of one version: that of the archive. Source: contract nessemble §5.5, §7.
    pub(super) async fn readme(
        &self,
        request: &Request<'_>,
        title: &Title,
        version: Option<&Version>,
    ) -> Result<Reply, Error> {
        let Archive { bytes, origin, .. } = self.archive(title, version, &Demand::of(request.headers)).await?;
        let open = bodies::apart(move || Ok::<_, Error>(wire::open(&bytes)?));
        Ok(origin.tell(replies::text(open.await?.readme, keeping(version), self.clock.now())))
    }

    /// Finds the archive of a version that is kept.
    pub(super) async fn kept(&self, title: &Title, version: &Version) -> Result<Option<Found>, Error> {
        let kept = self.mirror.find_artifact(&self.sources.archive_key(title, version)).await;
        kept.map_err(|error| of_mirror(error, title.as_str()))
    }

    /// Returns the archive of a version, whole and proved: an old client hangs over one that is cut short.
    async fn archive(&self, title: &Title, version: Option<&Version>, demand: &Demand) -> Result<Archive, Error> {
        let version = match version {
            Some(version) => version.clone(),
            None => self.describe(title, None, demand).await?.package.version,
        };
        let found = match self.kept(title, &version).await? {
            Some(found) => found,
            None => self.fetch(title, &version, demand).await?,
        };
        let origin = Origin::of(&found).untimed();
        Ok(Archive { version, bytes: bodies::read(found.body).await?, origin })
    }

    /// Fetches an archive. What fails may be newer than the document that is held: then that is asked for again, once.
    async fn fetch(&self, title: &Title, version: &Version, demand: &Demand) -> Result<Found, Error> {
        let held = self.describe(title, Some(version), demand).await?;
        match self.fetch_described(&held, demand).await {
            Err(error @ Error::Unproven { .. }) => {
                let newer = self.describe(title, Some(version), &demand.newest()).await?;
                if newer.package.shasum == held.package.shasum {
                    return Err(error);
                }
                self.fetch_described(&newer, demand).await
            }
            found => found,
        }
    }

    async fn fetch_described(&self, described: &Described, demand: &Demand) -> Result<Found, Error> {
        let package = &described.package;
        let told = |error| of_mirror(error, &format!("{} {}", package.title, package.version));
        let want = self.sources.archive(package, described.place.clone())?;
        let found = self.mirror.artifact(&want, demand).await.map_err(told)?;
        let body = bodies::settle(found.body).await.map_err(told)?;
        Ok(Found { body, ..found })
    }
}

/// What is of one version never changes.
fn keeping(version: Option<&Version>) -> Keeping {
    if version.is_some() { Keeping::Long } else { Keeping::Short }
}
