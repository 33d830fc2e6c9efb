//! Titles and versions: parsed once at the edge, so that inside the house one that exists is a valid one.
//! Source: contract nessemble §5.4, §6.1.

use crate::registries::text::print_as_text;

pub use crate::registries::version::Version;

/// Longest title, in characters.
const MAX_TITLE: usize = 128;

/// The last part of the path that packages are published at; no package can be called so.
pub const PUBLISH: &str = "publish";

/// The title of a package, which is its name. Titles that differ by case are different packages.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Title(Box<str>);

/// Why a text is no title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a title has 1 to 128 of A-Z, a-z, 0-9, dot, underscore, plus and hyphen, and is not publish")]
    Title,
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

print_as_text!(Title);

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
}
