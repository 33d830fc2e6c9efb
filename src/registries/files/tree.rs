//! The tree as other mounts read it: by the same rules as a client, and without a client's headers.

use async_trait::async_trait;
use http::{HeaderMap, Method};
use url::Url;

use super::Files;
use super::error::Error;
use super::routes::{self, Action};
use crate::base::http::Reply;
use crate::mirror::fresh::Demand;
use crate::registries::binaries::tree::Tree;
use crate::registries::desk::Named;

#[async_trait]
impl Tree for Files {
    fn root(&self) -> &Url {
        &self.sources.upstream.url
    }

    fn longest_file(&self) -> u64 {
        self.sources.shelf.max_artifact_bytes
    }

    async fn open(&self, place: &str, query: &str, demand: &Demand) -> Result<Reply, Error> {
        let action = routes::parse(&Method::GET, place, query, &self.rules)?;
        self.blocks.check(action.subject()).await?;
        match &action {
            Action::Sums(place) => self.sums(place, demand).await,
            Action::File(place) => self.read(place, demand, HeaderMap::new()).await,
            Action::Forward(_) => Err(Error::internal("a place that is read is never passed through")),
        }
    }
}
