//! Names, versions and specs: parsed once at the edge, so that inside the house one that exists is a valid one.
//!
//! Upstream still serves names that nobody could publish today (`JSONStream`), so reads go by npm's rules for old
//! packages (contract npm §1.1). Ranges and the order of versions live in `range.rs`.

use std::borrow::Cow;
use std::fmt;

use crate::registries::range::{Precedence, Range};

/// Longest package name, in characters (contract npm §1.1).
const MAX_NAME: usize = 214;
/// Longest dist-tag, in characters (contract npm §1.3).
const MAX_TAG: usize = 214;
/// Longest version, in characters; the shortest is `0.0.0` (contract npm §1.3).
const MAX_VERSION: usize = 256;
/// Longest range, in characters: real ones are far shorter, and reading one costs time by its length.
const MAX_RANGE: usize = 512;

/// The tag that a package is shown by, which stays while there is a version (contract npm §1.3).
pub const LATEST: &str = "latest";

/// The name of a package: `left-pad`, `@acme/tool`. Names that differ by case are different packages.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName {
    text: Box<str>,
    /// Where the part without the scope starts: 0, or just past the slash.
    unscoped: usize,
}

/// A version in strict semver, as it was written: build metadata is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Box<str>);

/// What a client asks of a package: one version, a dist-tag or a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    Version(Version),
    Tag(Box<str>),
    /// The text comes along, because upstreams hold old tags that read as ranges, and a tag goes before a range.
    Range(Box<str>, Range),
}

/// Why a text is no name, version or spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a package name has 1 to 214 characters")]
    NameLength,
    #[error("a package name holds only URL-safe characters, and at most one scope")]
    NameCharacters,
    #[error("a package name does not start with a dot or an underscore")]
    NameStart,
    #[error("a package name holds no two dots in a row")]
    NameDots,
    #[error("this package name is reserved")]
    NameReserved,
    #[error("a version is strict semver of 5 to 256 characters")]
    Version,
    #[error("this is no version, dist-tag or range")]
    Spec,
}

// === impl PackageName ===

impl PackageName {
    /// Reads a name that is percent-decoded already: `n` or `@s/n`.
    ///
    /// # Errors
    /// Any of [`Error`]'s name variants.
    ///
    /// Source: contract npm §1.1, "valid for old packages".
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(Error::NameLength);
        }
        let unscoped = match text.strip_prefix('@') {
            None => 0,
            Some(rest) => rest.find('/').ok_or(Error::NameCharacters)? + 2,
        };
        let name = &text[unscoped..];
        let parts = if unscoped == 0 { &[name][..] } else { &[&text[1..unscoped - 1], name][..] };
        if parts.iter().any(|part| part.is_empty() || !part.bytes().all(is_url_safe)) {
            return Err(Error::NameCharacters);
        }
        if text.starts_with('_') || parts.iter().any(|part| part.starts_with('.')) {
            return Err(Error::NameStart);
        }
        if text.contains("..") {
            return Err(Error::NameDots);
        }
        if ["node_modules", "favicon.ico"].iter().any(|reserved| text.eq_ignore_ascii_case(reserved)) {
            return Err(Error::NameReserved);
        }
        Ok(Self { text: text.into(), unscoped })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scope with its `@`, as configuration writes it; `None` for an unscoped name.
    pub fn scope(&self) -> Option<&str> {
        (self.unscoped > 0).then(|| &self.text[..self.unscoped - 1])
    }

    /// Returns the part after the scope: the whole name if there is none.
    pub fn unscoped(&self) -> &str {
        &self.text[self.unscoped..]
    }

    /// Returns the name as one path segment for an upstream: `@s%2fn`, in lower case (contract npm §18.1).
    pub fn escaped(&self) -> Cow<'_, str> {
        match self.scope() {
            None => Cow::Borrowed(&self.text),
            Some(scope) => Cow::Owned(format!("{scope}%2f{}", self.unscoped())),
        }
    }

    /// Returns the canonical file name of a version's tarball, `<unscoped>-<version>.tgz` (contract npm §2.6).
    pub fn tarball_file(&self, version: &Version) -> String {
        format!("{}-{version}.tgz", self.unscoped())
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

// === impl Version ===

impl Version {
    /// Reads a strict version: no leading `v` or `=`, no leading zeros.
    ///
    /// # Errors
    /// [`Error::Version`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_version(text) { Ok(Self(text.into())) } else { Err(Error::Version) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Tells whether [`Version::parse`] takes the text, without keeping it.
pub fn is_version(text: &str) -> bool {
    text.len() <= MAX_VERSION && Precedence::parse(text).is_some()
}

/// Tells whether a version is one that its author does not call stable yet.
pub fn is_prerelease_or_early(version: &str) -> bool {
    let release = version.split('+').next().unwrap_or_default();
    release.starts_with("0.") || release.contains('-')
}

// === impl Spec ===

impl Spec {
    /// Reads what stands behind a package's name, percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Spec`]: neither a version, nor a range, nor a tag of URL-safe characters.
    ///
    /// Source: contract npm §1.3 and §5.2; a tag must survive a URL as it is, as npm's own argument parser asks.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Ok(version) = Version::parse(text) {
            return Ok(Self::Version(version));
        }
        if text.is_empty() || text.len() > MAX_RANGE {
            return Err(Error::Spec);
        }
        if let Some(range) = Range::parse(text) {
            return Ok(Self::Range(text.into(), range));
        }
        if text.len() > MAX_TAG || !text.bytes().all(is_url_safe) {
            return Err(Error::Spec);
        }
        Ok(Self::Tag(text.into()))
    }

    /// Returns the text it was read from.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Version(version) => version.as_str(),
            Self::Tag(text) | Self::Range(text, _) => text,
        }
    }
}

