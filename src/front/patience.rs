//! A connection that waits for a request only so long, and takes only so much of one: who sends a head a byte at a time,
//! or one without end, is told so and let go, and holds no more memory meanwhile than a head may be long.
//!
//! pingora's own time limits are for single reads, and end with the first request of a connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::screen::{Awaited, PREFACE, Screen};

const TOO_LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const TOO_LONG: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const TARGET_TOO_LONG: &[u8] = b"HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How long, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// For the first byte.
    pub idle: Duration,
    /// The longest head, in bytes.
    pub head_bytes: usize,
}

/// A connection, with TLS or without.
#[derive(Debug)]
pub struct Patient {
    stream: Stream,
    patience: Patience,
    /// Held for a few lines, never across an await.
    screen: Mutex<Screen>,
    /// The head that is being read.
    head: Option<Head>,
    /// Kept from head to head, since it is rarely due.
    timer: Option<Pin<Box<Sleep>>>,
    /// What is left to be said before the end.
    last_words: Option<&'static [u8]>,
}

#[derive(Debug)]
struct Head {
    /// Which one it is.
    number: usize,
    has_begun: bool,
    until: Instant,
}

// === impl Patient ===

impl Patient {
    pub fn new(stream: Stream, patience: Patience) -> Self {
        Self { stream, patience, screen: Mutex::default(), head: None, timer: None, last_words: None }
    }

    /// Returns what has come on a connection; `None` when it is none of these.
    pub fn screen(stream: &Stream) -> Option<MutexGuard<'_, Screen>> {
        let patient = (**stream).as_any().downcast_ref::<Self>()?;
        // Nobody leaves it half-changed.
        Some(patient.screen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn heard(&mut self) -> &mut Screen {
        self.screen.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>, awaited: Awaited) -> Poll<io::Result<()>> {
        let (until, is_idle) = self.note(awaited);
        if awaited.bytes >= self.patience.head_bytes {
            self.last_words = Some(if self.heard().has_lines() { TOO_LONG } else { TARGET_TOO_LONG });
            return self.poll_end(cx);
        }
        if let Poll::Ready(read) = self.poll_bytes(cx, into) {
            let is_spoken = self.heard().awaited().is_none_or(|head| head.bytes >= PREFACE);
            if is_spoken && self.stream.selected_alpn_proto() == Some(ALPN::H2) {
                self.heard().change().map_err(io::Error::other)?;
            }
            return Poll::Ready(read);
        }
        ready!(self.poll_until(cx, until));
        self.last_words = Some(if is_idle { b"" } else { TOO_LATE });
        self.poll_end(cx)
    }

    /// Returns until when the head that is being read is waited for, and whether nothing of it has come.
    fn note(&mut self, awaited: Awaited) -> (Instant, bool) {
        let has_begun = awaited.bytes > 0;
        let known = self.head.as_ref().filter(|head| head.number == awaited.number && head.has_begun == has_begun);
        let until = known.map_or_else(
            || Instant::now() + if has_begun { self.patience.head } else { self.patience.idle },
            |head| head.until,
        );
        self.head = Some(Head { number: awaited.number, has_begun, until });
        (until, !has_begun)
    }

    /// Reads, and looks at what came.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if let Err(ambiguous) = self.heard().take(&into.filled()[before..]) {
            into.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, ambiguous)));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // One that is due too early is set again then; too late it can only be when a limit is shorter than the last.
        if until < timer.deadline() {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// Says the last words and ends: to who reads from it, the client has left.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(words) = self.last_words.filter(|words| !words.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, words)) {
                Ok(written) if written > 0 => self.last_words = Some(&words[written..]),
                // It has left indeed.
                _ => return Poll::Ready(Ok(())),
            }
        }
        // As above.
        let _ = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(Ok(()))
    }
}

// === What pingora wants to know of a connection ===

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.last_words.is_some() {
            return self.poll_end(cx);
        }
        match self.heard().awaited() {
            Some(awaited) => self.poll_head(cx, into, awaited),
            None => self.poll_bytes(cx, into),
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Patient {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Patient {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Patient {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Patient {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Patient {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Patient {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Patient {
    async fn try_peek(&mut self, into: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(into).await
    }
}

/// Returns where a connection comes from.
pub fn peer(stream: &Stream) -> Option<std::net::IpAddr> {
    let digest = stream.get_socket_digest()?;
    digest.peer_addr().and_then(SocketAddr::as_inet).map(std::net::SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), head_bytes: 100 };

    /// Returns a connection and the client's end of it.
    fn connected() -> (Patient, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        (Patient::new(Box::new(ours), PATIENCE), theirs)
    }

    async fn said(theirs: &mut DuplexStream, ours: Patient) -> String {
        drop(ours);
        let mut said = String::new();
        theirs.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
        let (mut ours, mut theirs) = connected();
        let start = Instant::now();
        let (mut read, mut byte) = (0, [0]);
        let trickle = async {
            loop {
                theirs.write_all(b"G").await.unwrap();
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
        };
        let reading = async {
            while ours.read(&mut byte).await.unwrap() > 0 {
                read += 1;
            }
        };
        tokio::select! { () = trickle => {} () = reading => {} }
        assert_eq!((read, start.elapsed().as_secs()), (7, 10));
        assert!(said(&mut theirs, ours).await.starts_with("HTTP/1.1 408 "));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_let_go_without_a_word() {
        let (mut ours, mut theirs) = connected();
        let start = Instant::now();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(start.elapsed(), PATIENCE.idle);
        assert_eq!(said(&mut theirs, ours).await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_own_time_and_a_body_has_none() {
        let (mut ours, mut theirs) = connected();
        for _ in 0..3 {
            theirs.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            assert_eq!(ours.read(&mut [0; 80]).await.unwrap(), 18);
            ours.heard().begin().unwrap();
            let mut more = [0; 8];
            assert!(tokio::time::timeout(Duration::from_secs(600), ours.read(&mut more)).await.is_err());
            ours.heard().end();
            let nearly = PATIENCE.idle - Duration::from_secs(1);
            assert!(tokio::time::timeout(nearly, ours.read(&mut more)).await.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_without_end_is_refused_by_what_is_too_long() {
        for (line, status) in [("GET /", "414"), ("GET / HTTP/1.1\r\nA: ", "431"), ("\r\nGET /", "414")] {
            let (mut ours, mut theirs) = connected();
            theirs.write_all(line.as_bytes()).await.unwrap();
            theirs.write_all(&[b'a'; 1000]).await.unwrap();
            let mut read = 0;
            loop {
                match ours.read(&mut [0; 30]).await.unwrap() {
                    0 => break,
                    came => read += came,
                }
            }
            assert!(read < PATIENCE.head_bytes + 30, "{read}");
            assert!(said(&mut theirs, ours).await.starts_with(&format!("HTTP/1.1 {status} ")));
        }
    }
}
