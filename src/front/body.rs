//! Reads a request's body whole, where the answer depends on it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::passage::TOO_LARGE;

/// How long a client may take to send a body that is read whole.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the body of a request, at most `max` bytes of it.
///
/// # Errors
/// [`TOO_LARGE`]: there are more. Else pingora's: the client is gone, or too slow. In all cases the connection is unusable
/// for further requests.
pub async fn read(session: &mut Session, max: u64) -> Result<Bytes> {
    match timeout(PATIENCE, read_all(session, max)).await {
        Ok(read) => read,
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "a request body").into_down()),
    }
}

async fn read_all(session: &mut Session, max: u64) -> Result<Bytes> {
    if session.get_header(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        session.downstream_session.write_continue_response().await.map_err(|error| error.into_down())?;
    }
    let mut body = BytesMut::new();
    while let Some(bytes) = session.downstream_session.read_request_body().await.map_err(|error| error.into_down())? {
        if (body.len() + bytes.len()) as u64 > max {
            return Error::e_explain(TOO_LARGE, "request body");
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body.freeze())
}