/// Tells whether a byte passes through a URL component unescaped, as JavaScript's `encodeURIComponent` sees it.
fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_upstream_serves_are_taken() {
        for text in [
            "a",
            "-",
            "-x-",
            "left-pad",
            "JSONStream",
            "nul.x",
            "con",
            "x.js",
            "a_b",
            "~a",
            "it's",
            "a!",
            "(a)",
            "a*",
            "@s/n",
            "@s/_x",
            "@con/x",
            "@S/N.js",
            "@-/-",
            "@_s/n",
            "@s/node_modules",
        ] {
            let name = PackageName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(name.as_str(), text);
        }
        assert!(PackageName::parse(&"a".repeat(214)).is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        let long = "a".repeat(215);
        for (text, error) in [
            ("", Error::NameLength),
            (&long, Error::NameLength),
            ("_x", Error::NameStart),
            (".x", Error::NameStart),
            ("..", Error::NameStart),
            ("@s/..", Error::NameStart),
            ("@../n", Error::NameStart),
            ("@s/.n", Error::NameStart),
            ("a..b", Error::NameDots),
            ("@x", Error::NameCharacters),
            ("@/n", Error::NameCharacters),
            ("@s/", Error::NameCharacters),
            ("@@s/n", Error::NameCharacters),
            ("@s//n", Error::NameCharacters),
            ("@s/n/m", Error::NameCharacters),
            ("s/n", Error::NameCharacters),
            ("x@y", Error::NameCharacters),
            (" x", Error::NameCharacters),
            ("x\\y", Error::NameCharacters),
            ("x\0", Error::NameCharacters),
            ("x\n", Error::NameCharacters),
            ("x%2fy", Error::NameCharacters),
            ("é", Error::NameCharacters),
            ("node_modules", Error::NameReserved),
            ("Favicon.ico", Error::NameReserved),
        ] {
            assert_eq!(PackageName::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_scoped_name_knows_its_parts() {
        let name = PackageName::parse("@acme/tool").unwrap();
        assert_eq!((name.scope(), name.unscoped(), &*name.escaped()), (Some("@acme"), "tool", "@acme%2ftool"));
        let name = PackageName::parse("tool").unwrap();
        assert_eq!((name.scope(), name.unscoped(), &*name.escaped()), (None, "tool", "tool"));
        assert_eq!(name.tarball_file(&Version::parse("1.0.0+b").unwrap()), "tool-1.0.0+b.tgz");
    }

    #[test]
    fn only_strict_versions_are_versions() {
        for text in ["0.0.0", "1.2.3", "1.0.0-0", "1.0.0-rc.1+b.001", "1.0.0--", "1.0.0+a", "9007199254740991.0.0"] {
            assert_eq!(Version::parse(text).map(|version| version.to_string()).as_deref(), Ok(text));
        }
        let long = format!("1.0.0-{}", "a".repeat(251));
        for text in [
            "",
            "1",
            "1.0",
            "v1.0.0",
            "=1.0.0",
            "01.0.0",
            "1.0.0-01",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-a..b",
            "1.0.0+a+b",
            "1.0.0 ",
            "1.0.0.0",
            "1.0.x",
            "1.0.0-é",
            "9007199254740992.0.0",
            "99999999999999999999.0.0",
            "../../etc",
            &long,
        ] {
            assert_eq!(Version::parse(text), Err(Error::Version), "{text}");
        }
    }

    #[test]
    fn a_spec_is_a_version_before_a_range_before_a_tag() {
        let kind = |text: &str| match Spec::parse(text) {
            Ok(Spec::Version(_)) => "version",
            Ok(Spec::Range(..)) => "range",
            Ok(Spec::Tag(_)) => "tag",
            Err(_) => "refused",
        };
        for (text, expected) in [
            ("1.0.0", "version"),
            ("1.0.0-beta", "version"),
            ("v1.0.0", "range"),
            ("^1", "range"),
            ("1 || 2", "range"),
            ("*", "range"),
            ("latest", "tag"),
            ("next-7", "tag"),
            ("con", "tag"),
            ("01.0.0", "tag"),
            ("", "refused"),
            ("a b", "refused"),
            ("a/b", "refused"),
            ("%2f", "refused"),
            ("é", "refused"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
        assert_eq!(kind(&"a".repeat(215)), "refused");
        assert_eq!(kind(&"1 ".repeat(600)), "refused");
    }
}
