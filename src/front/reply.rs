//! What of a handler's answer a client is due: all of it, a part, only the head, or nothing because it has it already.
//! Pure decisions; `delivery` writes them.

use std::ops::Range;

use ::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    EXPIRES, HeaderMap, HeaderName, HeaderValue, RANGE, TRANSFER_ENCODING,
};
use ::http::{Method, StatusCode, Version};
use bytes::Bytes;

use super::part::Part;
use crate::base::conditional::{self, Due};
use crate::base::http::{Body, Cut, Manner, Reply, WITHHELD};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Headers that speak of the content, which a reply without that content has none of.
const OF_CONTENT: [HeaderName; 5] = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, ACCEPT_RANGES];

/// What of a request decides how its answer is written.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub method: &'a Method,
    pub version: Version,
    pub headers: &'a HeaderMap,
}

/// A reply ready for the wire: its head is complete, and its body is exactly what is to be sent.
pub struct Ready {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    /// What follows the body: nothing, except where a reply has several parts.
    pub rest: Vec<Body>,
    pub manner: Manner,
    /// Whether the connection is of no use to this client after it.
    pub last: bool,
}

/// Makes a body that is still coming into what the client asks for: one part of it, or a file, where only that can give
/// the parts, or, to a client that knows no chunks, the length.
///
/// # Errors
/// [`Cut`]: the body did not come to its end; nothing has been written yet.
pub async fn settle(mut reply: Reply, asked: Asked<'_>) -> Result<Reply, Cut> {
    let Body::Stream(source) = &reply.body else { return Ok(reply) };
    // Without chunks and without a length, a cut body would look complete.
    let unchunked = asked.version < Version::HTTP_11 || reply.manner == Manner::Strict;
    let unframed = unchunked && source.length().is_none();
    let is_part = source.may_settle() && asked.headers.contains_key(RANGE) && is_partial(&reply, asked);
    if !unframed && !is_part {
        return Ok(reply);
    }
    let coming = coming_part(&reply, asked);
    let Body::Stream(mut source) = std::mem::replace(&mut reply.body, Body::Empty) else { return Ok(reply) };
    if let Some((part, length)) = coming {
        match Part::new(source, part.clone()) {
            Ok(body) => return Ok(one_part(reply, Body::Stream(Box::new(body)), (&part, length))),
            Err(whole) => source = whole,
        }
    }
    reply.body = Body::File(source.whole().await?);
    Ok(reply)
}

/// Returns the one part that a client is due of a body that is still coming, and the length of the whole. A short one
/// waits for the proofs anyhow: then a failure is still an answer.
fn coming_part(reply: &Reply, asked: Asked<'_>) -> Option<(Range<u64>, u64)> {
    let length = reply.body.length()?;
    let Due::Parts(parts) = conditional::decide(asked.headers, &reply.headers, Some(length)) else { return None };
    let [part] = &parts[..] else { return None };
    (part.end - part.start > WITHHELD).then(|| (part.clone(), length))
}

/// Decides what the client is due of a reply, and completes its headers.
pub fn compose(mut reply: Reply, asked: Asked<'_>) -> Ready {
    if let Some(value) = reply.note.cache.cache_status() {
        reply.headers.entry(CACHE_STATUS).or_insert(value);
    }
    let mut ready = match (reply.status, asked.method) {
        (StatusCode::OK, &Method::GET | &Method::HEAD) => narrow(reply, asked),
        _ => whole(reply),
    };
    frame(&mut ready, asked);
    if asked.method == Method::HEAD || has_no_body(ready.status) {
        ready.last = ready.manner == Manner::Strict && !has_no_body(ready.status);
        (ready.body, ready.rest) = (Body::Empty, Vec::new());
    }
    ready
}

impl Ready {
    fn bodies(&self) -> impl Iterator<Item = &Body> {
        std::iter::once(&self.body).chain(&self.rest)
    }
}

