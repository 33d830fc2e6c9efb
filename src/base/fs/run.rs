//! Temporary files that vanish unless they are kept, and the directory in which they lie.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::Slice;

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
        Slice::new(Arc::clone(&self.file), length)
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
    /// Makes a fresh run directory below `parent`, and removes those whose owners are gone.
    ///
    /// # Errors
    /// The system's.
    pub fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Two processes that start at once would take each other's new directory, not yet locked, for a dead one's.
        let entrance = File::open(parent)?;
        flock(&entrance, FlockOperation::LockExclusive)?;
        clear(parent)?;
        let path = parent.join(random_name());
        fs::create_dir(&path)?;
        let lock = create_new(&path.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path, lock })
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
        create_temp(&self.path)
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
fn clear(parent: &Path) -> io::Result<()> {
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
        fs::remove_dir_all(&path)?;
    }
    Ok(())
}

/// Makes an empty temporary file in a directory.
pub(super) fn create_temp(directory: &Path) -> io::Result<Temp> {
    let path = directory.join(random_name());
    let file = create_new(&path)?;
    Ok(Temp { file: Arc::new(file), path: Some(path) })
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn random_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs::{files_below, read};

    fn scratch() -> (tempfile::TempDir, RunDir) {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDir::create(&directory.path().join("tmp")).unwrap();
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
    fn what_a_run_left_behind_is_removed_and_one_that_lives_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let alive = RunDir::create(directory.path()).unwrap();
        let crashed = RunDir::create(directory.path()).unwrap();
        drop(crashed);
        let third = RunDir::create(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        alive.close().unwrap();
        third.close().unwrap();
        assert!(files_below(directory.path()).unwrap().is_empty());
    }
}
