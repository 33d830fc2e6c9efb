//! Reads a request's body whole, where the answer depends on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::Pace;
use super::passage::TOO_LARGE;

/// How long a client may take to send a body that is read whole: this, and a second more for so many bytes that it may
/// have.
const PATIENCE: Duration = Duration::from_secs(60);
const PER_SECOND: u64 = 256 << 10;

/// What of a body is read before it is one of those that there is room for at once, in bytes: with less than this, a
/// slow client keeps nobody else waiting.
const SMALL: usize = 16 << 10;

/// The body does not come, or too slowly.
pub const TOO_SLOW: ErrorType = ErrorType::new("BodyTooSlow");

/// A body, and its share of the room for bodies: given back when nobody has the bytes any more.
struct Held {
    bytes: BytesMut,
    _room: OwnedSemaphorePermit,
}

/// Reads the body of a request, at most `max` bytes of it; `room` is for those that are not small, for as long as anybody
/// has them.
///
/// # Errors
/// [`TOO_LARGE`]: there are more. [`TOO_SLOW`]: the client is. Else pingora's: the client is gone. In all cases the
/// connection is unusable for further requests.
pub async fn read(session: &mut Session, max: u64, pace: Pace, room: &Arc<Semaphore>) -> Result<Bytes> {
    let patience = PATIENCE + Duration::from_secs(max / PER_SECOND);
    match timeout(patience, read_all(session, max, pace, room)).await {
        Ok(read) => read,
        Err(_) => too_slow(),
    }
}

async fn read_all(session: &mut Session, max: u64, pace: Pace, room: &Arc<Semaphore>) -> Result<Bytes> {
    if session.get_header(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        session.downstream_session.write_continue_response().await.map_err(|error| error.into_down())?;
    }
    let (mut body, mut held, began) = (BytesMut::new(), None, Instant::now());
    while let Some(bytes) = next(session, pace).await? {
        let length = body.len() + bytes.len();
        if length as u64 > max {
            return Error::e_explain(TOO_LARGE, "request body");
        }
        keep_pace(pace, length as u64, began)?;
        if held.is_none() && length > SMALL {
            // The rest waits in its client's hands, where it costs us nothing.
            let room = Arc::clone(room).acquire_owned().await;
            held = Some(room.or_err(ErrorType::InternalError, "bodies are no longer read")?);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(match held {
        Some(room) => Bytes::from_owner(Held { bytes: body, _room: room }),
        None => body.freeze(),
    })
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Refuses to wait for a body that has come too slowly since `began`.
///
/// # Errors
/// [`TOO_SLOW`].
pub fn keep_pace(pace: Pace, bytes: u64, began: Instant) -> Result<()> {
    if pace.is_missed(bytes, began.elapsed()) { too_slow() } else { Ok(()) }
}

async fn next(session: &mut Session, pace: Pace) -> Result<Option<Bytes>> {
    match timeout(pace.idle, session.downstream_session.read_request_body()).await {
        Ok(read) => read.map_err(|error| error.into_down()),
        Err(_) => too_slow(),
    }
}

fn too_slow<T>() -> Result<T> {
    Err(Error::explain(TOO_SLOW, "request body").into_down())
}
