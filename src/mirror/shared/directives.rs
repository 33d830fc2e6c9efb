//! The directives of `Cache-Control`, read as strictly as they must be and as kindly as they may be.

use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// Longer times than this mean no more than this. Source: RFC 9111 §1.2.2.
pub const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// All directives of a message, in their order; names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives(Vec<(String, Option<String>)>);

/// What a directive that takes a number of seconds says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seconds {
    Absent,
    Given(Duration),
    /// No number, or several that differ: to be taken as the least. Source: RFC 9111 §4.2.1.
    Invalid,
}

// === impl Directives ===

impl Directives {
    /// Reads all `Cache-Control` lines of a message. A comma within quotes parts nothing.
    ///
    /// Source: RFC 9111 §5.2, RFC 9110 §5.6.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut read = Vec::new();
        for line in headers.get_all(CACHE_CONTROL) {
            let text = String::from_utf8_lossy(line.as_bytes());
            read.extend(members(&text).filter_map(read_member));
        }
        Self(read)
    }

    /// Tells whether a directive is there, with or without an argument.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Reads a directive that takes a number of seconds.
    pub fn seconds(&self, name: &str) -> Seconds {
        let mut given = self.0.iter().filter(|(known, _)| known == name).map(|(_, argument)| seconds(argument));
        match given.next() {
            None => Seconds::Absent,
            Some(None) => Seconds::Invalid,
            Some(Some(first)) if given.all(|other| other == Some(first)) => Seconds::Given(first),
            Some(Some(_)) => Seconds::Invalid,
        }
    }
}

// === impl Seconds ===

impl Seconds {
    /// Returns the time given, nothing for what is invalid.
    pub fn valid(self) -> Option<Duration> {
        match self {
            Self::Given(time) => Some(time),
            Self::Absent | Self::Invalid => None,
        }
    }
}

/// Splits a list at its commas, except those within quotes.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        char == ',' && !quoted
    })
}

fn read_member(member: &str) -> Option<(String, Option<String>)> {
    let (name, argument) = match member.split_once('=') {
        Some((name, argument)) => (name, Some(argument)),
        None => (member, None),
    };
    let name = name.trim().to_ascii_lowercase();
    // What stands before the argument is no part of it, and no white space may: `max-age= 5` is no number.
    (!name.is_empty()).then(|| (name, argument.map(|argument| unquote(argument.trim_end()))))
}

/// Takes a quoted string's quotes off; both forms are to be accepted. Source: RFC 9111 §5.2.
fn unquote(argument: &str) -> String {
    let inner = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| argument.to_owned(), |inner| inner.replace('\\', ""))
}

/// Reads digits, and nothing but digits. A number too large to read is as good as the largest.
fn seconds(argument: &Option<String>) -> Option<Duration> {
    let text = argument.as_deref()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().map_or(MAX_DELTA, Duration::from_secs).min(MAX_DELTA))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Directives {
        Directives::of(&lines.iter().map(|line| (CACHE_CONTROL, line.parse().unwrap())).collect())
    }

    #[test]
    fn seconds_are_digits_in_either_form_and_nothing_else() {
        let given = |seconds| Seconds::Given(Duration::from_secs(seconds));
        for (line, expected) in [
            ("", Seconds::Absent),
            ("max-age", Seconds::Invalid),
            ("max-age=", Seconds::Invalid),
            ("max-age=60", given(60)),
            ("MAX-AGE=60", given(60)),
            ("max-age=\"60\"", given(60)),
            ("max-age=0060", given(60)),
            ("private=\"a, max-age=9\", max-age=60", given(60)),
            ("no-cache=\"a\\\", max-age=1\"", Seconds::Absent),
            ("max-age=99999999999999999999", Seconds::Given(MAX_DELTA)),
            ("max-age=60, max-age=60", given(60)),
            ("max-age=60, max-age=6", Seconds::Invalid),
            ("max-age=-1", Seconds::Invalid),
            ("max-age=6.5", Seconds::Invalid),
            ("max-age='60'", Seconds::Invalid),
            ("max-age= 60", Seconds::Invalid),
            ("max-age=60a", Seconds::Invalid),
            ("x-max-age=60", Seconds::Absent),
        ] {
            assert_eq!(read(&[line]).seconds("max-age"), expected, "{line}");
        }
    }

    #[test]
    fn every_line_counts_and_empty_members_do_not() {
        let read = read(&["a, ,b", " No-Store ,"]);
        assert!(read.has("a") && read.has("b") && read.has("no-store") && !read.has(""));
    }
}
