//! Answers as every dialect begins them: with what was found, or with what was made of it.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, AGE, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};

use super::bodies;
use crate::base::digest::{Digest, hex};
use crate::base::http::{CacheState, Reply};
use crate::mirror::Found;

/// Bytes of whatever kind.
pub const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Parts of a body may be asked for.
pub const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// How something came that an answer is made of.
#[derive(Clone)]
pub struct Origin {
    pub last_modified: Option<HeaderValue>,
    pub cache: CacheState,
    /// How long ago upstream vouched for it.
    pub age: Duration,
}

/// A document as upstream gave it, in memory.
pub struct Document {
    /// The key and the digest that it is kept under.
    pub place: Option<(Arc<str>, Digest)>,
    pub body: Bytes,
    pub origin: Origin,
}

/// Begins an answer whose body is bytes, any part of which may be asked for.
pub fn whole(content_type: HeaderValue) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(CONTENT_TYPE, content_type);
    reply.set(ACCEPT_RANGES, BYTES);
    reply
}

/// Answers with what was found, byte for byte, under the entity tag that it is found by.
pub fn with_found(mut reply: Reply, found: Found) -> Reply {
    reply.set(AGE, HeaderValue::from(found.age.as_secs()));
    if let Some(etag) = found.etag {
        reply.set(ETAG, etag);
    }
    reply.note.cache = found.cache;
    reply.body = found.body;
    reply
}

/// Builds an answer that was made here, whose entity tag is made of its bytes.
pub fn tagged(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let body = body.into();
    let etag = entity_tag(hex(&Digest::of(&body).as_bytes()[..16]));
    let mut reply = Reply::bytes(StatusCode::OK, content_type, body);
    reply.headers.extend(etag.map(|etag| (ETAG, etag)));
    reply
}

/// Prints a strong entity tag; `None` of what is no header text, which sums are.
pub fn entity_tag(value: impl Display) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{value}\"")).ok()
}

/// Names the file that a client saves a body as: letters, digits and a few signs.
pub fn save_as(reply: &mut Reply, file: &str) {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{file}\"")).ok();
    reply.headers.extend(disposition.map(|disposition| (CONTENT_DISPOSITION, disposition)));
}

// === impl Origin ===

impl Origin {
    pub fn of(found: &Found) -> Self {
        Self { last_modified: found.last_modified.clone(), cache: found.cache, age: found.age }
    }

    /// Leaves out when it changed: what is made of it did not change then.
    pub fn untimed(self) -> Self {
        Self { last_modified: None, ..self }
    }

    /// Adds to an answer how that came which it is made of.
    pub fn tell(self, mut reply: Reply) -> Reply {
        reply.set(AGE, HeaderValue::from(self.age.as_secs()));
        reply.headers.extend(self.last_modified.map(|modified| (LAST_MODIFIED, modified)));
        reply.note.cache = self.cache;
        reply
    }
}

// === impl Document ===

impl Document {
    /// Reads a document that was found into memory.
    ///
    /// # Errors
    /// The disk's.
    pub async fn read(found: Found) -> io::Result<Self> {
        let origin = Origin::of(&found);
        let place = found.entry.as_ref().and_then(|entry| Some((Arc::clone(&entry.key), entry.digest?)));
        Ok(Self { place, body: bodies::read(found.body).await?, origin })
    }

    /// Returns the digest that what was made of it is remembered by, with what else it was made of.
    pub fn mark(&self, more: impl Display) -> Digest {
        let own = self.place.as_ref().map_or_else(|| Digest::of(&self.body), |(_, digest)| *digest);
        Digest::of(format!("{own} {more}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::http::Body;

    fn found(etag: Option<HeaderValue>) -> Found {
        Found {
            content_type: None,
            etag,
            last_modified: Some(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT")),
            beside: None,
            entry: None,
            body: Body::Bytes(Bytes::from_static(b"body")),
            cache: CacheState::Hit,
            age: Duration::from_millis(7_900),
        }
    }

    #[test]
    fn what_was_found_is_told_with_its_age_and_tag() {
        let reply = with_found(whole(OCTETS), found(entity_tag("x")));
        let head = ["content-type", "accept-ranges", "age", "etag", "last-modified"].map(|name| reply.header(name));
        assert_eq!(head, [Some("application/octet-stream"), Some("bytes"), Some("7"), Some("\"x\""), None]);
        assert_eq!((reply.text().as_str(), reply.note.cache), ("body", CacheState::Hit));
        assert_eq!(with_found(whole(OCTETS), found(None)).header("etag"), None);
    }

    #[tokio::test]
    async fn what_is_made_of_a_document_tells_how_that_came() {
        let Document { place, body, origin } = Document::read(found(None)).await.unwrap();
        assert!(place.is_none() && body == b"body"[..]);
        let reply = origin.clone().tell(tagged("text/plain", "made"));
        let tag = format!("\"{}\"", &Digest::of(b"made").to_hex()[..32]);
        let head = ["age", "last-modified", "etag"].map(|name| reply.header(name));
        assert_eq!(head, [Some("7"), Some("Thu, 01 Jan 1970 00:00:00 GMT"), Some(tag.as_str())]);
        assert_eq!(origin.untimed().tell(reply_of("x")).header("last-modified"), None);
    }

    fn reply_of(file: &str) -> Reply {
        let mut reply = whole(OCTETS);
        save_as(&mut reply, file);
        reply
    }

    #[test]
    fn a_file_is_saved_under_its_name() {
        assert_eq!(reply_of("a-1.0.0.tgz").header("content-disposition"), Some("attachment; filename=\"a-1.0.0.tgz\""));
        assert_eq!(reply_of("a\nb").header("content-disposition"), None);
    }
}
