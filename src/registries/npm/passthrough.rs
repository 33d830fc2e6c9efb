//! What is not the mirror's to keep: searches where nothing is published, download counts, and audits where one upstream serves all scopes. Streamed to
//! the upstream and back.

use super::Npm;
use super::error::{Error, of_mirror};
use crate::base::http::{Forward, Request};
use crate::registries::passthrough::{forward, target};

impl Npm {
    /// Sends a request on to the default upstream. Source: contract npm §10.1, §10.4, §11.
    pub(super) async fn pass_through(&self, request: &Request<'_>, action: &'static str) -> Result<Forward, Error> {
        self.may_pass_through()?;
        let upstream = self.sources.default_upstream();
        let passed = forward(&self.mirror, upstream, action, target(upstream, request), self.max_body).await;
        passed.map_err(|error| of_mirror(error, "this endpoint"))
    }

    /// Tells whether the mount passes anything through.
    ///
    /// # Errors
    /// [`Error::NotFound`]: npm skips an audit that is not there, and says so only when it was asked for (contract npm §11).
    pub(super) fn may_pass_through(&self) -> Result<(), Error> {
        let refusal = || Error::not_found("this endpoint, which this mirror does not pass through,");
        if self.passthrough { Ok(()) } else { Err(refusal()) }
    }
}
