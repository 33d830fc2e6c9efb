//! Which of a client's headers go upstream, and what becomes of an upstream's that lead somewhere. Pure.
//!
//! A shared answer must not depend on what one client sends unless `Vary` says so, and upstreams forget to say so. So
//! only the headers of content negotiation go there, and those that the mount names.

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION,
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LOCATION,
    PRAGMA, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA,
};
use url::Url;

use crate::mirror::shared::storing::listed;

/// What selects among representations, and what caches must hand on (RFC 9111 §5.2).
const SENT: [HeaderName; 6] = [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, PRAGMA];

/// What never goes upstream, whatever the mount says: credentials for us, what belongs to one connection, to a body that
/// a GET has none of, or to us, and conditions, which are judged here.
const NEVER_SENT: [HeaderName; 27] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    FORWARDED,
    HOST,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    PROXY_AUTHORIZATION,
    RANGE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
    VIA,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// What of an answer leads somewhere.
pub const LINKS: [HeaderName; 2] = [LOCATION, CONTENT_LOCATION];

/// Returns what of a client's headers goes upstream; `named` are those that the mount names.
pub fn sent(given: &HeaderMap, named: &[String]) -> HeaderMap {
    let any = named.iter().any(|name| name == "*");
    let may = |name: &HeaderName| {
        SENT.contains(name) || ((any || named.iter().any(|other| other == name.as_str())) && !NEVER_SENT.contains(name))
    };
    let mut sent: HeaderMap =
        given.iter().filter(|(name, _)| may(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    for name in listed(given, &CONNECTION) {
        sent.remove(name);
    }
    sent
}

/// Turns the links of an answer to the URL `at` that lead into the tree, so that they lead to `base`, where the tree is
/// mirrored. `tree` ends in a slash, `base` does not.
pub fn turn(headers: &mut HeaderMap, at: &Url, tree: &Url, base: &str) {
    for name in LINKS {
        let turned =
            headers.get(&name).and_then(|value| value.to_str().ok()).and_then(|link| turn_link(link, at, tree, base));
        if let Some(value) = turned.and_then(|link| HeaderValue::try_from(link).ok()) {
            headers.insert(name, value);
        }
    }
}

fn turn_link(link: &str, at: &Url, tree: &Url, base: &str) -> Option<String> {
    let url = at.join(link).ok()?;
    if let Some(rest) = url.as_str().strip_prefix(tree.as_str()) {
        let turned = format!("{base}/{rest}");
        // A relative one may lead there as it is.
        let read = place_here(at, tree, base).and_then(|here| here.join(link).ok());
        return (read.as_ref().map(Url::as_str) != Some(&turned)).then_some(turned);
    }
    // It leads out of the tree; here it must say in full where to.
    matches!(Url::parse(link), Err(url::ParseError::RelativeUrlWithoutBase)).then(|| url.into())
}

/// Returns where a client that asked for the URL `at` has asked for it; `None` at the root of the tree, whose slash clients
/// may leave out.
fn place_here(at: &Url, tree: &Url, base: &str) -> Option<Url> {
    let rest = at.as_str().strip_prefix(tree.as_str()).filter(|rest| !rest.is_empty() && !rest.starts_with('?'))?;
    Url::parse(&format!("{base}/{rest}")).ok()
}

/// Returns path and query below the tree of what a link of an answer to the URL `at` names; `None` when that is elsewhere.
pub fn below(link: &HeaderValue, at: &Url, tree: &Url) -> Option<(String, String)> {
    let mut url = at.join(link.to_str().ok()?).ok()?;
    let query = url.query().unwrap_or_default().to_owned();
    url.set_query(None);
    url.set_fragment(None);
    Some((url.as_str().strip_prefix(tree.as_str())?.to_owned(), query))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://mirror.example/files/t";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_selects_goes_upstream_and_what_the_mount_names() {
        let given = headers(&[
            ("accept", "a/b"),
            ("accept", "c/d"),
            ("accept-language", "en"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("if-none-match", "*"),
            ("range", "bytes=0-1"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-hop", "3"),
            ("connection", "x-hop"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        let usual = [("accept", "a/b"), ("accept", "c/d"), ("accept-language", "en")];
        assert_eq!(sent(&given, &[]), headers(&usual));
        assert_eq!(sent(&given, &["x-a".to_owned()]), headers(&[&usual[..], &[("x-a", "1")]].concat()));
        assert_eq!(sent(&given, &["*".to_owned()]), headers(&[&usual[..], &[("x-a", "1"), ("x-b", "2")]].concat()));
    }

    #[test]
    fn links_into_the_tree_lead_through_the_mirror() {
        let (tree, at) = (url("https://files.example/dist/"), url("https://files.example/dist/v1/a"));
        for (link, expected) in [
            ("https://files.example/dist/v2/b?q#f", "https://mirror.example/files/t/v2/b?q#f"),
            ("b", "b"),
            ("../v2/b?q", "../v2/b?q"),
            ("/dist/v1/b", "https://mirror.example/files/t/v1/b"),
            ("/dist/", "https://mirror.example/files/t/"),
            ("../../x", "https://files.example/x"),
            ("/elsewhere", "https://files.example/elsewhere"),
            ("//other.example/dist/", "https://other.example/dist/"),
            ("https://other.example/dist/", "https://other.example/dist/"),
            ("http://files.example/dist/", "http://files.example/dist/"),
        ] {
            let mut answered = headers(&[("location", link)]);
            turn(&mut answered, &at, &tree, BASE);
            assert_eq!(answered["location"], expected, "{link}");
        }
        // A client may have asked for the root without its slash, and would read a relative link otherwise.
        let mut answered = headers(&[("location", "b")]);
        turn(&mut answered, &tree, &tree, BASE);
        assert_eq!(answered["location"], "https://mirror.example/files/t/b");
    }

    #[test]
    fn what_a_link_names_below_the_tree_is_found() {
        let (tree, at) = (url("https://files.example/dist/"), url("https://files.example/dist/v1/a"));
        let below = |link: &str| below(&link.parse().unwrap(), &at, &tree);
        assert_eq!(below("b?q=1#f"), Some(("v1/b".to_owned(), "q=1".to_owned())));
        assert_eq!(below("https://other.example/dist/b"), None);
        assert_eq!(below("/b"), None);
    }
}
