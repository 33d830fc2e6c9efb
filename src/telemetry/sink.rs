//! Where log lines go: into memory at once, and from there to standard output by a thread of its own, so that a slow
//! reader of our output never slows a request.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tracing_subscriber::fmt::MakeWriter;

/// Lines beyond this many unwritten bytes are lost, and their number is told.
const CAPACITY: usize = 8 << 20;

/// The door for lines. Cloning shares it.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

/// The thread that writes; dropping it waits until everything is written.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    lost: u64,
    closed: bool,
}

/// Starts the writing thread.
///
/// # Errors
/// The system's, when it has no thread left.
pub fn start(mut output: impl Write + Send + 'static) -> io::Result<(Sink, Writer)> {
    let shared = Arc::new(Shared { pending: Mutex::default(), wake: Condvar::new() });
    let theirs = Arc::clone(&shared);
    let thread =
        std::thread::Builder::new().name("log".into()).spawn(move || while theirs.write_out(&mut output) {})?;
    Ok((Sink(Arc::clone(&shared)), Writer { shared, thread: Some(thread) }))
}

// === impl Shared ===

impl Shared {
    /// Writes what has come in; false when that was the last.
    fn write_out(&self, output: &mut impl Write) -> bool {
        let mut pending = self.lock();
        while pending.bytes.is_empty() && pending.lost == 0 && !pending.closed {
            pending = self.wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        let (bytes, lost, closed) = (mem::take(&mut pending.bytes), mem::take(&mut pending.lost), pending.closed);
        drop(pending);
        let written = output.write_all(&bytes).and_then(|()| match lost {
            0 => output.flush(),
            _ => writeln!(output, "{lost} log lines were lost: the output is too slow").and_then(|()| output.flush()),
        });
        // An output that is gone stays gone, and there is no other place to say so.
        written.is_ok() && !closed
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // A line that panicked half-way is still whole bytes.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sink ===

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut pending = self.0.lock();
        let asleep = pending.bytes.is_empty();
        if pending.bytes.len() + line.len() > CAPACITY {
            pending.lost += 1;
        } else {
            pending.bytes.extend_from_slice(line);
        }
        drop(pending);
        if asleep {
            self.0.wake.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// === impl Writer ===

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_before_the_writer_is_gone() {
        let page = Page::default();
        let (mut sink, writer) = start(page.clone()).unwrap();
        for number in 0..1000 {
            writeln!(sink, "{number}").unwrap();
        }
        drop(writer);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1000);
        assert!(text.ends_with("999\n"));
    }

    #[test]
    fn lines_that_find_no_room_are_counted() {
        let page = Page::default();
        let held = page.0.lock().unwrap();
        let (mut sink, writer) = start(page.clone()).unwrap();
        sink.write_all(b"first\n").unwrap();
        for _ in 0..3 {
            sink.write_all(&[b'x'; CAPACITY]).unwrap();
        }
        drop(held);
        drop(writer);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were lost"), "{} bytes", text.len());
    }
}
