//! What a request and a reply are inside the house, between the front and whoever answers.
//!
//! `front` turns a client's bytes into a [`Request`], a [`Handler`] turns that into an [`Outcome`], and `front` writes
//! it. Conditional requests, ranges and HEAD are decided once, in `front::reply`: a handler always answers the whole
//! resource with its validators, and never looks at `If-None-Match` or `Range`.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;

use super::fs::Slice;
use super::secret::Secret;

/// How much of the end of what is still coming nobody gets before its proofs hold, in bytes.
pub const WITHHELD: u64 = 16 * 1024;

/// One client request, borrowed from the connection that carries it.
pub struct Request<'a> {
    pub method: &'a Method,
    /// The path below the mount, still percent-encoded, starting with `/`, without the query.
    pub path: &'a str,
    /// The raw query, without `?`; empty when there is none.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// Where this mount is reached by this client, without a trailing slash: `http://host:4870/npm`.
    pub base: &'a str,
    pub peer: Option<IpAddr>,
    /// Names this request in logs and in error replies.
    pub id: &'a str,
}

impl Request<'_> {
    /// Returns the header as text, or `None` when it is absent or not visible ASCII.
    pub fn header(&self, name: impl ::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Answers the requests of one mount.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers one request. Never fails: a fault is a reply in the dialect's own shape.
    async fn handle(&self, request: &Request<'_>) -> Outcome;

    /// Answers a request whose body it has asked for ([`Outcome::NeedsBody`]). Who never asks for one is never given one.
    async fn handle_body(&self, request: &Request<'_>, _body: Bytes) -> Reply {
        self.refuse(Refusal::TooLarge, request)
    }

    /// Answers a request that the front refuses before it is understood, in the dialect's own error shape.
    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply;
}

/// Why the front turns a request away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request's `Via` shows that it has been here before.
    Loop,
    /// The body is longer than the mount takes.
    TooLarge,
    /// The client, or all of them, ask too much at once.
    TooMany,
    /// The upstream of a passthrough could not be reached.
    Unreachable,
}

/// What becomes of a request.
pub enum Outcome {
    Reply(Reply),
    /// The front streams the request to an upstream and the answer back, keeping nothing.
    Forward(Forward),
    /// The front reads the request's body and hands it to [`Handler::handle_body`].
    NeedsBody(BodyWanted),
}

/// A body that decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyWanted {
    pub action: &'static str,
    /// Longest body read, in bytes as they come over the wire.
    pub max: u64,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A passthrough, resolved and allowed already.
#[derive(Debug)]
pub struct Forward {
    pub action: &'static str,
    pub way: Way,
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// Path and query at the upstream.
    pub target: String,
    /// The upstream's own credentials. The client's are for us and never leave, but where a dialect finds that they were
    /// made for this very upstream.
    pub authorization: Option<Secret>,
    /// Which of the client's own headers go along.
    pub along: Along,
    /// What else of the client's does, where a dialect finds that it was made for this very upstream.
    pub headers: HeaderMap,
    /// Longest request body passed on, in bytes.
    pub max_body: u64,
    /// Hears the head of the answer before the client does.
    pub listener: Option<Arc<dyn Listener>>,
}

/// Which of a client's headers go along with a passthrough; its credentials for us never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Those that the requests of a package client are made of: content, conditions, ranges.
    Known,
    /// All that are for whoever answers in the end, whatever they mean. Source: RFC 9110 §7.6.1.
    EndToEnd,
}

/// Wants to know how a passthrough ends.
#[async_trait]
pub trait Listener: std::fmt::Debug + Send + Sync {
    async fn hear(&self, status: StatusCode, headers: &HeaderMap);

    /// Returns what the client reads in place of the answer's own headers of these names.
    fn turned(&self, _headers: &HeaderMap) -> HeaderMap {
        HeaderMap::new()
    }
}

/// Where to connect to for an upstream: addresses to be tried in turn, never none.
#[derive(Debug)]
pub enum Way {
    /// The upstream's own, which the egress rules allow.
    Direct(Vec<SocketAddr>),
    /// A proxy's, which finds the upstream by itself.
    Proxied {
        addresses: Vec<SocketAddr>,
        /// Shown to the proxy.
        authorization: Option<Secret>,
    },
}

/// One reply: head, body, and what the access line says of it.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    pub note: Note,
    pub manner: Manner,
}

/// How a reply is written in HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Plain,
    /// For clients whose reader knows one way of writing HTTP: names in Title-Case, never chunked, and no connection
    /// that is kept after the head of a body that does not come.
    Strict,
}

/// What logs and metrics tell of a reply. Both come from closed sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The dialect's name for what was asked: `packument`, `tarball`, …
    pub action: &'static str,
    /// The path holds a secret, and is not to be logged.
    pub hides_path: bool,
    pub cache: CacheState,
}

