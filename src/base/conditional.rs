//! Conditional requests and ranges, as pure decisions: which part of a representation a request is due.

use std::ops::Range;
use std::time::SystemTime;

use ::http::header::{
    DATE, ETAG, HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    RANGE,
};

/// More ranges than this in one request are answered with the whole, as RFC 9110 §14.2 allows against abuse.
const MAX_RANGES: usize = 16;

/// What a request is due of a representation that would be answered with 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Whole,
    /// 304: the client has it already.
    NotModified,
    /// 412: the client wants another state than this.
    PreconditionFailed,
    /// 206: these parts, in bytes; never empty, each within the length, none empty.
    Parts(Vec<Range<u64>>),
    /// 416: no part of the range lies within the length.
    Unsatisfiable,
}

/// Decides what a GET or HEAD is due.
///
/// `held` are the reply's headers (`ETag`, `Last-Modified`); `length` is in bytes, `None` while it is not known: then
/// ranges are not served.
///
/// Source: RFC 9110 §13.2.2 (precedence), §14.2 (Range), §13.1.5 (If-Range).
pub fn decide(request: &HeaderMap, held: &HeaderMap, length: Option<u64>) -> Due {
    if !may_be_conditional(request) {
        return Due::Whole;
    }
    if precondition_fails(request, held) {
        return Due::PreconditionFailed;
    }
    if not_modified(request, held) {
        return Due::NotModified;
    }
    let (Some(range), Some(length)) = (text(request, RANGE), length) else { return Due::Whole };
    if !if_range_holds(request, held) {
        return Due::Whole;
    }
    match parse_range(range, length) {
        None => Due::Whole,
        Some(parts) if parts.is_empty() => Due::Unsatisfiable,
        Some(parts) => Due::Parts(parts),
    }
}

/// Tells whether a GET or HEAD is due the content, or parts of it, rather than a refusal or "not modified": what costs
/// something to open need not be opened before. Arguments as [`decide`]'s.
pub fn wants_content(request: &HeaderMap, held: &HeaderMap) -> bool {
    decide(request, held, None) == Due::Whole
}

/// Tells whether an entity tag stands in a list such as `W/"a", "b"` or `*`, compared weakly.
///
/// Source: RFC 9110 §8.8.3.2, §13.1.2.
pub fn etag_listed(list: &str, etag: &str) -> bool {
    list.trim() == "*" || entity_tags(list).any(|tag| opaque(tag) == opaque(etag))
}

/// Reads a `Range` header for `length` bytes: `None` when it is to be ignored, an empty list when nothing of it can be
/// satisfied. Overlapping and adjacent parts are joined, in ascending order.
///
/// Source: RFC 9110 §14.1.1, §14.2.
pub fn parse_range(header: &str, length: u64) -> Option<Vec<Range<u64>>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut parts = Vec::new();
    for (count, word) in list.split(',').map(str::trim).filter(|word| !word.is_empty()).enumerate() {
        if count == MAX_RANGES {
            return None;
        }
        parts.extend(parse_part(word, length)?);
    }
    Some(join(parts))
}

fn may_be_conditional(request: &HeaderMap) -> bool {
    [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| request.contains_key(name))
}

fn precondition_fails(request: &HeaderMap, held: &HeaderMap) -> bool {
    if let Some(list) = text(request, IF_MATCH) {
        // If-Match compares strongly: a weak tag never matches.
        let strong = text(held, ETAG).filter(|etag| !etag.starts_with("W/"));
        return list.trim() != "*" && !strong.is_some_and(|etag| entity_tags(list).any(|tag| tag == etag));
    }
    match (date(request, IF_UNMODIFIED_SINCE), date(held, LAST_MODIFIED)) {
        (Some(limit), Some(modified)) => modified > limit,
        _ => false,
    }
}

fn not_modified(request: &HeaderMap, held: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let Some(etag) = text(held, ETAG) else { return false };
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .any(|list| etag_listed(list, etag));
    }
    // What does not say when it was changed was not changed after it was sent. Source: RFC 9111 §4.3.2.
    let modified = || date(held, LAST_MODIFIED).or_else(|| date(held, DATE));
    match date(request, IF_MODIFIED_SINCE).map(|since| (since, modified())) {
        Some((since, Some(modified))) => modified <= since,
        _ => false,
    }
}

fn if_range_holds(request: &HeaderMap, held: &HeaderMap) -> bool {
    let Some(condition) = text(request, IF_RANGE) else { return true };
    if condition.starts_with('"') {
        return text(held, ETAG) == Some(condition);
    }
    match (httpdate::parse_http_date(condition).ok(), date(held, LAST_MODIFIED)) {
        (Some(wanted), Some(modified)) => wanted == modified,
        _ => false,
    }
}

/// Reads one `first-last`, `first-` or `-suffix`; `None` when it is malformed, `Some(None)` when it lies outside.
fn parse_part(word: &str, length: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = word.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?.min(length);
        return Some((suffix > 0).then(|| length - suffix..length));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some((first < length).then(|| first..last.saturating_add(1).min(length)))
}

