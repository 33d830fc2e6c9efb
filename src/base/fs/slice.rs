//! Parts of files that do not change any more, read without leaving the async thread where memory holds them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSliceMut, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io::ReadWriteFlags;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// Part of a file that does not change any more. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Slice {
    file: Arc<File>,
    /// Where it starts, in bytes from the start of the file.
    offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Slice {
    /// Returns the first `length` bytes of an open file.
    pub(super) fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, offset: 0, length }
    }

    /// Opens a whole file for reading.
    ///
    /// # Errors
    /// The system's; a missing file is [`io::ErrorKind::NotFound`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self::new(Arc::new(file), length))
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

    /// Returns a reader of the slice, which blocks, and holds little of it at once. A file that has become shorter is
    /// [`io::ErrorKind::UnexpectedEof`].
    pub fn reader(self) -> impl BufRead {
        BufReader::with_capacity(PIECE, Pieces { slice: self, position: 0 })
    }
}

/// A slice, read piece by piece.
struct Pieces {
    slice: Slice,
    position: u64,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.slice.length - self.position;
        let length = left.min(buffer.len() as u64) as usize;
        self.slice.file.read_exact_at(&mut buffer[..length], self.slice.offset + self.position)?;
        self.position += length as u64;
        Ok(length)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs::{RunDir, Temp};

    #[tokio::test]
    async fn a_slice_reads_its_own_part_only() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDir::create(directory.path()).unwrap();
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
    fn a_reader_gives_all_of_a_slice_and_no_more() {
        let bytes: Vec<u8> = (0..PIECE as u32 * 2 + 7).map(|number| number as u8).collect();
        let temp = Temp::in_memory().unwrap();
        temp.write_all(&bytes).unwrap();
        let mut read = Vec::new();
        let part = 3..PIECE as u64 + 5;
        temp.slice(bytes.len() as u64).part(part.clone()).reader().read_to_end(&mut read).unwrap();
        assert!(read == bytes[part.start as usize..part.end as usize]);
    }
}
