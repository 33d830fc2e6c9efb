//! The body of an artifact on its way: hashed, written to a temporary file and handed to its riders, piece by piece;
//! taken up again where it broke off.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header::{DATE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};

use super::crash::{self, Step};
use super::error::Error;
use super::fetch::Response;
use super::fill::Fill;
use super::flight::Head;
use super::retry::{asked_to_wait, back_off};
use super::room::Room;
use super::shared::lifetime::date;
use super::verify;
use crate::base::digest::{Hashed, Hasher};

/// Riders are told of new bytes in blocks of about this size, or when upstream pauses, in bytes.
const BLOCK: usize = 64 * 1024;

/// A download that got this much further since it last broke off has all its tries again, in bytes.
const PROGRESS: u64 = 64 * 1024;

/// A download under way.
pub struct Download<'a> {
    fill: &'a Fill,
    /// The answer that is being read; none while another is asked for.
    response: Option<Response>,
    /// Who answers, for messages.
    host: String,
    /// The validator of the first answer: later ones must be of the same representation.
    validator: Option<HeaderValue>,
    /// The length that the riders were told, in bytes.
    promised: Option<u64>,
    room: Room,
    hasher: Hasher,
    /// How many bytes there are on disk.
    received: u64,
    /// How many bytes of the current answer are to be passed over, because they are there already.
    skip: u64,
    /// Bytes on disk that the riders have not been told of.
    block: BytesMut,
    attempt: u32,
    /// How many bytes there were when it last broke off.
    resumed_at: u64,
}

impl<'a> Download<'a> {
    /// Opens the temporary file and lets riders in, who are told `head`. Without it, they wait until all is proved.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Store`].
    pub async fn start(fill: &'a Fill, response: Response, head: Option<Head>) -> Result<Self, Error> {
        let length = response.length();
        if length.is_some_and(|length| length > fill.want.max_bytes) {
            return Err(Error::TooLarge { limit: fill.want.max_bytes });
        }
        let room = Room::make(&fill.engine.store, length).await?;
        crash::reach(Step::Reserved);
        if let Some(head) = head {
            fill.pilot.stream(head, length, &room.temp);
        }
        let hasher = verify::hasher(&fill.want.proofs);
        Ok(Self {
            fill,
            host: response.host.clone(),
            validator: validator(&response.headers),
            response: Some(response),
            promised: length,
            room,
            hasher,
            received: 0,
            skip: 0,
            block: BytesMut::new(),
            attempt: 1,
            resumed_at: 0,
        })
    }

    /// Takes the whole body.
    ///
    /// # Errors
    /// As [`Response::chunk`] says, when no further try helps; [`Error::TooLarge`], [`Error::Store`].
    pub async fn run(mut self) -> Result<(Room, Hashed), Error> {
        loop {
            match self.next().await {
                Ok(Some(bytes)) => self.take(bytes)?,
                Ok(None) if self.promised.is_none_or(|promised| promised == self.received) => break,
                Ok(None) => self.resume(self.truncated()).await?,
                Err(error) => self.resume(error).await?,
            }
        }
        self.publish();
        crash::reach(Step::TempWritten);
        Ok((self.room, self.hasher.finish()))
    }

