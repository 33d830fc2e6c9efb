//! An answer whose body is still to come, in pieces, with a limit on the silence between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::mirror::error::Error;
use crate::telemetry::metrics::Metrics;

/// A body that comes slower than this, in bytes a second, once the idle time-out has passed, is given up.
const SLOWEST: u64 = 64;

/// An upstream's answer, its body still to come.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Who answered, for messages.
    pub host: String,
    /// How long the head was waited for.
    pub delay: Duration,
    /// Who answered, for metrics.
    pub(super) label: String,
    pub(super) inner: reqwest::Response,
    pub(super) idle: Duration,
    pub(super) started: Instant,
    /// Bytes of the body so far.
    pub(super) received: u64,
    pub(super) metrics: Arc<Metrics>,
    /// Its place among the requests of its host.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Response {
    /// Makes room for another request to the host: how fast this body is read is up to somebody else from now on.
    pub fn give_up_place(&mut self) {
        self.permit = None;
    }

    /// Waits for so long for each piece of the body.
    pub fn waited_for(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Returns the next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the body ends early, [`Error::TimedOut`] when nothing comes for the idle time-out.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = match timeout(self.idle, self.inner.chunk()).await {
            Err(_) => Err(Error::TimedOut { host: self.host.clone() }),
            Ok(Err(error)) => Err(Error::Truncated { host: self.host.clone(), cause: Some(Arc::new(error)) }),
            Ok(Ok(_)) if self.is_dripping() => Err(Error::TimedOut { host: self.host.clone() }),
            Ok(Ok(chunk)) => Ok(chunk),
        };
        match &chunk {
            Ok(Some(bytes)) => {
                self.received += bytes.len() as u64;
                self.metrics.bytes_in.inc_by(bytes.len() as u64);
            }
            Ok(None) => {}
            Err(error) => {
                self.metrics.upstream_errors.with_label_values(&[self.label.as_str(), error.kind()]).inc();
            }
        }
        chunk
    }

    /// Tells whether the body comes so slowly that it is as good as not coming.
    fn is_dripping(&self) -> bool {
        let elapsed = self.started.elapsed();
        elapsed > self.idle && self.received < elapsed.as_secs() * SLOWEST
    }

    /// Returns a header as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the length of the body in bytes, where upstream tells it.
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    /// Returns where a partial answer starts, and how long the whole is: `bytes 100-199/200`. Source: RFC 9110 §14.4.
    pub fn content_range(&self) -> Option<(u64, Option<u64>)> {
        let (span, whole) = self.header(CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, _) = span.split_once('-')?;
        Some((first.parse().ok()?, whole.parse().ok()))
    }
}
