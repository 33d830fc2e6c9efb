//! Prepared bodies: what a dialect makes of a document, once, when the document changes.
//!
//! All forms of one document lie in one content file, one segment each, plain and gzip, and one index row names them:
//! they switch together, and a hit reads, compresses and parses nothing.
//!
//! ```text
//! | full | full.gz | abbreviated | abbreviated.gz | index |
//! ```

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::fresh;
use super::resource::{Kind, Rules};
use super::room::Room;
use super::spool::Spool;
use super::store::{Draft, Entry, Http, Segment, Store};
use super::{Engine, Prepared, times};
use crate::base::digest::{Digest, Hashed, Hasher, hex};
use crate::base::fs::Slice;
use crate::base::http::CacheState;

/// Measured on packuments: within 2 % of the best level's size at a third of its time.
const LEVEL: Compression = Compression::new(5);

/// Makes forms of a document.
pub trait Shape: Send + Sync {
    /// Names what the forms depend on besides the document, including the version of the code that makes them.
    fn id(&self) -> &str;

    /// Writes every form of `document`. Pure: the same document gives the same forms.
    ///
    /// # Errors
    /// Why the document cannot be understood; it was proved before, so this is a fault of ours or of the disk.
    fn prepare(&self, document: &[u8], forms: &mut Forms<'_>) -> io::Result<()>;
}

/// The forms being made of one document.
pub struct Forms<'a> {
    store: &'a Store,
    done: Vec<Form<'a>>,
    modified: Modified,
}

/// All forms of a document, in one file.
struct Laid {
    room: Room,
    hashed: Hashed,
    segments: Vec<Segment>,
    modified: Modified,
}

/// When a document was last changed.
#[derive(Clone, Copy)]
enum Modified {
    AsUpstreamSays,
    At(SystemTime),
    Untold,
}

/// One form being written.
pub struct Form<'a> {
    name: &'static str,
    content_type: &'static str,
    hash: Sha256,
    plain: Spool<'a>,
    gzip: Option<GzEncoder<Spool<'a>>>,
}

/// Whether a form is also kept compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gzip {
    Too,
    No,
}

// === impl Forms ===

impl<'a> Forms<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, done: Vec::new(), modified: Modified::AsUpstreamSays }
    }

    /// Says when the document was last changed, as it has it itself; without that, upstream's `Last-Modified` stands.
    pub fn modified(&mut self, at: SystemTime) {
        self.modified = Modified::At(at);
    }

    /// Says that no time tells these forms from others of the document: only their entity tags do.
    pub fn untimed(&mut self) {
        self.modified = Modified::Untold;
    }

    /// Begins a form.
    pub fn open(&self, name: &'static str, content_type: &'static str, gzip: Gzip) -> Form<'a> {
        let gzip = (gzip == Gzip::Too).then(|| GzEncoder::new(Spool::new(self.store), LEVEL));
        Form { name, content_type, hash: Sha256::new(), plain: Spool::new(self.store), gzip }
    }

    /// Ends a form.
    pub fn close(&mut self, form: Form<'a>) {
        self.done.push(form);
    }

    /// Lays all forms into one file, one after another.
    fn lay(self, room: Room) -> io::Result<Laid> {
        let mut file = Hashing { room, hasher: Hasher::new(None), length: 0 };
        let mut segments = Vec::new();
        for form in self.done {
            let etag = HeaderValue::try_from(format!("W/\"{}\"", hex(&form.hash.finalize()[..16]))).ok();
            let content_type = Some(HeaderValue::from_static(form.content_type));
            let gzip = form.gzip.map(GzEncoder::finish).transpose()?;
            let parts = [(form.name.to_owned(), Some(form.plain)), (format!("{}.gz", form.name), gzip)];
            for (name, spool) in parts.into_iter().filter_map(|(name, spool)| Some((name, spool?))) {
                let (offset, length) = (file.length, spool.length());
                spool.pour(&mut file)?;
                let (etag, content_type) = (etag.clone(), content_type.clone());
                segments.push(Segment { name, offset, length, etag, content_type });
            }
        }
        Ok(Laid { room: file.room, hashed: file.hasher.finish(), segments, modified: self.modified })
    }
}

// === impl Form ===

impl Write for Form<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        if let Some(gzip) = &mut self.gzip {
            gzip.write_all(bytes)?;
        }
        self.plain.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body that is hashed while it is written.
