//! The heads of answers, as old clients can read them. Pure: where a body comes from is another's business.
//!
//! The old client has its own reader of HTTP (contract nessemble §2): it knows a header by its exact spelling, has room
//! for 32, and stops at one that is empty. What only the front can do for it (spelling, a length on every answer, the end
//! of the connection after a HEAD) is asked for by [`Manner::Strict`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL,
    ETAG, EXPIRES, HeaderName, RETRY_AFTER, SERVER, VARY,
};
use http::{HeaderValue, StatusCode};

use super::name::{Title, Version};
use super::rate::Figures;
use crate::base::http::{Manner, Reply};
use crate::registries::replies::{self, entity_tag, tagged};

const INTEGRITY: HeaderName = HeaderName::from_static("x-integrity");
const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
/// Compared as a whole by clients. Source: contract nessemble §2, W8.
const ARCHIVE: HeaderValue = HeaderValue::from_static("application/tar+gzip");

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// What a publish changes shows at once, or nearly.
    Short,
    /// What is of one version, but tells of others too.
    Hour,
    /// What never changes.
    Long,
}

/// What every answer says besides its own. Source: contract nessemble §3.
#[derive(Clone, Copy, Debug)]
pub struct Dressing {
    /// How long the answer took.
    pub took: Duration,
    pub figures: Figures,
}

/// Answers with a document. `varies`: what it holds depends on who asks. Source: contract nessemble §2, W9.
pub fn document(body: Vec<u8>, keeping: Keeping, varies: bool, now: SystemTime) -> Reply {
    let mut reply = tagged(JSON, body);
    if varies {
        reply.set(VARY, HeaderValue::from_static("User-Agent"));
    }
    keep(&mut reply, keeping, now);
    reply
}

/// Answers with a README, or a part of the reference. Source: contract nessemble §5.5, §5.7.
pub fn text(body: Vec<u8>, keeping: Keeping, now: SystemTime) -> Reply {
    let mut reply = tagged(TEXT, body);
    keep(&mut reply, keeping, now);
    reply
}

/// Begins the answer with an archive. `shasum` is the SHA-1 of its bytes, in lower-case hexadecimal.
///
/// Source: contract nessemble §5.6: both headers describe the version that is served.
pub fn archive(title: &Title, version: &Version, shasum: &str, keeping: Keeping, now: SystemTime) -> Reply {
    let mut reply = replies::whole(ARCHIVE);
    replies::save_as(&mut reply, &title.archive_file(version));
    let described =
        [(INTEGRITY, HeaderValue::from_str(shasum).ok()), (ETAG, entity_tag(format_args!("sha1-{shasum}")))];
    reply.headers.extend(described.into_iter().filter_map(|(header, value)| Some((header, value?))));
    keep(&mut reply, keeping, now);
    reply
}

/// `GET /status`: upstream is not asked. Source: contract nessemble §5.2.
pub fn status(now: SystemTime) -> Reply {
    let mut reply = Reply::bytes(StatusCode::OK, "text/html", "OK");
    keep(&mut reply, Keeping::Short, now);
    reply
}

