//! Follows a connection of HTTP/1 byte by byte, from head to body to the next head, beside pingora's own reader and
//! stricter than that: what pingora has mended, or thrown away, is still seen here as it came. Of HTTP/2 it looks at the
//! kinds of frames alone.

use bytes::{Buf, BytesMut};
use memchr::memmem;

use super::chunks::Chunks;
use super::frames::Frames;
use super::framing::{self, Ambiguous, Framing};

/// Bytes that a client of HTTP/2 says first. Source: RFC 9113 §3.4.
pub const PREFACE: usize = 24;

/// What a client sends.
#[derive(Debug, Default)]
pub struct Screen {
    stage: Stage,
    /// How many heads have come.
    heads: usize,
    /// What came and has not been understood: a head as far as it has come, and what was sent ahead of its turn.
    ahead: BytesMut,
}

#[derive(Debug, Default)]
enum Stage {
    /// pingora reads a head.
    #[default]
    Head,
    Length(u64),
    Chunked(Chunks),
    /// HTTP/2 is spoken.
    Streams(Frames),
}

/// The head that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Which one of the connection it is.
    pub number: usize,
    /// How much of it has come.
    pub bytes: usize,
}

// === impl Screen ===

impl Screen {
    /// Returns what is known of the head that is being read; `None` when none is.
    pub fn awaited(&self) -> Option<Awaited> {
        matches!(self.stage, Stage::Head).then_some(Awaited { number: self.heads, bytes: self.ahead.len() })
    }

    /// Tells whether there is more of a head than its first line, an empty one before it not counted.
    pub fn has_lines(&self) -> bool {
        memchr::memrchr(b'\n', &self.ahead).is_some_and(|at| at > 1)
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// [`Ambiguous`]: it belongs to a body, and not as it must.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        let of_body = self.stage.read(bytes)?;
        self.ahead.extend_from_slice(&bytes[of_body..]);
        Ok(())
    }

    /// Understands the head that pingora has read, and what of its body has come.
    ///
    /// # Errors
    /// [`Ambiguous`]: it can be read in more than one way.
    pub fn begin(&mut self) -> Result<(), Ambiguous> {
        if matches!(self.stage, Stage::Streams(_)) {
            return Ok(());
        }
        while self.ahead.starts_with(b"\r\n") {
            self.ahead.advance(2);
        }
        let end = memmem::find(&self.ahead, b"\r\n\r\n").ok_or(Ambiguous::BareBreak)? + 4;
        self.heads += 1;
        self.stage = match framing::judge(&self.ahead[..end])? {
            Framing::Length(length) => Stage::Length(length),
            Framing::Chunked => Stage::Chunked(Chunks::new()),
        };
        self.ahead.advance(end);
        let of_body = self.stage.read(&self.ahead)?;
        self.ahead.advance(of_body);
        Ok(())
    }

    /// Waits for the next head.
    pub fn end(&mut self) {
        if !matches!(self.stage, Stage::Streams(_)) {
            self.stage = Stage::Head;
        }
    }

    /// Goes on with HTTP/2, of which the preface has come.
    ///
    /// # Errors
    /// As [`Frames::read`].
    pub fn change(&mut self) -> Result<(), Ambiguous> {
        let mut frames = Frames::default();
        let read = frames.read(self.ahead.get(PREFACE..).unwrap_or_default());
        *self = Self { stage: Stage::Streams(frames), ..Self::default() };
        read
    }
}

// === impl Stage ===

impl Stage {
    /// Returns how many of the bytes belong to the body.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        match self {
            Self::Head => Ok(0),
            Self::Length(left) => {
                let came = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= came as u64;
                Ok(came)
            }
            Self::Chunked(chunks) => chunks.read(bytes),
            Self::Streams(frames) => frames.read(bytes).map(|()| bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "POST / HTTP/1.1\r\nHost: h\r\n";

    #[test]
    fn requests_are_followed_however_they_are_cut() {
        let length = format!("{HEAD}Content-Length: 5\r\n\r\nhello");
        let chunked = format!("\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let none = format!("{HEAD}\r\n");
        let all = [length, chunked, none].concat();
        for step in [1, 7, 50, 1000] {
            let (mut screen, mut answered) = (Screen::default(), 0);
            for piece in all.as_bytes().chunks(step) {
                screen.take(piece).unwrap();
                // As pingora does: a head is begun when it is whole, and ended when its body is.
                while screen.awaited().is_some() && memmem::find(&screen.ahead, b"\r\n\r\n").is_some() {
                    screen.begin().unwrap();
                    answered += 1;
                    if !matches!(screen.stage, Stage::Length(0))
                        && !matches!(screen.stage, Stage::Chunked(Chunks::Done))
                    {
                        break;
                    }
                    screen.end();
                }
                if matches!(screen.stage, Stage::Length(0) | Stage::Chunked(Chunks::Done)) {
                    screen.end();
                }
            }
            while screen.awaited().is_some_and(|head| head.bytes > 0) {
                screen.begin().unwrap();
                answered += 1;
                screen.end();
            }
            assert_eq!((answered, screen.awaited()), (3, Some(Awaited { number: 3, bytes: 0 })), "by {step}");
        }
    }

    #[test]
    fn what_pingora_would_mend_is_refused() {
        for (text, expected) in [
            ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", Ambiguous::RequestLine),
            ("GET / HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", Ambiguous::BareBreak),
            ("GET / HTTP/1.1\nHost: h\n\n", Ambiguous::BareBreak),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n", Ambiguous::Chunks),
        ] {
            let mut screen = Screen::default();
            screen.take(text.as_bytes()).unwrap();
            assert_eq!(screen.begin(), Err(expected), "{text:?}");
        }
        let mut screen = Screen::default();
        screen.take(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
        screen.begin().unwrap();
        assert_eq!(screen.take(b"5;a\nb"), Err(Ambiguous::Chunks));
    }

    #[test]
    fn of_http_2_only_what_is_taken_back_is_looked_at() {
        let mut screen = Screen::default();
        screen.take(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0").unwrap();
        screen.change().unwrap();
        screen.take(b"\x02\x04\0\0\0\0\0\r\n").unwrap();
        screen.end();
        assert_eq!((screen.begin(), screen.awaited(), screen.ahead.len()), (Ok(()), None, 0));
        let resets = [0, 0, 0, 3, 0, 0, 0, 0, 1].repeat(101);
        assert_eq!(screen.take(&resets), Err(Ambiguous::TakenBack));
    }
}
