//! Which of several stored responses a request's headers select.
//!
//! A response without `Vary` is kept under its resource's own key. One with `Vary` is kept under a key made of that, the
//! header names and the request's values for them; and a marker under the own key says which names count. So a request
//! is answered after two looks at most, and all variants of one resource are found by what they belong to.

use http::HeaderMap;
use http::header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName, VARY};

use super::storing::listed;
use crate::base::digest::{Digest, hex};

/// Headers whose values mean the same in upper and lower case. Source: RFC 9110 §8.3.2, §8.4.1, §8.5.
const CASELESS: [HeaderName; 3] = [ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE];

/// Returns the key of the response with these headers to a request with those; `None` when it matches no other request.
///
/// Source: RFC 9111 §4.1.
pub fn key(own: &str, response: &HeaderMap, request: &HeaderMap) -> Option<String> {
    let mut names: Vec<String> = listed(response, &VARY).map(str::to_ascii_lowercase).collect();
    if names.iter().any(|name| name == "*") {
        return None;
    }
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Some(own.to_owned());
    }
    let mut selected = String::new();
    for name in names {
        selected.push_str(&name);
        match values(request, &name) {
            Some(values) => selected.extend([": ", &values, "\n"]),
            // Absent selects another response than empty does.
            None => selected.push('\n'),
        }
    }
    Some(format!("{own}\n{}", hex(&Digest::of(selected.as_bytes()).as_bytes()[..16])))
}

/// Returns a header's values as one list, without what makes no difference. Source: RFC 9111 §4.1.
fn values(request: &HeaderMap, name: &str) -> Option<String> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| request.contains_key(name))?;
    let lines = request.get_all(&name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let lines: Vec<_> = lines.collect();
    let members: Vec<String> =
        lines.iter().flat_map(|line| line.split(',')).map(|member| tidy(member, &name)).collect();
    Some(members.join(","))
}

fn tidy(member: &str, name: &HeaderName) -> String {
    if CASELESS.contains(name) {
        return member.split_ascii_whitespace().collect::<String>().to_ascii_lowercase();
    }
    member.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn key_of(vary: &str, request: &[(&'static str, &str)]) -> String {
        key("k", &headers(&[("vary", vary)]), &headers(request)).unwrap()
    }

    #[test]
    fn a_response_that_does_not_vary_has_its_own_key() {
        assert_eq!(key("k", &HeaderMap::new(), &headers(&[("x-a", "1")])).unwrap(), "k");
        assert_eq!(key_of(" , ", &[("x-a", "1")]), "k");
        assert_eq!(key("k", &headers(&[("vary", "x-a, *")]), &HeaderMap::new()), None);
    }

    #[test]
    fn only_what_is_named_selects() {
        let one = key_of("X-A", &[("x-a", "1"), ("x-b", "1")]);
        assert!(one.starts_with("k\n"));
        assert_eq!(one, key_of("x-a", &[("x-a", "1"), ("x-b", "2")]));
        assert_ne!(one, key_of("x-a", &[("x-a", "2")]));
        assert_ne!(one, key_of("x-a", &[]));
        assert_ne!(key_of("x-a", &[("x-a", "")]), key_of("x-a", &[]));
        assert_eq!(key_of("x-a, x-b", &[("x-a", "1")]), key_of("X-B,x-a,x-a", &[("x-a", "1")]));
    }

    #[test]
    fn values_are_compared_without_what_makes_no_difference() {
        assert_eq!(key_of("x-a", &[("x-a", "1"), ("x-a", "2")]), key_of("x-a", &[("x-a", "1 ,  2")]));
        assert_ne!(key_of("x-a", &[("x-a", "a b")]), key_of("x-a", &[("x-a", "ab")]));
        assert_ne!(key_of("x-a", &[("x-a", "A")]), key_of("x-a", &[("x-a", "a")]));
        let spelled = key_of("accept-encoding", &[("accept-encoding", "GZIP; q=1, br")]);
        assert_eq!(spelled, key_of("accept-encoding", &[("accept-encoding", "gzip;q=1,br")]));
    }

    #[test]
    fn no_value_can_be_mistaken_for_another_header() {
        assert_ne!(key_of("x-a, x-b", &[("x-a", "1"), ("x-b", "2")]), key_of("x-a, x-b", &[("x-a", "1x-b: 2")]));
    }
}
