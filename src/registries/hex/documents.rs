//! Documents: mirrored as their very bytes, which their repository has signed.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CACHE_CONTROL, ETAG};

use super::Repository;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::proofs::Trusted;
use super::replies::{self, DAY, HOUR, OCTETS};
use super::routes::Action;
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::{Found, Resource};
use crate::registries::replies::entity_tag;

impl Repository {
    /// `GET names`, `versions`, `packages/NAME`, `policies/NAME`. Source: contract hex §2.
    pub(super) async fn signed(&self, request: &Request<'_>, action: &Action) -> Result<Reply, Error> {
        let found = self.signed_document(&self.trusted().await?, action, &Demand::of(request.headers)).await?;
        Ok(replies::reply(found, OCTETS, HOUR))
    }

    /// `GET docs/NAME-VERSION.tar.gz`. Source: contract hex §3.4.
    pub(super) async fn docs(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let want = self.sources.docs(name, version)?;
        let what = format!("the documentation of {name} {version}");
        let found = self.document(&want, &Demand::of(request.headers), &what).await?;
        Ok(replies::reply(found, OCTETS, DAY))
    }

    /// `GET public_key`: the pinned one, in the form that every client takes. Source: contract hex §2.1.
    pub(super) async fn public_key(&self) -> Result<Reply, Error> {
        let pem = self.trusted().await?.key.to_pem();
        let etag = entity_tag(Digest::of(pem.as_bytes()));
        let mut reply = Reply::bytes(StatusCode::OK, "text/plain; charset=utf-8", pem);
        reply.set(CACHE_CONTROL, HOUR);
        reply.headers.extend(etag.map(|etag| (ETAG, etag)));
        Ok(reply)
    }

    /// Returns whose word is taken.
    pub(super) async fn trusted(&self) -> Result<Arc<Trusted>, Error> {
        if let Some(trusted) = self.trusted.get() {
            return Ok(Arc::clone(trusted));
        }
        let key = self.keyring.key(&self.mirror).await?;
        let trusted = || Arc::new(Trusted { repository: self.name.clone(), key });
        Ok(Arc::clone(self.trusted.get_or_init(trusted)))
    }

    pub(super) async fn signed_document(
        &self,
        trusted: &Arc<Trusted>,
        action: &Action,
        demand: &Demand,
    ) -> Result<Found, Error> {
        let key = self.sources.signed_key(trusted, action);
        let kept = self.mirror.find_document(&key, self.sources.rules(), demand);
        if let Some(found) = kept.map_err(|error| of_mirror(error, &action.path()))? {
            return Ok(found);
        }
        let want = self.sources.signed(trusted, action)?;
        self.document(&want, demand, &action.path()).await
    }

    pub(super) async fn document(&self, want: &Arc<Resource>, demand: &Demand, what: &str) -> Result<Found, Error> {
        self.mirror.document(want, demand).await.map_err(|error| of_mirror(error, what))
    }
}
