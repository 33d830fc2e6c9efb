//! The old registry: one table of everything, and its signature in a file beside it, or in a header. Source: contract hex §1.5.

use super::Repository;
use super::error::{Error, of_mirror};
use super::replies::{self, HOUR, OCTETS, TEXT};
use crate::base::http::{Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::{self, Found};
use crate::registries::bodies;

/// What errors call the two.
const TABLE: &str = "registry.ets.gz";
const SIGNATURE: &str = "registry.ets.gz.signed";

impl Repository {
    /// `GET registry.ets.gz`. A signature of another moment is asked for again, once.
    pub(super) async fn table(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let found = match self.find_table(&demand, &demand).await? {
            Err(mirror::Error::Unproven(_)) => self.find_table(&demand, &demand.newest()).await?,
            found => found,
        };
        let found = found.map_err(|error| of_mirror(error, TABLE))?;
        let beside = found.entry.as_ref().and_then(|entry| entry.http.headers.clone()).unwrap_or_default();
        let mut reply = replies::reply(found, OCTETS, HOUR);
        reply.headers.extend(*beside);
        Ok(reply)
    }

    /// `GET registry.ets.gz.signed`.
    pub(super) async fn table_signature(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let found = self.find_signature(&Demand::of(request.headers)).await?;
        Ok(replies::reply(found, TEXT, HOUR))
    }

    async fn find_table(&self, demand: &Demand, of_signature: &Demand) -> Result<Result<Found, mirror::Error>, Error> {
        let signature = match self.find_signature(of_signature).await {
            Ok(found) => Some(bodies::read(found.body).await?.to_vec()),
            // It may come in a header.
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let want = self.sources.table(&self.trusted().await?, signature)?;
        Ok(self.mirror.document(&want, demand).await)
    }

    async fn find_signature(&self, demand: &Demand) -> Result<Found, Error> {
        self.document(&self.sources.table_signature()?, demand, SIGNATURE).await
    }
}
