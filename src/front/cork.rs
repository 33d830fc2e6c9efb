//! A connection that sends the head of a reply together with what follows it: in one piece, without copying a body
//! that is more than a few bytes long, and without a buffer that waits for that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is held back until more comes, at most, in bytes: a head is shorter.
const HELD: usize = 4 << 10;

/// A connection without TLS.
#[derive(Debug)]
pub struct Corked {
    stream: Stream,
    /// Written to us, and not sent yet.
    held: BytesMut,
}

impl Corked {
    pub fn new(stream: Stream) -> Self {
        Self { stream, held: BytesMut::new() }
    }

    /// Sends what is held and, in the same piece, as much of `bytes` as there is room for; returns how much that was,
    /// 0 only when there are none.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let both = [IoSlice::new(&self.held), IoSlice::new(bytes)];
            let sent = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &both))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_held = sent.min(self.held.len());
            self.held.advance(of_held);
            if sent > of_held {
                return Poll::Ready(Ok(sent - of_held));
            }
        }
        if bytes.is_empty() { Poll::Ready(Ok(0)) } else { Pin::new(&mut self.stream).poll_write(cx, bytes) }
    }
}

impl AsyncWrite for Corked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() > HELD {
            return self.poll_send(cx, bytes);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === What pingora wants to know of a connection ===

impl AsyncRead for Corked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[async_trait]
impl Shutdown for Corked {
    async fn shutdown(&mut self) {
        // The client may be gone: then nobody waits for what is held.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Corked {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Corked {}

impl GetTimingDigest for Corked {
    /// Asked for at each request, and looked at by nobody.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Corked {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Corked {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Corked {
    async fn try_peek(&mut self, into: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(into).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Returns a corked connection whose other end takes at most `room` bytes before it is read.
    fn corked(room: usize) -> (Corked, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(room);
        (Corked::new(Box::new(ours)), theirs)
    }

    #[tokio::test]
    async fn a_head_waits_for_what_follows_and_is_sent_with_it() {
        let (mut ours, mut theirs) = corked(1 << 20);
        let mut read = [0; 64];
        ours.write_all(b"head").await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(theirs.read(&mut read)).is_none());
        let body = vec![b'b'; HELD];
        ours.write_all(&body).await.unwrap();
        drop(ours);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [b"head", &body[..]].concat());
    }

    #[tokio::test]
    async fn nothing_is_lost_where_the_peer_takes_a_few_bytes_at_a_time() {
        for room in [1, 3, 4096] {
            let (mut ours, mut theirs) = corked(room);
            let expected: Vec<u8> = (0..HELD * 5).map(|at| at as u8).collect();
            let pieces = expected.clone();
            let written = tokio::spawn(async move {
                let (mut rest, mut length) = (&pieces[..], 1);
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(length.min(rest.len()));
                    ours.write_all(piece).await.unwrap();
                    (rest, length) = (after, length * 3 % (HELD * 2) + 1);
                }
                ours.flush().await.unwrap();
            });
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            written.await.unwrap();
            assert_eq!(all, expected);
        }
    }

    #[tokio::test]
    async fn what_is_held_goes_out_before_the_end() {
        let (mut ours, mut theirs) = corked(64);
        ours.write_all(b"head").await.unwrap();
        AsyncWriteExt::shutdown(&mut ours).await.unwrap();
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"head");
    }
}
