//! Published bytes, by SHA-256: in a local directory, or at an S3-compatible store.
//!
//! ```text
//! v1/ab/abcd…-0123456789abcdef     one blob: its digest, and which copy of it this is
//! v1/ab/abcd…-0123456789abcdef#1   one on its way, in a local directory
//! ```
//!
//! # A publish
//!
//! 1. The bytes are announced: a row says that they are on their way, and under which name.
//! 2. They are written and hashed. In a local directory the file and its name are on the disk before this is over
//!    (`LocalFileSystem::with_fsync`); at S3 each part carries its own checksum, which the store verifies.
//! 3. The rows of the release name the blob, in one transaction: [`super::packages`]. Now it may be acknowledged.
//!
//! A crash before 3 leaves bytes that no release names. [`Overlay::sweep_blobs`] takes them away after a time of grace:
//! it dooms them by their rows first, in line with all writes, then removes the bytes, then the rows. A publish whose
//! bytes were doomed meanwhile is refused ([`Error::Collected`]) and begins again; under a new name, so that a removal
//! that comes late removes the old copy.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, WriteMultipart};

use super::Overlay;
use super::crash::{self, Step};
use super::db::blobs as rows;
use super::error::Error;
use crate::base::digest::{Digest, Hasher};
use crate::base::fs::{self, Slice};
use crate::base::secret::Secret;

/// Past this many bytes a blob is sent in parts of so many. Source: Amazon S3 takes parts of 5 MiB and more, 10,000 at
/// most: 78 GiB.
const PART: usize = 8 << 20;

/// Parts of one blob that are under way at once.
const PARTS_AT_ONCE: usize = 2;

/// How much is read at once of what is to be kept.
const PIECE: usize = 256 << 10;

/// How many blobs one sweep takes away between two looks at the database.
const SWEEP: u64 = 500;

/// Where published bytes are kept.
#[derive(Clone, Debug)]
pub enum Place {
    Directory(PathBuf),
    S3(S3),
}

/// An S3-compatible store.
#[derive(Clone, Debug)]
pub struct S3 {
    /// `None` for Amazon's own.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    /// What the names of all blobs start with; empty for nothing.
    pub prefix: String,
    pub access_key: Secret,
    pub secret_key: Secret,
}

/// Bytes that are kept: what a file of a release refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Which copy: bytes that were taken away and published again have another.
    pub copy: u64,
}

/// Part of a blob, piece by piece.
pub type Pieces = BoxStream<'static, Result<Bytes, Error>>;

/// Bytes to be kept.
#[derive(Clone, Debug)]
pub enum Source {
    Memory(Bytes),
    File(Slice),
}

/// The bytes' store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Blobs {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// Of a local directory.
    directory: Option<PathBuf>,
}

impl Overlay {
    /// Keeps bytes, for a publish that follows. They are on the disk, or at the store, when this returns.
    ///
    /// # Errors
    /// [`Error::Mismatch`]: they are not those of the digest. [`Error::Collected`]: try again. [`Error::Full`],
    /// [`Error::Unavailable`]. No release refers to them.
    pub async fn keep_blob(&self, digest: Digest, source: Source) -> Result<Blob, Error> {
        let blob = rows::announce(&self.db, digest, source.length(), self.clock.now()).await?;
        crash::reach(Step::Announced);
        self.blobs.write(&blob, source).await?;
        crash::reach(Step::BytesInPlace);
        Ok(blob)
    }

    /// Reads a whole blob into memory, and proves it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unavailable`].
    pub async fn read_blob(&self, blob: &Blob) -> Result<Bytes, Error> {
        let mut whole = BytesMut::with_capacity(usize::try_from(blob.size).unwrap_or_default());
        let mut stream = self.stream_blob(blob, 0..blob.size).await?;
        while let Some(piece) = stream.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        if Digest::of(&whole) == blob.digest { Ok(whole.freeze()) } else { Err(Error::Damaged(blob.digest)) }
    }

