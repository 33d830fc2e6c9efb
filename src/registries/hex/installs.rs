//! Builds of Hex and rebar3, for machines without any Internet: lists as their builder signed them, builds as their list
//! has them. Source: contract hex §1.4.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::Repository;
use super::documents::read;
use super::error::Error;
use super::replies::{self, CSV, NO_TIME, OCTETS, TEXT, WEEK};
use super::vouch;
use super::wire::{Archive, Install, List};
use crate::base::http::{Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::verify::Proof;

impl Repository {
    /// `GET installs/…`.
    pub(super) async fn install(&self, request: &Request<'_>, install: &Install) -> Result<Reply, Error> {
        match install {
            Install::List(List::Hex1) => match self.install_list(request, install, CSV).await {
                // mix asks for this one by itself once a day, and shows its user anything but a good answer.
                Err(Error::NotFound { .. } | Error::Unreachable { .. } | Error::TimedOut { .. }) => Ok(no_builds()),
                listed => listed,
            },
            Install::List(_) => self.install_list(request, install, CSV).await,
            Install::Signature(_) => self.install_list(request, install, TEXT).await,
            Install::Archive(archive) => self.build(request, archive).await,
        }
    }

    /// A list and its signature must be of one moment, so each is asked for whenever it is wanted.
    async fn install_list(
        &self,
        request: &Request<'_>,
        install: &Install,
        content_type: HeaderValue,
    ) -> Result<Reply, Error> {
        let demand = Demand { max_age: Some(Duration::ZERO), ..Demand::of(request.headers) };
        let want = self.sources.install_list(install)?;
        let found = self.document(&want, &demand, &install.path()).await?;
        Ok(replies::reply(found, content_type, NO_TIME))
    }

    async fn build(&self, request: &Request<'_>, archive: &Archive) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let what = Install::Archive(archive.clone()).path();
        let vouched = match self.build_proofs(archive, &demand).await? {
            None => self.build_proofs(archive, &Demand { newest: true, ..demand }).await?,
            vouched => vouched,
        };
        let want = self.sources.archive(archive, vouched.ok_or_else(|| Error::not_found(what.clone()))?)?;
        let found = self.mirror.artifact(&want, &demand).await;
        let found = found.map_err(|error| Error::of_mirror(error, &what))?;
        Ok(replies::reply(found, OCTETS, WEEK))
    }

    /// Returns what the list has of a build; `None` when it does not have it.
    async fn build_proofs(&self, archive: &Archive, demand: &Demand) -> Result<Option<Vec<Proof>>, Error> {
        let list = Install::List(archive.list);
        let found = self.document(&self.sources.install_list(&list)?, demand, &list.path()).await?;
        let list = read(found.body).await?;
        vouch::archive(&list, archive).map_err(|_| Error::internal("a list of builds that cannot be read"))
    }
}

/// Says that there is nothing newer.
fn no_builds() -> Reply {
    let mut reply = Reply::bytes(StatusCode::OK, "text/csv", "");
    reply.set(http::header::CACHE_CONTROL, NO_TIME);
    reply
}
