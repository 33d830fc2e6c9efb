//! What is not the mirror's to keep: search, download counts, and audits where one upstream serves all scopes. Streamed to
//! the upstream and back.

use super::Npm;
use super::error::Error;
use crate::base::http::{Forward, Request};
use crate::mirror;
use crate::mirror::resource::Upstream;

impl Npm {
    /// Sends a request on to the default upstream. Source: contract npm §10.1, §10.4, §11.
    pub(super) async fn pass_through(&self, request: &Request<'_>, action: &'static str) -> Result<Forward, Error> {
        self.may_pass_through()?;
        let upstream = self.sources.default_upstream();
        let way = self.mirror.fetch().find_way(upstream).await;
        Ok(Forward {
            action,
            way: way.map_err(|error: mirror::Error| Error::of_mirror(error, "this endpoint"))?,
            host: upstream.url.host_str().unwrap_or_default().to_owned(),
            port: upstream.url.port_or_known_default().unwrap_or(443),
            tls: upstream.url.scheme() == "https",
            target: target(upstream, request),
            authorization: upstream.authorization.clone(),
            max_body: self.max_body,
            listener: None,
        })
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

/// Returns path and query at the upstream: the client's own, below the upstream's path.
fn target(upstream: &Upstream, request: &Request<'_>) -> String {
    let path = format!("{}{}", upstream.url.path().trim_end_matches('/'), request.path);
    if request.query.is_empty() { path } else { format!("{path}?{}", request.query) }
}
