//! What is passed through: a request that goes on to an upstream, and its answer, neither of them kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{
    ALT_SVC, AUTHORIZATION, HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    VIA,
};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr, Result};

use super::along::left_behind;
use super::body::keep_pace;
use super::limits::Pace;
use super::tunnel::Tunnel;
use crate::base::http::{Forward, Way};
use crate::base::secret::Secret;

/// The request body is longer than the mount takes.
pub const TOO_LARGE: ErrorType = ErrorType::new("BodyTooLarge");

/// What an upstream says of its own origin, which ours is not.
const KEPT_FROM_CLIENTS: [HeaderName; 3] = [SET_COOKIE, ALT_SVC, STRICT_TRANSPORT_SECURITY];

/// No byte from an upstream for this long ends a passage.
const IDLE: Duration = Duration::from_secs(60);

/// A passage on its way.
pub struct Passage {
    forward: Forward,
    /// Which of the addresses is tried.
    attempt: usize,
    /// Request body bytes passed on so far.
    sent: u64,
    asked_at: Instant,
}

// === impl Passage ===

impl Passage {
    pub fn new(forward: Forward) -> Self {
        Self { forward, attempt: 0, sent: 0, asked_at: Instant::now() }
    }

    pub fn host(&self) -> &str {
        &self.forward.host
    }

    /// Returns how long ago the upstream was asked, in seconds.
    pub fn seconds(&self) -> f64 {
        self.asked_at.elapsed().as_secs_f64()
    }

    /// Returns where to connect to.
    ///
    /// # Errors
    /// There are no more addresses.
    pub fn peer(&self, connect_timeout: Duration) -> Result<HttpPeer> {
        let Forward { way, host, port, tls, .. } = &self.forward;
        let Some(address) = way.addresses().get(self.attempt) else {
            return Error::e_explain(ErrorType::ConnectNoRoute, "no address left to try");
        };
        // Certificates name an address without the brackets that URLs put around it.
        let mut peer = HttpPeer::new(address, *tls, host.trim_matches(['[', ']']).to_owned());
        if let Way::Proxied { authorization, .. } = way {
            // All connections lead to the proxy: by host and port they are told apart when they are used again.
            peer.group_key = u64::from(*port);
            if *tls {
                let (to, authorization) = (format!("{host}:{port}"), authorization.clone());
                peer.options.custom_l4 = Some(Arc::new(Tunnel { to, authorization }));
            }
        }
        peer.options.connection_timeout = Some(connect_timeout);
        peer.options.total_connection_timeout = Some(connect_timeout * 2);
        peer.options.read_timeout = Some(IDLE);
        peer.options.write_timeout = Some(IDLE);
        peer.options.idle_timeout = Some(IDLE);
        Ok(peer)
    }

    /// Moves on to the next address; false when that was the last.
    pub fn try_next(&mut self) -> bool {
        self.attempt += 1;
        self.attempt < self.forward.way.addresses().len()
    }

    /// Turns the client's request into ours.
    ///
    /// # Errors
    /// The target or the credentials are no header text.
    pub fn rewrite_request(&self, request: &mut RequestHeader, via: &str) -> Result<()> {
        let left_behind = left_behind(&request.headers, self.forward.along);
        left_behind.iter().for_each(|name| drop(request.remove_header(name)));
        request.set_raw_path(self.forward.target.as_bytes())?;
        request.insert_header(HOST, self.authority())?;
        request.append_header(VIA, format!("1.1 {via}"))?;
        for (name, value) in &self.forward.headers {
            request.insert_header(name, value)?;
        }
        if let Some(secret) = &self.forward.authorization {
            request.insert_header(AUTHORIZATION, sensitive(secret)?)?;
        }
        match &self.forward.way {
            Way::Proxied { authorization, .. } if !self.forward.tls => self.address_proxy(request, authorization),
            Way::Proxied { .. } | Way::Direct(_) => Ok(()),
        }
    }

    /// Tells a proxy where a request that it can read is to go. Source: RFC 9112 §3.2.2.
    fn address_proxy(&self, request: &mut RequestHeader, authorization: &Option<Secret>) -> Result<()> {
        request.set_raw_path(format!("http://{}{}", self.authority(), self.forward.target).as_bytes())?;
        match authorization {
            Some(secret) => request.insert_header(PROXY_AUTHORIZATION, sensitive(secret)?),
            None => Ok(()),
        }
    }

