//! Reads a request's body whole, where the answer depends on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use pingora::http::RequestHeader;
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

/// Memory for bodies that are read whole, all clients together.
#[derive(Clone)]
pub struct BodyRoom {
    /// In KiB.
    free: Arc<Semaphore>,
    whole_kib: u32,
}

/// A body, and its share of the room for bodies: given back when nobody has the bytes any more.
struct Held {
    bytes: BytesMut,
    _room: OwnedSemaphorePermit,
}

/// Reads the body of a request, at most `max` bytes of it. One that is not small has its share of `room`, as long as it
/// says that it is or may be, for as long as anybody has it.
///
/// # Errors
/// [`TOO_LARGE`]: there are more. [`TOO_SLOW`]: the client is. Else pingora's: the client is gone. In all cases the
/// connection is unusable for further requests.
pub async fn read(session: &mut Session, max: u64, pace: Pace, room: &BodyRoom) -> Result<Bytes> {
    let patience = PATIENCE + Duration::from_secs(max / PER_SECOND);
    match timeout(patience, read_all(session, max, pace, room)).await {
        Ok(read) => read,
        Err(_) => too_slow(),
    }
}

async fn read_all(session: &mut Session, max: u64, pace: Pace, room: &BodyRoom) -> Result<Bytes> {
    if session.get_header(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        session.downstream_session.write_continue_response().await.map_err(|error| error.into_down())?;
    }
    let said = length_of(session.req_header());
    let (mut body, mut held, began) = (BytesMut::new(), None, Instant::now());
    while let Some(bytes) = next(session, pace).await? {
        let length = body.len() + bytes.len();
        if length as u64 > max {
            return Error::e_explain(TOO_LARGE, "request body");
        }
        keep_pace(pace, length as u64, began)?;
        if held.is_none() && length > SMALL {
            // The rest waits in its client's hands, where it costs us nothing.
            held = Some(room.share(said.unwrap_or(max)).await?);
            body.reserve(said.map_or(0, |said| said.min(max) as usize).saturating_sub(body.len()));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(match held {
        Some(room) => Bytes::from_owner(Held { bytes: body, _room: room }),
        None => body.freeze(),
    })
}

// === impl BodyRoom ===

impl BodyRoom {
    pub fn new(bytes: u64) -> Self {
        let whole_kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Self { free: Arc::new(Semaphore::new(whole_kib as usize)), whole_kib }
    }

    /// Waits for room for so many bytes; for all that there is, if that is less.
    async fn share(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let share = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.whole_kib);
        let share = Arc::clone(&self.free).acquire_many_owned(share).await;
        share.or_err(ErrorType::InternalError, "bodies are no longer read")
    }
}

// === impl Held ===

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Returns how long a request says that its body is, in bytes.
pub fn length_of(header: &RequestHeader) -> Option<u64> {
    header.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
