//! Tarballs: what their document vouches for is known before a byte is asked of upstream.

use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};

use super::Npm;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::own::Whose;
use super::release::Described;
use super::replies::NO_CACHE;
use super::vouch::{self, Release};
use super::wire;
use crate::base::http::{Reply, Request};
use crate::config::Signatures;
use crate::mirror::Found;
use crate::mirror::fresh::Demand;
use crate::registries::replies::{self, OCTETS};

pub const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000");
pub const ANYBODY: HeaderValue = HeaderValue::from_static("*");

impl Npm {
    /// `GET` of a tarball. A version that no document knows is never asked for. Source: contract npm §5.3.
    pub(super) async fn tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let whose = self.whose(name).await?;
        if let Whose::Ours(edition) | Whose::Both(edition) = whose
            && let Some(own) = self.own_tarball(name, version, edition).await?
        {
            return Ok(own);
        }
        if matches!(whose, Whose::Ours(_)) {
            return Err(Error::not_found(format!("{name}@{version}")));
        }
        self.mirrored_tarball(request, name, version).await
    }

    async fn mirrored_tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let found = self.find_tarball(request, name, version).await?;
        let mut reply = reply(found, &name.tarball_file(version));
        if self.gate.merges(name.as_str()) {
            // One of ours may hide it.
            reply.set(CACHE_CONTROL, NO_CACHE);
        }
        Ok(reply)
    }

    /// Returns a mirrored tarball as it is kept, or as it comes.
    pub(super) async fn find_tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Found, Error> {
        let key = self.sources.tarball_key(name, version);
        let kept = self.mirror.find_artifact(&key).await.map_err(|error| of_mirror(error, name.as_str()))?;
        match kept {
            Some(found) if self.suffices(&found) => Ok(found),
            Some(_) => {
                // It was kept when less was asked of signatures.
                self.mirror.store().remove(&key).await?;
                self.fetch_tarball(request, name, version).await
            }
            None => self.fetch_tarball(request, name, version).await,
        }
    }

    /// Tells whether a kept tarball was proved by all that is asked for now.
    fn suffices(&self, found: &Found) -> bool {
        let is_signed = |proofs: &[String]| proofs.iter().any(|proof| proof.starts_with(vouch::SIGNED));
        self.signatures != Signatures::Require || found.entry.as_ref().is_some_and(|entry| is_signed(&entry.proofs))
    }

    async fn fetch_tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Found, Error> {
        let demand = Demand::of(request.headers);
        let keys = self.keys_for(name).await?;
        let Described { manifest, published, document } = self.describe(name, version, &keys, &demand).await?;
        let written = wire::find_dist(&manifest)?;
        let dist = wire::parse_dist(written)?;
        let release = Release { name, version, dist: &dist, written, published };
        let vouched = vouch::tarball(&release, &keys, self.signatures);
        let want = self.sources.tarball(&release, vouched, document)?;
        self.mirror.artifact(&want, &demand).await.map_err(|error| of_mirror(error, &format!("{name}@{version}")))
    }
}

fn reply(found: Found, file: &str) -> Reply {
    let mut reply = replies::whole(OCTETS);
    reply.set(CACHE_CONTROL, FOR_EVER);
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    replies::save_as(&mut reply, file);
    replies::with_found(reply, found)
}
