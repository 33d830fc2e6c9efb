//! The only door to the file system: immutable slices that can be read without leaving the async thread, temporary
//! files that vanish unless they are kept, and a run directory that tells a clean stop from a crash.

#![expect(clippy::disallowed_methods, reason = "this is the door that the ban sends everybody to")]

mod run;
mod slice;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use self::run::{RunDir, Temp};
pub use self::slice::Slice;

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// What an ordinary user may still write.
    pub free: u64,
    pub total: u64,
}

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

/// Makes a directory and those above it, and waits until they are on the disk, and what lies in it by name.
///
/// # Errors
/// The system's.
pub fn create_dir_all_durably(path: &Path) -> io::Result<()> {
    let is_new = |directory: &&Path| !directory.as_os_str().is_empty() && !directory.exists();
    // Even where it is there already: whoever made it may have ended before it was on the disk.
    let made = path.ancestors().take_while(is_new).count().max(1);
    fs::create_dir_all(path)?;
    for directory in path.ancestors().take(made + 1) {
        let named = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(named)?.sync_all()?;
    }
    Ok(())
}

/// Writes a file that its owner alone can read, unless there is one at that path, and waits until it is on the disk. It
/// is there whole or not at all, whoever else writes it at the same time.
///
/// # Errors
/// The system's.
pub fn keep_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temp = run::create_temp(directory)?;
    temp.write_all(bytes)?;
    temp.sync()?;
    match fs::hard_link(temp.path(), path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => linked?,
    }
    // Also where another has made it: it may not have come that far yet.
    File::open(directory)?.sync_all()
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

    #[test]
    fn directories_are_made_durably_whether_they_are_there_or_not() {
        let scratch = tempfile::tempdir().unwrap();
        let deep = scratch.path().join("a/b/c");
        for _ in 0..2 {
            create_dir_all_durably(&deep).unwrap();
            assert!(deep.is_dir());
        }
        fs::write(deep.join("file"), "").unwrap();
        assert!(create_dir_all_durably(&deep.join("file/d")).is_err());
    }

    #[test]
    fn a_private_file_is_written_once_and_read_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        keep_private(&path, b"first").unwrap();
        keep_private(&path, b"other").unwrap();
        assert_eq!(read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files_below(scratch.path()).unwrap(), [path], "nothing is left behind");
    }
}