    /// Reads part of a blob, piece by piece. What is read is as long as was asked for, or the last piece is an error.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unavailable`].
    pub async fn stream_blob(&self, blob: &Blob, range: Range<u64>) -> Result<Pieces, Error> {
        self.blobs.stream(blob, range).await
    }

    /// Opens a blob that lies in a local directory, to be sent as a file; `None` when it is elsewhere.
    ///
    /// # Errors
    /// [`Error::Damaged`]: it is not there, or not as long as it was.
    pub fn open_blob(&self, blob: &Blob) -> Result<Option<Slice>, Error> {
        let Some(path) = self.blobs.path_on_disk(blob) else { return Ok(None) };
        let slice = Slice::open(&path).map_err(|_| Error::Damaged(blob.digest))?;
        if slice.length == blob.size { Ok(Some(slice)) } else { Err(Error::Damaged(blob.digest)) }
    }

    /// Takes away bytes that no release refers to and that were announced longer ago than `grace`, which should be more
    /// than the longest publish takes. Returns how many there were.
    ///
    /// # Errors
    /// The database's or the store's. What was doomed is taken away by the next.
    pub async fn sweep_blobs(&self, grace: Duration) -> Result<u64, Error> {
        let before = self.clock.now().checked_sub(grace).unwrap_or(std::time::UNIX_EPOCH);
        rows::doom(&self.db, before).await?;
        let mut removed = 0;
        loop {
            let doomed = rows::list_doomed(self.db.link(), SWEEP).await?;
            if doomed.is_empty() {
                return Ok(removed);
            }
            for blob in &doomed {
                self.blobs.remove(blob).await?;
                removed += rows::forget(&self.db, blob).await?;
            }
        }
    }
}

// === impl Source ===

impl Source {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(slice) => slice.length,
        }
    }

    /// Returns the bytes from `position` on, some of them; none at the end.
    async fn piece(&self, position: u64) -> Result<Bytes, Error> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..bytes.len().min(start + PIECE)))
            }
            Self::File(slice) => {
                let read = slice.read_at(BytesMut::zeroed(PIECE), position).await;
                Ok(read.map_err(Error::failed)?.freeze())
            }
        }
    }
}

// === impl Blobs ===

impl Blobs {
    /// Opens a store; a directory is made if need be.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Failed`].
    pub(super) fn open(place: &Place) -> Result<Self, Error> {
        match place {
            Place::Directory(directory) => {
                make_shards(&directory.join("v1")).map_err(Error::failed)?;
                let store = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
                Ok(Self { store: Arc::new(store), prefix: String::new(), directory: Some(directory.clone()) })
            }
            Place::S3(s3) => {
                let store = Arc::new(open_s3(s3)?);
                let prefix = s3.prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Ok(Self { store, prefix, directory: None })
            }
        }
    }

    async fn write(&self, blob: &Blob, source: Source) -> Result<(), Error> {
        if blob.size <= PART as u64 {
            self.write_whole(blob, source).await
        } else {
            self.write_parts(blob, source).await
        }
    }

    async fn write_whole(&self, blob: &Blob, source: Source) -> Result<(), Error> {
        let mut whole = BytesMut::with_capacity(usize::try_from(blob.size).unwrap_or_default());
        while (whole.len() as u64) < blob.size {
            let piece = source.piece(whole.len() as u64).await?;
            if piece.is_empty() {
                break;
            }
            whole.extend_from_slice(&piece);
        }
        check(blob, Digest::of(&whole))?;
        self.store.put(&self.path(blob), whole.freeze().into()).await?;
        Ok(())
    }

