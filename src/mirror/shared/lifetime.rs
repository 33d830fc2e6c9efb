//! How long a response is fresh, and how old it was when it came.

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};

use super::directives::{Directives, MAX_DELTA, Seconds};
use super::storing::{is_explicit, is_heuristic};
use crate::mirror::fresh::Lifetimes;

/// The longest time that is guessed. Guesses beyond a day were worth a warning once (RFC 7234 §5.5.4).
const LONGEST_GUESS: Duration = Duration::from_secs(86_400);

/// When a response came, and how long its request had been under way.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub at: SystemTime,
    pub delay: Duration,
}

/// Reads what a response allows, counted from its arrival.
///
/// Source: RFC 9111 §4.2, §5.2.2; RFC 5861.
pub fn lifetimes(status: StatusCode, headers: &HeaderMap, arrival: Arrival) -> Lifetimes {
    let said = Directives::of(headers);
    let (lifetime, age) = (lifetime(status, headers, &said, arrival.at), initial_age(headers, arrival));
    // `s-maxage` says what `proxy-revalidate` says, and what must always be asked for is never served unasked.
    let strict = ["must-revalidate", "proxy-revalidate", "s-maxage", "no-cache", "no-store", "private"];
    Lifetimes {
        fresh: lifetime.map(|lifetime| lifetime.saturating_sub(age)),
        age,
        overdue: age.saturating_sub(lifetime.unwrap_or(age)),
        stale_while_revalidate: said.seconds("stale-while-revalidate").valid().unwrap_or_default(),
        stale_if_error: said.seconds("stale-if-error").valid().unwrap_or_default(),
        never_stale: strict.iter().any(|name| said.has(name)),
    }
}

/// Returns how long a response is fresh; `None` where upstream leaves that to us and gives no hint.
///
/// Source: RFC 9111 §4.2.1 (the first that applies), §4.2.2 (a guess), §5.3 (`Expires`).
fn lifetime(status: StatusCode, headers: &HeaderMap, said: &Directives, now: SystemTime) -> Option<Duration> {
    if said.has("no-cache") {
        return Some(Duration::ZERO);
    }
    for name in ["s-maxage", "max-age"] {
        match said.seconds(name) {
            Seconds::Given(lifetime) => return Some(lifetime),
            Seconds::Invalid => return Some(Duration::ZERO),
            Seconds::Absent => {}
        }
    }
    let date = date(headers, &DATE).unwrap_or(now);
    if headers.contains_key(EXPIRES) {
        // A date that cannot be read has passed. Source: RFC 9111 §5.3.
        return Some(self::date(headers, &EXPIRES).and_then(|at| at.duration_since(date).ok()).unwrap_or_default());
    }
    guess(status, headers, said, date)
}

/// Guesses a tenth of the time since the last change. Source: RFC 9111 §4.2.2.
fn guess(status: StatusCode, headers: &HeaderMap, said: &Directives, date: SystemTime) -> Option<Duration> {
    if is_explicit(said, headers) || !(is_heuristic(status) || said.has("public")) {
        return Some(Duration::ZERO);
    }
    let modified = self::date(headers, &LAST_MODIFIED)?;
    Some((date.duration_since(modified).unwrap_or_default() / 10).min(LONGEST_GUESS))
}

/// Returns how old a response was when it arrived. Source: RFC 9111 §4.2.3.
fn initial_age(headers: &HeaderMap, arrival: Arrival) -> Duration {
    let apparent = date(headers, &DATE).and_then(|date| arrival.at.duration_since(date).ok()).unwrap_or_default();
    // Dates have whole seconds: less than one says nothing.
    let apparent = Duration::from_secs(apparent.as_secs());
    let corrected = age_value(headers).saturating_add(arrival.delay);
    apparent.max(corrected).min(MAX_DELTA)
}

/// Reads `Age`: the first of several, nothing if it is no number. Source: RFC 9111 §5.1.
fn age_value(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|line| line.to_str().ok()).and_then(|line| line.split(',').next());
    let digits = first.map(str::trim).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.map_or(Duration::ZERO, |digits| digits.parse().map_or(MAX_DELTA, Duration::from_secs).min(MAX_DELTA))
}

