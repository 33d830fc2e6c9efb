//! What a mirror has no answer to: streamed to the upstream and back.

use http::HeaderMap;

use crate::base::http::{Along, Forward, Request};
use crate::mirror::{self, Mirror, Upstream};

/// Begins to pass a request on to an upstream, with the upstream's own credentials. `target` is path and query there; at
/// most `max_body` bytes of the request's body are passed on.
///
/// # Errors
/// Those of [`mirror::Fetch::find_way`].
pub async fn forward(
    mirror: &Mirror,
    upstream: &Upstream,
    action: &'static str,
    target: String,
    max_body: u64,
) -> Result<Forward, mirror::Error> {
    Ok(Forward {
        action,
        way: mirror.fetch().find_way(upstream).await?,
        host: upstream.url.host_str().unwrap_or_default().to_owned(),
        port: upstream.url.port_or_known_default().unwrap_or(443),
        tls: upstream.url.scheme() == "https",
        target,
        authorization: upstream.authorization.clone(),
        along: Along::Known,
        headers: HeaderMap::new(),
        max_body,
        listener: None,
    })
}

/// Returns path and query at the upstream: the client's own, below the upstream's path.
pub fn target(upstream: &Upstream, request: &Request<'_>) -> String {
    let path = format!("{}{}", upstream.url.path().trim_end_matches('/'), request.path);
    if request.query.is_empty() { path } else { format!("{path}?{}", request.query) }
}
