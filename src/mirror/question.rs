//! Questions that are put to an upstream, and whose answers are not kept.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::error::Error;
use super::fetch::{Ask, Failures, Post, Response};
use super::resource::{Redirects, Upstream};
use super::{Mirror, document};

/// A question in JSON.
pub struct Question {
    pub upstream: Arc<Upstream>,
    pub url: Url,
    pub body: Bytes,
    /// A longer answer is none, in bytes.
    pub max_answer_bytes: u64,
}

/// An upstream's whole answer, uncompressed.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Mirror {
    /// Asks an upstream for something that is not kept: whether it gives it, is what is wanted. Any status is an answer,
    /// except those that say that upstream itself failed. A longer answer than `limit` is none, in bytes.
    ///
    /// # Errors
    /// As [`Mirror::ask`].
    pub async fn knock(&self, upstream: &Upstream, url: &Url, limit: u64) -> Result<Answer, Error> {
        let none = &HeaderMap::new();
        let (redirects, failures) = (Redirects::Follow, Failures::OfOneClient);
        let ask =
            Ask { upstream, url, accept: None, gzip: false, headers: none, conditions: none, redirects, failures };
        let response = self.fetch().send(ask, self.fetch().settings().first_byte_timeout).await?;
        let status = response.status;
        let body = document::download(self.store(), response, limit).await?;
        Ok(Answer { status, body: body.into_bytes().map_err(Error::disk)? })
    }

    /// Asks an upstream, once. Any status is an answer.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`], [`Error::Truncated`],
    /// [`Error::TooLarge`], [`Error::Senseless`], [`Error::Store`].
    pub async fn ask(&self, question: &Question) -> Result<Answer, Error> {
        let Question { upstream, url, body, max_answer_bytes } = question;
        let post = Post { upstream: upstream.as_ref(), url, body };
        let response = self.fetch().post(post, self.fetch().settings().first_byte_timeout).await?;
        self.read_answer(response, *max_answer_bytes).await
    }

    /// Reads the whole of an answer, and unpacks it.
    pub(super) async fn read_answer(&self, response: Response, limit: u64) -> Result<Answer, Error> {
        let (status, host) = (response.status, response.host.clone());
        let senseless = |detail| Error::Senseless { host: host.clone(), detail };
        let gzip = document::is_gzip(response.header(CONTENT_ENCODING));
        let gzip = gzip.ok_or_else(|| senseless("an encoding nobody asked for"))?;
        let raw = document::download(self.store(), response, limit).await?.into_bytes().map_err(Error::disk)?;
        if !gzip {
            return Ok(Answer { status, body: raw });
        }
        let unpacked = tokio::task::spawn_blocking(move || document::uncompress(&raw, limit)).await;
        match unpacked.map_err(|_| Error::Died)? {
            Ok(body) => Ok(Answer { status, body }),
            Err(Error::Unproven(_)) => Err(senseless("a body that cannot be uncompressed")),
            Err(error) => Err(error),
        }
    }
}
