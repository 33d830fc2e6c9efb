//! What is kept: an entry, its HTTP facts, and the parts of its content that lie in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::error::Error;
use crate::base::digest::Digest;
use crate::base::fs::Slice;
use crate::base::http::Body;
use crate::mirror::fresh::Lifetimes;

/// What an entry weighs in memory besides its content, roughly: itself, its place in the hot tier, its headers.
const OVERHEAD_BYTES: u64 = 1024;
const SEGMENT_OVERHEAD_BYTES: u64 = 160;
const HEADER_OVERHEAD_BYTES: u64 = 128;

/// Something that is kept. Never changes: a newer state is another entry under the same key.
#[derive(Debug)]
pub struct Entry {
    pub key: Arc<str>,
    pub mount: Arc<str>,
    pub package: Arc<str>,
    /// What upstream answered: 200, or 404 and 410 for an absence, which has no content. Of a file, anything.
    pub status: u16,
    pub digest: Option<Digest>,
    /// The length of the content, in bytes.
    pub size: u64,
    pub http: Http,
    pub stored_at: SystemTime,
    /// When upstream last said that this is its state.
    pub validated_at: SystemTime,
    /// What was proved, in words.
    pub proofs: Vec<String>,
    /// Never evicted.
    pub pinned: bool,
    /// For prepared content: the digest of the document it was made of.
    pub source: Option<Digest>,
    /// Named parts of the content, ordered by name.
    pub segments: Arc<[Segment]>,
    pub(super) held: Arc<Held>,
    pub(super) backing: Backing,
    /// Asked for since the marks were last written down.
    pub(super) used: AtomicBool,
}

/// What upstream's headers said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    #[serde(with = "header_text")]
    pub content_type: Option<HeaderValue>,
    #[serde(with = "header_text")]
    pub etag: Option<HeaderValue>,
    #[serde(with = "header_text")]
    pub last_modified: Option<HeaderValue>,
    pub lifetimes: Lifetimes,
    /// All headers that go to clients, where the dialect passes them on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "header_lines")]
    pub headers: Option<Box<HeaderMap>>,
}

/// A named part of some content that can be served by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub name: String,
    /// In bytes from the start of the content.
    pub offset: u64,
    pub length: u64,
    #[serde(with = "header_text")]
    pub etag: Option<HeaderValue>,
    #[serde(with = "header_text")]
    pub content_type: Option<HeaderValue>,
}

/// What is to be kept. The store adds digest and length of the content.
#[derive(Clone, Debug)]
pub struct Draft {
    pub key: Arc<str>,
    pub mount: Arc<str>,
    pub package: Arc<str>,
    pub status: u16,
    pub http: Http,
    pub stored_at: SystemTime,
    pub validated_at: SystemTime,
    pub proofs: Vec<String>,
    /// Pins the entry; `false` leaves a pin that is there.
    pub pinned: bool,
    pub source: Option<Digest>,
    pub segments: Vec<Segment>,
}

/// Where the content lies that is not in memory.
#[derive(Clone, Debug)]
pub(super) enum Backing {
    /// In its place.
    Kept(Content),
    /// In a file that vanishes with its last reader.
    Loose(Slice),
    /// There is none.
    Nothing,
}

/// How much of an entry's content may lie in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldLimits {
    /// A content or segment longer than this stays on disk.
    pub object: u64,
    /// All segments of an entry together.
    pub entry: u64,
}

/// The parts of a content that lie in memory.
#[derive(Debug, Default)]
pub(super) struct Held {
    whole: Option<Bytes>,
    /// Each with its offset, ordered by offset and length.
    parts: Vec<(u64, Bytes)>,
}

// === impl Entry ===

impl Entry {
    /// Tells whether this is a remembered 404 or 410.
    pub fn is_absence(&self) -> bool {
        self.digest.is_none()
    }

    /// Tells whether the store keeps this; one that found no room lasts as long as somebody holds it.
    pub fn is_kept(&self) -> bool {
        matches!(self.backing, Backing::Kept(_))
    }

