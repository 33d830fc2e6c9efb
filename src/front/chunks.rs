//! A chunked body, read to the letter. pingora takes more than that: a size without digits for the end of the body, and
//! any byte in an extension, a line break among them. Other readers take the same bytes for something else.

use super::framing::Ambiguous;

/// Digits of a size, leading zeros included.
const MOST_DIGITS: u8 = 16;

/// Where in a body its reader is.
///
/// ```text
/// chunked-body = *chunk 1*("0") [ chunk-ext ] CRLF *( field-line CRLF ) CRLF
/// chunk        = 1*HEXDIG [ chunk-ext ] CRLF chunk-data CRLF
/// ```
/// Source: RFC 9112 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    Size {
        digits: u8,
        size: u64,
    },
    /// White space after a size, which only an extension may follow.
    Space {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastLf,
    Done,
}

// === impl Chunks ===

impl Chunks {
    pub fn new() -> Self {
        Self::Size { digits: 0, size: 0 }
    }

    pub fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Reads on; returns how many of the bytes belong to the body.
    ///
    /// # Errors
    /// [`Ambiguous::Chunks`]: they are not as they must be.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if let Self::Data { left } = self {
                let came = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= came as u64;
                at += came;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            *self = self.next(bytes[at]).ok_or(Ambiguous::Chunks)?;
            at += 1;
        }
        Ok(at)
    }

    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size { digits, size }, _) if byte.is_ascii_hexdigit() && digits < MOST_DIGITS => {
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(value_of(byte)) }
            }
            (Self::Size { digits: 1.., size } | Self::Space { size }, b' ' | b'\t') => Self::Space { size },
            (Self::Size { digits: 1.., size } | Self::Space { size }, b';') => Self::Extension { size },
            (Self::Size { digits: 1.., size } | Self::Space { size } | Self::Extension { size }, b'\r') => {
                Self::SizeEnd { size }
            }
            (Self::Extension { size }, _) if is_text(byte) => Self::Extension { size },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::new(),
            (Self::TrailerStart, b'\r') => Self::LastLf,
            // A line that begins with white space would be part of the one before.
            (Self::TrailerStart, b' ' | b'\t') => return None,
            (Self::TrailerStart | Self::Trailer, _) if is_text(byte) => Self::Trailer,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::TrailerEnd, b'\n') => Self::TrailerStart,
            (Self::LastLf, b'\n') => Self::Done,
            _ => return None,
        })
    }
}

/// Tells whether a byte may stand in a line.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn value_of(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body in pieces of `step` bytes; returns how much of it was one.
    fn read(body: &[u8], step: usize) -> Result<(usize, bool), Ambiguous> {
        let (mut chunks, mut all) = (Chunks::new(), 0);
        for piece in body.chunks(step) {
            let came = chunks.read(piece)?;
            all += came;
            if came < piece.len() {
                break;
            }
        }
        Ok((all, chunks.is_done()))
    }

    #[test]
    fn a_body_ends_where_it_says() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "1\r\nh\r\n0000004 ;a=\"b\"\r\nello\r\n000;c\r\nX-Trailer: a\r\nY: b\r\n\r\n",
            "A;\u{80}\r\n0123456789\r\n0\r\n\r\n",
        ] {
            let more = format!("{body}GET / HTTP/1.1\r\n");
            for step in [1, 2, 3, 1000] {
                assert_eq!(read(more.as_bytes(), step), Ok((body.len(), true)), "{body:?} by {step}");
            }
            assert_eq!(read(&body.as_bytes()[..body.len() - 1], 1000), Ok((body.len() - 1, false)), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for body in [
            "\r\n",
            ";a\r\n",
            " 5\r\n",
            "+5\r\n",
            "0x5\r\n",
            "5 5\r\n",
            "5\n",
            "5\rx",
            "5;a\nb",
            "5;a\0",
            "5;a\rb",
            "g\r\n",
            "00000000000000005\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\n0",
            "5\r\nhello\r\r\n",
            "5\r\nhello\r\n\r\n0",
            "0\r\n\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\nX: y\rZ",
            "0\r\n\r\r\n",
        ] {
            assert_eq!(read(body.as_bytes(), 1), Err(Ambiguous::Chunks), "{body:?}");
            assert_eq!(read(body.as_bytes(), 1000), Err(Ambiguous::Chunks), "{body:?}");
        }
    }
}
