//! Counts what a client of HTTP/2 begins and takes back. Who takes back is not held by any limit on streams at once, and
//! what it has asked for is under way all the same (CVE-2023-44487).

use super::framing::Ambiguous;

/// Requests that a client may take back, before they are weighed against those it has made: it may be cut off in the
/// midst of many.
const FREE: u64 = 100;

/// Bytes of a frame's head. Source: RFC 9113 §4.1.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// Where in the frames of a connection we are, behind the preface.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD],
    /// Of the head.
    came: usize,
    /// Left of what the head announced.
    left: usize,
    begun: u64,
    taken_back: u64,
}

// === impl Frames ===

impl Frames {
    /// Reads on.
    ///
    /// # Errors
    /// [`Ambiguous::TakenBack`]: too many requests have been.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.came).min(bytes.len());
            self.head[self.came..self.came + taken].copy_from_slice(&bytes[..taken]);
            self.came += taken;
            bytes = &bytes[taken..];
            if self.came == HEAD {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Ambiguous> {
        let [high, middle, low, kind, ..] = self.head;
        self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.came = 0;
        self.begun += u64::from(kind == HEADERS);
        self.taken_back += u64::from(kind == RST_STREAM);
        if self.taken_back > FREE && self.taken_back * 2 > self.begun {
            return Err(Ambiguous::TakenBack);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let head = [0, 0, length, kind, 0, 0, 0, 0, 1];
        // What it holds looks like the head of another.
        [&head[..], &[RST_STREAM; 255][..length.into()]].concat()
    }

    /// Reads the frames of so many requests, the first of them taken back, in pieces of `step` bytes.
    fn read(requests: usize, taken_back: usize, step: usize) -> Result<(), Ambiguous> {
        let mut bytes = frame(4, 30);
        (0..requests).for_each(|_| bytes.extend(frame(HEADERS, 40)));
        (0..taken_back).for_each(|_| bytes.extend(frame(RST_STREAM, 4)));
        let mut frames = Frames::default();
        bytes.chunks(step).try_for_each(|piece| frames.read(piece))
    }

    #[test]
    fn who_takes_most_of_it_back_is_not_listened_to() {
        for step in [1, 10, 100_000] {
            assert_eq!(read(100, 100, step), Ok(()));
            assert_eq!(read(101, 101, step), Err(Ambiguous::TakenBack));
            assert_eq!(read(1_000, 500, step), Ok(()));
            assert_eq!(read(1_000, 501, step), Err(Ambiguous::TakenBack));
        }
    }
}
