//! The only door to the file system: immutable slices that can be read without leaving the async thread, temporary
//! files that vanish unless they are kept, and a run directory that tells a clean stop from a crash.

#![expect(clippy::disallowed_methods, reason = "this is the door that the ban sends everybody to")]

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::fs::{FlockOperation, flock};
use rustix::io::ReadWriteFlags;

/// Part of a file that does not change any more. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Slice {
    file: Arc<File>,
    /// Where it starts, in bytes from the start of the file.
    offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// A file being written, removed on drop unless [`Temp::persist`] puts it in place. Readers may follow it meanwhile.
#[derive(Debug)]
pub struct Temp {
    file: Arc<File>,
    /// `None`: it lies in memory, or is in its place already.
    path: Option<PathBuf>,
}

/// A directory for the temporary files of this process, locked while the process lives.
///
/// ```text
/// tmp/<random>/lock      flock held by the owner
/// tmp/<random>/<random>  temporary files
/// ```
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: File,
}

/// What an earlier process left behind when it ended without cleaning up.
#[derive(Debug)]
pub struct Leftover {
    /// When it started, as its lock file tells.
    pub started: std::time::SystemTime,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// What an ordinary user may still write.
    pub free: u64,
    pub total: u64,
}

// === impl Slice ===

impl Slice {
    /// Opens a whole file for reading.
    ///
    /// # Errors
    /// The system's; a missing file is [`io::ErrorKind::NotFound`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), offset: 0, length })
    }

    /// Tells whether the file is still in its place and this long, in bytes: an open one may have been cut or removed.
    ///
    /// # Errors
    /// The system's.
    pub fn is_in_place(&self, length: u64) -> io::Result<bool> {
        let found = rustix::fs::fstat(&self.file)?;
        Ok(found.st_size as u64 == length && found.st_nlink > 0)
    }

    /// Returns the part `range`, counted from the start of this slice. A range past the end is cut to fit.
    pub fn part(&self, range: Range<u64>) -> Self {
        let start = range.start.min(self.length);
        let end = range.end.clamp(start, self.length);
        Self { file: Arc::clone(&self.file), offset: self.offset + start, length: end - start }
    }

    /// Reads up to `buffer.len()` bytes at `position` of the slice; 0 at its end.
    ///
    /// Bytes that the page cache holds are copied at once; only a read that must wait for the disk leaves the thread.
    ///
    /// # Errors
    /// The system's.
    pub async fn read_at(&self, mut buffer: BytesMut, position: u64) -> io::Result<BytesMut> {
        let want = (buffer.len() as u64).min(self.length.saturating_sub(position)) as usize;
        buffer.truncate(want);
        if want == 0 {
            return Ok(buffer);
        }
        match read_cached(&self.file, &mut buffer, self.offset + position) {
            Some(read) => {
                let read = read?;
                buffer.truncate(read);
                Ok(buffer)
            }
            None => self.read_blocking(buffer, position).await,
        }
    }

    async fn read_blocking(&self, mut buffer: BytesMut, position: u64) -> io::Result<BytesMut> {
        let (file, offset) = (Arc::clone(&self.file), self.offset + position);
        tokio::task::spawn_blocking(move || {
            let read = file.read_at(&mut buffer, offset)?;
            buffer.truncate(read);
            Ok(buffer)
        })
        .await
        .map_err(io::Error::other)?
    }

    /// Reads the whole slice into memory, blocking. For small slices and for threads that may wait.
    ///
    /// # Errors
    /// The system's; a file that has become shorter is [`io::ErrorKind::UnexpectedEof`].
    pub fn read_all(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.length as usize];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes.into())
    }
}

/// Copies what the page cache holds; `None` when the disk would have to be asked.
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
    match rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Some(Ok(read)),
        // Old kernels and some file systems do not know the flag: then every read may wait.
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => None,
        Err(error) => Some(Err(error.into())),
    }
}

// === impl Temp ===

impl Temp {
    /// Makes a file that lies in memory, for when the disk has no room. It cannot be persisted.
    ///
    /// # Errors
    /// The system's.
    pub fn in_memory() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("heliostat", rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(Self { file: Arc::new(file.into()), path: None })
    }

    /// Returns a path at which this process can open the file for as long as this lives, for readers that take no less.
    pub fn path(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| format!("/proc/self/fd/{}", self.file.as_raw_fd()).into())
    }

    /// Returns a slice of the first `length` bytes, for readers that follow the writer.
    pub fn slice(&self, length: u64) -> Slice {
        Slice { file: Arc::clone(&self.file), offset: 0, length }
    }

    /// Appends bytes. Fill writers are sequential, so the file's own position serves.
    ///
    /// # Errors
    /// The system's; a full disk is [`io::ErrorKind::StorageFull`].
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)
    }

    /// Forgets everything after the first `length` bytes and goes on writing there.
    ///
    /// # Errors
    /// The system's.
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        io::Seek::seek(&mut &*self.file, io::SeekFrom::Start(length)).map(drop)
    }

    /// Waits until the bytes are on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Moves the file to its place, over whatever is there, creating the directories on the way.
    ///
    /// # Errors
    /// The system's; the temporary file is removed then. [`io::ErrorKind::StorageFull`] for one in memory.
    pub fn persist(mut self, place: &Path) -> io::Result<()> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::StorageFull)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(path, place)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "temporary file left behind");
        }
    }
}

// === impl RunDir ===

