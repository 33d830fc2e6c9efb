//! Content by its SHA-256, laid out as cacache lays it out.
//!
//! ```text
//! content-v2/sha256/aa/bb/<60 hex digits>
//! ```
//!
//! cacache hides its temporary file until it is done, but a fill is read while it is written: so a fill writes a
//! [`Temp`] of its own, which is moved to where cacache looks for that digest. Verified reading and removal are
//! cacache's.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cacache::{Integrity, SyncReader};

use crate::base::digest::{Digest, Hasher, Integrity as Promised};
use crate::base::fs::{self, Slice, Temp};

const READ_BYTES: usize = 128 * 1024;

/// What the kernel says when a disk cannot read what it wrote (`EIO`).
const DISK_CANNOT_READ: i32 = 5;

/// How many files are kept open, and for how long, so that what is asked for again and again is not opened each time.
/// Each use looks whether the file is still whole and in its place.
const OPEN_FILES: u64 = 256;
const OPEN_FOR: Duration = Duration::from_secs(5);

/// The content files of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Content {
    directory: Arc<Path>,
    open: moka::sync::Cache<Digest, Slice>,
}

/// What hashing a content again has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Intact,
    /// Gone, or not the bytes that were written.
    Broken,
    /// The store is being closed; nothing is known.
    Stopped,
}

impl Content {
    pub(super) fn new(directory: &Path) -> Self {
        let open = moka::sync::Cache::builder().max_capacity(OPEN_FILES).time_to_live(OPEN_FOR).build();
        Self { directory: directory.into(), open }
    }

    /// Returns where a content lies.
    pub(super) fn place(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_hex();
        let mut place = self.root();
        place.extend([&hex[..2], &hex[2..4], &hex[4..]]);
        place
    }

    /// Puts a file in its place, over what is there: newly hashed bytes are better than old ones. But old ones may be
    /// beyond suspicion: they only give way to bytes that are on the disk.
    ///
    /// # Errors
    /// The system's; the file is removed then.
    pub(super) fn put(&self, temp: Temp, digest: Digest) -> io::Result<()> {
        self.open.invalidate(&digest);
        let place = self.place(digest);
        if fs::length(&place)?.is_some() {
            temp.sync()?;
        }
        temp.persist(&place)
    }

    /// Opens a content; `None` when it is missing or has another length.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(&self, digest: Digest, size: u64) -> io::Result<Option<Slice>> {
        if let Some(slice) = self.open.get(&digest).filter(|slice| slice.length == size) {
            if slice.is_in_place(size)? {
                return Ok(Some(slice));
            }
            self.open.invalidate(&digest);
        }
        match Slice::open(&self.place(digest)) {
            Ok(slice) if slice.length == size => {
                self.open.insert(digest, slice.clone());
                Ok(Some(slice))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hashes a content again, until `stop` is set. Blocks for as long as that takes.
    ///
    /// # Errors
    /// The system's, where it tells nothing about the content.
    pub(super) fn examine(&self, digest: Digest, stop: &AtomicBool) -> io::Result<Condition> {
        match self.rehash(digest, stop) {
            Ok(condition) => Ok(condition),
            Err(cacache::Error::IoError(error, _)) if !tells_of_damage(&error) => Err(error),
            Err(_) => Ok(Condition::Broken),
        }
    }

    fn rehash(&self, digest: Digest, stop: &AtomicBool) -> cacache::Result<Condition> {
        let mut reader = SyncReader::open_hash(&self.directory, integrity(digest))?;
        let mut buffer = vec![0; READ_BYTES];
        while !stop.load(Ordering::Relaxed) {
            let read = reader.read(&mut buffer).map_err(|error| cacache::Error::IoError(error, String::new()))?;
            if read == 0 {
                return reader.check().map(|_| Condition::Intact);
            }
        }
        Ok(Condition::Stopped)
    }

    /// Tells whether a content has a promised hash; `None` when it is missing or damaged. Blocks for as long as hashing
    /// takes.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn is_of(&self, digest: Digest, promised: &Promised) -> io::Result<Option<bool>> {
        let slice = match Slice::open(&self.place(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut hasher = Hasher::new(Some(promised));
        for start in (0..slice.length).step_by(READ_BYTES) {
            hasher.update(&slice.part(start..(start + READ_BYTES as u64).min(slice.length)).read_all()?);
        }
        let hashed = hasher.finish();
        Ok(hashed.promise_holds.filter(|_| hashed.digest == digest))
    }

    /// Removes a content; one that is not there is as good as removed.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn remove(&self, digest: Digest) -> io::Result<()> {
        self.open.invalidate(&digest);
        match cacache::remove_hash_sync(&self.directory, &integrity(digest)) {
            Ok(()) => Ok(()),
            Err(cacache::Error::IoError(error, _)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cacache::Error::IoError(error, _)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Returns the digests of the files in one of 256 parts of the tree. Files with other names are not ours.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn digests_in(&self, part: u8) -> io::Result<Vec<Digest>> {
        let root = self.root();
        let files = fs::files_below(&root.join(format!("{part:02x}")))?;
        Ok(files.iter().filter_map(|file| digest_of(file.strip_prefix(&root).ok()?)).collect())
    }

    fn root(&self) -> PathBuf {
        self.directory.join("content-v2").join("sha256")
    }
}

fn digest_of(file: &Path) -> Option<Digest> {
    let words: Option<Vec<&str>> = file.iter().map(|word| word.to_str()).collect();
    words?.concat().parse().ok()
}

fn integrity(digest: Digest) -> Integrity {
    digest.to_sri().parse().expect("a digest prints as an integrity value")
}

/// Tells whether an error says something about the file: one that cannot be opened because too many are open is not
/// damaged, one whose sectors cannot be read is.
pub(super) fn tells_of_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        || error.raw_os_error() == Some(DISK_CANNOT_READ)
}
