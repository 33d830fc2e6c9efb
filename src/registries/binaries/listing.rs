//! What was read of a mirror's tree, whatever form it came in: directories, their entries, names and dates. Pure.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};
use url::Url;

use crate::overlay::binaries::Entry;
use crate::registries::times::{parse_time, print_millis};

/// No directory and no entry has a longer path below its mirror, in bytes. Source: contract npm §16.
pub const MAX_PATH: usize = 1024;

/// No name is longer, in bytes.
const MAX_NAME: usize = 255;

/// Entries that are read of one mirror at once, at most.
pub const MAX_ENTRIES: usize = 50_000;

/// What is no escape in a place.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// An answer of upstream is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("it is no {what}")]
pub struct Malformed {
    pub what: &'static str,
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct Found {
    pub size: Option<u64>,
    pub date: String,
    pub place: String,
    pub is_certain: bool,
}

/// Directories by their paths, and their entries by names. The root is empty text; all others end in a slash.
#[derive(Debug, Default)]
pub struct Listing {
    directories: BTreeMap<String, BTreeMap<String, Entry>>,
    entries: usize,
    /// How much was left out, since nobody could ask for it, or since there is too much.
    pub left_out: usize,
}

// === impl Malformed ===

impl Malformed {
    pub fn of(what: &'static str, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { what, cause: Some(Box::new(cause)) }
    }
}

// === impl Listing ===

impl Listing {
    /// Begins with one directory, which has nothing yet.
    pub fn of(directory: &str) -> Self {
        Self { directories: [(directory.to_owned(), BTreeMap::new())].into(), ..Self::default() }
    }

    /// Tells whether a directory is among those that were read.
    pub fn has(&self, directory: &str) -> bool {
        self.directories.contains_key(directory)
    }

    /// Tells whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Adds a file by its path below the mirror, with the directories on the way to it. Tells whether it is listed then.
    pub fn add(&mut self, path: &str, found: Found) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        let Some((name, above)) = segments.split_last().filter(|_| segments.iter().all(|name| is_name(name))) else {
            self.left_out += 1;
            return false;
        };
        let Found { size, date, place, is_certain } = found;
        let mut directory = String::new();
        for segment in above {
            let entry = Entry {
                name: (*segment).to_owned(),
                is_directory: true,
                size: None,
                date: date.clone(),
                place: String::new(),
                is_certain: true,
            };
            if !self.add_entry(&directory, entry) {
                return false;
            }
            directory.push_str(segment);
            directory.push('/');
        }
        let name = (*name).to_owned();
        self.add_entry(&directory, Entry { name, is_directory: false, size, date, place, is_certain })
    }

    /// Adds an entry to a directory. A directory is of the latest date that is told of it; of two files of one name the
    /// first counts. Tells whether it is listed then.
    pub fn add_entry(&mut self, directory: &str, entry: Entry) -> bool {
        if self.entries >= MAX_ENTRIES || directory.len() + entry.name.len() >= MAX_PATH || !is_name(&entry.name) {
            self.left_out += 1;
            return false;
        }
        let entries = self.directories.entry(directory.to_owned()).or_default();
        match entries.get_mut(&entry.name) {
            Some(held) if held.is_directory && held.date < entry.date => held.date = entry.date,
            Some(_) => {}
            None => {
                entries.insert(entry.name.clone(), entry);
                self.entries += 1;
            }
        }
        true
    }

    /// Returns the directories, those above before those below, with their entries in the order of names.
    pub fn into_directories(self) -> Vec<(String, Vec<Entry>)> {
        self.directories.into_iter().map(|(path, entries)| (path, entries.into_values().collect())).collect()
    }
}

/// Tells whether something may be called so: whoever lists it must be able to ask for it.
///
/// Source: contract npm §16, for what a path is made of.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !matches!(byte, b'/' | b'\\');
    !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME && name.bytes().all(plain)
}

/// Returns where a URL lies in a tree; `None` where it leads elsewhere, or nowhere that could be mirrored.
pub fn place_of<'a>(url: &'a Url, root: &Url) -> Option<&'a str> {
    let place = url.as_str().strip_prefix(root.as_str())?;
    (!place.is_empty() && url.query().is_none() && url.fragment().is_none()).then_some(place)
}

/// Returns the URL of a place in a tree.
pub fn url_of(place: &str, root: &Url) -> Option<Url> {
    Url::parse(&format!("{root}{place}")).ok().filter(|url| url.as_str().starts_with(root.as_str()))
}

/// Writes a path of names as a place.
pub fn escape(path: &str) -> String {
    utf8_percent_encode(path, PLAIN).to_string()
}

/// Reads a name that stands in a URL.
pub fn unescape(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(|name| name.into_owned()).filter(|name| is_name(name))
}

/// Reads a time in RFC 3339 into the form that dates have here; empty where it is none.
pub fn read_date(text: &str) -> String {
    parse_time(text).map(print_millis).unwrap_or_default()
}

