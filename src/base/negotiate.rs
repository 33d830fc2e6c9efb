//! Content negotiation, as pure decisions: which coding and which media type a client would rather have.

use ::http::HeaderMap;
use ::http::header::{ACCEPT, ACCEPT_ENCODING};

/// A preference, in thousandths: 0 is "not acceptable". Source: RFC 9110 §12.4.2.
pub type Quality = u16;

/// Tells whether the client takes gzip at least as gladly as the plain bytes. Source: RFC 9110 §12.5.3.
pub fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut any = None;
    let mut identity = None;
    for (coding, quality) in items(request, &ACCEPT_ENCODING) {
        match coding {
            _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => gzip = Some(quality),
            _ if coding.eq_ignore_ascii_case("identity") => identity = Some(quality),
            "*" => any = Some(quality),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Returns the quality of a media type that the client names itself, wildcards left out; `None` when it does not.
pub fn named(request: &HeaderMap, media: &str) -> Option<Quality> {
    items(request, &ACCEPT).find(|(range, _)| range.eq_ignore_ascii_case(media)).map(|(_, quality)| quality)
}

/// Walks a list such as `a/b; q=0.5, c/d`: each word with its quality. Other parameters are passed over.
fn items<'a>(request: &'a HeaderMap, header: &'a ::http::HeaderName) -> impl Iterator<Item = (&'a str, Quality)> {
    request.get_all(header).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(
        |item| {
            let mut words = item.split(';').map(str::trim);
            let name = words.next().unwrap_or_default();
            let quality = words.find_map(|word| word.strip_prefix("q=").or_else(|| word.strip_prefix("Q=")));
            (name, quality.map_or(1000, parse_quality))
        },
    )
}

/// Reads `0.123` or `1`; nonsense counts as not acceptable.
fn parse_quality(text: &str) -> Quality {
    match text.trim().parse::<f32>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as Quality,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn gzip_is_taken_when_the_client_wants_it() {
        for (value, expected) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("br, GZIP;q=0.8", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("identity;q=1, gzip;q=0.5", false),
            ("gzip;q=x", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&with("accept-encoding", value)), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_media_type_counts_only_when_it_is_named() {
        let accept = with("accept", "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*");
        assert_eq!(named(&accept, "application/vnd.npm.install-v1+json"), Some(1000));
        assert_eq!(named(&accept, "application/json"), Some(800));
        assert_eq!(named(&accept, "text/html"), None);
        assert_eq!(named(&HeaderMap::new(), "text/html"), None);
    }
}