    /// Returns the next piece; while upstream pauses, the riders get what there is.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(mut response) = self.response.take() else { return Err(self.truncated()) };
        let next = match response.chunk().now_or_never() {
            Some(ready) => ready,
            None => {
                self.publish();
                response.chunk().await
            }
        };
        self.response = Some(response);
        next
    }

    fn truncated(&self) -> Error {
        Error::Truncated { host: self.host.clone(), cause: None }
    }

    fn take(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let bytes = bytes.split_off(skipped as usize);
        let received = self.received + bytes.len() as u64;
        if received > self.fill.want.max_bytes {
            return Err(Error::TooLarge { limit: self.fill.want.max_bytes });
        }
        if self.promised.is_some_and(|promised| received > promised) {
            return Err(Error::Senseless { host: self.host.clone(), detail: "a body longer than it said" });
        }
        if self.room.write(&bytes, self.received)? {
            self.fill.pilot.moved(&self.room.temp);
        }
        self.received = received;
        self.hasher.update(&bytes);
        self.block.extend_from_slice(&bytes);
        if self.block.len() >= BLOCK {
            self.publish();
        }
        Ok(())
    }

    fn publish(&mut self) {
        if !self.block.is_empty() {
            let block = self.block.split().freeze();
            self.fill.pilot.publish(self.received - block.len() as u64, block);
        }
    }

    /// Asks for the rest, or for all of it again where the rest cannot be had. An answer that does not go on where the last
    /// one broke off is no better than none: another server behind the same name may know better.
    async fn resume(&mut self, mut error: Error) -> Result<(), Error> {
        let settings = self.fill.engine.fetch.settings();
        // The old answer's place among the host's connections is needed for the next.
        self.response = None;
        if self.received >= self.resumed_at + PROGRESS {
            self.attempt = 1;
        }
        self.resumed_at = self.received;
        while self.attempt < settings.attempts {
            let pause = back_off(self.attempt).max(asked_to_wait(&error)).min(settings.idle_timeout);
            tokio::time::sleep(pause).await;
            self.attempt += 1;
            match self.ask_for_rest().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(next) => error = next,
            }
        }
        Err(error)
    }

    /// Tells whether the answer to a request for the rest goes on where the last one broke off.
    async fn ask_for_rest(&mut self) -> Result<bool, Error> {
        let patience = self.fill.engine.fetch.settings().first_byte_timeout;
        let response = self.fill.engine.fetch.send(self.fill.question(&self.rest()), patience).await?;
        let goes_on = match response.status.as_u16() {
            206 => self.goes_on(&response),
            200 => self.start_again(&response)?,
            _ => false,
        };
        self.response = goes_on.then_some(response);
        Ok(goes_on)
    }

    /// Tells whether a partial answer is the rest of what there is.
    fn goes_on(&mut self, response: &Response) -> bool {
        self.skip = 0;
        let Some((first, whole)) = response.content_range() else { return false };
        first == self.received && self.is_promised(whole) && !self.is_other(response)
    }

    fn is_promised(&self, whole: Option<u64>) -> bool {
        self.promised.is_none() || whole.is_none() || self.promised == whole
    }

    /// Tells whether an answer says that it is of another representation than the first. Source: RFC 9110 §15.3.7.3.
    fn is_other(&self, response: &Response) -> bool {
        let Some(validator) = &self.validator else { return false };
        let name = if validator.as_bytes().starts_with(b"\"") { ETAG } else { LAST_MODIFIED };
        response.headers.get(name).is_some_and(|other| other != validator)
    }

    /// The conditions under which the rest is of use: the same representation, unless a digest vouches for the whole.
    fn rest(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let vouched = self.validator.is_some() || verify::has_digest(&self.fill.want.proofs);
        if self.received == 0 || !vouched {
            return headers;
        }
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.received)) {
            headers.insert(RANGE, range);
        }
        if let Some(validator) = &self.validator {
            headers.insert(IF_RANGE, validator.clone());
        }
        headers
    }

    /// The whole comes again: what is there already is passed over if a digest or the validator vouches that it is the
    /// same, or forgotten if nobody has seen it and nothing says that it is another. Another one has other validators than
    /// those that the fill was begun with, and is for another fill.
    fn start_again(&mut self, response: &Response) -> Result<bool, Error> {
        if !self.is_promised(response.length()) {
            return Ok(false);
        }
        let same = validator(&response.headers) == self.validator;
        if (same && self.validator.is_some()) || verify::has_digest(&self.fill.want.proofs) {
            self.skip = self.received;
            return Ok(true);
        }
        if !same || self.fill.pilot.released() > 0 {
            return Ok(false);
        }
        self.room.temp.truncate(0).map_err(Error::disk)?;
        self.hasher = verify::hasher(&self.fill.want.proofs);
        self.block.clear();
        (self.received, self.skip) = (0, 0);
        Ok(true)
    }
}

/// Returns what tells this representation from any other: a strong entity tag, else a date of change that is strong,
/// since the representation was sent in a later second. Source: RFC 9110 §13.1.5, §8.8.2.2.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    let (sent, modified) = (date(headers, &DATE), date(headers, &LAST_MODIFIED));
    let is_strong = sent.zip(modified).is_some_and(|(sent, modified)| modified < sent);
    strong.or_else(|| headers.get(LAST_MODIFIED).filter(|_| is_strong)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_validator_tells_parts_of_one_body() {
        const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
        for (given, expected) in [
            (&[(ETAG, "\"a\""), (LAST_MODIFIED, BEFORE)][..], Some("\"a\"")),
            (&[(ETAG, "W/\"a\""), (LAST_MODIFIED, BEFORE), (DATE, SENT)], Some(BEFORE)),
            (&[(LAST_MODIFIED, SENT), (DATE, SENT)], None),
            (&[(LAST_MODIFIED, BEFORE)], None),
            (&[(ETAG, "W/\"a\"")], None),
        ] {
            let headers = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            assert_eq!(validator(&headers), expected.map(HeaderValue::from_static), "{given:?}");
        }
    }
}