struct Hashing {
    room: Room,
    hasher: Hasher,
    length: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.write(bytes, self.length).map_err(io::Error::other)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The keys of a document and of its forms, in one piece of text: a hit builds nothing else.
#[derive(Clone, Debug)]
pub struct Keys {
    text: String,
    /// Where the document's key ends.
    document: usize,
}

// === impl Keys ===

impl Keys {
    /// Joins a document's key and a shape's id.
    pub fn new(document: &str, shape: &str) -> Self {
        Self { text: [document, "\n", shape].concat(), document: document.len() }
    }

    pub fn document(&self) -> &str {
        &self.text[..self.document]
    }

    pub fn forms(&self) -> &str {
        &self.text
    }
}

impl Engine {
    /// Returns the forms of `document`, making them if they are not those of its present bytes.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Broken`] when the document is not as it was proved.
    pub(super) async fn forms_of(
        self: &Arc<Self>,
        document: &Arc<Entry>,
        shape: &Arc<dyn Shape>,
    ) -> Result<Arc<Entry>, Error> {
        let key = Keys::new(&document.key, shape.id()).text;
        if let Some(forms) = self.made(&key, document).await {
            return Ok(forms);
        }
        let _turn = self.preparing.turn(&key).await;
        if let Some(forms) = self.made(&key, document).await {
            return Ok(forms);
        }
        self.make(key, document, shape).await
    }

    /// Joins a document with what was made of it.
    pub(super) fn prepared(
        &self,
        document: Arc<Entry>,
        forms: Arc<Entry>,
        cache: CacheState,
        rules: &Rules,
    ) -> Prepared {
        let (times, now) = (times(&document, Kind::Document), self.clock.now());
        Prepared {
            age: fresh::age(&times, now),
            remaining: fresh::remaining(&times, rules, now),
            document,
            forms,
            cache,
            is_own: false,
        }
    }

    async fn made(&self, key: &str, document: &Entry) -> Option<Arc<Entry>> {
        self.find(key).await.filter(|forms| forms.source == document.digest)
    }

    async fn make(&self, key: String, document: &Arc<Entry>, shape: &Arc<dyn Shape>) -> Result<Arc<Entry>, Error> {
        let (store, shape, source) = (self.store.clone(), Arc::clone(shape), Arc::clone(document));
        // Opened first: making room for the forms may evict what they are made of.
        let bytes = document.slice()?;
        let room = Room::make(&self.store, Some(document.size)).await?;
        let _turn = self.heavy.acquire().await.map_err(|_| Error::Died)?;
        let laid = tokio::task::spawn_blocking(move || lay(&store, room, &*shape, &source, &bytes)).await;
        let Laid { room, hashed, segments, modified } = laid.map_err(|_| Error::Died)??;
        let http = document.http.clone();
        let last_modified = match modified {
            Modified::AsUpstreamSays => http.last_modified,
            Modified::At(at) => print_date(at, self.clock.now()).or(http.last_modified),
            Modified::Untold => None,
        };
        let draft = Draft {
            key: key.into(),
            mount: Arc::clone(&document.mount),
            package: Arc::clone(&document.package),
            status: 200,
            http: Http { last_modified, ..http },
            stored_at: self.clock.now(),
            validated_at: document.validated_at,
            proofs: Vec::new(),
            pinned: document.pinned,
            source: document.digest,
            segments,
        };
        room.keep(&self.store, draft, &hashed).await
    }
}

/// Prints a `Last-Modified`; none for one that lies ahead. Source: RFC 9110 §8.8.2.1.
fn print_date(at: SystemTime, now: SystemTime) -> Option<HeaderValue> {
    if at > now {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(at)).ok()
}

fn lay(store: &Store, room: Room, shape: &dyn Shape, document: &Entry, slice: &Slice) -> Result<Laid, Error> {
    let bytes = slice.read_all().map_err(Error::disk)?;
    if Some(Digest::of(&bytes)) != document.digest {
        return Err(Error::Broken { key: Arc::clone(&document.key) });
    }
    let mut forms = Forms::new(store);
    shape.prepare(&bytes, &mut forms).map_err(Error::disk)?;
    drop(bytes);
    forms.lay(room).map_err(Error::disk)
}