/// Reads a day and a time of day as directory listings write them, in UTC: `2015-11-03 10:11`, `03-Nov-2015 10:11:12`.
pub fn read_local_date(day: &str, time: &str) -> Option<String> {
    let date = read_day(day)?;
    let mut parts = time.splitn(3, ':').map(|part| if part.len() == 2 { part.parse::<u8>().ok() } else { None });
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let time = PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second).ok()?).assume_utc();
    // What is before 1970 was never set.
    (time > OffsetDateTime::UNIX_EPOCH && time.format(&Rfc3339).is_ok()).then(|| print_millis(time))
}

fn read_day(day: &str) -> Option<Date> {
    let mut parts = day.splitn(3, '-');
    let (first, month, last) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = match (first.len(), last.len()) {
        (4, 2) => (first, Month::try_from(month.parse::<u8>().ok()?).ok()?, last),
        (2, 4) => (last, read_month(month)?, first),
        _ => return None,
    };
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

fn read_month(text: &str) -> Option<Month> {
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let number = names.iter().position(|name| text.eq_ignore_ascii_case(name))?;
    Month::try_from(u8::try_from(number + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(date: &str) -> Found {
        Found { size: Some(1), date: date.to_owned(), place: "p".to_owned(), is_certain: true }
    }

    fn print(listing: Listing) -> Vec<(String, Vec<String>)> {
        let print = |entry: &Entry| {
            let slash = if entry.is_directory { "/" } else { "" };
            format!("{}{slash} {}", entry.name, entry.date)
        };
        let directories = listing.into_directories();
        directories.into_iter().map(|(path, entries)| (path, entries.iter().map(print).collect())).collect()
    }

    #[test]
    fn a_file_comes_with_the_directories_above_it() {
        let mut listing = Listing::default();
        for (path, date) in [("v1/x/a", "2023"), ("v1/b", "2024"), ("v1/b", "2025"), ("v1/x/c", "2022"), ("d", "")] {
            listing.add(path, found(date));
        }
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let expected = [
            (String::new(), texts(&["d ", "v1/ 2025"])),
            ("v1/".to_owned(), texts(&["b 2024", "x/ 2023"])),
            ("v1/x/".to_owned(), texts(&["a 2023", "c 2022"])),
        ];
        assert_eq!(print(listing), expected);
    }

    #[test]
    fn what_nobody_could_ask_for_is_left_out() {
        let mut listing = Listing::default();
        let deep = "d/".repeat(600) + "x";
        for path in ["", "/", "a//b", "a/", "../a", "a/./b", "a\\b", "\u{e9}", "a\nb", &"n".repeat(256), &deep] {
            assert!(!listing.add(path, found("")), "{path}");
        }
        assert_eq!(listing.left_out, 11);
        listing.add(&"n".repeat(255), found(""));
        assert!(listing.into_directories()[0].1.iter().any(|entry| entry.name.len() == 255));
    }

    #[test]
    fn a_place_is_below_its_tree_and_nowhere_else() {
        let root: Url = "https://files.example/dist/".parse().unwrap();
        let place = |url: &str| place_of(&url.parse().unwrap(), &root).map(str::to_owned);
        assert_eq!(place("https://files.example/dist/v1/a%20b").as_deref(), Some("v1/a%20b"));
        for url in [
            "https://files.example/dist/",
            "https://files.example/dist/a?x",
            "https://files.example/dist/a#x",
            "https://files.example/dist/../a",
            "http://files.example/dist/a",
            "https://other.example/dist/a",
        ] {
            assert_eq!(place(url), None, "{url}");
        }
        assert_eq!(url_of("v1/", &root).map(String::from).as_deref(), Some("https://files.example/dist/v1/"));
        assert_eq!(url_of("../x", &root), None);
        assert_eq!((escape("a b/@c+d~"), unescape("a%20b")), ("a%20b/%40c%2Bd~".to_owned(), Some("a b".to_owned())));
        assert_eq!((unescape("a%2Fb"), unescape("%FF"), unescape("%2e%2e")), (None, None, None));
    }

    #[test]
    fn dates_of_listings_are_read_in_all_their_forms() {
        for (day, time, expected) in [
            ("03-Nov-2015", "10:11", Some("2015-11-03T10:11:00.000Z")),
            ("2015-11-03", "10:11:12", Some("2015-11-03T10:11:12.000Z")),
            ("31-feb-2015", "10:11", None),
            ("2015-11-03", "24:00", None),
            ("2015-11-03", "1:00", None),
            ("1969-12-31", "23:59", None),
            ("15-11-03", "10:11", None),
            ("-", "-", None),
        ] {
            assert_eq!(read_local_date(day, time).as_deref(), expected, "{day} {time}");
        }
        assert_eq!(read_date("2015-11-03T10:11:12+01:00"), "2015-11-03T09:11:12.000Z");
        assert_eq!(read_date("once"), "");
    }
}