/// Reads a date, in any of its three forms; nothing when there are several that differ. Source: RFC 9110 §5.6.7.
pub fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).into_iter();
    let first: &HeaderValue = lines.next()?;
    let same = lines.all(|line| line == first);
    httpdate::parse_http_date(first.to_str().ok().filter(|_| same)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE_LINE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn arrival() -> Arrival {
        Arrival { at: httpdate::parse_http_date(DATE_LINE.1).unwrap(), delay: Duration::ZERO }
    }

    fn read(status: u16, pairs: &[(&'static str, &str)]) -> Lifetimes {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        lifetimes(StatusCode::from_u16(status).unwrap(), &headers.collect(), arrival())
    }

    #[test]
    fn the_first_that_applies_says_how_long() {
        let later = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        let modified = ("last-modified", "Sun, 06 Nov 1994 08:47:57 GMT");
        for (pairs, expected) in [
            (&[][..], None),
            (&[("cache-control", "max-age=9, s-maxage=5"), later], Some(5)),
            (&[("cache-control", "max-age=9"), later], Some(9)),
            (&[("cache-control", "max-age=x"), later], Some(0)),
            (&[("cache-control", "max-age=9, max-age=8")], Some(0)),
            (&[("cache-control", "no-cache, max-age=9")], Some(0)),
            (&[("cache-control", "no-cache=\"x-a\", max-age=9")], Some(0)),
            (&[("cache-control", "proxy-revalidate, max-age=9")], Some(9)),
            (&[later], Some(60)),
            (&[("expires", "Sunday, 06-Nov-94 08:50:37 GMT")], Some(60)),
            (&[("expires", "Sun Nov  6 08:50:37 1994")], Some(60)),
            (&[("expires", "0")], Some(0)),
            (&[later, ("expires", "Sun, 06 Nov 1994 08:50:38 GMT")], Some(0)),
            (&[("expires", "Sun, 06 Nov 1994 08:49:37 GMT"), modified], Some(0)),
            (&[modified], Some(10)),
            (&[("last-modified", "Thu, 06 Nov 1980 08:49:37 GMT")], Some(86_400)),
            (&[("last-modified", "yesterday")], None),
        ] {
            let with_date = [pairs, &[DATE_LINE]].concat();
            assert_eq!(read(200, &with_date).fresh, expected.map(secs), "{pairs:?}");
        }
    }

    #[test]
    fn nothing_is_guessed_for_a_status_that_may_not_be_stored_unasked() {
        let modified = ("last-modified", "Sun, 06 Nov 1994 08:47:57 GMT");
        assert_eq!(read(403, &[DATE_LINE, modified]).fresh, Some(secs(0)));
        assert_eq!(read(404, &[DATE_LINE, modified]).fresh, Some(secs(10)));
        assert_eq!(read(403, &[DATE_LINE, modified, ("cache-control", "public")]).fresh, Some(secs(10)));
    }

    #[test]
    fn the_age_on_arrival_is_the_worse_of_what_is_said_and_what_is_seen() {
        let fresh = ("cache-control", "max-age=100");
        for (pairs, age) in [
            (&[fresh][..], 0),
            (&[fresh, ("age", "30")], 30),
            (&[fresh, ("age", "30, 40")], 30),
            (&[fresh, ("age", "30.5")], 0),
            (&[fresh, ("age", "-3")], 0),
            (&[fresh, ("date", "Sun, 06 Nov 1994 08:49:00 GMT")], 37),
            (&[fresh, ("date", "Sun, 06 Nov 1994 08:49:00 GMT"), ("age", "30")], 37),
            (&[fresh, ("date", "Sun, 06 Nov 1994 09:49:00 GMT"), ("age", "30")], 30),
        ] {
            let found = read(200, pairs);
            assert_eq!((found.age, found.fresh), (secs(age), Some(secs(100 - age))), "{pairs:?}");
        }
        let old = read(200, &[fresh, ("age", "130")]);
        assert_eq!((old.fresh, old.overdue), (Some(secs(0)), secs(30)));
    }

    #[test]
    fn the_time_a_request_took_is_added_to_the_age() {
        let headers = [(AGE, "30".parse().unwrap())].into_iter().collect();
        let arrival = Arrival { delay: secs(2), ..arrival() };
        assert_eq!(lifetimes(StatusCode::OK, &headers, arrival).age, secs(32));
    }

    #[test]
    fn some_responses_are_never_served_stale() {
        let of = |value: &str| read(200, &[("cache-control", value)]).never_stale;
        for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=5", "no-cache"] {
            assert!(of(strict), "{strict}");
        }
        assert!(!of("max-age=5, stale-if-error=9"));
    }
}
