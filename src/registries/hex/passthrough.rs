//! The HTTP API: streamed to where it is and back, nothing kept. Source: contract hex §7, §8.
//!
//! A mount that allows no writes still lets clients get, renew and give back tokens: mix exchanges its key for one before it
//! reads anything of an organization, and a token changes nothing of a package. Source: contract hex §1.3, §7.5.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method};
use url::Url;

use super::error::{ALLOW_READ, Error, of_mirror};
use super::{Hex, REPOSITORY};
use crate::base::http::{Forward, Request};
use crate::base::secret::Secret;
use crate::config;
use crate::mirror::Upstream;
use crate::registries::passthrough::forward;

/// The public repository's.
const HEXPM: &str = "https://hex.pm/api/";

/// A second factor, for the API that asked for it. Source: contract hex §7.2.
const SECOND_FACTOR: HeaderName = HeaderName::from_static("x-hex-otp");

/// The largest package, and documentation, in bytes. Source: contract hex §3.3.
const MAX_PACKAGE: u64 = 16 << 20;

/// What gives out tokens and takes them back. Source: contract hex §7.5.
const TOKENS: [&str; 4] = ["oauth/token", "oauth/device_authorization", "oauth/revoke", "oauth/revoke_by_hash"];

/// Longest request for a token, in bytes.
const MAX_FORM: u64 = 64 << 10;

/// The API of a mount.
pub struct Api {
    upstream: Upstream,
    writes: bool,
    /// Longest request body passed through, in bytes.
    max_body: u64,
}

impl Api {
    /// Returns the API that belongs to a mount's repository, `None` where none is known: other repositories than the
    /// public one, and copies of it, have one only if the operator says where.
    pub fn of(keys: &config::Hex, repository: &Arc<Upstream>) -> Option<Self> {
        let is_hexpm = keys.is_hexpm() && repository.url.as_str() == REPOSITORY;
        let hexpm = || is_hexpm.then(|| Url::parse(HEXPM).expect("a constant is a URL"));
        let url = keys.api.as_ref().map(|url| url.as_url().clone()).or_else(hexpm)?;
        let upstream = Upstream {
            id: Upstream::id_of(&url),
            url,
            authorization: None,
            allow_private: repository.allow_private,
            artifact_hosts: Vec::new(),
        };
        Some(Self { upstream, writes: keys.api_writes, max_body: 0 })
    }

    /// Sets the longest request body, in bytes; where publishing is allowed, packages may be as large as they may be.
    pub fn at_most(self, max_body: u64) -> Self {
        Self { max_body: if self.writes { max_body.max(MAX_PACKAGE) } else { max_body }, ..self }
    }
}

impl Api {
    /// Tells how long the body of a request may be, in bytes.
    ///
    /// # Errors
    /// [`Error::MethodNotAllowed`]: it may change something, which this mount does not allow.
    fn judge(&self, method: &Method, target: &str) -> Result<u64, Error> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        match *method {
            _ if self.writes || method.is_safe() => Ok(self.max_body),
            Method::POST if TOKENS.contains(&path) => Ok(self.max_body.min(MAX_FORM)),
            _ => Err(Error::only(ALLOW_READ)),
        }
    }
}

impl Hex {
    /// Sends a request on to the API, with the client's own credentials: they belong to that API, and go nowhere else.
    pub(super) async fn pass_through(&self, request: &Request<'_>, target: &str) -> Result<Forward, Error> {
        let api = self.api.as_ref();
        let api = api.ok_or_else(|| Error::not_found("the API, which this mirror does not pass through,"))?;
        let max_body = api.judge(request.method, target)?;
        let path = format!("{}{target}", api.upstream.url.path());
        let passed = forward(&self.repository.mirror, &api.upstream, "api", path, max_body).await;
        let passed = passed.map_err(|error| of_mirror(error, "the API"))?;
        Ok(Forward { authorization: credentials(request)?, headers: second_factor(request), ..passed })
    }
}

fn second_factor(request: &Request<'_>) -> HeaderMap {
    let value = request.headers.get(&SECOND_FACTOR).cloned();
    value.into_iter().map(|value| (SECOND_FACTOR, value)).collect()
}

/// Returns what a client shows to the repository that it asks.
pub fn credentials(request: &Request<'_>) -> Result<Option<Secret>, Error> {
    let Some(value) = request.headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::bad_request("the credentials are no text"))?;
    Ok(Some(Secret::new(text)))
}
