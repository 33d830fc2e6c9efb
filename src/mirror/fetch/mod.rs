//! Asks upstreams, and is the only one who does: one request at a time through the egress rules, the host's breaker
//! and its connection cap, with time limits on silence and none on length.

#![expect(clippy::disallowed_methods, reason = "this is the door that the ban sends everybody to")]

mod client;
mod deliver;
mod response;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT, VIA};
use http::{HeaderMap, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use url::Url;

pub use self::response::Response;
use crate::base::clock::Clock;
use crate::base::http::Way;
use crate::base::roots::Roots;
use crate::config;
use crate::mirror::egress::{self, Kept, Reach};
use crate::mirror::error::Error;
use crate::mirror::host::{self, Host};
use crate::mirror::resource::{Redirects, Upstream};
use crate::telemetry::metrics::Metrics;

const MAX_REDIRECTS: usize = 5;

/// Beyond this many hosts, those that nobody is busy with are forgotten.
const MAX_HOSTS: usize = 256;

const JSON: &str = "application/json";

const AGENT: &str = concat!("heliostat/", env!("CARGO_PKG_VERSION"));

/// The client of all upstreams.
pub struct Fetch {
    /// Connects to the public Internet only.
    public: reqwest::Client,
    /// For upstreams that the operator has said to be neighbours.
    private: reqwest::Client,
    settings: config::Fetch,
    /// Held for a few lines only.
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    offline: AtomicBool,
    via: HeaderValue,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// One GET.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub upstream: &'a Upstream,
    pub url: &'a Url,
    pub accept: Option<&'static str>,
    /// Whether a gzip answer is welcome.
    pub gzip: bool,
    /// Further headers, which win over the two above.
    pub headers: &'a HeaderMap,
    /// Validators and ranges.
    pub conditions: &'a HeaderMap,
    pub redirects: Redirects,
    pub failures: Failures,
}

/// What is made of a status by which upstream says that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    AreErrors,
    /// They are errors, and say nothing of the host: one client's credentials were answered so.
    OfOneClient,
    /// They are passed on.
    AreAnswers,
}

/// One POST of JSON.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    pub upstream: &'a Upstream,
    pub url: &'a Url,
    pub body: &'a Bytes,
}

// === impl Fetch ===

impl Fetch {
    /// Builds the client, which believes in `roots` alone. `via` names us in `Via`.
    ///
    /// # Errors
    /// [`reqwest::Error`] when the configured proxy cannot be used.
    pub fn new(
        settings: config::Fetch,
        roots: &Roots,
        via: HeaderValue,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        // With a proxy, the only name that is resolved here is the proxy's own.
        let guarded = if settings.proxy.is_some() { Reach::Private } else { Reach::Public };
        Ok(Self {
            public: client::build(&settings, roots, guarded)?,
            private: client::build(&settings, roots, Reach::Private)?,
            settings,
            hosts: Mutex::default(),
            offline: AtomicBool::new(false),
            via,
            clock,
            metrics,
        })
    }

    pub fn settings(&self) -> &config::Fetch {
        &self.settings
    }

    /// Returns our own member of `Via`.
    pub fn via(&self) -> &HeaderValue {
        &self.via
    }

    /// Refuses every request from now on, or no longer.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    /// Returns the way to an upstream, for a request that somebody else sends.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`].
    pub async fn find_way(&self, upstream: &Upstream) -> Result<Way, Error> {
        if self.is_offline() {
            return Err(Error::Offline);
        }
        let reach = upstream.reach(&upstream.url);
        egress::check(&upstream.url, reach)?;
        let Some(proxy) = &self.settings.proxy else {
            return self.resolve(&upstream.url, reach).await.map(Way::Direct);
        };
        let addresses = self.resolve(proxy.as_url(), Reach::Private).await?;
        Ok(Way::Proxied { addresses, authorization: proxy.basic() })
    }