fn is_partial(reply: &Reply, asked: Asked<'_>) -> bool {
    let plain = reply.status == StatusCode::OK && asked.method == Method::GET;
    plain && conditional::wants_content(asked.headers, &reply.headers)
}

fn narrow(mut reply: Reply, asked: Asked<'_>) -> Ready {
    // Ranges are defined for GET alone (RFC 9110 §14.2), and cut from what is all there.
    let is_there = !matches!(reply.body, Body::Stream(_));
    let length = reply.body.length().filter(|_| asked.method == Method::GET && is_there);
    match (conditional::decide(asked.headers, &reply.headers, length), length) {
        (Due::Parts(parts), Some(length)) => partial(reply, parts, length),
        (Due::Unsatisfiable, Some(length)) => {
            reply.set(CONTENT_RANGE, ascii(&format!("bytes */{length}")));
            without_content(reply, StatusCode::RANGE_NOT_SATISFIABLE)
        }
        (Due::NotModified, _) => without_content(reply, StatusCode::NOT_MODIFIED),
        (Due::PreconditionFailed, _) => without_content(reply, StatusCode::PRECONDITION_FAILED),
        (Due::Whole | Due::Parts(_) | Due::Unsatisfiable, _) => whole(reply),
    }
}

fn whole(reply: Reply) -> Ready {
    let Reply { status, headers, body, manner, note: _ } = reply;
    Ready { status, headers, body, rest: Vec::new(), manner, last: false }
}

/// Source: RFC 9110 §15.4.5 (304 keeps what the 200 would have said of caching), §15.5.13, §15.5.17.
fn without_content(mut reply: Reply, status: StatusCode) -> Ready {
    OF_CONTENT.iter().for_each(|name| drop(reply.headers.remove(name)));
    if status != StatusCode::NOT_MODIFIED {
        // How long the content may be kept says nothing of how long this refusal may.
        [CACHE_CONTROL, EXPIRES].iter().for_each(|name| drop(reply.headers.remove(name)));
    }
    reply.body = Body::Empty;
    Ready { status, ..whole(reply) }
}

/// Source: RFC 9110 §14.4, §14.6, §15.3.7.
fn partial(mut reply: Reply, parts: Vec<Range<u64>>, length: u64) -> Ready {
    if let [part] = &parts[..] {
        let body = reply.body.slice(part.clone());
        return whole(one_part(reply, body, (part, length)));
    }
    let boundary = format!("{:016x}", rand::random::<u64>());
    let rest = multipart(&reply, &parts, length, &boundary);
    reply.set(CONTENT_TYPE, ascii(&format!("multipart/byteranges; boundary={boundary}")));
    reply.body = Body::Empty;
    Ready { status: StatusCode::PARTIAL_CONTENT, rest, ..whole(reply) }
}

fn one_part(mut reply: Reply, body: Body, (part, length): (&Range<u64>, u64)) -> Reply {
    reply.set(CONTENT_RANGE, ascii(&content_range(part, length)));
    Reply { status: StatusCode::PARTIAL_CONTENT, body, ..reply }
}

