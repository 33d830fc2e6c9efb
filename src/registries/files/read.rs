//! `GET` and `HEAD` of anything in the tree.

use http::header::{ACCEPT_RANGES, AGE, HeaderName, VIA};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Files;
use super::error::{Error, of_mirror};
use super::headers;
use super::routes::Place;
use crate::base::http::{CacheState, Reply, Request};
use crate::mirror::file::Answer;
use crate::mirror::fresh::Demand;
use crate::registries::replies::BYTES;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

impl Files {
    /// Answers a client with what stands at a place. Links into the tree lead through the mirror.
    pub(super) async fn file(&self, request: &Request<'_>, place: &Place) -> Result<Reply, Error> {
        let sent = headers::sent(request.headers, &self.rules.request_headers);
        let mut reply = self.read(place, &Demand::of(request.headers), sent).await?;
        headers::turn(&mut reply.headers, &self.sources.url(place)?, &self.sources.upstream.url, request.base);
        Ok(reply)
    }

    /// Answers with what stands at a place: proved where a checksum file lists it, else as upstream answers who sends these
    /// headers.
    pub(super) async fn read(&self, place: &Place, demand: &Demand, sent: HeaderMap) -> Result<Reply, Error> {
        if let Some(listed) = self.listed(place, demand).await? {
            return self.proved(place, listed, demand).await;
        }
        let want = self.sources.file(place, sent)?;
        let answer = self.mirror.file(&want, demand).await;
        Ok(self.pass_on(answer.map_err(|error| of_mirror(error, &place.path))?))
    }

    /// Turns an upstream's answer into ours. Source: RFC 9111 §5.1, RFC 9110 §7.6.3, RFC 9211 §2.
    fn pass_on(&self, answer: Answer) -> Reply {
        let Answer { status, headers, body, cache, age } = answer;
        let mut reply = Reply { headers, body, ..Reply::empty(status) };
        if let Some(age) = age {
            reply.set(AGE, HeaderValue::from(age.as_secs()));
        }
        if status == StatusCode::OK && cache != CacheState::Passed {
            reply.set(ACCEPT_RANGES, BYTES);
        }
        reply.headers.append(VIA, self.mirror.fetch().via().clone());
        // Upstream's own caches have spoken before us.
        if reply.headers.contains_key(CACHE_STATUS)
            && let Some(status) = cache.cache_status()
        {
            reply.headers.append(CACHE_STATUS, status);
        }
        reply.note.cache = cache;
        reply
    }
}