    async fn resolve(&self, url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, Error> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let resolved = timeout(self.settings.first_byte_timeout, egress::resolve(host, port, reach)).await;
        let resolved = resolved.map_err(|_| Error::TimedOut { host: host.to_owned() })?;
        resolved.map_err(|error| match client::kept(&error) {
            Some(Kept(reason)) => Error::Forbidden { host: host.to_owned(), reason },
            None => Error::Unreachable { host: host.to_owned(), retry_after: None, cause: Some(Arc::new(error)) },
        })
    }

    /// Sends one GET, following redirects, and returns when the head of the answer is there. Any status is an answer,
    /// except those that say that upstream itself failed.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`], [`Error::Senseless`].
    pub async fn send(&self, ask: Ask<'_>, patience: Duration) -> Result<Response, Error> {
        let (mut url, started) = (ask.url.clone(), Instant::now());
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&ask, &url, patience.saturating_sub(started.elapsed())).await?;
            if ask.redirects == Redirects::Pass {
                return Ok(response);
            }
            let Some(next) = redirect(&url, &response)? else { return Ok(response) };
            if ask.redirects == Redirects::FollowAtHome && !ask.upstream.is_origin_of(&next) {
                return Err(Error::Senseless { host: authority(&url), detail: "a redirect to another server" });
            }
            url = next;
        }
        Err(Error::Senseless { host: authority(&url), detail: "too many redirects" })
    }

    /// Sends one POST and returns when the head of the answer is there. Any status is an answer, a redirect too.
    ///
    /// How it goes says nothing of the host: an endpoint that is slow or not there must not close the way to the rest, nor
    /// wait for it.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`].
    pub async fn post(&self, post: Post<'_>, patience: Duration) -> Result<Response, Error> {
        let Post { upstream, url, body } = post;
        let none = &HeaderMap::new();
        let (redirects, failures) = (Redirects::Follow, Failures::AreAnswers);
        let accept = Some("application/json");
        let ask = Ask { upstream, url, accept, gzip: true, headers: none, conditions: none, redirects, failures };
        let (host, permit) = self.admit(upstream, url, patience).await?;
        let headers = self.headers(&ask, url);
        let request = self.client(upstream, url).post(url.clone()).headers(headers).header(CONTENT_TYPE, JSON);
        let sent = self.exchange(request.body(body.clone()), &host, permit);
        let result = timeout(patience, sent).await;
        let result = result.unwrap_or_else(|_| Err(Error::TimedOut { host: host.name.clone() }));
        self.count(&host, &result);
        result
    }

    async fn send_once(&self, ask: &Ask<'_>, url: &Url, patience: Duration) -> Result<Response, Error> {
        let (host, permit) = self.admit(ask.upstream, url, patience).await?;
        host.ask_leave(self.clock.now())?;
        let request = self.client(ask.upstream, url).get(url.clone()).headers(self.headers(ask, url));
        let started = Instant::now();
        let sent = timeout(patience, self.exchange(request, &host, permit)).await;
        let result = sent.unwrap_or_else(|_| Err(Error::TimedOut { host: host.name.clone() }));
        self.metrics.upstream_seconds.with_label_values(&[&host.label]).observe(started.elapsed().as_secs_f64());
        // A failure is one to the breaker, whoever is to be told of it.
        let judged = result.as_ref().map_err(Error::clone).and_then(|response| self.judge(&host, response));
        // What one client's credentials are answered says nothing of the host.
        if ask.failures == Failures::OfOneClient && judged.is_err() && result.is_ok() {
            self.count(&host, &judged);
        } else {
            self.settle(&host, &judged);
            if let Ok(response) = &result
                && let Some(pause) = host::rest(&response.headers, self.clock.now())
            {
                host.breaker().rest(pause, self.clock.now());
            }
        }
        match ask.failures {
            Failures::AreErrors | Failures::OfOneClient => judged.and(result),
            Failures::AreAnswers => result,
        }
    }

    fn judge(&self, host: &Host, response: &Response) -> Result<(), Error> {
        host.judge(response.status, &response.headers, self.clock.now())
    }

    /// Lets a request through the egress rules, and waits for its place among those of its host.
    async fn admit(
        &self,
        upstream: &Upstream,
        url: &Url,
        patience: Duration,
    ) -> Result<(Arc<Host>, OwnedSemaphorePermit), Error> {
        if self.is_offline() {
            return Err(Error::Offline);
        }
        egress::check(url, upstream.reach(url))?;
        let host = self.host(url, upstream);
        // Waiting for our own turn is no fault of upstream's.
        let permit = timeout(patience, Arc::clone(&host.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| Error::TimedOut { host: host.name.clone() })?.map_err(|_| Error::Died)?;
        Ok((host, permit))
    }

    fn client(&self, upstream: &Upstream, url: &Url) -> &reqwest::Client {
        match upstream.reach(url) {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
        }
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        host: &Host,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response, Error> {
        let asked = Instant::now();
        let inner = request.send().await.map_err(|error| client::unreachable(&host.name, error))?;
        Ok(Response {
            status: inner.status(),
            headers: inner.headers().clone(),
            host: host.name.clone(),
            delay: asked.elapsed(),
            label: host.label.clone(),
            inner,
            idle: self.settings.idle_timeout,
            started: Instant::now(),
            received: 0,
            metrics: Arc::clone(&self.metrics),
            permit: Some(permit),
        })
    }

    fn headers(&self, ask: &Ask<'_>, url: &Url) -> HeaderMap {
        let mut headers = ask.conditions.clone();
        headers.extend(ask.headers.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(VIA, self.via.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(ask.accept.unwrap_or("*/*")));
        let coding = HeaderValue::from_static(if ask.gzip { "gzip" } else { "identity" });
        headers.entry(ACCEPT_ENCODING).or_insert(coding);
        let authorization = ask.upstream.authorization.as_ref().filter(|_| ask.upstream.is_origin_of(url));
        if let Some(mut value) = authorization.and_then(|secret| HeaderValue::from_str(secret.reveal()).ok()) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }

    /// Tells the breaker and the metrics how a request went.
    fn settle(&self, host: &Host, result: &Result<(), Error>) {
        let mut breaker = host.breaker();
        match result {
            Ok(()) => breaker.succeeded(),
            Err(Error::Unreachable { retry_after: Some(pause), .. }) => breaker.pause_for(*pause, self.clock.now()),
            Err(Error::Unreachable { .. } | Error::TimedOut { .. }) => {
                if breaker.failed(self.clock.now()) {
                    tracing::warn!(host = host.name, "upstream keeps failing and is left alone for a while");
                }
            }
            Err(_) => {}
        }
        self.metrics.breaker_open.with_label_values(&[&host.label]).set(i64::from(breaker.is_open()));
        self.count(host, result);
    }

    fn count<T>(&self, host: &Host, result: &Result<T, Error>) {
        if let Err(error) = result {
            self.metrics.upstream_errors.with_label_values(&[host.label.as_str(), error.kind()]).inc();
        }
    }

    fn host(&self, url: &Url, upstream: &Upstream) -> Arc<Host> {
        let key = url.origin().ascii_serialization();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS {
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        // Redirects may name any host; labels come from a closed set.
        let label = if upstream.may_hold_artifact(url) { authority(url) } else { "other".to_owned() };
        let host = hosts.entry(key).or_insert_with(|| Arc::new(Host::new(authority(url), label, &self.settings)));
        Arc::clone(host)
    }
}

/// Returns where a redirect leads, `None` when the answer is none.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, Error> {
    if !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let senseless = |detail| Error::Senseless { host: authority(from), detail };
    let location = response.header(LOCATION).ok_or_else(|| senseless("a redirect to nowhere"))?;
    let to = from.join(location).map_err(|_| senseless("a redirect to no URL"))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(senseless("a redirect from https to something weaker"));
    }
    Ok(Some(to))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns the value of `Via` that names this mirror. Source: RFC 9110 §7.6.3.
///
/// # Errors
/// None for a pseudonym of letters and digits.
pub fn via(pseudonym: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from(format!("1.1 {pseudonym}")))
}
