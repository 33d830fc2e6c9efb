//! Titles and versions: parsed once at the edge, so that inside the house one that exists is a valid one.
//! Source: contract nessemble §5.4, §6.1.

use std::fmt;

/// Longest title, in characters.
const MAX_TITLE: usize = 128;
/// Longest version, in characters: SemVer sets no end, and every version stands in many keys.
const MAX_VERSION: usize = 256;

/// The last part of the path that packages are published at; no package can be called so.
pub const PUBLISH: &str = "publish";

/// The title of a package, which is its name. Titles that differ by case are different packages.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Title(Box<str>);

/// A version by SemVer 2.0, as it was written. Ordered as SemVer says, then by its build.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version {
    text: Box<str>,
    parsed: semver::Version,
}

/// Why a text is no title or version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a title has 1 to 128 of A-Z, a-z, 0-9, dot, underscore, plus and hyphen, and is not publish")]
    Title,
    #[error("a version is SemVer of at most 256 characters")]
    Version,
}

// === impl Title ===

impl Title {
    /// Reads a title that is percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Title`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_next = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        let fits = is_first && text.len() <= MAX_TITLE && text.bytes().all(is_next) && text != PUBLISH;
        if fits { Ok(Self(text.into())) } else { Err(Error::Title) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the file name of a version's archive. Source: contract nessemble §5.6.
    pub fn archive_file(&self, version: &Version) -> String {
        format!("{self}-{version}.tar.gz")
    }
}

// === impl Version ===

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// [`Error::Version`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed = semver::Version::parse(text).ok().filter(|_| text.len() <= MAX_VERSION);
        Ok(Self { text: text.into(), parsed: parsed.ok_or(Error::Version)? })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_prerelease(&self) -> bool {
        !self.parsed.pre.is_empty()
    }
}

impl Ord for Version {
    /// Source: Semantic Versioning 2.0.0 §11; the build decides between equals, so that the order is whole.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parsed.cmp(&other.parsed)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes a type as the text it holds.
macro_rules! print_as_text {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}

print_as_text!(Title, Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_what_urls_and_clients_can_hold() {
        let longest = "a".repeat(128);
        for text in ["foo", "Foo", "a", "0", "foo-bar_2.x+y", "readme", "data", "v1", "publisher", &longest] {
            assert_eq!(Title::parse(text).map(|title| title.to_string()).as_deref(), Ok(text));
        }
        let long = "a".repeat(129);
        for text in
            ["", ".", "..", "-a", "_a", "+a", "a@1", "a/b", "a%62", "a b", "a\0", "a\n", "é", "publish", "@a/b", &long]
        {
            assert_eq!(Title::parse(text), Err(Error::Title), "{text:?}");
        }
        let version = Version::parse("1.0.1").unwrap();
        assert_eq!(Title::parse("foo").unwrap().archive_file(&version), "foo-1.0.1.tar.gz");
    }

    #[test]
    fn versions_are_semver_and_in_its_order() {
        let ascending = ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "1.10.0"];
        let parsed = ascending.map(|text| Version::parse(text).unwrap());
        assert!(parsed.is_sorted_by(|one, other| one < other));
        assert_eq!(parsed.iter().filter(|version| version.is_prerelease()).count(), 4);
        let long = format!("1.0.0-{}", "a".repeat(251));
        for text in ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0.0", "1.0.0 ", "README", "data", "1.0.0-é", &long] {
            assert_eq!(Version::parse(text), Err(Error::Version), "{text}");
        }
    }
}
