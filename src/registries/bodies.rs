//! Bodies that a dialect reads itself before it answers: waited for, and read off the async threads.

use std::io::{self, BufRead};

use bytes::{Buf, Bytes};

use crate::base::http::{Body, Cut};
use crate::mirror;

/// Waits until a body is whole and proved.
///
/// # Errors
/// The engine's: why it did not come.
pub async fn settle(body: Body) -> Result<Body, mirror::Error> {
    let Body::Stream(source) = body else { return Ok(body) };
    source.whole().await.map(Body::File).map_err(|cut| told(&cut))
}

/// Returns why a body was cut.
pub fn told(Cut(cause): &Cut) -> mirror::Error {
    cause.downcast_ref().cloned().unwrap_or(mirror::Error::Died)
}

/// Reads a small body into memory, off the async threads if it lies on disk.
///
/// # Errors
/// As [`read_all`].
pub async fn read(body: Body) -> io::Result<Bytes> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        body => apart(|| read_all(body)).await,
    }
}

/// Reads a small body into memory. Blocks.
///
/// # Errors
/// The system's; that the body is still coming.
pub fn read_all(body: Body) -> io::Result<Bytes> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::File(slice) => slice.read_all(),
        Body::Empty => Ok(Bytes::new()),
        Body::Stream(_) => Err(io::Error::other("a body that is still coming")),
    }
}

/// Returns a reader of a body, which blocks, and holds little of it at once. One that is still coming has no bytes yet.
pub fn reader(body: Body) -> Box<dyn BufRead> {
    match body {
        Body::Bytes(bytes) => Box::new(bytes.reader()),
        Body::File(slice) => Box::new(slice.reader()),
        Body::Empty | Body::Stream(_) => Box::new(io::empty()),
    }
}

/// Runs what takes long, or waits for the disk, where nobody waits for it.
///
/// # Errors
/// The task's; that of a task that panicked.
pub async fn apart<T, E>(task: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(task).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::base::fs::Temp;

    fn file(bytes: &[u8]) -> Body {
        let temp = Temp::in_memory().unwrap();
        temp.write_all(bytes).unwrap();
        Body::File(temp.slice(bytes.len() as u64))
    }

    #[test]
    fn a_body_reads_the_same_wherever_it_lies() {
        let bytes: Vec<u8> = (0..600_000_u32).map(|number| number as u8).collect();
        for body in [|bytes: &[u8]| Body::Bytes(Bytes::copy_from_slice(bytes)), file] {
            let mut read = Vec::new();
            reader(body(&bytes)).read_to_end(&mut read).unwrap();
            assert!(read == bytes && read_all(body(&bytes)).unwrap() == bytes);
        }
        assert_eq!(reader(Body::Empty).fill_buf().unwrap(), b"");
    }
}
