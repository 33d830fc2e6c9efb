//! Bodies that change a package, read for what is asked of them and for nothing else: they may be as long as those of a
//! publish, and hold millions of values. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Most members of an object, and elements of an array, that are taken: no package has as many versions.
const MAX: usize = 100_000;

/// What a body says of why a version is not to be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Reason {
    Text(String),
    /// Something else, which says nothing.
    Other,
}

impl Reason {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other => None,
        }
    }
}

/// Reads a reason; none, where it is `null`.
pub fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Reason>, D::Error> {
    let value: &RawValue = Deserialize::deserialize(deserializer)?;
    match value.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => {
            serde_json::from_str(text).map(|text| Some(Reason::Text(text))).map_err(D::Error::custom)
        }
        _ => Ok(Some(Reason::Other)),
    }
}

/// Whether somebody likes a package: whatever is not `false` says so.
pub struct Likes(pub bool);

impl<'de> Deserialize<'de> for Likes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: &RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self(value.get() != "false"))
    }
}

/// Reads an object of few members, or `null`.
pub fn few<'de, T, D>(deserializer: D) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Few<BTreeMap<String, T>>>::deserialize(deserializer)?.map(|Few(members)| members))
}

/// Reads an array of few elements, or `null`.
pub fn few_of<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Few<Vec<T>>>::deserialize(deserializer)?.map(|Few(elements)| elements))
}

/// No more than [`MAX`] of something.
struct Few<T>(T);

/// Counts while it reads.
struct Counting<T>(PhantomData<T>);

// === impl Few ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<BTreeMap<String, T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Counting::<BTreeMap<String, T>>(PhantomData)).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<Vec<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting::<Vec<T>>(PhantomData)).map(Self)
    }
}

// === impl Counting ===

impl<'de, T: Deserialize<'de>> Visitor<'de> for Counting<BTreeMap<String, T>> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.len() == MAX {
                return Err(A::Error::custom("too many members"));
            }
            members.insert(name, value);
        }
        Ok(members)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Counting<Vec<T>> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if elements.len() == MAX {
                return Err(A::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Sent {
        #[serde(default, deserialize_with = "few")]
        users: Option<BTreeMap<String, Likes>>,
        #[serde(default, deserialize_with = "few_of")]
        owners: Option<Vec<u32>>,
        #[serde(default, deserialize_with = "reason")]
        deprecated: Option<Reason>,
    }

    fn read(json: &str) -> Result<Sent, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn values_are_read_for_what_they_say_and_no_more() {
        let sent = read(r#"{"users":{"a":false,"b":true,"c":null,"d":[{},0]},"owners":null}"#).unwrap();
        let likes: Vec<bool> = sent.users.unwrap().into_values().map(|Likes(likes)| likes).collect();
        assert_eq!(likes, [false, true, true, true]);
        assert!(sent.owners.is_none());
        let text = |text: &str| Some(Reason::Text(text.to_owned()));
        for (json, expected) in [
            ("{}", None),
            (r#"{"deprecated":null}"#, None),
            (r#"{"deprecated":""}"#, text("")),
            (r#"{"deprecated": "caf\u00e9" }"#, text("café")),
            (r#"{"deprecated":false}"#, Some(Reason::Other)),
            (r#"{"deprecated":[[],{"a":1}]}"#, Some(Reason::Other)),
        ] {
            assert_eq!(read(json).unwrap().deprecated, expected, "{json}");
        }
        assert!(read(r#"{"users":[]}"#).is_err() && read(r#"{"deprecated":"\ud800"}"#).is_err());
    }

    #[test]
    fn there_is_an_end_to_how_many_are_taken() {
        let users = |count: usize| {
            let users: Vec<String> = (0..count).map(|user| format!("\"{user}\":0")).collect();
            format!("{{\"users\":{{{}}}}}", users.join(","))
        };
        assert_eq!(read(&users(MAX)).unwrap().users.map(|users| users.len()), Some(MAX));
        assert!(read(&users(MAX + 1)).is_err());
        let owners = |count: usize| format!("{{\"owners\":[{}]}}", vec!["7"; count].join(","));
        assert_eq!(read(&owners(MAX)).unwrap().owners.map(|owners| owners.len()), Some(MAX));
        assert!(read(&owners(MAX + 1)).is_err());
    }
}
