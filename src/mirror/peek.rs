//! A look at what an upstream tells of itself at this moment, such as a feed of its changes: asked once, not kept.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;
use url::Url;

use super::Mirror;
use super::error::Error;
use super::fetch::{Ask, Failures};
use super::question::Answer;
use super::resource::{Redirects, Upstream};

const JSON: &str = "application/json";

/// What is looked at.
pub struct Peek {
    pub upstream: Arc<Upstream>,
    pub url: Url,
    /// Sent beside our own.
    pub headers: HeaderMap,
    /// A longer answer is none, in bytes, unpacked.
    pub max_answer_bytes: u64,
    /// How long the head is waited for, and then the body: an upstream that has nothing new may be silent until it has.
    pub patience: Duration,
}

impl Mirror {
    /// Looks at what an upstream has now. Any status is an answer, except those that say that upstream itself failed: they
    /// count against its host, and tell when it wants to be asked again.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`], [`Error::Truncated`],
    /// [`Error::TooLarge`], [`Error::Senseless`], [`Error::Store`].
    pub async fn peek(&self, peek: &Peek) -> Result<Answer, Error> {
        let ask = Ask {
            upstream: &peek.upstream,
            url: &peek.url,
            accept: Some(JSON),
            gzip: true,
            headers: &peek.headers,
            conditions: &HeaderMap::new(),
            redirects: Redirects::Follow,
            failures: Failures::AreErrors,
        };
        let response = self.fetch().send(ask, peek.patience).await?.waited_for(peek.patience);
        let host = response.host.clone();
        let read = self.read_answer(response, peek.max_answer_bytes);
        timeout(peek.patience, read).await.unwrap_or(Err(Error::TimedOut { host }))
    }
}