    /// Refuses an answer that is none of the upstream's.
    ///
    /// # Errors
    /// The proxy on the way wants to know who we are, or the upstream changes to a protocol that we never ask for: what a
    /// client sends behind its request would reach it unread. Source: RFC 9110 §15.5.8, §15.2.2.
    pub fn judge_response(&self, response: &ResponseHeader) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            let refused = Error::explain(ErrorType::InvalidHTTPHeader, "the upstream answers 101");
            return Err(refused.into_up());
        }
        if response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let refused = Error::explain(ErrorType::ConnectProxyFailure, "the proxy answers 407");
            return Err(refused.into_up());
        }
        Ok(())
    }

    /// Tells whoever wants to know how the upstream answers.
    pub async fn hear(&self, response: &ResponseHeader) {
        if let Some(listener) = &self.forward.listener
            && !response.status.is_informational()
        {
            listener.hear(response.status, &response.headers).await;
        }
    }

    /// Puts what whoever listens wants the client to read in place of what the upstream says.
    ///
    /// # Errors
    /// pingora's, when a header cannot be set.
    pub fn turn(&self, response: &mut ResponseHeader) -> Result<()> {
        let turned = self.forward.listener.as_ref().map(|listener| listener.turned(&response.headers));
        turned.unwrap_or_default().iter().try_for_each(|(name, value)| response.insert_header(name, value))
    }

    /// Counts request body bytes before they are passed on.
    ///
    /// # Errors
    /// [`TOO_LARGE`]: there are more than the mount takes. [`TOO_SLOW`](super::body::TOO_SLOW): they come too slowly.
    pub fn count_body(&mut self, bytes: usize, pace: Pace) -> Result<()> {
        self.sent += bytes as u64;
        if self.sent > self.forward.max_body {
            return Error::e_explain(TOO_LARGE, "request body");
        }
        keep_pace(pace, self.sent, self.asked_at)
    }

    fn authority(&self) -> String {
        let Forward { host, port, tls, .. } = &self.forward;
        match (*tls, *port) {
            (true, 443) | (false, 80) => host.clone(),
            _ => format!("{host}:{port}"),
        }
    }
}