    /// Returns the content: bytes when they lie in memory, else its file, opened now.
    ///
    /// # Errors
    /// [`Error::Broken`]: the file is gone or has another length. Else the system's.
    pub fn body(&self) -> Result<Body, Error> {
        match &self.held.whole {
            Some(bytes) => Ok(Body::Bytes(bytes.clone())),
            None if self.is_absence() => Ok(Body::Empty),
            None => Ok(Body::File(self.slice()?)),
        }
    }

    /// Finds a part of the content by its name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        let found = self.segments.binary_search_by(|segment| segment.name.as_str().cmp(name)).ok()?;
        self.segments.get(found)
    }

    /// Returns a part of the content: bytes when they lie in memory, else part of its file, opened now.
    ///
    /// # Errors
    /// As [`Entry::body`].
    pub fn segment_body(&self, segment: &Segment) -> Result<Body, Error> {
        let range = segment.offset..segment.offset + segment.length;
        if let Some(bytes) = self.held.part(segment) {
            return Ok(Body::Bytes(bytes));
        }
        Ok(Body::File(self.slice()?.part(range)))
    }

    /// Returns the content as a file, opened now.
    ///
    /// # Errors
    /// As [`Entry::body`].
    pub fn slice(&self) -> Result<Slice, Error> {
        let found = match (&self.backing, self.digest) {
            (Backing::Kept(content), Some(digest)) => content.open(digest, self.size)?,
            (Backing::Loose(slice), _) => Some(slice.clone()),
            (Backing::Kept(_) | Backing::Nothing, _) => None,
        };
        found.ok_or_else(|| Error::Broken(Arc::clone(&self.key)))
    }

    /// Builds an entry from a draft and its content. The draft's segments must be ordered by name.
    pub(super) fn new(draft: Draft, content: Option<(Digest, u64)>, held: Held, backing: Backing) -> Self {
        Self {
            key: draft.key,
            mount: draft.mount,
            package: draft.package,
            status: draft.status,
            digest: content.map(|(digest, _)| digest),
            size: content.map_or(0, |(_, size)| size),
            http: draft.http,
            stored_at: draft.stored_at,
            validated_at: draft.validated_at,
            proofs: draft.proofs,
            pinned: draft.pinned,
            source: draft.source,
            segments: draft.segments.into(),
            held: Arc::new(held),
            backing,
            used: AtomicBool::new(false),
        }
    }

    /// Returns the same content with newer HTTP facts.
    pub(super) fn refreshed(&self, http: Http, validated_at: SystemTime) -> Self {
        Self { http, validated_at, ..self.copy() }
    }

    /// Returns the same content, pinned or not.
    pub(super) fn with_pin(&self, pinned: bool) -> Self {
        Self { pinned, ..self.copy() }
    }

    fn copy(&self) -> Self {
        Self {
            key: Arc::clone(&self.key),
            mount: Arc::clone(&self.mount),
            package: Arc::clone(&self.package),
            status: self.status,
            digest: self.digest,
            size: self.size,
            http: self.http.clone(),
            stored_at: self.stored_at,
            validated_at: self.validated_at,
            proofs: self.proofs.clone(),
            pinned: self.pinned,
            source: self.source,
            segments: Arc::clone(&self.segments),
            held: Arc::clone(&self.held),
            backing: self.backing.clone(),
            used: AtomicBool::new(self.used.load(Ordering::Relaxed)),
        }
    }

    /// Marks the entry as asked for. Writes only once a round, so that cores do not fight over the line.
    pub(super) fn mark_used(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Returns roughly what the entry takes in memory, in bytes.
    pub(super) fn weight(&self) -> u64 {
        let texts =
            self.key.len() + self.mount.len() + self.package.len() + self.proofs.iter().map(String::len).sum::<usize>();
        let headers = self.http.headers.as_ref().map_or(0, |headers| headers.len() as u64 * HEADER_OVERHEAD_BYTES);
        OVERHEAD_BYTES
            + headers
            + texts as u64
            + self.segments.len() as u64 * SEGMENT_OVERHEAD_BYTES
            + self.held.length()
    }
}

// === impl Held ===

