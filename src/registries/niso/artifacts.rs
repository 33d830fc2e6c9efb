//! Archives, and what is made of them: what the list of versions vouches for is known before a byte is asked of upstream.

use std::sync::Arc;

use bytes::Bytes;

use super::Niso;
use super::documents::{Listed, Wish};
use super::error::{Error, of_mirror};
use super::name::{Arch, Spec};
use super::{proofs, replies, wire};
use crate::base::digest::Digest;
use crate::base::http::{Body, CacheState, Reply, Request};
use crate::mirror::Found;
use crate::mirror::fresh::Demand;
use crate::registries::bodies;

/// An archive that is whole and proved.
pub(super) struct Proved {
    pub(super) listed: Arc<Listed>,
    pub(super) checksum: Digest,
    pub(super) body: Body,
    pub(super) cache: CacheState,
}

impl Niso {
    /// `GET /v1/packages/{name}/{version or tag}/{arch}`. What no list has is never asked for. Source: contract niso §3.
    pub(super) async fn archive(&self, request: &Request<'_>, wish: &Wish, arch: &Arch) -> Result<Reply, Error> {
        let Wish { name, spec, .. } = wish;
        if let Spec::Version(version) = spec {
            let key = self.sources.archive_key(name, version, arch);
            let kept = self.mirror.find_artifact(&key).await.map_err(|error| of_mirror(error, name.as_str()))?;
            if let Some(found) = kept {
                return Ok(replies::with_found(replies::archive(name, version, arch, spec), found));
            }
        }
        let (listed, found) = self.fetch(wish, &Demand::of(request.headers)).await?;
        Ok(replies::with_found(replies::archive(name, &listed.version, arch, spec), found))
    }

    /// `GET /v1/packages/{name}/{version or tag}/manifest`, from the archive itself. Source: contract niso §3, §8.
    pub(super) async fn manifest(&self, request: &Request<'_>, wish: &Wish) -> Result<Reply, Error> {
        let Proved { listed, checksum, body, cache } = self.proved(wish, &Demand::of(request.headers)).await?;
        let text = match self.manifests.find(&checksum) {
            Some(text) => text,
            None => {
                let _turn = self.turns.acquire().await;
                let (name, version) = (wish.name.clone(), listed.version.clone());
                let open = move || {
                    let limits = wire::Limits::default();
                    proofs::check_archive(bodies::reader(body), &name, &version, &limits).map_err(Error::from)
                };
                let text: Bytes = bodies::apart(open).await?.manifest.into();
                let weight = text.len();
                self.manifests.keep(checksum, text, weight)
            }
        };
        let mut reply = replies::manifest(text, &wish.spec);
        reply.note.cache = cache;
        Ok(reply)
    }

    /// Returns an archive once it is whole and proved.
    pub(super) async fn proved(&self, wish: &Wish, demand: &Demand) -> Result<Proved, Error> {
        let (listed, found) = self.fetch(wish, demand).await?;
        let kept = found.entry.as_ref().and_then(|entry| entry.digest);
        // What nobody vouches for is refused before it comes.
        let checksum = kept.or(listed.checksum).ok_or(Error::internal("an archive without a checksum"))?;
        Ok(Proved { listed, checksum, body: found.body, cache: found.cache })
    }

    /// Gets what is wished for. What fails may be newer than the list that is held: then that is asked for again, once.
    async fn fetch(&self, wish: &Wish, demand: &Demand) -> Result<(Arc<Listed>, Found), Error> {
        let listed = self.find(wish, demand).await?;
        match self.fetch_listed(wish, &listed, demand).await {
            Err(error @ Error::Unproven { .. }) => {
                let newer = self.find(wish, &demand.newest()).await?;
                if (&newer.version, newer.checksum) == (&listed.version, listed.checksum) {
                    return Err(error);
                }
                let found = self.fetch_listed(wish, &newer, demand).await?;
                Ok((newer, found))
            }
            found => Ok((listed, found?)),
        }
    }

    /// Fetches an archive, or finds it, and waits until all of it is proved: no byte goes out before. Source: contract
    /// niso §8.
    async fn fetch_listed(&self, wish: &Wish, listed: &Listed, demand: &Demand) -> Result<Found, Error> {
        let told = |error| of_mirror(error, &wish.to_string());
        let found = self.mirror.artifact(&listed.want, demand).await.map_err(told)?;
        let body = bodies::settle(found.body).await.map_err(told)?;
        Ok(Found { body, ..found })
    }
}