/// Reads digits only: `u64::from_str` would take a sign. A number too large for 64 bits is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn join(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    joined
}

/// Splits a list of entity tags; a comma may stand inside the quotes.
fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| c != ',' && !c.is_whitespace())?;
        rest = &rest[start..];
        let quote = rest.find('"')?;
        let end = quote + 1 + rest[quote + 1..].find('"')? + 1;
        let tag = &rest[..end];
        rest = &rest[end..];
        Some(tag)
    })
}

fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

fn text(headers: &HeaderMap, name: ::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: ::http::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "a list of one part is what is meant")]

    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn due(request: &[(&'static str, &str)]) -> Due {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        decide(&headers(request), &headers(&[("etag", "\"a\""), ("last-modified", MODIFIED)]), Some(10))
    }

    #[test]
    fn conditions_are_judged_in_the_order_of_the_standard() {
        for (request, expected) in [
            (&[][..], Due::Whole),
            (&[("if-none-match", "\"a\"")], Due::NotModified),
            (&[("if-none-match", "W/\"a\"")], Due::NotModified),
            (&[("if-none-match", "\"b,\", \"a\"")], Due::NotModified),
            (&[("if-none-match", "*")], Due::NotModified),
            (&[("if-none-match", "\"b\"")], Due::Whole),
            (&[("if-none-match", "\"b\""), ("if-modified-since", MODIFIED)], Due::Whole),
            (&[("if-modified-since", MODIFIED)], Due::NotModified),
            (&[("if-modified-since", EARLIER)], Due::Whole),
            (&[("if-modified-since", "yesterday")], Due::Whole),
            (&[("if-match", "\"b\"")], Due::PreconditionFailed),
            (&[("if-match", "W/\"a\"")], Due::PreconditionFailed),
            (&[("if-match", "\"a\"")], Due::Whole),
            (&[("if-unmodified-since", EARLIER)], Due::PreconditionFailed),
            (&[("if-none-match", "\"a\""), ("range", "bytes=0-1")], Due::NotModified),
        ] {
            assert_eq!(due(request), expected, "{request:?}");
        }
    }

    #[test]
    fn what_does_not_say_when_it_changed_did_so_before_it_was_sent() {
        let due = |since: &str| {
            let request = [(IF_MODIFIED_SINCE, since.parse().unwrap())].into_iter().collect();
            decide(&request, &[(DATE, MODIFIED.parse().unwrap())].into_iter().collect(), Some(10))
        };
        assert_eq!((due(MODIFIED), due(EARLIER)), (Due::NotModified, Due::Whole));
    }

    #[test]
    fn ranges_are_cut_joined_and_refused() {
        let parts = |parts: &[Range<u64>]| Due::Parts(parts.to_vec());
        for (range, expected) in [
            ("bytes=0-3", parts(&[0..4])),
            ("bytes=0-", parts(&[0..10])),
            ("bytes=-3", parts(&[7..10])),
            ("bytes=-30", parts(&[0..10])),
            ("bytes=8-99", parts(&[8..10])),
            ("bytes=0-1, 4-5", parts(&[0..2, 4..6])),
            ("bytes=4-5,0-1", parts(&[0..2, 4..6])),
            ("bytes=0-1,1-5,6-7", parts(&[0..8])),
            ("bytes=0-1,50-", parts(&[0..2])),
            ("bytes=10-", Due::Unsatisfiable),
            ("bytes=-0", Due::Unsatisfiable),
            ("bytes=99999999999999999999-", Due::Unsatisfiable),
            ("bytes=3-1", Due::Whole),
            ("bytes=+1-2", Due::Whole),
            ("bytes=a-b", Due::Whole),
            ("lines=1-2", Due::Whole),
            ("bytes", Due::Whole),
        ] {
            assert_eq!(due(&[("range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn too_many_ranges_are_answered_with_the_whole() {
        let many = format!("bytes={}", ["0-0"; MAX_RANGES + 1].join(","));
        assert_eq!(due(&[("range", &many)]), Due::Whole);
    }

    #[test]
    fn a_range_is_served_only_of_the_state_the_client_means() {
        for (condition, expected) in [
            ("\"a\"", Due::Parts(vec![0..2])),
            ("\"b\"", Due::Whole),
            ("W/\"a\"", Due::Whole),
            (MODIFIED, Due::Parts(vec![0..2])),
            (EARLIER, Due::Whole),
        ] {
            assert_eq!(due(&[("range", "bytes=0-1"), ("if-range", condition)]), expected, "{condition}");
        }
    }

    #[test]
    fn nothing_is_cut_from_a_body_of_unknown_length() {
        let request = [("range".parse().unwrap(), "bytes=0-1".parse().unwrap())].into_iter().collect();
        assert_eq!(decide(&request, &HeaderMap::new(), None), Due::Whole);
    }
}
