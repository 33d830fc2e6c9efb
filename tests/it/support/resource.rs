//! What a truthful upstream answers: one resource, its forms and validators, and the request it was asked with.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::wire::Headers;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// The request target as it was sent.
    pub target: String,
    /// The target's path, percent-decoded: what routes and counts go by.
    pub path: String,
    /// The raw query, without `?`.
    pub query: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// Something an upstream has.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    /// The gzip form, sent to who asks for it.
    pub gzip: Option<Bytes>,
    /// With its quotes: `"x"` or `W/"x"`.
    pub etag: Option<String>,
    pub last_modified: Option<SystemTime>,
    pub cache_control: Option<String>,
    /// Whatever else is to be said, as it is.
    pub headers: Vec<(String, String)>,
    /// Sends chunks, and so no length.
    pub chunked: bool,
    /// Honours `Range`.
    pub ranges: bool,
    /// Other forms, by the media type that `Accept` must name.
    pub variants: Vec<(String, Arc<Resource>)>,
}

/// An answer before any fault is laid on it.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
    /// Where `body` begins within the whole resource.
    pub offset: usize,
    pub chunked: bool,
    /// The request was a HEAD: the head says what a GET would get, and no body follows.
    pub head_only: bool,
}

// === impl Resource ===

impl Resource {
    /// A 200 without validators.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type: content_type.to_owned(), body: body.into(), ..Self::default() }
    }

    /// What is not there.
    pub fn absent() -> Self {
        Self::new("application/json", r#"{"error":"Not found"}"#).status(404)
    }

    /// An artifact as good registries serve it: strong tag, ranges, a length.
    pub fn artifact(body: impl Into<Bytes>) -> Self {
        let mut resource = Self::new("application/octet-stream", body);
        resource.ranges = true;
        resource.etag = Some(format!("\"{}\"", super::random::fingerprint(&resource.body)));
        resource.cache_control = Some("public, max-age=31536000".into());
        resource
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.last_modified = Some(time);
        self
    }

    pub fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = Some(value.to_owned());
        self
    }

    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the gzip form.
    pub fn gzipped(mut self) -> Self {
        self.gzip = Some(gzip(&self.body).into());
        self
    }

    /// Answers `seen` as RFC 9110 §13 and §14 would have it.
    pub fn respond(&self, seen: &Seen) -> Response {
        let wanted = seen.headers.get("accept").unwrap_or_default();
        if let Some((_, form)) = self.variants.iter().find(|(media, _)| wanted.contains(media.as_str())) {
            return form.respond(seen);
        }
        let mut response = self.whole(seen);
        if self.status == 200 && self.unchanged_for(seen) {
            response.status = 304;
            response.body = Bytes::new();
            response.chunked = false;
            return response;
        }
        if self.status == 200 && self.ranges {
            self.narrow(seen, &mut response);
        }
        response
    }

    fn whole(&self, seen: &Seen) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| seen.headers.lists("accept-encoding", "gzip"));
        let mut headers = Headers::default();
        headers.push("content-type", &self.content_type);
        if gzip.is_some() {
            headers.push("content-encoding", "gzip");
        }
        let optional = [
            ("etag", self.etag.clone()),
            ("last-modified", self.last_modified.map(httpdate::fmt_http_date)),
            ("cache-control", self.cache_control.clone()),
            ("vary", self.gzip.as_ref().map(|_| "accept, accept-encoding".to_owned())),
            ("accept-ranges", self.ranges.then(|| "bytes".to_owned())),
        ];
        for (name, value) in optional {
            value.inspect(|value| headers.push(name, value));
        }
        self.headers.iter().for_each(|(name, value)| headers.push(name, value));
        Response {
            status: self.status,
            headers,
            body: gzip.unwrap_or(&self.body).clone(),
            offset: 0,
            chunked: self.chunked,
            head_only: seen.method == "HEAD",
        }
    }

    fn unchanged_for(&self, seen: &Seen) -> bool {
        if let Some(known) = seen.headers.get("if-none-match") {
            return self.etag.as_deref().is_some_and(|tag| known.split(',').any(|each| opaque(each) == opaque(tag)));
        }
        let since = seen.headers.get("if-modified-since").and_then(|text| httpdate::parse_http_date(text).ok());
        since.zip(self.last_modified).is_some_and(|(since, modified)| seconds(modified) <= seconds(since))
    }

    /// Cuts the response down to the one range asked for. Source: RFC 9110 §14.2, §13.1.5.
    fn narrow(&self, seen: &Seen, response: &mut Response) {
        let Some(range) = seen.headers.get("range") else { return };
        if seen.headers.get("if-range").is_some_and(|condition| !self.same(condition)) {
            return;
        }
        let length = self.body.len();
        match parse_range(range, length) {
            None => {}
            Some(Err(())) => {
                response.status = 416;
                response.headers.push("content-range", format!("bytes */{length}"));
                response.body = Bytes::new();
            }
            Some(Ok((first, last))) => {
                response.status = 206;
                response.headers.push("content-range", format!("bytes {first}-{last}/{length}"));
                response.body = self.body.slice(first..=last);
                response.offset = first;
            }
        }
    }

    fn same(&self, condition: &str) -> bool {
        let by_tag = self.etag.as_deref().is_some_and(|tag| !tag.starts_with("W/") && tag == condition);
        by_tag || self.last_modified.is_some_and(|time| httpdate::fmt_http_date(time) == condition)
    }
}

// === impl Response ===

impl Response {
    /// A plain answer with its own small body.
    pub fn plain(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = Headers::default();
        headers.push("content-type", content_type);
        Self { status, headers, body: body.into(), offset: 0, chunked: false, head_only: false }
    }
}

/// Packs bytes with gzip, always to the same result.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

/// Reads `bytes=a-b`, `bytes=a-` or `bytes=-n`: `None` if it is to be passed over, `Err` if nothing lies within.
fn parse_range(text: &str, length: usize) -> Option<Result<(usize, usize), ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse::<usize>().ok(), last.parse::<usize>().ok()) {
        (Some(first), Some(last)) => (first, last.min(length.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, length.saturating_sub(1)),
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length.saturating_sub(1)),
        _ => return None,
    };
    Some(if range.0 < length && range.0 <= range.1 { Ok(range) } else { Err(()) })
}

fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
