//! Paths of requests, below the mount and still percent-encoded: cut into segments, each decoded once, so that no spelling
//! of a path can walk around a rule.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::failure::Error;

/// Cuts a path into segments, not decoded yet. One slash at its end does not count.
///
/// # Errors
/// [`Error::NotFound`]: it has more than `most`. [`Error::BadRequest`]: one of them is empty.
pub fn cut(path: &str, most: usize) -> Result<Vec<&str>, Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = path.split('/').take(most + 1).collect();
    if segments.len() > most {
        return Err(no_route());
    }
    if segments.contains(&"") { Err(empty_segment()) } else { Ok(segments) }
}

/// Decodes a segment, in which a slash may be hidden.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, what is no UTF-8, control characters, backslashes, dot segments.
pub fn decode(raw: &str) -> Result<Cow<'_, str>, Error> {
    let well_formed =
        raw.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    if !well_formed {
        return Err(Error::bad_request("the path has a malformed escape"));
    }
    let segment = decode_text(raw)?;
    if segment.contains('\\') {
        return Err(Error::bad_request("the path has a backslash"));
    }
    if segment.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Error::bad_request("the path has a dot segment"));
    }
    Ok(segment)
}

/// Decodes a segment in which what is no escape is text, for clients that never encode anything.
///
/// # Errors
/// [`Error::BadRequest`]: what is no UTF-8, and control characters.
pub fn decode_text(raw: &str) -> Result<Cow<'_, str>, Error> {
    let segment = percent_decode_str(raw).decode_utf8().map_err(|_| Error::bad_request("the path is not UTF-8"))?;
    if segment.chars().any(char::is_control) {
        return Err(Error::bad_request("the path has a control character"));
    }
    Ok(segment)
}

pub fn empty_segment() -> Error {
    Error::bad_request("the path has an empty segment")
}

pub fn no_route() -> Error {
    Error::not_found("this path")
}

pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Tells whether a method is one that registries use, here or elsewhere.
pub fn is_known(method: &Method) -> bool {
    let writes = [Method::OPTIONS, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    is_read(method) || writes.contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_its_slashes() {
        for (path, expected) in
            [("", &[][..]), ("/", &[]), ("/a", &["a"]), ("/a/", &["a"]), ("a/b", &["a", "b"]), ("/%2F", &["%2F"])]
        {
            assert_eq!(cut(path, 2).unwrap(), expected, "{path}");
        }
        for path in ["//a", "/a//"] {
            assert!(matches!(cut(path, 2), Err(Error::BadRequest(_))), "{path}");
        }
        for path in ["/a/b/c", "/////"] {
            assert!(matches!(cut(path, 2), Err(Error::NotFound { .. })), "{path}");
        }
    }

    #[test]
    fn a_segment_is_decoded_once_and_nonsense_refused() {
        for (raw, expected) in [("a%2Fb", "a/b"), ("%40s", "@s"), ("%2540", "%40"), ("caf%c3%a9", "café"), ("", "")] {
            assert_eq!(decode(raw).unwrap(), expected, "{raw}");
        }
        for raw in
            ["%", "%4", "%zz", "%+1", "%ff", "%00", "a%0a", "a\\b", "%5c", ".", "..", "%2e%2E", "a%2f..", "..%2fa"]
        {
            assert!(matches!(decode(raw), Err(Error::BadRequest(_))), "{raw}");
        }
        assert_eq!(decode_text("100%").unwrap(), "100%");
    }

    #[test]
    fn every_method_that_reads_is_known() {
        for (method, expected) in
            [("GET", (true, true)), ("HEAD", (true, true)), ("PUT", (false, true)), ("BREW", (false, false))]
        {
            let method = method.parse().unwrap();
            assert_eq!((is_read(&method), is_known(&method)), expected, "{method}");
        }
    }
}
