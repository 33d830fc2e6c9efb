//! pingora's phases, each one call long: find the mount, let its handler answer, write that; or pass the request on.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VIA};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::body::{self, BodyRoom};
use super::crowd::Rates;
use super::delivery::{self, CUT};
use super::fault;
use super::forwarded::Proxies;
use super::framing;
use super::limits::{InFlight, Limits};
use super::mounts::Mounts;
use super::passage::{self, Passage, TOO_LARGE};
use super::patience::Patient;
use super::reply::{self, Asked};
use super::screen::Screen;
use super::target;
use super::visit::{Place, Visit, plain};
use crate::base::http::{BodyWanted, Forward, Note, Outcome, Refusal, Reply};
use crate::telemetry::metrics::{Metrics, Tally};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Counted for a request whose client was gone before there was a reply: nginx's word for it.
const CLIENT_GONE: u16 = 499;

/// What the phases know of the whole server.
pub struct Proxy {
    pub mounts: Arc<ArcSwap<Mounts>>,
    pub limits: Limits,
    pub in_flight: Arc<InFlight>,
    pub rates: Rates,
    pub proxies: Proxies,
    /// BodyRoom for request bodies that are read whole.
    pub bodies: BodyRoom,
    pub metrics: Arc<Metrics>,
    /// Counts what reached no mount.
    pub strays: Tally,
    pub scheme: &'static str,
    /// Our name in `Via`, by which we know our own requests again.
    pub via: String,
    pub connect_timeout: Duration,
    pub access_log: bool,
    pub request_ids: AtomicU64,
}

// === impl Proxy ===

