//! Methods that only the upstream can answer: streamed there and back. What they change is forgotten here, before the
//! client reads that it was changed. Source: RFC 9111 §4.4. Links into the tree lead through the mirror, as of anything.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use url::{Position, Url};

use super::Files;
use super::error::{Error, of_mirror};
use super::headers;
use super::routes::Place;
use crate::base::http::{Along, Forward, Listener, Request};
use crate::mirror::Mirror;
use crate::registries::passthrough::forward;

impl Files {
    /// Sends a request on to the upstream.
    pub(super) async fn forward(&self, request: &Request<'_>, place: &Place) -> Result<Forward, Error> {
        let (upstream, url) = (&self.sources.upstream, self.sources.url(place)?);
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        let passed = forward(&self.mirror, upstream, "forward", target, self.max_body).await;
        let passed = passed.map_err(|error| of_mirror(error, &place.path))?;
        let listener = Answered {
            mirror: self.mirror.clone(),
            mount: Arc::clone(&self.sources.shelf.mount),
            tree: upstream.url.clone(),
            base: request.base.to_owned(),
            method: request.method.clone(),
            at: url,
            target: place.target(),
        };
        Ok(Forward { along: Along::EndToEnd, listener: Some(Arc::new(listener)), ..passed })
    }
}

/// Forgets what a request has changed, and turns the links of its answer.
struct Answered {
    mirror: Mirror,
    mount: Arc<str>,
    tree: Url,
    /// Where clients reach the tree.
    base: String,
    method: Method,
    at: Url,
    /// The place that was asked for.
    target: String,
}

impl Answered {
    /// Returns the places that an answer says are not what they were.
    fn places(&self, headers: &HeaderMap) -> Vec<String> {
        let named = |name: &HeaderName| headers.get(name).and_then(|link| headers::below(link, &self.at, &self.tree));
        let named = headers::LINKS.iter().filter_map(named);
        let places = named.filter_map(|(path, query)| Place::parse(&path, &query).ok()).map(|place| place.target());
        std::iter::once(self.target.clone()).chain(places).collect()
    }
}

#[async_trait]
impl Listener for Answered {
    async fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        if self.method.is_safe() || !(status.is_success() || status.is_redirection()) {
            return;
        }
        for place in self.places(headers) {
            if let Err(error) = self.mirror.invalidate(&self.mount, &place).await {
                tracing::error!(mount = &*self.mount, place, error = &error as &dyn std::error::Error, "not forgotten");
            }
        }
    }

    fn turned(&self, headers: &HeaderMap) -> HeaderMap {
        let links = headers::LINKS.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        let mut links: HeaderMap = links.collect();
        headers::turn(&mut links, &self.at, &self.tree, &self.base);
        links
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Answered({})", self.target)
    }
}
