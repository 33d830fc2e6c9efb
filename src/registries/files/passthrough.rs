//! Methods that only the upstream can answer: streamed there and back. What they change is forgotten here, before the
//! client reads that it was changed. Source: RFC 9111 §4.4.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::{Position, Url};

use super::Files;
use super::error::{Error, of_mirror};
use super::headers;
use super::routes::Place;
use crate::base::http::{Forward, Listener};
use crate::mirror::Mirror;
use crate::registries::passthrough::forward;

impl Files {
    /// Sends a request on to the upstream.
    pub(super) async fn forward(&self, place: &Place, method: &Method) -> Result<Forward, Error> {
        let (upstream, url) = (&self.sources.upstream, self.sources.url(place)?);
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        let passed = forward(&self.mirror, upstream, "forward", target, self.max_body).await;
        let passed = passed.map_err(|error| of_mirror(error, &place.path))?;
        Ok(Forward { listener: (!method.is_safe()).then(|| self.changes(place, url)), ..passed })
    }

    fn changes(&self, place: &Place, at: Url) -> Arc<dyn Listener> {
        Arc::new(Changes {
            mirror: self.mirror.clone(),
            mount: Arc::clone(&self.sources.shelf.mount),
            tree: self.sources.upstream.url.clone(),
            at,
            target: place.target(),
        })
    }
}

/// Forgets what a request has changed.
struct Changes {
    mirror: Mirror,
    mount: Arc<str>,
    tree: Url,
    at: Url,
    /// The place that was asked for.
    target: String,
}

impl Changes {
    /// Returns the places that an answer says are not what they were.
    fn places(&self, headers: &HeaderMap) -> Vec<String> {
        let named = |name| headers.get(name).and_then(|link| headers::below(link, &self.at, &self.tree));
        let named = [named(LOCATION), named(CONTENT_LOCATION)].into_iter().flatten();
        let places = named.filter_map(|(path, query)| Place::parse(&path, &query).ok()).map(|place| place.target());
        std::iter::once(self.target.clone()).chain(places).collect()
    }
}

#[async_trait]
impl Listener for Changes {
    async fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        if !status.is_success() && !status.is_redirection() {
            return;
        }
        for place in self.places(headers) {
            if let Err(error) = self.mirror.invalidate(&self.mount, &place).await {
                tracing::error!(mount = &*self.mount, place, error = &error as &dyn std::error::Error, "not forgotten");
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Changes({})", self.target)
    }
}
