//! Queries of requests, as they came after the `?`. Of several values of one name the first counts.

use std::borrow::Cow;
use std::str::FromStr;

use url::form_urlencoded;

use super::failure::Error;

/// Finds what a query has under a name, decoded.
pub fn find<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Reads a number that a query has under a name; `default` where it has none.
///
/// # Errors
/// [`Error::BadRequest`], which says `why`: it is no such number.
pub fn parse_number<T: FromStr>(query: &str, name: &str, default: T, why: &'static str) -> Result<T, Error> {
    find(query, name).map_or(Ok(default), |text| text.parse().map_err(|_| Error::bad_request(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_decoded_once() {
        for (query, expected) in [
            ("", None),
            ("name", Some("")),
            ("a=1&name=x+y&name=z", Some("x y")),
            ("n%61me=%2540", Some("%40")),
            ("Name=x&names=y", None),
        ] {
            assert_eq!(find(query, "name").as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_a_mistake_and_one_that_is_missing_is_not() {
        for (query, expected) in [("size=7", Some(7)), ("", Some(20)), ("size=", None), ("size=-1", None)] {
            assert_eq!(parse_number(query, "size", 20_usize, "no number").ok(), expected, "{query}");
        }
    }
}
