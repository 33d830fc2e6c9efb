//! Tarballs: what their document vouches for is known before a byte is asked of upstream.

use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ETAG};

use super::Npm;
use super::cors::ANYBODY;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::proofs::KeySet;
use super::release::Described;
use super::replies::NO_CACHE;
use super::vouch::{self, Release};
use super::wire;
use crate::base::digest::Digest;
use crate::base::http::{Body, Reply, Request};
use crate::config::Signatures;
use crate::mirror::Found;
use crate::mirror::fresh::Demand;
use crate::registries::replies::{self, OCTETS};

pub const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000");

/// A tarball, as it is answered with.
pub struct Tarball {
    pub reply: Reply,
    /// Whether it was published here.
    pub is_ours: bool,
}

impl Npm {
    /// `GET` of a tarball. A version that no document knows is never asked for. Source: contract npm §5.3.
    pub(super) async fn tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Tarball, Error> {
        if let Some((digest, body)) = self.find_own_tarball(name, version).await? {
            return Ok(Tarball { reply: print_own(digest, body, &name.tarball_file(version)), is_ours: true });
        }
        let found = self.find_tarball(name, version, &Demand::of(request.headers)).await?;
        let mut reply = reply(found, &name.tarball_file(version));
        if self.gate.merges(name.as_str()) {
            // One of ours may hide it.
            reply.set(CACHE_CONTROL, NO_CACHE);
        }
        Ok(Tarball { reply, is_ours: false })
    }

    /// Returns a mirrored tarball as it is kept, or as it comes.
    pub(super) async fn find_tarball(
        &self,
        name: &PackageName,
        version: &Version,
        demand: &Demand,
    ) -> Result<Found, Error> {
        if let Some(found) = self.find_kept_tarball(name, version).await? {
            return Ok(found);
        }
        let keys = self.keys_for(name).await?;
        let described = self.describe(name, version, &keys, demand).await?;
        self.fetch_tarball((name, version), &described, &keys, demand).await
    }

    /// Returns a mirrored tarball that is kept, and was proved by all that is asked for now.
    pub(super) async fn find_kept_tarball(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<Found>, Error> {
        let key = self.sources.tarball_key(name, version);
        let kept = self.mirror.find_artifact(&key).await.map_err(|error| of_mirror(error, name.as_str()))?;
        match kept {
            Some(found) if !self.suffices(&found) => {
                // It was kept when less was asked of signatures.
                self.mirror.store().remove(&key).await?;
                Ok(None)
            }
            kept => Ok(kept),
        }
    }

    fn suffices(&self, found: &Found) -> bool {
        let is_signed = |proofs: &[String]| proofs.iter().any(|proof| proof.starts_with(vouch::SIGNED));
        self.signatures != Signatures::Require || found.entry.as_ref().is_some_and(|entry| is_signed(&entry.proofs))
    }

    /// Returns the tarball of a version as it is described, as it comes.
    pub(super) async fn fetch_tarball(
        &self,
        (name, version): (&PackageName, &Version),
        described: &Described,
        keys: &KeySet,
        demand: &Demand,
    ) -> Result<Found, Error> {
        let written = wire::find_dist(&described.manifest)?;
        let dist = wire::parse_dist(written)?;
        let release = Release { name, version, dist: &dist, written, published: described.published };
        let vouched = vouch::tarball(&release, keys, self.signatures);
        let want = self.sources.tarball(&release, vouched, described.document.clone())?;
        self.mirror.artifact(&want, demand).await.map_err(|error| of_mirror(error, &format!("{name}@{version}")))
    }
}

/// One of ours may be taken away at any time.
fn print_own(digest: Digest, body: Body, file: &str) -> Reply {
    let mut reply = replies::whole(OCTETS);
    reply.set(CACHE_CONTROL, NO_CACHE);
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    reply.headers.extend(replies::entity_tag(digest).map(|etag| (ETAG, etag)));
    replies::save_as(&mut reply, file);
    reply.body = body;
    reply
}

fn reply(found: Found, file: &str) -> Reply {
    let mut reply = replies::whole(OCTETS);
    reply.set(CACHE_CONTROL, FOR_EVER);
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    replies::save_as(&mut reply, file);
    replies::with_found(reply, found)
}
