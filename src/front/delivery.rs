//! Writes a reply: its head, then its body from memory, from disk, or as it comes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};

use super::reply::Ready;
use crate::base::fs::Slice;
use crate::base::http::{Body, Manner, Source};

/// A body that broke off after its head was written: the client must not take what it has for the whole.
pub const CUT: ErrorType = ErrorType::new("CutShort");

/// A client that takes nothing of a reply for this long is let go.
pub const STALL: Duration = Duration::from_secs(60);

/// How long we go on reading a request body that nobody asked for, so that its sender gets to read our reply: closing
/// with bytes unread makes the system drop what the client has not read yet. Source: RFC 9112 §9.6.
const LINGER: Duration = Duration::from_secs(2);

/// Words that stand in names of headers in another spelling than title case.
const SPELLED: [(&str, &str); 3] = [("etag", "ETag"), ("ratelimit", "RateLimit"), ("www", "WWW")];

/// Writes a reply to its end, in pieces of at most `buffer` bytes when it lies on disk.
///
/// # Errors
/// [`CUT`]: the body broke off. Else pingora's, when the client is gone. In both cases the connection is unusable.
pub async fn write(session: &mut Session, ready: Ready, buffer: usize) -> Result<()> {
    if ready.last {
        session.set_keepalive(None);
    }
    let head = match ready.manner {
        Manner::Plain => plain_head(ready.status, ready.headers),
        Manner::Strict => titled_head(ready.status, ready.headers)?,
    };
    // The session's own method, not pingora's filters: no module of them is in use.
    let written = session.downstream_session.write_response_header(Box::new(head)).await;
    written.map_err(|error| error.into_down())?;
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

fn plain_head(status: StatusCode, headers: HeaderMap) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, headers);
    parts.into()
}

fn titled_head(status: StatusCode, headers: HeaderMap) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(headers.len()))?;
    for (name, value) in &headers {
        head.append_header(title_case(name.as_str()), value)?;
    }
    Ok(head)
}

/// `x-integrity` → `X-Integrity`, but `etag` → `ETag`.
fn title_case(name: &str) -> String {
    let words: Vec<_> = name.split('-').map(title_word).collect();
    words.join("-")
}

fn title_word(word: &str) -> String {
    if let Some((_, spelled)) = SPELLED.iter().find(|(plain, _)| *plain == word) {
        return (*spelled).to_owned();
    }
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_head_spells_every_name_as_its_specification_does() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-integrity", "a"), ("x-ratelimit-reset", "1"), ("content-length", "3"), ("etag", "b")]
        {
            headers.append(name, value.parse().unwrap());
        }
        let mut wire = Vec::new();
        titled_head(StatusCode::OK, headers).unwrap().header_to_h1_wire(&mut wire);
        assert_eq!(wire, b"X-Integrity: a\r\nX-RateLimit-Reset: 1\r\nContent-Length: 3\r\nETag: b\r\n");
    }
}