    /// Sends a blob in parts. It appears as a whole, when all of it was sent and is what it should be.
    async fn write_parts(&self, blob: &Blob, source: Source) -> Result<(), Error> {
        let upload = self.store.put_multipart(&self.path(blob)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        match send(&mut upload, blob, &source).await {
            Ok(()) => {
                upload.finish().await?;
                Ok(())
            }
            Err(error) => {
                if let Err(abort) = upload.abort().await {
                    tracing::warn!(error = &abort as &dyn std::error::Error, "parts of a blob left behind");
                }
                Err(error)
            }
        }
    }

    async fn stream(&self, blob: &Blob, range: Range<u64>) -> Result<Pieces, Error> {
        let digest = blob.digest;
        let end = range.end.min(blob.size);
        let start = range.start.min(end);
        if start == end {
            // No store knows an empty range.
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = GetOptions { range: Some((start..end).into()), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(blob), options).await.map_err(|error| of_blob(error, digest))?;
        if found.meta.size != blob.size || found.range != (start..end) {
            return Err(Error::Damaged(digest));
        }
        Ok(found.into_stream().map_err(move |error| of_blob(error, digest)).boxed())
    }

    /// Removes a blob, and what a crash has left of it on its way.
    async fn remove(&self, blob: &Blob) -> Result<(), Error> {
        match self.store.delete(&self.path(blob)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(path) = self.path_on_disk(blob) else { return Ok(()) };
        let Some(directory) = path.parent() else { return Ok(()) };
        let staged = format!("{}#", path.display());
        for file in fs::files_below(directory).map_err(Error::failed)? {
            if file.to_string_lossy().starts_with(&staged) {
                fs::remove_file(&file).map_err(Error::failed)?;
            }
        }
        Ok(())
    }

    fn path(&self, blob: &Blob) -> Path {
        let hex = blob.digest.to_hex();
        Path::from(format!("{}v1/{}/{hex}-{:016x}", self.prefix, &hex[..2], blob.copy))
    }

    fn path_on_disk(&self, blob: &Blob) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(self.path(blob).as_ref()))
    }
}

/// Makes all directories that blobs lie in: one that a blob made on its way could be found by another, which then is
/// acknowledged before the directory is on the disk.
fn make_shards(directory: &std::path::Path) -> std::io::Result<()> {
    fs::create_dir_all_durably(directory)?;
    for shard in 0..=u8::MAX {
        fs::create_dir_all(&directory.join(format!("{shard:02x}")))?;
    }
    fs::create_dir_all_durably(directory)
}

async fn send(upload: &mut WriteMultipart, blob: &Blob, source: &Source) -> Result<(), Error> {
    let (mut hasher, mut position) = (Hasher::new(None), 0);
    loop {
        let piece = source.piece(position).await?;
        if piece.is_empty() {
            return check(blob, hasher.finish().digest);
        }
        position += piece.len() as u64;
        hasher.update(&piece);
        upload.wait_for_capacity(PARTS_AT_ONCE).await?;
        upload.put(piece);
    }
}

fn check(blob: &Blob, found: Digest) -> Result<(), Error> {
    if found == blob.digest { Ok(()) } else { Err(Error::Mismatch { promised: blob.digest, found }) }
}

/// Its connections do not go through `mirror/fetch`: nobody but the operator says where they lead.
fn open_s3(s3: &S3) -> Result<object_store::aws::AmazonS3, Error> {
    let mut builder = AmazonS3Builder::new()
        .with_region(&s3.region)
        .with_bucket_name(&s3.bucket)
        .with_access_key_id(s3.access_key.reveal())
        .with_secret_access_key(s3.secret_key.reveal())
        .with_checksum_algorithm(Checksum::SHA256);
    if let Some(endpoint) = &s3.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    Ok(builder.build()?)
}

fn of_blob(error: object_store::Error, digest: Digest) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::Damaged(digest),
        error => error.into(),
    }
}

// === impl Error ===

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use std::error::Error as _;
        let mut cause = error.source();
        while let Some(below) = cause {
            let kind = below.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            if kind.is_some_and(|kind| kind == std::io::ErrorKind::StorageFull) {
                return Self::Full(Arc::new(error));
            }
            cause = below.source();
        }
        match error {
            object_store::Error::Generic { .. } | object_store::Error::JoinError { .. } => {
                Self::Unavailable(Arc::new(error))
            }
            error => Self::Failed(Arc::new(error)),
        }
    }
}
