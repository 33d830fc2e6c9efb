//! Tells somebody something, who is no upstream: within the egress rules, past breakers and caps.

use std::time::Duration;

use bytes::Bytes;
use http::header::{USER_AGENT, VIA};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{AGENT, Fetch, authority, client};
use crate::mirror::egress::{self, Reach};
use crate::mirror::error::Error;

impl Fetch {
    /// Posts a body, and returns the status of the answer, of which nothing else is read. No redirect is followed.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Forbidden`], [`Error::Unreachable`], [`Error::TimedOut`].
    pub async fn deliver(
        &self,
        url: &Url,
        reach: Reach,
        (headers, body): (HeaderMap, Bytes),
        patience: Duration,
    ) -> Result<StatusCode, Error> {
        if self.is_offline() {
            return Err(Error::Offline);
        }
        egress::check(url, reach)?;
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
        };
        let request = client.post(url.clone()).headers(headers).header(VIA, self.via.clone()).body(body);
        let sent = timeout(patience, request.header(USER_AGENT, HeaderValue::from_static(AGENT)).send()).await;
        let host = authority(url);
        match sent {
            Err(_) => Err(Error::TimedOut { host }),
            Ok(Err(error)) => Err(client::unreachable(&host, error)),
            Ok(Ok(response)) => Ok(response.status()),
        }
    }
}
