//! HTTP/1.1 messages as bytes on a TCP stream, bare or within TLS, for both ends of the tests.
//!
//! Own code on purpose: a library would hide how a message ended, and that is what the tests are about.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// Longest head read, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;

/// Most bytes read at once.
const PIECE: usize = 64 * 1024;

/// A stream, and what was read from it beyond what was asked for.
pub struct Wire {
    stream: Stream,
    held: BytesMut,
}

/// What carries the bytes.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The first line and the headers of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub start: String,
    pub headers: Headers,
}

/// Header lines in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

/// How a message says where its body ends. Source: RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its own framing: all of the length came, or the final chunk.
    Complete,
    /// It has no framing, and the peer closed in good order: a client takes it for whole.
    ByClose,
    /// The connection ended before the framing said so.
    Cut(String),
    /// Nothing came for as long as the reader was willing to wait.
    Stalled,
    /// The reader went away on purpose.
    Abandoned,
    /// The bytes are no HTTP message.
    Malformed(String),
    /// The peer gave up this one stream of HTTP/2, for this reason.
    Reset(String),
}

/// How fast to read or write: a `pause` after so many `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub bytes: usize,
    pub pause: Duration,
}

/// How a body is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub pace: Option<Pace>,
    /// Leave after so many body bytes.
    pub abandon_after: Option<usize>,
}

// === impl Headers ===

impl Headers {
    /// Returns the first header of that name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Tells whether a comma-separated header holds a word, in any case.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| {
            let item = item.split(';').next().unwrap_or_default();
            item.trim().eq_ignore_ascii_case(word)
        })
    }
}

// === impl Head ===

impl Head {
    /// Reads the lines of a head; `None` if one is no header line.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let start = lines.next()?.to_owned();
        let mut headers = Headers::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            headers.push(name, value.trim());
        }
        Some(Self { start, headers })
    }

    /// Prints the head with its empty line.
    pub fn print(&self) -> String {
        let lines: String = self.headers.0.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{lines}\r\n", self.start)
    }

    /// Returns the framing the headers announce, `otherwise` when they announce none.
    ///
    /// # Errors
    /// The offending header, when it is no length.
    pub fn framing(&self, otherwise: Framing) -> Result<Framing, String> {
        if self.headers.lists("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        let Some(length) = self.headers.get("content-length") else { return Ok(otherwise) };
        length.parse().map(Framing::Length).map_err(|_| format!("content-length: {length}"))
    }
}

// === impl Stream ===

impl Stream {
    /// Shakes hands as a client, where TLS is to be spoken. The server is known by its address.
    pub async fn connect(stream: TcpStream, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let name = stream.peer_addr()?.ip().into();
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        Ok(Self::Tls(Box::new(stream.into())))
    }

    /// Shakes hands as a server, where TLS is to be spoken.
    pub async fn accept(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?;
        Ok(Self::Tls(Box::new(stream.into())))
    }
}

// === impl Wire ===

impl Wire {
    pub fn new(stream: Stream) -> Self {
        Self { stream, held: BytesMut::new() }
    }

    /// Returns the stream, from which nothing may have been read ahead.
    pub fn into_stream(self) -> Stream {
        assert!(self.held.is_empty(), "{} bytes were read ahead", self.held.len());
        self.stream
    }

    /// Returns the connection below.
    pub fn stream(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Ends in good order: TLS wants a word for that, a bare connection is only dropped.
    pub async fn close(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            // A peer that has left already needs no word.
            let _ = stream.shutdown().await;
        }
    }

    /// Reads what comes next into `held`; `false` at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.held.reserve(PIECE);
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.held).await?,
            Stream::Tls(stream) => stream.read_buf(&mut self.held).await?,
        };
        Ok(read > 0)
    }

    /// Waits until the peer closes, throwing away what it sends.
    pub async fn drain(&mut self) {
        while let Ok(true) = self.fill().await {
            self.held.clear();
        }
    }

    /// Returns bytes that came after the last message read.
    pub fn leftover(&self) -> &[u8] {
        &self.held
    }

    /// Reads a head; `None` when the stream ended before its first byte.
    pub async fn head(&mut self) -> Result<Option<Head>, Ending> {
        loop {
            if let Some(end) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.held[..end]).into_owned();
                self.held.advance(end + 4);
                return Head::parse(&text).map(Some).ok_or(Ending::Malformed(text));
            }
            // What starts otherwise is no message: TLS, for one, where none was expected.
            if self.held.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
                return Err(Ending::Malformed(format!("{:?}", &self.held[..self.held.len().min(16)])));
            }
            if self.held.len() > HEAD_LIMIT {
                return Err(Ending::Malformed("a head without end".into()));
            }
            if !self.fill().await.map_err(cut)? {
                return if self.held.is_empty() { Ok(None) } else { Err(Ending::Cut("within the head".into())) };
            }
        }
    }

    /// Reads a body into `into`, which keeps what came if this is dropped or ends early.
    pub async fn body(&mut self, framing: Framing, reading: Reading, into: &mut Vec<u8>) -> Ending {
        let result = match framing {
            Framing::None => Ok(Ending::Complete),
            Framing::Length(length) => self.exactly(length, reading, into).await.map(|()| Ending::Complete),
            Framing::Chunked => self.chunks(reading, into).await.map(|()| Ending::Complete),
            Framing::UntilClose => self.until_close(reading, into).await,
        };
        result.unwrap_or_else(|ending| ending)
    }

    async fn exactly(&mut self, length: u64, reading: Reading, into: &mut Vec<u8>) -> Result<(), Ending> {
        let mut left = length;
        while left > 0 {
            if self.held.is_empty() && !self.fill().await.map_err(cut)? {
                return Err(Ending::Cut(format!("{left} of {length} bytes missing")));
            }
            left -= self.pass(left, reading, into).await? as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self, reading: Reading, into: &mut Vec<u8>) -> Result<(), Ending> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| Ending::Malformed(format!("chunk size {line:?}")))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(());
            }
            self.exactly(size, reading, into).await?;
            let end = self.line().await?;
            if !end.is_empty() {
                return Err(Ending::Malformed(format!("{end:?} after a chunk")));
            }
        }
    }

    async fn until_close(&mut self, reading: Reading, into: &mut Vec<u8>) -> Result<Ending, Ending> {
        while !self.held.is_empty() || self.fill().await.map_err(cut)? {
            self.pass(u64::MAX, reading, into).await?;
        }
        Ok(Ending::ByClose)
    }

    async fn line(&mut self) -> Result<String, Ending> {
        loop {
            if let Some(end) = self.held.windows(2).position(|window| window == b"\r\n") {
                let line = self.held.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill().await.map_err(cut)? {
                return Err(Ending::Cut("within the chunked framing".into()));
            }
        }
    }

    /// Moves held bytes to `into`, at most `limit` and at the asked pace; returns how many.
    async fn pass(&mut self, limit: u64, reading: Reading, into: &mut Vec<u8>) -> Result<usize, Ending> {
        let count = self.held.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let before = into.len();
        into.extend_from_slice(&self.held.split_to(count));
        if let Some(pace) = reading.pace {
            let pauses = into.len() / pace.bytes - before / pace.bytes;
            tokio::time::sleep(pace.pause * u32::try_from(pauses).unwrap_or(u32::MAX)).await;
        }
        match reading.abandon_after {
            Some(enough) if into.len() >= enough => Err(Ending::Abandoned),
            _ => Ok(count),
        }
    }
}

fn cut(error: io::Error) -> Ending {
    Ending::Cut(error.to_string())
}
