//! Names and versions: parsed once at the edge, so that inside the house one that exists is a valid one.
//!
//! Upstream still serves names that nobody could publish today (`addressBook`), so reads go by the older rule, which
//! knew capitals behind the first letter (contract hex §1).

use crate::registries::text::print_as_text;

/// Longest package or repository name, in characters: what upstream's database holds.
const MAX_NAME: usize = 255;
/// Longest version, in characters; real ones stay below 30.
const MAX_VERSION: usize = 256;
/// Longest policy name, in characters; the shortest has 3 (contract hex §1).
const MAX_POLICY: usize = 64;

/// The name of a package: `jason`. Names that differ by case are different packages.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(Box<str>);

/// A version in strict semver without build metadata, as it was written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Box<str>);

/// The name of a repository, as its documents are signed for: `hexpm`, an organization.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

/// The name of a policy within its repository.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName(Box<str>);

/// Why a text is no name or version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a package name has 2 to 255 letters, digits and underscores, and starts with a small letter")]
    Package,
    #[error("a version is strict semver without build metadata, of 5 to 256 characters")]
    Version,
    #[error("a repository name has 1 to 255 small letters, digits, underscores and hyphens")]
    Repository,
    #[error(
        "a policy name has 3 to 64 small letters, digits, underscores, hyphens and dots, none of these at its ends"
    )]
    Policy,
}

/// Gives a checked text what every one of them has.
macro_rules! checked_text {
    ($($type:ident),*) => {$(
        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        print_as_text!($type);
    )*};
}

checked_text!(PackageName, Version, RepositoryName, PolicyName);

// === impl PackageName ===

impl PackageName {
    /// Reads a name that is percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Package`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let starts_small = text.starts_with(|first: char| first.is_ascii_lowercase());
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if (2..=MAX_NAME).contains(&text.len()) && starts_small && is_word {
            Ok(Self(text.into()))
        } else {
            Err(Error::Package)
        }
    }
}

// === impl Version ===

impl Version {
    /// Reads a strict version: three numbers without leading zeros, maybe a pre-release, no build metadata.
    ///
    /// # Errors
    /// [`Error::Version`].
    ///
    /// Source: contract hex §1; semver 2.0.0 §2, §9.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (numbers, label) = match text.split_once('-') {
            None => (text, None),
            Some((numbers, label)) => (numbers, Some(label)),
        };
        let has_three = numbers.split('.').count() == 3 && numbers.split('.').all(is_number);
        let is_labelled = label.is_none_or(|label| label.split('.').all(is_identifier));
        if text.len() <= MAX_VERSION && has_three && is_labelled { Ok(Self(text.into())) } else { Err(Error::Version) }
    }
}

fn is_number(text: &str) -> bool {
    let is_plain = text == "0" || !text.starts_with('0');
    !text.is_empty() && is_plain && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether a text may stand between the dots of a pre-release: `rc`, `1`, `0a`, but not `01`.
fn is_identifier(text: &str) -> bool {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_word && (is_number(text) || !text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads `NAME-VERSION`, as files are named. A name has no hyphen and a version may have many: the first one parts them.
///
/// # Errors
/// [`Error::Package`], [`Error::Version`].
///
/// Source: contract hex §1.
pub fn parse_stem(stem: &str) -> Result<(PackageName, Version), Error> {
    let (name, version) = stem.split_once('-').ok_or(Error::Version)?;
    Ok((PackageName::parse(name)?, Version::parse(version)?))
}

// === impl RepositoryName ===

impl RepositoryName {
    /// Reads a name that is percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Repository`].
    ///
    /// Source: contract hex §5.2.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_right = text.bytes().all(|byte| is_small(byte) || b"_-".contains(&byte));
        if (1..=MAX_NAME).contains(&text.len()) && is_right { Ok(Self(text.into())) } else { Err(Error::Repository) }
    }
}

// === impl PolicyName ===

impl PolicyName {
    /// Reads a name that is percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Policy`].
    ///
    /// Source: contract hex §1.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_right = text.bytes().all(|byte| is_small(byte) || b"_-.".contains(&byte));
        let ends = [text.bytes().next(), text.bytes().last()];
        let has_ends = ends.iter().all(|end| end.is_some_and(is_small));
        if (3..=MAX_POLICY).contains(&text.len()) && is_right && has_ends {
            Ok(Self(text.into()))
        } else {
            Err(Error::Policy)
        }
    }
}

fn is_small(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_upstream_serves_are_taken() {
        for text in ["jason", "phoenix_live_view", "ex2ms", "addressBook", "contextEX", "a1", "a_", &"a".repeat(255)] {
            assert_eq!(PackageName::parse(text).map(|name| name.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn names_that_nobody_has_are_refused() {
        let long = "a".repeat(256);
        for text in [
            "", "a", "Jason", "1a", "_a", "a-b", "a.b", "a b", "a/b", "..", "a%20", "é1", "aé", "a\0", "a\n", "@a/b",
            &long,
        ] {
            assert_eq!(PackageName::parse(text), Err(Error::Package), "{text:?}");
        }
    }

    #[test]
    fn only_strict_versions_are_versions() {
        let longest = format!("1.0.0-{}", "a".repeat(250));
        for text in
            ["0.0.0", "1.2.3", "1.0.0-0", "1.0.0-rc.1", "1.0.0-0.3", "1.0.0--", "1.0.0-0a", "1.0.0-a-b", &longest]
        {
            assert_eq!(Version::parse(text).map(|version| version.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "v1.0.0",
            "01.0.0",
            "1.0.0-01",
            "1.0.0-",
            "1.0.0-a..b",
            "1.0.0+b",
            "1.0.0-rc+b",
            "1.0.0-é",
            "1.0.0 ",
            "-1.0.0",
            "1..0",
            "1.0.0-a/b",
            "../../etc",
            &format!("{longest}a"),
        ] {
            assert_eq!(Version::parse(text), Err(Error::Version), "{text}");
        }
    }

    #[test]
    fn the_first_hyphen_parts_name_and_version() {
        let (name, version) = parse_stem("foo-1.0.0-0.3").unwrap();
        assert_eq!((name.as_str(), version.as_str()), ("foo", "1.0.0-0.3"));
        for (stem, error) in [
            ("foo", Error::Version),
            ("foo-", Error::Version),
            ("foo-bar-1.0.0", Error::Version),
            ("-1.0.0", Error::Package),
            ("Foo-1.0.0", Error::Package),
        ] {
            assert_eq!(parse_stem(stem), Err(error), "{stem}");
        }
    }

    #[test]
    fn repositories_and_policies_have_their_own_rules() {
        for text in ["hexpm", "acme", "my-org_2", "-"] {
            assert!(RepositoryName::parse(text).is_ok(), "{text}");
        }
        for text in ["", "Acme", "hexpm:acme", "a.b", "a/b", "..", &"a".repeat(256)] {
            assert_eq!(RepositoryName::parse(text), Err(Error::Repository), "{text}");
        }
        for text in ["abc", "a.b", "no-gpl_2.x", "000", &"a".repeat(64)] {
            assert!(PolicyName::parse(text).is_ok(), "{text}");
        }
        for text in ["", "ab", ".ab", "ab-", "_ab", "Abc", "a b c", "../..", "a/b", &"a".repeat(65)] {
            assert_eq!(PolicyName::parse(text), Err(Error::Policy), "{text}");
        }
    }
}