impl RunDir {
    /// Makes a fresh run directory below `parent`, and removes those whose owners are gone, telling of each.
    ///
    /// # Errors
    /// The system's.
    pub fn create(parent: &Path) -> io::Result<(Self, Vec<Leftover>)> {
        fs::create_dir_all(parent)?;
        // Two processes that start at once would take each other's new directory, not yet locked, for a dead one's.
        let entrance = File::open(parent)?;
        flock(&entrance, FlockOperation::LockExclusive)?;
        let leftovers = clear(parent)?;
        let path = parent.join(random_name());
        fs::create_dir(&path)?;
        let lock = create_new(&path.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok((Self { path, lock }, leftovers))
    }

    /// Returns the directory's own name.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).expect("random names are ASCII")
    }

    /// Makes an empty temporary file.
    ///
    /// # Errors
    /// The system's.
    pub fn temp(&self) -> io::Result<Temp> {
        let path = self.path.join(random_name());
        let file = create_new(&path)?;
        Ok(Temp { file: Arc::new(file), path: Some(path) })
    }

    /// Waits until everything that was written to this file system is on the disk, by whomever. It is the same open file
    /// that asks each time: the system tells each of a failure once, those before it was opened not at all.
    ///
    /// # Errors
    /// The system's: something that was written since the last call may be lost.
    pub fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.lock)?)
    }

    /// Removes the directory: the sign of a clean stop.
    ///
    /// # Errors
    /// The system's.
    pub fn close(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            closed => closed,
        }
    }
}

/// Removes run directories whose lock nobody holds.
fn clear(parent: &Path) -> io::Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let lock = match File::open(path.join("lock")) {
            Ok(lock) => lock,
            // Its owner ended between two steps: while we hold the entrance, nobody is about to make a lock.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::remove_dir_all(&path)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        leftovers.push(Leftover { started: lock.metadata()?.modified()? });
        fs::remove_dir_all(&path)?;
    }
    Ok(leftovers)
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn random_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

// === Plain files ===

/// Reads a small text file.
///
/// # Errors
/// The system's; text that is not UTF-8 is [`io::ErrorKind::InvalidData`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Reads a small file.
///
/// # Errors
/// The system's.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a directory and those above it.
///
/// # Errors
/// The system's.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// The system's.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames a file, over whatever is there; one that is not there is as good as renamed.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Tells how full the file system is that holds `path`.
///
/// # Errors
/// The system's.
pub fn space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    let block = found.f_frsize.max(1);
    Ok(Space { free: found.f_bavail.saturating_mul(block), total: found.f_blocks.saturating_mul(block) })
}

/// Returns a file's length in bytes, `None` when there is no such file.
///
/// # Errors
/// The system's.
pub fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the files below a directory, at any depth; nothing when there is no such directory.
///
/// # Errors
/// The system's.
pub fn files_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        let entries = match fs::read_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut open } else { &mut found };
            list.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, RunDir) {
        let directory = tempfile::tempdir().unwrap();
        let (run, _) = RunDir::create(&directory.path().join("tmp")).unwrap();
        (directory, run)
    }

    #[test]
    fn a_temporary_file_vanishes_unless_it_is_kept() {
        let (directory, run) = scratch();
        let temp = run.temp().unwrap();
        temp.write_all(b"gone").unwrap();
        drop(temp);
        let kept = run.temp().unwrap();
        kept.write_all(b"kept").unwrap();
        let place = directory.path().join("a/b");
        kept.persist(&place).unwrap();
        assert_eq!(read(&place).unwrap(), b"kept");
        run.close().unwrap();
        assert_eq!(files_below(directory.path()).unwrap(), [place]);
    }

    #[tokio::test]
    async fn a_slice_reads_its_own_part_only() {
        let (_directory, run) = scratch();
        let temp = run.temp().unwrap();
        temp.write_all(b"0123456789").unwrap();
        let slice = temp.slice(10).part(2..8).part(1..100);
        assert_eq!(slice.length, 5);
        assert_eq!(&slice.read_at(BytesMut::zeroed(64), 0).await.unwrap()[..], b"34567");
        assert_eq!(&slice.read_at(BytesMut::zeroed(2), 3).await.unwrap()[..], b"67");
        assert!(slice.read_at(BytesMut::zeroed(2), 5).await.unwrap().is_empty());
        assert_eq!(&slice.read_all().unwrap()[..], b"34567");
    }

    #[test]
    fn a_file_in_memory_is_read_like_any_other_and_never_kept() {
        let directory = tempfile::tempdir().unwrap();
        let temp = Temp::in_memory().unwrap();
        temp.write_all(b"0123").unwrap();
        assert_eq!(&temp.slice(4).read_all().unwrap()[..], b"0123");
        let error = temp.persist(&directory.path().join("a")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn writing_goes_on_where_a_file_was_cut() {
        let (_directory, run) = scratch();
        let temp = run.temp().unwrap();
        temp.write_all(b"0123456789").unwrap();
        temp.truncate(4).unwrap();
        temp.write_all(b"x").unwrap();
        assert_eq!(&temp.slice(5).read_all().unwrap()[..], b"0123x");
    }

    #[test]
    fn a_run_that_did_not_close_is_told_of_and_one_that_lives_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (alive, leftovers) = RunDir::create(directory.path()).unwrap();
        assert!(leftovers.is_empty());
        let (crashed, _) = RunDir::create(directory.path()).unwrap();
        drop(crashed);
        let (third, leftovers) = RunDir::create(directory.path()).unwrap();
        assert_eq!(leftovers.len(), 1);
        alive.close().unwrap();
        third.close().unwrap();
        assert!(files_below(directory.path()).unwrap().is_empty());
    }
}