fn sensitive(secret: &Secret) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.reveal()).or_err(ErrorType::InvalidHTTPHeader, "credentials")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Turns the upstream's answer into ours.
///
/// # Errors
/// pingora's, when a header cannot be set.
pub fn rewrite_response(response: &mut ResponseHeader, via: &str, request_id: &HeaderValue) -> Result<()> {
    KEPT_FROM_CLIENTS.iter().for_each(|name| drop(response.remove_header(name)));
    response.append_header(VIA, format!("1.1 {via}"))?;
    response.insert_header("X-Request-Id", request_id.clone())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use pingora::upstreams::peer::Peer;

    use super::*;
    use crate::base::http::Along;

    fn passage() -> Passage {
        let addresses = vec!["192.0.2.1:443".parse().unwrap(), "192.0.2.2:443".parse().unwrap()];
        passage_by(Way::Direct(addresses), true)
    }

    fn proxied(tls: bool) -> Passage {
        let addresses = vec!["192.0.2.3:3128".parse().unwrap()];
        passage_by(Way::Proxied { addresses, authorization: Some(Secret::new("Basic ours")) }, tls)
    }

    fn passage_by(way: Way, tls: bool) -> Passage {
        Passage::new(Forward {
            action: "search",
            way,
            host: "registry.example".into(),
            port: 443,
            tls,
            target: "/-/v1/search?text=a".into(),
            authorization: Some(Secret::new("Bearer ours")),
            along: Along::Known,
            headers: HeaderMap::from_iter([(HeaderName::from_static("x-hex-otp"), HeaderValue::from_static("123456"))]),
            max_body: 10,
            listener: None,
        })
    }

    #[test]
    fn an_upstream_sees_our_credentials_and_of_the_clients_what_is_for_it() {
        let mut request = RequestHeader::build("GET", b"/npm/-/v1/search?text=a", None).unwrap();
        for (name, value) in [
            ("Host", "mirror:4870"),
            ("Authorization", "Bearer theirs"),
            ("Cookie", "a=b"),
            ("Proxy-Authorization", "Basic x"),
            ("npm-otp", "123456"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("Via", "1.1 somebody"),
            ("Accept", "application/json"),
        ] {
            request.append_header(name, value).unwrap();
        }
        passage().rewrite_request(&mut request, "us").unwrap();
        let mut sent: Vec<_> = request.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        sent.sort_unstable();
        let expected = [
            "accept: application/json",
            "authorization: Bearer ours",
            "host: registry.example",
            "via: 1.1 somebody",
            "via: 1.1 us",
            "x-hex-otp: 123456",
        ];
        assert_eq!(sent, expected);
        assert_eq!(request.raw_path(), b"/-/v1/search?text=a");
    }

    #[test]
    fn a_proxy_is_shown_its_own_credentials_and_over_tls_no_request() {
        let rewritten = |tls| {
            let mut request = RequestHeader::build("GET", b"/npm/-/v1/search?text=a", None).unwrap();
            request.insert_header("Proxy-Authorization", "Basic theirs").unwrap();
            proxied(tls).rewrite_request(&mut request, "us").unwrap();
            let shown = request.headers.get("proxy-authorization").map(|value| value.to_str().unwrap().to_owned());
            (String::from_utf8(request.raw_path().to_vec()).unwrap(), shown)
        };
        let plain = "http://registry.example:443/-/v1/search?text=a".to_owned();
        assert_eq!(rewritten(false), (plain, Some("Basic ours".into())));
        assert_eq!(rewritten(true), ("/-/v1/search?text=a".into(), None));
    }

    #[test]
    fn a_proxy_is_tunnelled_through_for_tls_and_connections_are_told_apart() {
        let peer = |passage: Passage| passage.peer(Duration::from_secs(1)).unwrap();
        assert!(peer(proxied(true)).options.custom_l4.is_some_and(|tunnel| format!("{tunnel:?}").contains("****")));
        assert!(peer(proxied(false)).options.custom_l4.is_none() && peer(passage()).options.custom_l4.is_none());
        let mut other = proxied(true);
        other.forward.port = 8443;
        assert_ne!(peer(proxied(true)).reuse_hash(), peer(other).reuse_hash());
    }

    #[test]
    fn a_certificate_names_an_address_without_brackets() {
        let mut passage = passage();
        passage.forward.host = "[::1]".into();
        assert_eq!(passage.peer(Duration::from_secs(1)).unwrap().sni, "::1");
    }

    #[test]
    fn a_body_may_be_as_long_as_the_mount_says() {
        let (mut passage, pace) = (passage(), Pace { idle: IDLE, bytes_per_second: 1 });
        passage.count_body(10, pace).unwrap();
        assert_eq!(passage.count_body(1, pace).unwrap_err().etype(), &TOO_LARGE);
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        for (status, is_one) in [(100, true), (101, false), (200, true), (401, true), (407, false)] {
            let response = ResponseHeader::build(status, None).unwrap();
            assert_eq!(passage().judge_response(&response).is_ok(), is_one, "{status}");
        }
    }

    /// Writes down what it hears.
    #[derive(Debug, Default)]
    struct Heard(std::sync::Mutex<Vec<u16>>);

    #[async_trait::async_trait]
    impl crate::base::http::Listener for Heard {
        async fn hear(&self, status: StatusCode, _headers: &HeaderMap) {
            self.0.lock().unwrap().push(status.as_u16());
        }

        fn turned(&self, headers: &HeaderMap) -> HeaderMap {
            headers
                .get("location")
                .map(|_| (http::header::LOCATION, HeaderValue::from_static("here")))
                .into_iter()
                .collect()
        }
    }

    #[test]
    fn whoever_listens_says_where_links_lead() {
        let mut passage = passage();
        passage.forward.listener = Some(Arc::new(Heard::default()));
        for (status, location) in [(201, Some("there")), (200, None)] {
            let mut response = ResponseHeader::build(status, None).unwrap();
            location.iter().for_each(|there| response.insert_header("Location", *there).unwrap());
            passage.turn(&mut response).unwrap();
            let told: Vec<_> = response.headers.get_all("location").iter().collect();
            assert_eq!(told, location.map(|_| "here").as_slice());
        }
    }

    #[tokio::test]
    async fn who_wants_to_know_hears_the_final_head() {
        let heard = Arc::new(Heard::default());
        let mut passage = passage();
        passage.hear(&ResponseHeader::build(200, None).unwrap()).await;
        passage.forward.listener = Some(heard.clone());
        for status in [100, 103, 204] {
            passage.hear(&ResponseHeader::build(status, None).unwrap()).await;
        }
        assert_eq!(*heard.0.lock().unwrap(), [204]);
    }

    #[test]
    fn each_address_is_tried_once() {
        let mut passage = passage();
        assert!(passage.try_next());
        assert!(!passage.try_next());
        assert!(passage.peer(Duration::from_secs(1)).is_err());
    }
}
