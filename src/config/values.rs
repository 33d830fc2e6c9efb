//! The kinds of value a key may hold: how each is read, and how `heliostat check` prints it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::tree::{Node, Value};
use crate::base::network::Network;
use crate::base::secret::{SafeUrl, Secret};

/// A value that a key may hold.
pub trait Setting: Sized {
    /// Reads what was written.
    ///
    /// # Errors
    /// What the value must be, as the rest of a sentence. It quotes the value only where that cannot be secret.
    fn read(node: &Node) -> Result<Self, String>;

    /// Prints the value as TOML; a secret as `"****"`.
    fn print(&self) -> String;
}

/// A number of bytes, written `"256KiB"`, `"20GB"` or as a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

const NO_DURATION: &str = "must be a duration such as \"250ms\", \"5s\", \"10m\", \"1h\" or \"30d\"";

/// Milliseconds a unit; `ms` stands before `s` since both end in `s`.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// Prints text as a TOML basic string.
///
/// Source: TOML 1.0, "String".
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Prints a list as TOML.
pub fn print_list<T: Setting>(values: &[T]) -> String {
    format!("[{}]", values.iter().map(T::print).collect::<Vec<_>>().join(", "))
}

/// Reads one of a closed set of words.
///
/// # Errors
/// The words that are known.
pub fn read_choice<T: Clone>(node: &Node, choices: &[(&str, T)]) -> Result<T, String> {
    let text = text_of(node)?;
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| choice.clone()).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(word, _)| quote(word)).collect();
        format!("must be one of {}, not {}", known.join(", "), quote(text))
    })
}

/// Reads an absolute HTTP URL without user information, query and fragment, whose path then ends in `/`.
///
/// # Errors
/// What it must be; the URL is not quoted, since it may hold a password.
pub fn read_base_url(node: &Node) -> Result<SafeUrl, String> {
    let mut url = parse_http_url(text_of(node)?)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment".to_owned());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url.into())
}

/// Makes a reader that takes empty text as "none".
pub fn read_optional<T>(read: impl Fn(&Node) -> Result<T, String>) -> impl Fn(&Node) -> Result<Option<T>, String> {
    move |node| match &node.value {
        Value::Text(text) if text.is_empty() => Ok(None),
        _ => read(node).map(Some),
    }
}

fn parse_http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("must be a URL such as \"https://host/path\": {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL".to_owned());
    }
    Ok(url)
}

/// Returns the text of a node.
///
/// # Errors
/// What kind of value it is instead.
pub fn text_of(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("must be text, not {}", node.kind())),
    }
}

fn number_of(node: &Node) -> Result<u64, String> {
    match &node.value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| "must not be negative".to_owned()),
        Value::Text(text) if node.is_untyped() => {
            text.parse().map_err(|_| format!("must be a whole number, not {}", quote(text)))
        }
        _ => Err(format!("must be a whole number, not {}", node.kind())),
    }
}

/// Splits `"250ms"` into its number and its unit's factor, and multiplies them.
fn parse_scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Prints a number in the largest unit that leaves no rest.
fn print_scaled(number: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    match units.iter().filter(fits).max_by_key(|(_, factor)| *factor) {
        Some((name, factor)) => format!("\"{}{name}\"", number / factor),
        None => format!("\"{number}{smallest}\""),
    }
}

// === impl Setting ===

/// Reads a duration, also from a command line.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = parse_scaled(text, &DURATION_UNITS);
    millis.map(Duration::from_millis).ok_or_else(|| format!("{NO_DURATION}, not {}", quote(text)))
}

impl Setting for Duration {
    fn read(node: &Node) -> Result<Self, String> {
        let Value::Text(text) = &node.value else { return Err(format!("{NO_DURATION}, not {}", node.kind())) };
        parse_duration(text)
    }

    fn print(&self) -> String {
        print_scaled(self.as_millis() as u64, &DURATION_UNITS, "s")
    }
}

impl Setting for Size {
    fn read(node: &Node) -> Result<Self, String> {
        let wrong = || "must be a size such as \"256KiB\", \"20GiB\" or a number of bytes";
        match &node.value {
            Value::Integer(_) => number_of(node).map(Self),
            Value::Text(text) => parse_scaled(text, &SIZE_UNITS)
                .or_else(|| text.parse().ok())
                .map(Self)
                .ok_or_else(|| format!("{}, not {}", wrong(), quote(text))),
            _ => Err(format!("{}, not {}", wrong(), node.kind())),
        }
    }

    fn print(&self) -> String {
        print_scaled(self.0, &SIZE_UNITS, "B")
    }
}

impl Setting for bool {
    fn read(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Boolean(value) => Ok(*value),
            Value::Text(text) if node.is_untyped() => {
                text.parse().map_err(|_| format!("must be true or false, not {}", quote(text)))
            }
            _ => Err(format!("must be true or false, not {}", node.kind())),
        }
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    fn read(node: &Node) -> Result<Self, String> {
        number_of(node)?.try_into().map_err(|_| format!("must be at most {}", Self::MAX))
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn read(node: &Node) -> Result<Self, String> {
        number_of(node)?.try_into().map_err(|_| format!("must be at most {}", Self::MAX))
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn read(node: &Node) -> Result<Self, String> {
        text_of(node).map(str::to_owned)
    }

    fn print(&self) -> String {
        quote(self)
    }
}

impl Setting for Secret {
    fn read(node: &Node) -> Result<Self, String> {
        let text = text_of(node)?;
        // It becomes a header's value, where nothing else survives (RFC 9110 §5.5).
        if text.is_empty() || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err("must be visible ASCII, and not empty".to_owned());
        }
        Ok(Self::new(text))
    }

    fn print(&self) -> String {
        quote(&self.to_string())
    }
}

impl Setting for PathBuf {
    fn read(node: &Node) -> Result<Self, String> {
        match text_of(node)? {
            "" => Err("must not be empty".to_owned()),
            text => Ok(Path::new(text).to_owned()),
        }
    }

