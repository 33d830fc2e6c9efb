//! What the feeds of npm's registries say, read. Source: contract npm §10.3, §12.5.

use serde::Deserialize;
use serde_json::Value;

use crate::base::clock::millis;
use crate::registries::times::parse_time;

/// A page that counts by numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbered {
    /// The names of what has changed, the oldest first.
    pub names: Vec<String>,
    /// How many events there were.
    pub events: usize,
    /// The number of the last, in the feed's own words.
    pub last: Option<String>,
    /// Where the feed says that it stands behind them.
    pub stands_at: Option<String>,
}

/// A page that counts by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// Each with when it changed, in milliseconds since 1970, the oldest first.
    pub events: Vec<(u64, String)>,
}

/// Why an answer is no page.
#[derive(Debug, thiserror::Error)]
#[error("upstream gives no feed that can be read")]
pub struct Senseless(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Answer {
    results: Vec<Event>,
    #[serde(default)]
    last_seq: Value,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: String,
    #[serde(default)]
    seq: Value,
    #[serde(default)]
    gmt_modified: Value,
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    update_seq: Value,
}

/// Reads where a feed stands, from the root of its server; `None`: it does not say so.
///
/// # Errors
/// [`Senseless`].
pub fn parse_head(answer: &[u8]) -> Result<Option<String>, Senseless> {
    let root: Root = serde_json::from_slice(answer)?;
    Ok(number(&root.update_seq))
}

/// Reads a page that counts by numbers.
///
/// # Errors
/// [`Senseless`].
pub fn parse_numbered(answer: &[u8]) -> Result<Numbered, Senseless> {
    let Answer { results, last_seq } = serde_json::from_slice(answer)?;
    let last = results.iter().rev().find_map(|event| number(&event.seq));
    let events = results.len();
    let names = results.into_iter().map(|event| event.id).collect();
    Ok(Numbered { names, events, last, stands_at: number(&last_seq) })
}

/// Reads a page that counts by time. What has no time that can be read is left out: nobody could go on behind it.
///
/// # Errors
/// [`Senseless`].
pub fn parse_timed(answer: &[u8]) -> Result<Timed, Senseless> {
    let Answer { results, .. } = serde_json::from_slice(answer)?;
    let read = |event: Event| Some((time(&event.gmt_modified)?, event.id));
    let mut events: Vec<_> = results.into_iter().filter_map(read).collect();
    events.sort_by_key(|(at, _)| *at);
    Ok(Timed { events })
}

/// Reads a number as feeds write it: some as text, some with more behind it that is theirs alone.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() && text.len() <= 1_024 => Some(text.clone()),
        _ => None,
    }
}

fn time(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => parse_time(text).map(|time| millis(time.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_numbers_says_what_has_changed_and_where_it_ends() {
        for (answer, names, events, last, stands_at) in [
            (r#"{"results": [], "last_seq": 7}"#, &[][..], 0, None, Some("7")),
            (
                r#"{"results": [{"seq": 5, "id": "a", "changes": [{"rev": "1-x"}]}, {"seq": 6, "id": "b", "deleted": true}],
                    "last_seq": 6, "pending": 3}"#,
                &["a", "b"],
                2,
                Some("6"),
                Some("6"),
            ),
            (
                r#"{"results": [{"seq": "5", "type": "PACKAGE_TAG_ADDED", "id": "@s/a"}]}"#,
                &["@s/a"],
                1,
                Some("5"),
                None,
            ),
            (
                r#"{"results": [{"seq": "9-abc", "id": "a"}], "last_seq": "9-abc"}"#,
                &["a"],
                1,
                Some("9-abc"),
                Some("9-abc"),
            ),
        ] {
            let page = parse_numbered(answer.as_bytes()).unwrap();
            assert_eq!(
                (&page.names[..], page.events),
                (&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()[..], events)
            );
            assert_eq!((page.last.as_deref(), page.stands_at.as_deref()), (last, stands_at), "{answer}");
        }
    }

    #[test]
    fn a_page_of_times_is_put_in_order() {
        let answer = r#"{"results": [{"gmt_modified": "2024-03-01T00:00:01.500Z", "id": "b"}, {"id": "no time"},
            {"gmt_modified": 1709251200000, "id": "a"}]}"#;
        let expected = [(1_709_251_200_000, "a".to_owned()), (1_709_251_201_500, "b".to_owned())];
        assert_eq!(parse_timed(answer.as_bytes()).unwrap().events, expected);
    }

    #[test]
    fn a_root_says_where_its_feed_stands() {
        for (root, expected) in
            [(r#"{"update_seq": 12}"#, Some("12")), (r#"{"update_seq": "12-x"}"#, Some("12-x")), ("{}", None)]
        {
            assert_eq!(parse_head(root.as_bytes()).unwrap().as_deref(), expected, "{root}");
        }
    }

    #[test]
    fn what_is_no_feed_is_refused() {
        for wrong in
            ["", "[]", "{}", "<html>", r#"{"results": {}}"#, r#"{"results": [1]}"#, r#"{"results": [{"id": 1}]}"#]
        {
            assert!(parse_numbered(wrong.as_bytes()).is_err() && parse_timed(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(parse_head(b"<html>").is_err());
    }
}
