//! Where a request wants to go: its host, path and query, taken apart once and without copying.

/// A request target, still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Host and, unless it is the default, port.
    pub authority: &'a str,
    /// Starts with `/`.
    pub path: &'a str,
    /// Without `?`; empty when there is none.
    pub query: &'a str,
}

/// Why a request target cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the request has no Host")]
    NoHost,
    #[error("the request's Host is malformed")]
    BadHost,
    #[error("the request target is malformed")]
    BadTarget,
}

/// Takes a raw request target apart: `/path?query`, or `http://host/path?query`, whose host wins over `host`.
///
/// # Errors
/// [`Malformed`]: the host is missing or not one, or the target is of another form (`*`, `host:port`) or not UTF-8.
///
/// Source: RFC 9112 §3.2, RFC 9110 §7.2.
pub fn parse<'a>(raw: &'a [u8], host: Option<&'a [u8]>) -> Result<Target<'a>, Malformed> {
    let raw = str::from_utf8(raw).map_err(|_| Malformed::BadTarget)?;
    let (authority, rest) = match absolute(raw) {
        Some((authority, rest)) => (authority.as_bytes(), rest),
        None => (host.ok_or(Malformed::NoHost)?, raw),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() && rest.len() != raw.len() { "/" } else { path };
    if !path.starts_with('/') {
        return Err(Malformed::BadTarget);
    }
    Ok(Target { authority: parse_authority(authority)?, path, query })
}

/// Returns the host of an authority, without its port.
pub fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

/// Splits `http://host/path` into `host` and `/path`; `None` for every other form.
fn absolute(raw: &str) -> Option<(&str, &str)> {
    if raw.starts_with('/') {
        return None;
    }
    let (scheme, rest) = raw.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

/// Checks `host[:port]`. Stricter than RFC 3986 §3.2: no user information, no escapes, since the host comes back in
/// documents that others will follow.
fn parse_authority(authority: &[u8]) -> Result<&str, Malformed> {
    let text = str::from_utf8(authority).map_err(|_| Malformed::BadHost)?;
    let host = host_of(text);
    let port = text[host.len()..].strip_prefix(':');
    let host_is_one = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    let port_is_one = port.is_none_or(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()));
    if host.is_empty() || host.len() > 255 || !host_is_one || !port_is_one {
        return Err(Malformed::BadHost);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_apart_without_decoding() {
        for (raw, host, expected) in [
            ("/", "h", ("h", "/", "")),
            ("/npm/@a%2fb?x=1?y", "h:4870", ("h:4870", "/npm/@a%2fb", "x=1?y")),
            ("/npm//../x", "h", ("h", "/npm//../x", "")),
            ("/a?u=http://b/c", "h", ("h", "/a", "u=http://b/c")),
            ("http://other:80/npm?q", "h", ("other:80", "/npm", "q")),
            ("HTTPS://other", "h", ("other", "/", "")),
            ("http://other?q", "h", ("other", "/", "q")),
            ("/", "[::1]:80", ("[::1]:80", "/", "")),
        ] {
            let target = parse(raw.as_bytes(), Some(host.as_bytes())).unwrap();
            assert_eq!((target.authority, target.path, target.query), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_no_path_or_has_no_host_is_refused() {
        for (raw, host, expected) in [
            ("*", Some("h"), Malformed::BadTarget),
            ("h:80", Some("h"), Malformed::BadTarget),
            ("", Some("h"), Malformed::BadTarget),
            ("ftp://h/x", Some("h"), Malformed::BadTarget),
            ("/", None, Malformed::NoHost),
            ("/", Some(""), Malformed::BadHost),
            ("/", Some("a b"), Malformed::BadHost),
            ("/", Some("u@h"), Malformed::BadHost),
            ("/", Some("h\"><script>"), Malformed::BadHost),
            ("/", Some("h:port"), Malformed::BadHost),
            ("/", Some("h:123456"), Malformed::BadHost),
            ("/", Some("[::1"), Malformed::BadHost),
            ("http://u:p@h/x", Some("h"), Malformed::BadHost),
        ] {
            assert_eq!(parse(raw.as_bytes(), host.map(str::as_bytes)), Err(expected), "{raw} {host:?}");
        }
        assert_eq!(parse(b"/\xff", Some(b"h")), Err(Malformed::BadTarget));
    }

    #[test]
    fn the_port_is_no_part_of_the_host() {
        for (authority, host) in [("h", "h"), ("h:1", "h"), ("[::1]", "[::1]"), ("[::1]:4", "[::1]")] {
            assert_eq!(host_of(authority), host);
        }
    }
}