/// `OPTIONS`, for browsers. Source: contract nessemble §3.
pub fn preflight(allow: &'static str) -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    reply.set(ALLOW, HeaderValue::from_static(allow));
    reply.set(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
    reply.set(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Accept, Authorization, Content-Type"));
    reply
}

/// Adds what every answer says, errors too.
pub fn dress(reply: &mut Reply, dressing: &Dressing) {
    reply.manner = Manner::Strict;
    let Figures { limit, remaining, reset, wait } = dressing.figures;
    reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // The reference checks compare it.
    reply.set(SERVER, HeaderValue::from_static("Nessemble"));
    for (header, number) in [(RATE_LIMIT, limit), (RATE_REMAINING, remaining), (RATE_RESET, reset)] {
        reply.set(header, HeaderValue::from(number));
    }
    if reply.status == StatusCode::TOO_MANY_REQUESTS {
        reply.set(RETRY_AFTER, HeaderValue::from(wait));
    }
    // An upstream that wants to be left alone has said for how long already.
    reply.headers.entry(RETRY_AFTER).or_insert(HeaderValue::from(wait));
    if let Ok(seconds) = HeaderValue::try_from(format!("{:.3}", dressing.took.as_secs_f64())) {
        reply.set(RESPONSE_TIME, seconds);
    }
}

/// Says how long an answer may be kept: `Expires` is a number, as the reference has it.
fn keep(reply: &mut Reply, keeping: Keeping, now: SystemTime) {
    let seconds = match keeping {
        Keeping::Short => 60,
        Keeping::Hour => 3_600,
        Keeping::Long => 31_536_000,
    };
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    reply.set(EXPIRES, HeaderValue::from(now + seconds));
    if let Ok(value) = HeaderValue::try_from(format!("max-age={seconds}")) {
        reply.set(CACHE_CONTROL, value);
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::base::digest::Digest;
    use crate::registries::nessemble::error::{ALLOW_READ, Error, NO_USERS, reply};

    const SHASUM: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    const FIGURES: Figures = Figures { limit: 1_000, remaining: 999, reset: 1_700_000_060, wait: 60 };

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn archive_reply() -> Reply {
        let (title, version) = (Title::parse("foo").unwrap(), Version::parse("1.0.1").unwrap());
        archive(&title, &version, SHASUM, Keeping::Long, now())
    }

    fn dressed(mut reply: Reply) -> Reply {
        dress(&mut reply, &Dressing { took: Duration::from_micros(16_400), figures: FIGURES });
        reply
    }

    fn all() -> Vec<Reply> {
        let mut replies = vec![
            document(b"{}".to_vec(), Keeping::Short, true, now()),
            text(b"# foo".to_vec(), Keeping::Hour, now()),
            archive_reply(),
            status(now()),
            preflight(ALLOW_READ),
        ];
        let errors =
            [Error::bad_request("no"), NO_USERS, Error::not_found("foo"), Error::only(ALLOW_READ), Error::TooMany];
        replies.extend(errors.map(|error| reply(&error, "r-1")));
        replies
    }

    fn lines(reply: &Reply) -> Vec<String> {
        let mut lines: Vec<_> =
            reply.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_answer_fits_the_old_client() {
        // What the front adds: Content-Length, Date, Connection, Cache-Status, X-Request-Id, Age, Last-Modified, Via.
        let own = 32 - 8;
        for reply in all().into_iter().map(dressed) {
            let lines = lines(&reply);
            assert!(lines.len() <= own, "{lines:?}");
            for line in &lines {
                assert!(line.len() < 4096 && !line.to_ascii_lowercase().contains("content-length"), "{line}");
            }
            assert!(reply.headers.values().all(|value| !value.is_empty()), "{lines:?}");
            let content_type = reply.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
            assert!(!content_type.contains(';'), "{content_type}");
            assert!(reply.status.canonical_reason().is_some_and(|reason| !reason.is_empty()));
        }
    }

    #[test]
    fn every_answer_says_what_the_reference_checks_ask_for() {
        for reply in all().into_iter().map(dressed) {
            let lines = lines(&reply);
            for line in [
                "access-control-allow-origin: *",
                "server: Nessemble",
                "x-ratelimit-limit: 1000",
                "x-ratelimit-remaining: 999",
                "x-ratelimit-reset: 1700000060",
                "x-response-time: 0.016",
            ] {
                assert!(lines.iter().any(|found| found == line), "{line} in {lines:?}");
            }
            assert!(reply.headers.contains_key(RETRY_AFTER) && reply.manner == Manner::Strict);
        }
    }

    #[test]
    fn an_archive_is_described_by_its_own_version() {
        let expected = [
            "accept-ranges: bytes",
            "cache-control: max-age=31536000",
            "content-disposition: attachment; filename=\"foo-1.0.1.tar.gz\"",
            "content-type: application/tar+gzip",
            "etag: \"sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709\"",
            "expires: 1731536000",
            "x-integrity: da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ];
        assert_eq!(lines(&archive_reply()), expected);
    }

    #[test]
    fn what_is_kept_says_until_when_as_a_number() {
        for (keeping, expected) in [
            (Keeping::Short, ["cache-control: max-age=60", "expires: 1700000060"]),
            (Keeping::Hour, ["cache-control: max-age=3600", "expires: 1700003600"]),
        ] {
            let lines = lines(&document(Vec::new(), keeping, false, now()));
            let etag = format!("etag: \"{}\"", &Digest::of(b"").to_hex()[..32]);
            assert_eq!(lines, [expected[0], "content-type: application/json", &etag, expected[1]]);
        }
        assert!(lines(&document(Vec::new(), Keeping::Short, true, now())).contains(&"vary: User-Agent".to_owned()));
        assert_eq!(lines(&preflight(ALLOW_READ))[2], "allow: GET, HEAD, OPTIONS");
    }

    #[test]
    fn an_upstream_that_wants_to_be_left_alone_is_heard() {
        let pause = Some(Duration::from_secs(600));
        let error = Error::Unreachable { what: "foo".into(), retry_after: pause, cause: None };
        let left_alone = dressed(reply(&error, "r-1"));
        assert_eq!(left_alone.headers.get(RETRY_AFTER).unwrap(), "600");
        for reply in [status(now()), reply(&Error::TooMany, "r-1")] {
            assert_eq!(dressed(reply).headers.get(RETRY_AFTER).unwrap(), "60");
        }
    }
}