/// How the mirror came by a reply, in the words of pingora's cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheState {
    /// Kept, fresh.
    Hit,
    /// Fetched for this request.
    Miss,
    /// Kept, no longer fresh, served because upstream could not be asked or is being asked.
    Stale,
    /// Kept, no longer fresh, and upstream said it is still so.
    Revalidated,
    /// Kept, no longer fresh, and upstream gave another.
    Expired,
    /// Fetched for this request alone, and not to be kept.
    Passed,
    /// Could not be had: nothing is kept, and upstream gave nothing that can be.
    Failed,
    /// Rode along with a fill that another request started.
    Joined,
    /// Not the cache's business.
    #[default]
    Bypass,
}

/// A reply's body.
pub enum Body {
    Empty,
    Bytes(Bytes),
    /// Part of a file that does not change any more.
    File(Slice),
    /// Bytes that are still coming.
    Stream(Box<dyn Source>),
}

/// A body that is produced while it is read.
#[async_trait]
pub trait Source: Send {
    /// The whole length in bytes, where it is known.
    fn length(&self) -> Option<u64>;

    /// Returns the next piece, `None` at the end. After an error the connection must be cut.
    async fn next(&mut self) -> Option<Result<Bytes, Cut>>;

    /// Goes on at `position`, in bytes from the start, of which nothing was read yet; false where that cannot be.
    fn seek(&mut self, _position: u64) -> bool {
        false
    }

    /// Tells whether this can be turned into a file of any length: what may not be kept anywhere cannot.
    fn may_settle(&self) -> bool {
        true
    }

    /// Turns this into a file once all of it is there and proved, so that any part of it can be served.
    async fn whole(self: Box<Self>) -> Result<Slice, Cut>;
}

/// The body cannot be finished: the connection is to be closed before its end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the body ended early")]
pub struct Cut(#[source] pub Arc<dyn std::error::Error + Send + Sync>);

// === impl Way ===

impl Way {
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Direct(addresses) | Self::Proxied { addresses, .. } => addresses,
        }
    }
}

// === impl Reply ===

impl Reply {
    /// Builds a reply with a body of known bytes and its content type.
    pub fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status);
        reply.set(::http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        reply.body = Body::Bytes(body.into());
        reply
    }

    /// Builds a reply with no body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::with_capacity(12),
            body: Body::Empty,
            note: Note::default(),
            manner: Manner::Plain,
        }
    }

    /// Names what was asked, for logs and metrics.
    pub fn action(mut self, action: &'static str) -> Self {
        self.note.action = action;
        self
    }

    /// Returns a header as text.
    #[cfg(test)]
    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().expect("a header of ours is text"))
    }

    /// Returns a body in memory as text.
    #[cfg(test)]
    pub fn text(&self) -> String {
        let Body::Bytes(bytes) = &self.body else { panic!("a body in memory") };
        String::from_utf8(bytes.to_vec()).expect("a body of text")
    }

    /// Sets a header, replacing what was there.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }
}

// === impl Body ===

impl Body {
    /// Returns the length in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(slice) => Some(slice.length),
            Self::Stream(source) => source.length(),
        }
    }

    /// Returns the bytes `range` of a body that lies in memory or on disk. `range` must lie within the body.
    pub fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(range.start as usize..range.end as usize)),
            Self::File(slice) => Self::File(slice.part(range)),
            Self::Empty | Self::Stream(_) => Self::Empty,
        }
    }
}

// === impl CacheState ===

impl CacheState {
    /// Every state, for metrics.
    pub const ALL: [Self; 9] = [
        Self::Hit,
        Self::Miss,
        Self::Stale,
        Self::Revalidated,
        Self::Expired,
        Self::Passed,
        Self::Failed,
        Self::Joined,
        Self::Bypass,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Expired => "expired",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Joined => "joined",
            Self::Bypass => "bypass",
        }
    }

    /// Returns the `Cache-Status` member for this state; `None` where no cache was asked. Source: RFC 9211 §2.
    pub fn cache_status(self) -> Option<HeaderValue> {
        let value = match self {
            Self::Hit => "heliostat; hit",
            Self::Miss => "heliostat; fwd=uri-miss; stored",
            Self::Stale => "heliostat; hit; detail=stale",
            Self::Revalidated => "heliostat; fwd=stale; fwd-status=304",
            Self::Expired => "heliostat; fwd=stale; fwd-status=200; stored",
            Self::Passed => "heliostat; fwd=miss",
            Self::Failed => "heliostat; fwd=uri-miss; detail=failed",
            Self::Joined => "heliostat; fwd=uri-miss; collapsed",
            Self::Bypass => return None,
        };
        Some(HeaderValue::from_static(value))
    }
}