impl Proxy {
    /// Finds where a request leads.
    fn place<'a>(&self, session: &'a Session) -> Result<Place<'a>, Box<Reply>> {
        let header = session.req_header();
        let target = target::parse(header.raw_path(), host(header));
        let target = target.map_err(|malformed| plain(StatusCode::BAD_REQUEST, &malformed.to_string()))?;
        // Not held while the handler works: it would keep a slot that other threads look for.
        let mounts = self.mounts.load();
        let port = session.server_addr().and_then(|address| address.as_inet()).map(SocketAddr::port);
        let found =
            mounts.find(&target, port).ok_or_else(|| plain(StatusCode::NOT_FOUND, "nothing is mounted here"))?;
        let base = found.base(self.scheme, target.authority);
        Ok(Place { mount: Arc::clone(found.mount), base, path: found.path, query: target.query })
    }

    async fn answer(&self, session: &Session, visit: &mut Visit) -> Outcome {
        let header = session.req_header();
        let place = match self.place(session) {
            Ok(place) => place,
            Err(reply) => return (*reply).into(),
        };
        let mount = visit.mount.insert(Arc::clone(&place.mount));
        visit.ticket = self.in_flight.enter(self.limits.in_flight);
        // A server with too much to do is alive, and says so.
        if mount.limited
            && let Some(wait) = self.wait(visit)
        {
            let mut refused = self.refuse(session, visit, Refusal::TooMany);
            refused.set(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
            return refused.into();
        }
        if has_been_here(&header.headers, &self.via) {
            return self.refuse(session, visit, Refusal::Loop).into();
        }
        place.mount.handler.handle(&place.request(session, visit)).await
    }

    /// Returns where a request comes from.
    fn client(&self, session: &Session) -> Option<IpAddr> {
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(SocketAddr::ip)?;
        Some(self.proxies.client(peer, &session.req_header().headers))
    }

    /// Returns how long to wait until there may be room for a request; `None` when there is.
    fn wait(&self, visit: &Visit) -> Option<Duration> {
        if visit.ticket.is_none() {
            return Some(Duration::from_secs(1));
        }
        self.rates.enter(visit.client, Instant::now()).err()
    }

    /// Answers a request whose handler wants to see its body.
    async fn answer_body(&self, session: &mut Session, visit: &Visit, wanted: BodyWanted) -> Result<Reply> {
        if is_longer(session.req_header(), wanted.max) {
            return Ok(self.refuse(session, visit, Refusal::TooLarge));
        }
        let body = match body::read(session, wanted.max, self.limits.body, &self.bodies).await {
            Err(error) if *error.etype() == TOO_LARGE => return Ok(self.refuse(session, visit, Refusal::TooLarge)),
            read => read?,
        };
        match self.place(session) {
            Ok(place) => Ok(place.mount.handler.handle_body(&place.request(session, visit), body).await),
            Err(reply) => Ok(*reply),
        }
    }

    /// Returns the mount's words for a refusal, or plain ones where there is no mount any more.
    fn refuse(&self, session: &Session, visit: &Visit, refusal: Refusal) -> Reply {
        match self.place(session) {
            Ok(place) => place.mount.handler.refuse(refusal, &place.request(session, visit)),
            Err(_) => plain(StatusCode::BAD_GATEWAY, "the request cannot be answered"),
        }
    }

    async fn write(&self, session: &mut Session, reply: Reply, visit: &Visit) -> Result<()> {
        let header = session.req_header();
        let asked = Asked { method: &header.method, version: header.version, headers: &header.headers };
        let mut reply = match reply::settle(reply, asked).await {
            Ok(reply) => reply,
            Err(cut) => {
                tracing::warn!(error = %cut, request_id = visit.id(), "body broke off before a part of it was sent");
                self.refuse(session, visit, Refusal::Unreachable)
            }
        };
        reply.set(X_REQUEST_ID, visit.id.clone());
        let ready = reply::compose(reply, asked);
        delivery::write(session, ready, self.limits.stream_buffer_bytes).await
    }

    /// Writes what the client is to know of a fault, unless it has been told something else already or is gone.
    async fn excuse(&self, session: &mut Session, error: &Error, visit: &Visit) -> Result<()> {
        let gone = *error.esource() == ErrorSource::Downstream && *error.etype() != TOO_LARGE;
        if gone || session.response_written().is_some() {
            delivery::cut(session).await;
            return Ok(());
        }
        session.set_keepalive(None);
        let refusal = if *error.etype() == TOO_LARGE { Refusal::TooLarge } else { Refusal::Unreachable };
        let reply = self.refuse(session, visit, refusal);
        self.write(session, reply, visit).await
    }

    fn tell(&self, error: &Error, visit: &Visit) {
        let (mount, action, request_id) = (visit.mount_name(), visit.note.action, visit.id());
        if *error.etype() == CUT {
            tracing::warn!(error = fault::chain(error), mount, action, request_id, "reply cut short");
        } else if let (Some(passage), ErrorSource::Upstream) = (&visit.passage, error.esource()) {
            let host = passage.host();
            self.metrics.upstream_errors.with_label_values(&[host, fault::kind(error.etype())]).inc();
            tracing::warn!(error = fault::chain(error), host, mount, action, request_id, "passage failed");
        } else {
            tracing::debug!(%error, mount, action, request_id, "request ended early");
        }
    }

    fn write_access_line(&self, session: &Session, status: u16, visit: &Visit) {
        let header = session.req_header();
        // Without the query, which may hold secrets.
        let path = target::parse(header.raw_path(), host(header)).map_or("", |target| target.path);
        let path = if visit.note.hides_path { "****" } else { path };
        tracing::info!(
            target: "access",
            method = header.method.as_str(),
            path,
            status,
            bytes = session.body_bytes_sent(),
            ms = visit.started.map_or(0.0, |started| started.elapsed().as_secs_f64() * 1e3),
            mount = visit.mount_name(),
            action = visit.note.action,
            cache = visit.note.cache.as_str(),
            peer = visit.client.map(tracing::field::display),
            request_id = visit.id(),
            "request"
        );
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Visit;

    fn new_ctx(&self) -> Visit {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
        Visit::new(number, self.access_log.then(Instant::now))
    }

    /// Leaves pingora's compression out: bodies are stored in the forms that clients take.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, visit: &mut Visit) -> Result<bool> {
        session.set_pipelining_enabled(true);
        visit.client = self.client(session);
        if let Some(refused) = distrust(session, &self.limits) {
            session.set_keepalive(None);
            return self.write(session, refused, visit).await.map(|()| true);
        }
        let reply = match self.answer(session, visit).await {
            Outcome::Reply(reply) => reply,
            Outcome::Forward(forward) if is_longer(session.req_header(), forward.max_body) => {
                self.refuse(session, visit, Refusal::TooLarge).action(forward.action)
            }
            Outcome::Forward(forward) => {
                visit.note = note(&forward);
                session.set_read_timeout(Some(self.limits.body.idle));
                session.set_write_timeout(Some(delivery::STALL));
                visit.passage = Some(Box::new(Passage::new(forward)));
                // For pingora: not answered yet, go on to the upstream.
                return Ok(false);
            }
            Outcome::NeedsBody(wanted) => {
                visit.note.action = wanted.action;
                self.answer_body(session, visit, wanted).await?.action(wanted.action)
            }
        };
        visit.note = reply.note;
        if visit.mount.is_none() && reply.status == StatusCode::BAD_REQUEST {
            // Who cannot say where to may not know where its request ends either.
            session.set_keepalive(None);
        }
        // For pingora: answered, there is nothing left to do.
        self.write(session, reply, visit).await.map(|()| true)
    }

    async fn upstream_peer(&self, _session: &mut Session, visit: &mut Visit) -> Result<Box<HttpPeer>> {
        match &visit.passage {
            Some(passage) => passage.peer(self.connect_timeout).map(Box::new),
            None => Error::e_explain(ErrorType::InternalError, "a request with no passage goes nowhere"),
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        visit.passage.as_ref().map_or(Ok(()), |passage| passage.rewrite_request(request, &self.via))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        visit: &mut Visit,
    ) -> Result<()> {
        let bytes = body.as_ref().map_or(0, Bytes::len);
        visit.passage.as_mut().map_or(Ok(()), |passage| passage.count_body(bytes, self.limits.body))
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        if let Some(passage) = &visit.passage {
            self.metrics.upstream_seconds.with_label_values(&[passage.host()]).observe(passage.seconds());
            passage.judge_response(response)?;
            passage.hear(response).await;
            passage.turn(response)?;
        }
        passage::rewrite_response(response, &self.via, &visit.id)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        visit: &mut Visit,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(visit.passage.as_mut().is_some_and(|passage| passage.try_next()));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, visit: &mut Visit) -> FailToProxy {
        if let Err(gone) = self.excuse(session, error, visit).await {
            tracing::debug!(error = %gone, request_id = visit.id(), "client left before its error reply");
        }
        let error_code = session.response_written().map_or(0, |head| head.status.as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, visit: &mut Visit) {
        let status = session.response_written().map_or(CLIENT_GONE, |head| head.status.as_u16());
        let tally = visit.mount.as_ref().map_or(&self.strays, |mount| &mount.tally);
        tally.count(visit.note, status);
        self.metrics.bytes_out.inc_by(session.body_bytes_sent() as u64);
        if visit.passage.is_some() {
            self.metrics.bytes_in.inc_by(session.upstream_body_bytes_received() as u64);
        }
        if let Some(error) = error {
            self.tell(error, visit);
        }
        if self.access_log {
            self.write_access_line(session, status, visit);
        }
        if let Some(mut screen) = screen(session) {
            screen.end();
        }
    }

    /// Faults are told of in [`Proxy::logging`], once.
    fn suppress_error_log(&self, _session: &Session, _visit: &Visit, _error: &Error) -> bool {
        true
    }
}

/// Returns the host that the client means: HTTP/2 says it in the target, HTTP/1 in a header.
fn host(header: &RequestHeader) -> Option<&[u8]> {
    match header.uri.authority() {
        Some(authority) if header.version == Version::HTTP_2 => Some(authority.as_str().as_bytes()),
        _ => header.headers.get(HOST).map(HeaderValue::as_bytes),
    }
}

/// Refuses a head that is longer than it may be, or could be read in more than one way.
fn distrust(session: &Session, limits: &Limits) -> Option<Reply> {
    let (header, longest) = (session.req_header(), limits.patience.head_bytes);
    if header.headers.len() > limits.headers {
        return Some(plain(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many headers"));
    }
    if header.raw_path().len() > longest {
        return Some(plain(StatusCode::URI_TOO_LONG, "the request target is too long"));
    }
    let http1 = session.downstream_session.as_http1();
    if http1.is_some_and(|session| session.get_headers_raw_bytes().len() > longest) {
        return Some(plain(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's headers are too long"));
    }
    let judged = match screen(session) {
        Some(mut screen) => screen.begin(),
        None => framing::judge_headers(&header.headers),
    };
    judged.err().map(|ambiguous| plain(StatusCode::BAD_REQUEST, &ambiguous.to_string()))
}

/// Returns what has come on the connection of a request, where requests come one after the other.
fn screen(session: &Session) -> Option<MutexGuard<'_, Screen>> {
    Patient::screen(session.stream()?)
}

/// Tells whether a `Via` names us: `1.1 us, 2 another:443 (with a comment)`. Source: RFC 9110 §7.6.3.
fn has_been_here(headers: &HeaderMap, us: &str) -> bool {
    let hops = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    hops.filter_map(|hop| hop.split_ascii_whitespace().nth(1)).any(|name| name == us)
}

fn is_longer(header: &RequestHeader, limit: u64) -> bool {
    body::length_of(header).is_some_and(|length| length > limit)
}

fn note(forward: &Forward) -> Note {
    Note { action: forward.action, ..Note::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_requests_are_known_again() {
        let via = |values: &[&str]| -> HeaderMap {
            values.iter().map(|value| (VIA, HeaderValue::from_str(value).unwrap())).collect()
        };
        for (values, expected) in [
            (&[][..], false),
            (&["1.1 heliostat-a"], true),
            (&["1.0 fred, 1.1 heliostat-a (comment)"], true),
            (&["1.1 other", "2 heliostat-a"], true),
            (&["1.1 heliostat-ab"], false),
            (&["heliostat-a"], false),
        ] {
            assert_eq!(has_been_here(&via(values), "heliostat-a"), expected, "{values:?}");
        }
    }
}
