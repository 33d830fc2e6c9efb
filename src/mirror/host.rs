//! What is known of one upstream host: how many requests it is being asked at once, and whether it wants to be asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::breaker::{self, Breaker, Leave};
use super::error::Error;
use crate::config;

/// An upstream that asks to be left alone for longer is tried again after this all the same.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// One scheme, host and port.
pub struct Host {
    pub name: String,
    /// Its name in metrics.
    pub label: String,
    pub permits: Arc<Semaphore>,
    /// Held for a few lines only.
    breaker: Mutex<Breaker>,
}

/// A status by which upstream says that it failed.
#[derive(Debug, thiserror::Error)]
#[error("status {0}")]
struct Failed(StatusCode);

// === impl Host ===

impl Host {
    pub fn new(name: String, label: String, settings: &config::Fetch) -> Self {
        let breaker = Breaker::new(breaker::Settings {
            failures: settings.breaker_failures,
            pause: settings.breaker_pause,
            pause_max: settings.breaker_pause_max,
        });
        let permits = Arc::new(Semaphore::new(settings.connections_per_host));
        Self { name, label, permits, breaker: Mutex::new(breaker) }
    }

    /// Asks for leave to send a request now.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: it keeps failing, or wants to be left alone.
    pub fn ask_leave(&self, now: SystemTime) -> Result<(), Error> {
        match self.breaker().ask(now) {
            Leave::Go => Ok(()),
            Leave::Wait(left) => {
                Err(Error::Unreachable { host: self.name.clone(), retry_after: Some(left), cause: None })
            }
        }
    }

    /// Tells a status by which upstream says that it failed from an answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub fn judge(&self, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<(), Error> {
        // 407 is a proxy's word: nobody has asked upstream yet.
        if !status.is_server_error() && !matches!(status.as_u16(), 407 | 408 | 420 | 429) {
            return Ok(());
        }
        let retry_after = retry_after(headers, now);
        Err(Error::Unreachable { host: self.name.clone(), retry_after, cause: Some(Arc::new(Failed(status))) })
    }

    /// Returns the breaker, locked for a few lines.
    pub fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells for how long nothing is to be asked, where a good answer says that it was the last for now: no request is left,
/// and when there will be more. Whoever obeys is never refused.
///
/// Source: contract nessemble §3, §7; the names are those that most servers use.
pub fn rest(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if number("x-ratelimit-remaining") != Some(0) {
        return None;
    }
    let reset = || Some(UNIX_EPOCH + Duration::from_secs(number("x-ratelimit-reset")?));
    let pause = retry_after(headers, now).or_else(|| reset()?.duration_since(now).ok())?;
    Some(pause.min(MAX_RETRY_AFTER))
}

/// Reads `Retry-After`: seconds or a date. Source: RFC 9110 §10.2.3.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(value: &str) -> Option<Duration> {
        let headers = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
        retry_after(&headers, httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap())
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:30 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn the_last_answer_for_now_tells_when_there_will_be_more() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let rest = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            rest(&headers.collect(), now).map(|pause| pause.as_secs())
        };
        let none_left = ("x-ratelimit-remaining", "0");
        assert_eq!(rest(&[none_left, ("retry-after", "7"), ("x-ratelimit-reset", "1009")]), Some(7));
        assert_eq!(rest(&[none_left, ("x-ratelimit-reset", "1009")]), Some(9));
        assert_eq!(rest(&[none_left, ("x-ratelimit-reset", "99999999")]), Some(300));
        assert_eq!(rest(&[none_left, ("x-ratelimit-reset", "999")]), None);
        assert_eq!(rest(&[none_left]), None);
        assert_eq!(rest(&[("x-ratelimit-remaining", "1"), ("retry-after", "7")]), None);
        assert_eq!(rest(&[("retry-after", "7")]), None);
    }
}
