//! May a response be stored, and which of its headers are.

use http::StatusCode;
use http::header::{
    AGE, ALT_SVC, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, EXPIRES, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use std::time::SystemTime;

use super::directives::Directives;

/// Headers of one connection, or of one proxy. Source: RFC 9110 §7.6.1, RFC 9111 §3.1.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What an upstream says of its own origin, which ours is not.
const OF_ORIGIN: [HeaderName; 3] = [SET_COOKIE, ALT_SVC, STRICT_TRANSPORT_SECURITY];

/// What we work out anew for every answer.
const WORKED_OUT: [HeaderName; 2] = [AGE, CONTENT_LENGTH];

/// What a 304 does not change, since it belongs to the content that is held. Source: RFC 9111 §3.2; digests: RFC 9530 §2,
/// RFC 2616 §14.15.
const OF_HELD_CONTENT: [HeaderName; 5] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// Tells whether a shared cache may store the answer to a GET without credentials.
///
/// Source: RFC 9111 §3.
pub fn may_store(status: StatusCode, headers: &HeaderMap) -> bool {
    let said = Directives::of(headers);
    // Parts are not put together here, and a 304 is no representation.
    if status.is_informational() || matches!(status.as_u16(), 206 | 304) {
        return false;
    }
    let forbidden = if said.has("must-understand") { !is_understood(status) } else { said.has("no-store") };
    // In its qualified form `private` may be taken for the unqualified one. Source: RFC 9111 §5.2.2.7.
    if forbidden || said.has("private") {
        return false;
    }
    is_explicit(&said, headers) || said.has("public") || is_heuristic(status)
}

/// Tells whether upstream says how long the response is fresh. Source: RFC 9111 §3, §4.2.1.
pub fn is_explicit(said: &Directives, headers: &HeaderMap) -> bool {
    said.has("max-age") || said.has("s-maxage") || headers.contains_key(EXPIRES)
}

/// Tells whether a status may be stored though upstream does not say for how long. Source: RFC 9110 §15.1.
pub fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Tells whether we do with a status what its definition asks of caches. Source: RFC 9111 §5.2.2.3, RFC 9110 §15.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

/// Returns the headers of a response that go to clients, stored or not. Source: RFC 9111 §3.1, RFC 9110 §6.6.1.
pub fn kept(headers: &HeaderMap, now: SystemTime) -> HeaderMap {
    let mut kept = headers.clone();
    for name in listed(headers, &CONNECTION) {
        kept.remove(name);
    }
    for name in HOP_BY_HOP.iter().chain(&OF_ORIGIN).chain(&WORKED_OUT) {
        kept.remove(name);
    }
    // Whoever stores a response without a date gives it one.
    if !kept.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
    {
        kept.insert(DATE, date);
    }
    kept
}

/// Returns stored headers as a 304 changes them. Source: RFC 9111 §3.2.
pub fn updated(held: &HeaderMap, given: &HeaderMap, now: SystemTime) -> HeaderMap {
    let (mut updated, given) = (held.clone(), kept(given, now));
    for name in given.keys().filter(|name| !OF_HELD_CONTENT.contains(name)) {
        updated.remove(name);
        for value in given.get_all(name) {
            updated.append(name, value.clone());
        }
    }
    updated
}

/// Returns the members of a header that lists words, over all its lines.
pub fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap()
    }

    #[test]
    fn what_may_be_stored_follows_status_and_directives() {
        let expires = [("expires", "0")];
        for (status, said, expected) in [
            (200, &[][..], true),
            (204, &[], true),
            (404, &[], true),
            (501, &[], true),
            (302, &[], false),
            (403, &[], false),
            (500, &[], false),
            (302, &[("cache-control", "max-age=1")], true),
            (403, &[("cache-control", "s-maxage=1")], true),
            (599, &[("cache-control", "max-age=1")], true),
            (403, &expires, true),
            (302, &[("cache-control", "public")], true),
            (206, &[("cache-control", "max-age=1")], false),
            (304, &[("cache-control", "max-age=1")], false),
            (200, &[("cache-control", "max-age=1, no-store")], false),
            (200, &[("cache-control", "No-Store")], false),
            (200, &[("cache-control", "private, max-age=1")], false),
            (200, &[("cache-control", "private=\"x-a\", max-age=1")], false),
            (200, &[("cache-control", "no-cache")], true),
            (200, &[("cache-control", "must-understand, no-store, max-age=1")], true),
            (299, &[("cache-control", "must-understand, max-age=1")], false),
            (299, &[("cache-control", "max-age=1")], true),
        ] {
            let found = may_store(StatusCode::from_u16(status).unwrap(), &headers(said));
            assert_eq!(found, expected, "{status} {said:?}");
        }
    }

    #[test]
    fn what_belongs_to_one_hop_is_not_kept() {
        let given = headers(&[
            ("connection", "x-one, Keep-Alive"),
            ("connection", "x-two"),
            ("keep-alive", "5"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("te", "trailers"),
            ("proxy-authenticate", "Basic"),
            ("set-cookie", "a=b"),
            ("age", "9"),
            ("etag", "\"a\""),
        ]);
        let kept = kept(&given, now());
        let expected = headers(&[("x-three", "3"), ("etag", "\"a\""), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_304_replaces_what_it_names_but_for_what_describes_the_content() {
        let (date, coding, sum) =
            (("date", "Sun, 06 Nov 1994 08:49:30 GMT"), ("content-encoding", "gzip"), ("content-md5", "rL0Y20zC"));
        let held = headers(&[("x-a", "1"), ("x-a", "2"), ("x-b", "1"), coding, sum]);
        let given =
            headers(&[("x-a", "3"), ("content-encoding", "br"), ("content-md5", "N7UdGUp1"), ("x-c", "4"), date]);
        let expected = headers(&[("x-a", "3"), ("x-b", "1"), coding, sum, ("x-c", "4"), date]);
        assert_eq!(updated(&held, &given, now()), expected);
    }
}