fn multipart(reply: &Reply, parts: &[Range<u64>], length: u64, boundary: &str) -> Vec<Body> {
    let content_type = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map_or(String::new(), |kind| format!("Content-Type: {kind}\r\n"));
    let mut body = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let range = content_range(part, length);
        let head = format!("\r\n--{boundary}\r\n{content_type}Content-Range: {range}\r\n\r\n");
        body.extend([Body::Bytes(Bytes::from(head)), reply.body.slice(part.clone())]);
    }
    body.push(Body::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    body
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// Says how long the body is, or that it comes in chunks. Source: RFC 9112 §6.
fn frame(ready: &mut Ready, asked: Asked<'_>) {
    if has_no_body(ready.status) {
        return;
    }
    match ready.bodies().map(Body::length).sum::<Option<u64>>() {
        Some(length) => drop(ready.headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None if asked.version == Version::HTTP_11 => {
            ready.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // HTTP/2 frames the body itself.
        None => {}
    }
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, letters and signs make a header value")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::base::fs::Slice;
    use crate::base::http::{CacheState, Source};

    const TEXT: &[u8] = b"0123456789";

    /// A body that is still coming, and that nobody may ask for.
    struct Coming(Option<u64>);

    #[async_trait]
    impl Source for Coming {
        fn length(&self) -> Option<u64> {
            self.0
        }

        async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
            None
        }

        async fn whole(self: Box<Self>) -> Result<Slice, Cut> {
            Err(Cut(std::sync::Arc::new(std::io::Error::other("cut"))))
        }
    }

    /// A body that may not be gathered anywhere.
    struct Fleeting;

    #[async_trait]
    impl Source for Fleeting {
        fn length(&self) -> Option<u64> {
            Some(10)
        }

        async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
            None
        }

        fn may_settle(&self) -> bool {
            false
        }

        async fn whole(self: Box<Self>) -> Result<Slice, Cut> {
            Err(Cut(std::sync::Arc::new(std::io::Error::other("cut"))))
        }
    }

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn held() -> Reply {
        let mut reply = Reply::bytes(StatusCode::OK, "text/plain", TEXT);
        reply.headers.extend(map(&[("etag", "\"a\""), ("cache-control", "max-age=9"), ("vary", "accept")]));
        reply.note.cache = CacheState::Hit;
        reply
    }

    fn ready(method: Method, request: &[(&'static str, &str)], reply: Reply) -> Ready {
        let headers = map(request);
        compose(reply, Asked { method: &method, version: Version::HTTP_11, headers: &headers })
    }

    /// Prints status, the headers that matter here, and the body.
    fn printed(ready: &Ready) -> String {
        let names = ["content-length", "content-type", "content-range", "etag", "cache-control", "cache-status"];
        let header = |name: &str| Some(format!("{name}: {}\n", ready.headers.get(name)?.to_str().unwrap()));
        let bytes = |body: &Body| match body {
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        };
        let head: String = names.into_iter().filter_map(header).collect();
        let body: String = ready.bodies().map(bytes).collect();
        format!("{}\n{head}{body}", ready.status.as_u16())
    }

    #[test]
    fn a_whole_reply_says_its_length_and_how_the_cache_took_part() {
        let expected = "200\ncontent-length: 10\ncontent-type: text/plain\netag: \"a\"\ncache-control: max-age=9\n\
            cache-status: heliostat; hit\n0123456789";
        assert_eq!(printed(&ready(Method::GET, &[], held())), expected);
        assert_eq!(
            printed(&ready(Method::HEAD, &[("range", "bytes=0-1")], held())),
            expected.replace("0123456789", "")
        );
    }

    #[test]
    fn a_client_that_has_it_already_gets_no_content() {
        let same = [("if-none-match", "W/\"a\"")];
        let expected = "304\netag: \"a\"\ncache-control: max-age=9\ncache-status: heliostat; hit\n";
        assert_eq!(printed(&ready(Method::GET, &same, held())), expected);
        assert_eq!(printed(&ready(Method::HEAD, &same, held())), expected);
        let posted = ready(Method::POST, &same, held());
        assert_eq!(posted.status, StatusCode::OK);
        assert_eq!(ready(Method::GET, &same, held()).headers["vary"], "accept");
    }

    #[test]
    fn a_refused_condition_is_not_to_be_kept() {
        let other = [("if-match", "\"b\"")];
        let expected = "412\ncontent-length: 0\netag: \"a\"\ncache-status: heliostat; hit\n";
        assert_eq!(printed(&ready(Method::GET, &other, held())), expected);
    }

    #[test]
    fn one_range_is_answered_with_that_part() {
        let expected = "206\ncontent-length: 3\ncontent-type: text/plain\ncontent-range: bytes 2-4/10\netag: \"a\"\n\
            cache-control: max-age=9\ncache-status: heliostat; hit\n234";
        assert_eq!(printed(&ready(Method::GET, &[("range", "bytes=2-4")], held())), expected);
        let outside = ready(Method::GET, &[("range", "bytes=10-")], held());
        let expected = "416\ncontent-length: 0\ncontent-range: bytes */10\netag: \"a\"\ncache-status: heliostat; hit\n";
        assert_eq!(printed(&outside), expected);
    }

    #[test]
    fn several_ranges_are_answered_in_parts() {
        let ready = ready(Method::GET, &[("range", "bytes=0-1,-2")], held());
        let kind = ready.headers["content-type"].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let body = format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
             \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
             \r\n--{boundary}--\r\n"
        );
        assert!(printed(&ready).ends_with(&body));
        assert_eq!(ready.headers["content-length"], body.len().to_string().as_str());
    }

    #[test]
    fn an_error_is_written_whole_whatever_the_client_holds() {
        let missing = Reply::bytes(StatusCode::NOT_FOUND, "text/plain", TEXT);
        let asked = [("range", "bytes=0-1"), ("if-none-match", "*")];
        assert_eq!(ready(Method::GET, &asked, missing).status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn after_a_strict_head_the_connection_ends() {
        let strict = || Reply { manner: Manner::Strict, ..held() };
        assert!(ready(Method::HEAD, &[], strict()).last);
        assert!(!ready(Method::GET, &[], strict()).last);
        assert!(!ready(Method::HEAD, &[("if-none-match", "\"a\"")], strict()).last, "a 304 says no length");
        assert!(!ready(Method::HEAD, &[], held()).last);
    }

    #[test]
    fn a_body_of_unknown_length_comes_in_chunks() {
        let mut reply = Reply::empty(StatusCode::OK);
        reply.body = Body::Stream(Box::new(Coming(None)));
        let ready = ready(Method::GET, &[], reply);
        assert_eq!(ready.headers["transfer-encoding"], "chunked");
        assert!(!ready.headers.contains_key(CONTENT_LENGTH));
    }

    #[tokio::test]
    async fn no_part_is_cut_from_a_body_that_may_not_be_gathered() {
        let mut reply = held();
        reply.body = Body::Stream(Box::new(Fleeting));
        let headers = map(&[("range", "bytes=0-1")]);
        let asked = Asked { method: &Method::GET, version: Version::HTTP_11, headers: &headers };
        let ready = compose(settle(reply, asked).await.unwrap(), asked);
        assert_eq!((ready.status, ready.headers["content-length"].as_bytes()), (StatusCode::OK, &b"10"[..]));
        assert!(matches!(ready.body, Body::Stream(_)));
    }

    #[tokio::test]
    async fn a_coming_body_is_waited_for_only_where_a_part_or_a_length_is_due() {
        use Manner::{Plain, Strict};
        for (version, manner, length, request, waited) in [
            (Version::HTTP_11, Plain, Some(10), &[][..], false),
            (Version::HTTP_11, Plain, None, &[], false),
            (Version::HTTP_11, Plain, Some(10), &[("range", "bytes=0-1")], true),
            (Version::HTTP_11, Plain, None, &[("range", "bytes=0-1")], true),
            (Version::HTTP_11, Plain, Some(10), &[("range", "bytes=0-1"), ("if-none-match", "\"a\"")], false),
            (Version::HTTP_11, Strict, Some(10), &[], false),
            (Version::HTTP_11, Strict, None, &[], true),
            (Version::HTTP_10, Plain, Some(10), &[], false),
            (Version::HTTP_10, Plain, None, &[], true),
        ] {
            let body = Body::Stream(Box::new(Coming(length)));
            let headers = map(request);
            let asked = Asked { method: &Method::GET, version, headers: &headers };
            let settled = settle(Reply { body, manner, ..held() }, asked).await;
            assert_eq!(settled.is_err(), waited, "{version:?} {manner:?} {length:?} {request:?}");
        }
    }
}