impl Held {
    /// Reads what is small enough. `content` is the whole; `segments` may be in any order.
    ///
    /// # Errors
    /// The system's; a file that has become shorter is [`std::io::ErrorKind::UnexpectedEof`].
    pub(super) fn read(content: &Slice, segments: &[Segment], limits: HeldLimits) -> std::io::Result<Self> {
        if content.length <= limits.object {
            return Ok(Self { whole: Some(content.read_all()?), parts: Vec::new() });
        }
        let mut parts = Vec::new();
        for run in runs(choose(segments, limits)) {
            let (start, end) = (run[0].offset, run[run.len() - 1].offset + run[run.len() - 1].length);
            let bytes = content.part(start..end).read_all()?;
            let cut = |at: u64| ((at - start) as usize).min(bytes.len());
            parts.extend(run.iter().map(|s| (s.offset, bytes.slice(cut(s.offset)..cut(s.offset + s.length)))));
        }
        Ok(Self { whole: None, parts })
    }

    fn part(&self, segment: &Segment) -> Option<Bytes> {
        if let Some(whole) = &self.whole {
            let clip = |at: u64| (at as usize).min(whole.len());
            return Some(whole.slice(clip(segment.offset)..clip(segment.offset + segment.length)));
        }
        let wanted = (segment.offset, segment.length);
        let place = |(offset, bytes): &(u64, Bytes)| (*offset, bytes.len() as u64);
        let found = self.parts.binary_search_by_key(&wanted, place).ok()?;
        self.parts.get(found).map(|(_, bytes)| bytes.clone())
    }

    fn length(&self) -> u64 {
        let parts: usize = self.parts.iter().map(|(_, bytes)| bytes.len()).sum();
        (self.whole.as_ref().map_or(0, Bytes::len) + parts) as u64
    }
}

/// Chooses the segments to hold, smallest first up to the limit, and returns them by offset.
fn choose(segments: &[Segment], limits: HeldLimits) -> Vec<&Segment> {
    let mut small: Vec<&Segment> = segments.iter().filter(|s| s.length <= limits.object).collect();
    small.sort_unstable_by_key(|segment| segment.length);
    let mut left = limits.entry;
    small.retain(|segment| {
        let fits = segment.length <= left;
        left = left.saturating_sub(segment.length);
        fits
    });
    small.sort_unstable_by_key(|segment| (segment.offset, segment.length));
    small.dedup_by_key(|segment| (segment.offset, segment.length));
    small
}

/// Groups segments that lie side by side, so that each group is read at once.
fn runs(segments: Vec<&Segment>) -> Vec<Vec<&Segment>> {
    let mut runs: Vec<Vec<&Segment>> = Vec::new();
    for segment in segments {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| last.offset + last.length == segment.offset) => {
                run.push(segment)
            }
            _ => runs.push(vec![segment]),
        }
    }
    runs
}

/// Header lines as pairs of JSON strings, values as in [`header_text`].
mod header_lines {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(headers: &Option<Box<HeaderMap>>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: &HeaderValue| value.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>();
        let lines = headers.iter().flat_map(|headers| headers.iter());
        lines.map(|(name, value)| (name.as_str(), text(value))).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<HeaderMap>>, D::Error> {
        let lines = Vec::<(String, String)>::deserialize(deserializer)?;
        let mut headers = HeaderMap::with_capacity(lines.len());
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(de::Error::custom)?;
            let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
            let value = HeaderValue::from_bytes(&bytes.map_err(de::Error::custom)?).map_err(de::Error::custom)?;
            headers.append(name, value);
        }
        Ok(Some(Box::new(headers)))
    }
}

/// Header values as JSON strings, a character a byte: a value may hold bytes that are not UTF-8 (RFC 9110 §5.5).
mod header_text {
    use http::HeaderValue;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(value: &Option<HeaderValue>, serializer: S) -> Result<S::Ok, S::Error> {
        let text =
            value.as_ref().map(|value| value.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>());
        text.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderValue>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(de::Error::custom)?;
        HeaderValue::from_bytes(&bytes).map(Some).map_err(de::Error::custom)
    }
}
