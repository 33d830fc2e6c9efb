//! Writes a reply: its head, then its body from memory, from disk, or as it comes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};

use super::reply::Ready;
use crate::base::fs::Slice;
use crate::base::http::{Body, Source};

/// A body that broke off after its head was written: the client must not take what it has for the whole.
pub const CUT: ErrorType = ErrorType::new("CutShort");

/// A client that takes nothing of a reply for this long is let go.
const STALL: Duration = Duration::from_secs(60);

/// How long we go on reading a request body that nobody asked for, so that its sender gets to read our reply: closing
/// with bytes unread makes the system drop what the client has not read yet. Source: RFC 9112 §9.6.
const LINGER: Duration = Duration::from_secs(2);

/// Writes a reply to its end, in pieces of at most `buffer` bytes when it lies on disk.
///
/// # Errors
/// [`CUT`]: the body broke off. Else pingora's, when the client is gone. In both cases the connection is unusable.
pub async fn write(session: &mut Session, ready: Ready, buffer: usize) -> Result<()> {
    write_head(session, ready.status, ready.headers).await?;
    if !matches!((&ready.body, &ready.rest[..]), (Body::Empty | Body::Bytes(_), [])) {
        session.set_write_timeout(Some(STALL));
    }
    write_body(session, ready.body, buffer).await?;
    for body in ready.rest {
        write_body(session, body, buffer).await?;
    }
    session.downstream_session.finish_body().await.map_err(|error| error.into_down())?;
    linger(session).await;
    Ok(())
}

/// Ends a reply half-way, so that the client can tell.
pub async fn cut(session: &mut Session) {
    // HTTP/1.1: the connection is closed without the last chunk or byte when the session is dropped.
    session.set_keepalive(None);
    if session.is_http2() {
        session.downstream_session.shutdown().await;
    }
}

async fn write_head(session: &mut Session, status: http::StatusCode, headers: HeaderMap) -> Result<()> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, headers);
    // The session's own method, not pingora's filters: no module of them is in use.
    let head = Box::new(ResponseHeader::from(parts));
    session.downstream_session.write_response_header(head).await.map_err(|error| error.into_down())
}

async fn write_body(session: &mut Session, body: Body, buffer: usize) -> Result<()> {
    match body {
        Body::Empty => Ok(()),
        Body::Bytes(bytes) => write_piece(session, bytes).await,
        Body::File(slice) => write_file(session, &slice, buffer).await,
        Body::Stream(source) => write_stream(session, source).await,
    }
}

async fn write_file(session: &mut Session, slice: &Slice, buffer: usize) -> Result<()> {
    let size = (buffer as u64).min(slice.length) as usize;
    let mut piece = BytesMut::zeroed(size);
    let mut position = 0;
    while position < slice.length {
        piece = slice.read_at(piece, position).await.or_err(CUT, "while reading a kept file")?;
        if piece.is_empty() {
            return Error::e_explain(CUT, "a kept file has become shorter");
        }
        position += piece.len() as u64;
        let bytes = piece.freeze();
        write_piece(session, bytes.clone()).await?;
        // HTTP/1.1 has copied the bytes to the system by now; HTTP/2 may still hold them.
        piece = bytes.try_into_mut().unwrap_or_default();
        piece.resize(size, 0);
    }
    Ok(())
}

async fn write_stream(session: &mut Session, mut source: Box<dyn Source>) -> Result<()> {
    while let Some(piece) = source.next().await {
        match piece {
            Ok(bytes) => write_piece(session, bytes).await?,
            Err(cut) => return Error::e_because(CUT, "while a body was coming", cut),
        }
    }
    Ok(())
}

async fn write_piece(session: &mut Session, bytes: Bytes) -> Result<()> {
    session.downstream_session.write_response_body(bytes, false).await.map_err(|error| error.into_down())
}

/// Reads what is left of the request body for a while. A client that waits for our word before it sends is not waited
/// for: our word was no.
async fn linger(session: &mut Session) {
    if session.is_http2() || session.is_body_done() || session.get_header(EXPECT).is_some() {
        return;
    }
    session.set_total_drain_timeout(Some(LINGER));
    // Whatever happens, the connection is closed after this: its head said so.
    let _ = session.drain_request_body().await;
}
