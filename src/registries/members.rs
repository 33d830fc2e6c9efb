//! JSON objects of strangers, member by member in their own order: what is understood is taken out, the rest is passed
//! on as it stands, and a name that stands there twice is never read as one of the two.

use std::fmt;
use std::io::{self, Write};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Most members of an object, and most elements of an array: a short document may hold very many empty ones.
const MAX_MEMBERS: usize = 1 << 20;

/// The members of one object, in their order, their values not read yet.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

/// The elements of one array, not read yet.
struct Elements<'a>(Vec<&'a RawValue>);

/// A name that an object has twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has {0:?} twice in one place")]
pub struct Repeated(pub String);

impl<'a> Members<'a> {
    /// Reads an object; `None` for any other value.
    pub fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// Takes a member out; `None` when there is none, or it is `null`.
    ///
    /// # Errors
    /// [`Repeated`]: parsers would not agree on which of the two counts.
    pub fn take(&mut self, name: &str) -> Result<Option<&'a RawValue>, Repeated> {
        let Some(value) = self.take_first(name) else { return Ok(None) };
        match self.take_first(name) {
            Some(_) => Err(Repeated(name.to_owned())),
            None => Ok(Some(value).filter(|value| value.get() != "null")),
        }
    }

    /// Takes the first member of this name out.
    pub fn take_first(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a member that is text; one that is something else counts as absent.
    ///
    /// # Errors
    /// As [`Members::take`].
    pub fn take_text(&mut self, name: &str) -> Result<Option<String>, Repeated> {
        Ok(self.take(name)?.and_then(|value| serde_json::from_str(value.get()).ok()))
    }

    /// Takes a member that is a whole number; one that is something else counts as absent.
    ///
    /// # Errors
    /// As [`Members::take`].
    pub fn take_number(&mut self, name: &str) -> Result<Option<u64>, Repeated> {
        Ok(self.take(name)?.and_then(|value| serde_json::from_str(value.get()).ok()))
    }

    /// Prints what is left, each member after a comma: the end of an object that has others before.
    ///
    /// # Errors
    /// The sink's.
    pub fn print_rest(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.0.iter().try_for_each(|(name, value)| write!(out, ",{}:{}", quote(name), value.get()))
    }
}

/// Reads a document of which no more is known than that it is JSON.
///
/// # Errors
/// The parser's.
pub fn parse_json(document: &[u8]) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(document)
}

/// Reads an array, or the one that an object of a former generation has under `name`. `None`: neither, or one of very
/// many elements.
///
/// # Errors
/// [`Repeated`]: the object has two of that name.
pub fn parse_array<'a>(document: &'a RawValue, name: &str) -> Result<Option<Vec<&'a RawValue>>, Repeated> {
    match Members::of(document) {
        Some(mut members) => Ok(members.take(name)?.and_then(elements)),
        None => Ok(elements(document)),
    }
}

/// Reads an array of which nothing is known yet; `None` for any other value, and for one of very many elements.
pub fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok().map(|Elements(elements)| elements)
}

/// Prints text as JSON: no slash and nothing beyond ASCII is escaped.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'a> IntoIterator for Members<'a> {
    type Item = (String, &'a RawValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unread;

        impl<'de> Visitor<'de> for Unread {
            type Value = Elements<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    if elements.len() == MAX_MEMBERS {
                        return Err(A::Error::custom("too many elements"));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
    }

    fn rest(members: &Members<'_>) -> String {
        let mut out = Vec::new();
        members.print_rest(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_taken_is_left_as_it_stands() {
        let json = raw(r#"{ "zeta": 1.50e3 , "name":"caf\u00e9", "a/b":[1, {"x":null}], "size": 7, "deep":{"a":1} }"#);
        let mut members = Members::of(json).unwrap();
        assert_eq!(members.take_text("name"), Ok(Some("café".into())));
        assert_eq!(members.take_number("size"), Ok(Some(7)));
        assert_eq!(members.take_text("absent"), Ok(None));
        assert_eq!(rest(&members), r#","zeta":1.50e3,"a/b":[1, {"x":null}],"deep":{"a":1}"#);
    }

    #[test]
    fn a_member_of_another_kind_counts_as_absent() {
        for (json, number) in [
            (r#"{"size":"7"}"#, None),
            (r#"{"size":-1}"#, None),
            (r#"{"size":1.5}"#, None),
            (r#"{"size":1e400}"#, None),
            (r#"{"size":null}"#, None),
            (r#"{"size":18446744073709551615}"#, Some(u64::MAX)),
        ] {
            assert_eq!(Members::of(raw(json)).unwrap().take_number("size"), Ok(number), "{json}");
        }
        assert_eq!(Members::of(raw(r#"{"name":{"a":1}}"#)).unwrap().take_text("name"), Ok(None));
        assert!(Members::of(raw("[1]")).is_none() && Members::of(raw("\"x\"")).is_none());
    }

    #[test]
    fn a_name_that_stands_there_twice_is_refused_however_it_is_written() {
        for json in [r#"{"a":1,"b":2,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":null,"a":1}"#] {
            assert_eq!(Members::of(raw(json)).unwrap().take("a").unwrap_err(), Repeated("a".into()), "{json}");
        }
        let mut both = Members::of(raw(r#"{"a":1,"b":2,"a":3}"#)).unwrap();
        let first = both.take_first("a").map(RawValue::get);
        assert_eq!(
            (first, both.take_first("a").map(RawValue::get), both.take_first("a").is_none()),
            (Some("1"), Some("3"), true)
        );
    }

    #[test]
    fn an_array_is_found_bare_or_in_its_wrapper() {
        let lengths = |json| parse_array(raw(json), "rows").map(|rows| rows.map(|rows| rows.len()));
        assert_eq!(lengths("[1,2]"), Ok(Some(2)));
        assert_eq!(lengths(r#"{"rows":[1],"more":1}"#), Ok(Some(1)));
        for neither in ["{}", r#"{"rows":{}}"#, "1", "\"rows\"", r#"{"rows":null}"#] {
            assert_eq!(lengths(neither), Ok(None), "{neither}");
        }
        assert!(lengths(r#"{"rows":[],"rows":[]}"#).is_err());
    }

    #[test]
    fn there_is_an_end_to_how_many_there_may_be() {
        let array = |count: usize| format!("[{}]", vec!["7"; count].join(","));
        let object = |count: usize| format!("{{{}}}", vec!["\"\":7"; count].join(","));
        assert_eq!(
            parse_array(raw(&array(MAX_MEMBERS)), "").map(|rows| rows.map(|rows| rows.len())),
            Ok(Some(MAX_MEMBERS))
        );
        assert_eq!(parse_array(raw(&array(MAX_MEMBERS + 1)), "").map(|rows| rows.is_none()), Ok(true));
        assert!(
            Members::of(raw(&object(MAX_MEMBERS))).is_some() && Members::of(raw(&object(MAX_MEMBERS + 1))).is_none()
        );
    }

    #[test]
    fn text_is_quoted_so_that_plain_readers_find_it() {
        assert_eq!(quote("http://h/a?b"), "\"http://h/a?b\"");
        assert_eq!(quote("a\"b\\c\n\u{1}é"), "\"a\\\"b\\\\c\\n\\u0001é\"");
    }
}
