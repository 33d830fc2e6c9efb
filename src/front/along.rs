//! Which of a client's headers go along with a passthrough. Pure.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, MAX_FORWARDS, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA,
};

use crate::base::http::Along;

/// What the requests of a package client are made of.
const KNOWN: [HeaderName; 16] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
    TRANSFER_ENCODING,
    USER_AGENT,
    VIA,
];

/// What is for us alone: credentials, what belongs to the connection, and what counts or tells of the way here. Source:
/// RFC 9110 §7.6.1, §7.6.2, §11.7.
const FOR_US: [HeaderName; 14] = [
    AUTHORIZATION,
    CONNECTION,
    COOKIE,
    FORWARDED,
    HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    MAX_FORWARDS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    UPGRADE,
];

/// What says where the body ends, or whether it is to be sent: no other header takes it away, or the two ends of a
/// passage would not mean the same request. Who waits to be told to go on is told so by the upstream, or refused before
/// the body is sent.
const FRAME: [HeaderName; 3] = [CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING];

/// Begins the names of headers in which proxies tell of the way here.
const FORWARDED_BY: &str = "x-forwarded-";

/// Returns the names of the headers that stay here.
pub fn left_behind(headers: &HeaderMap, along: Along) -> Vec<HeaderName> {
    let named = named_by_connection(headers);
    let is_for_us =
        |name: &HeaderName| FOR_US.contains(name) || name.as_str().starts_with(FORWARDED_BY) || named.contains(name);
    let goes = |name: &HeaderName| match along {
        Along::Known => KNOWN.contains(name),
        Along::EndToEnd => FRAME.contains(name) || !is_for_us(name),
    };
    headers.keys().filter(|name| !goes(name)).cloned().collect()
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes(along: Along, headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let named = |(name, value): &(&'static str, &'static str)| (name.parse().unwrap(), value.parse().unwrap());
        let headers: HeaderMap = headers.iter().map(named).collect();
        let mut goes: Vec<_> = headers
            .keys()
            .filter(|name| !left_behind(&headers, along).contains(name))
            .map(ToString::to_string)
            .collect();
        goes.sort_unstable();
        goes
    }

    const SENT: [(&str, &str); 24] = [
        ("accept", "a/b"),
        ("authorization", "Bearer x"),
        ("connection", "close, X-Hop, content-length"),
        ("content-length", "3"),
        ("content-md5", "x"),
        ("content-range", "bytes 0-2/9"),
        ("cookie", "a=b"),
        ("depth", "1"),
        ("destination", "/b"),
        ("expect", "100-continue"),
        ("forwarded", "for=192.0.2.1"),
        ("host", "mirror.example"),
        ("if-match", "\"a\""),
        ("keep-alive", "timeout=5"),
        ("max-forwards", "1"),
        ("proxy-authorization", "Basic x"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("via", "1.1 them"),
        ("x-anything", "1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-hop", "1"),
    ];

    #[test]
    fn all_that_is_for_whoever_answers_goes_along_and_what_is_for_us_does_not() {
        let expected = [
            "accept",
            "content-length",
            "content-md5",
            "content-range",
            "depth",
            "destination",
            "expect",
            "if-match",
            "transfer-encoding",
            "via",
            "x-anything",
        ];
        assert_eq!(goes(Along::EndToEnd, &SENT), expected);
    }

    #[test]
    fn of_a_package_client_what_is_known_goes_along() {
        let expected = ["accept", "content-length", "expect", "if-match", "transfer-encoding", "via"];
        assert_eq!(goes(Along::Known, &SENT), expected);
    }
}