    fn print(&self) -> String {
        quote(&self.to_string_lossy())
    }
}

impl Setting for Network {
    fn read(node: &Node) -> Result<Self, String> {
        let text = text_of(node)?;
        Self::parse(text)
            .ok_or_else(|| format!("must be an address, or a network such as \"192.0.2.0/24\", not {}", quote(text)))
    }

    fn print(&self) -> String {
        quote(&self.to_string())
    }
}

impl Setting for SocketAddr {
    fn read(node: &Node) -> Result<Self, String> {
        let text = text_of(node)?;
        text.parse().map_err(|_| {
            format!("must be an address and port such as \"127.0.0.1:4870\" or \"[::]:4870\", not {}", quote(text))
        })
    }

    fn print(&self) -> String {
        quote(&self.to_string())
    }
}

/// A URL that may hold a user and password, such as a proxy's.
impl Setting for SafeUrl {
    fn read(node: &Node) -> Result<Self, String> {
        parse_http_url(text_of(node)?).map(Self::from)
    }

    fn print(&self) -> String {
        quote(&self.to_string())
    }
}

/// Nothing is written as empty text.
impl<T: Setting> Setting for Option<T> {
    fn read(node: &Node) -> Result<Self, String> {
        read_optional(T::read)(node)
    }

    fn print(&self) -> String {
        self.as_ref().map_or_else(|| quote(""), T::print)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Origin;
    use super::*;

    fn from_file<T: Setting>(value: Value) -> Result<T, String> {
        T::read(&Node { value, origin: Origin::File { name: "x.toml".into(), line: 1 } })
    }

    fn text<T: Setting>(text: &str) -> Result<T, String> {
        from_file(Value::Text(text.to_owned()))
    }

    #[test]
    fn durations_read_what_they_print() {
        for (written, millis) in
            [("250ms", 250), ("5s", 5_000), ("10m", 600_000), ("1h", 3_600_000), ("30d", 2_592_000_000)]
        {
            let duration: Duration = text(written).unwrap();
            assert_eq!(duration, Duration::from_millis(millis));
            assert_eq!(duration.print(), quote(written));
        }
        assert_eq!(Duration::ZERO.print(), "\"0s\"");
        assert_eq!(text::<Duration>("90s").unwrap().print(), "\"90s\"");
    }

    #[test]
    fn sizes_read_what_they_print() {
        for (written, bytes) in [("256KiB", 256 << 10), ("20GiB", 20 << 30), ("3GB", 3_000_000_000), ("7B", 7)] {
            let size: Size = text(written).unwrap();
            assert_eq!(size, Size(bytes));
            assert_eq!(size.print(), quote(written));
        }
        assert_eq!(from_file(Value::Integer(1024)), Ok(Size(1024)));
        assert_eq!(text("1024"), Ok(Size(1024)));
    }

    #[test]
    fn bad_durations_and_sizes_are_refused() {
        for wrong in ["", "5", "s", "-5s", "5 parsecs", "5.5s", "1h30m", "99999999999999999999d", "213503982335d"] {
            assert!(text::<Duration>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "KiB", "-1", "1.5GiB", "16777216TiB", "5 apples"] {
            assert!(text::<Size>(wrong).is_err(), "{wrong}");
        }
        assert!(from_file::<Size>(Value::Integer(-1)).is_err());
        assert!(from_file::<Duration>(Value::Integer(5)).is_err());
    }

    #[test]
    fn a_file_must_write_numbers_as_numbers_and_the_environment_cannot() {
        assert!(text::<u32>("4").is_err());
        let variable = |text: &str| Node::text(text, Origin::Environment("HELIOSTAT_X".to_owned()));
        assert_eq!(u32::read(&variable("4")), Ok(4));
        assert_eq!(bool::read(&variable("true")), Ok(true));
        assert!(bool::read(&variable("yes")).is_err());
    }

    #[test]
    fn a_wrong_url_is_not_quoted() {
        for wrong in ["https://joe:hunter2@[", "ftp://joe:hunter2@host/", "hunter2"] {
            assert!(!text::<SafeUrl>(wrong).unwrap_err().contains("hunter2"));
        }
        let node = Node::text("https://joe:hunter2@host/", Origin::Absent);
        assert!(!read_base_url(&node).unwrap_err().contains("hunter2"));
    }

    #[test]
    fn a_base_url_ends_in_a_slash() {
        let read = |text: &str| read_base_url(&Node::text(text, Origin::Absent)).map(|url| url.to_string());
        assert_eq!(read("https://host/npm").as_deref(), Ok("https://host/npm/"));
        assert_eq!(read("https://host").as_deref(), Ok("https://host/"));
        assert!(read("https://host/?q=1").is_err());
    }

    #[test]
    fn quoted_text_is_toml() {
        let awkward = "a\"b\\c\nd\u{7f}é";
        let table: toml::Table = format!("key = {}", quote(awkward)).parse().unwrap();
        assert_eq!(table["key"].as_str(), Some(awkward));
    }
}
