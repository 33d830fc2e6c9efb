//! Names, versions, architectures and tags: parsed once at the edge, so that inside the house one that exists is a
//! valid one. Source: contract niso §2.

use crate::registries::text::print_as_text;

pub use crate::registries::version::Version;

/// Longest part of a name, architecture or tag, in characters.
const MAX_PART: usize = 64;

/// What follows a name or a version in a path, and so cannot be an architecture or a tag.
const RESERVED: [&str; 4] = ["manifest", "chunks", "versions", "tags"];

/// The tag that every package has.
pub const LATEST: &str = "latest";

/// The name of a package: `app`, `@acme/app`. Always in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName {
    text: Box<str>,
    /// Where the part without the namespace starts: 0, or just past the slash.
    short: usize,
}

/// What an archive runs on, `x86_64-linux`: opaque text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arch(Box<str>);

/// A name for a version that moves: `latest`, `stable`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

/// What a client asks of a package: one version, or where a tag points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    Version(Version),
    Tag(Tag),
}

/// How the slash of a name is sent to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slash {
    #[default]
    Raw,
    Escaped,
}

/// Why a text is no name, architecture or tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a package name is name or @namespace/name, each of 1 to 64 of a-z, 0-9, dot, underscore and hyphen")]
    Name,
    #[error("an architecture has 1 to 64 of A-Z, a-z, 0-9, dot, underscore and hyphen, and is no reserved word")]
    Arch,
    #[error("this is no version and no tag")]
    Spec,
    #[error("a chunk's name is the SHA-256 of its bytes, 64 hexadecimal digits")]
    Hash,
}

// === impl PackageName ===

impl PackageName {
    /// Reads a name that is percent-decoded already. Capitals are read as small letters.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.to_ascii_lowercase();
        let (namespace, short) = match text.strip_prefix('@') {
            None => (None, text.as_str()),
            Some(rest) => rest.split_once('/').map(|(namespace, short)| (Some(namespace), short)).ok_or(Error::Name)?,
        };
        if !namespace.is_none_or(is_name_part) || !is_name_part(short) {
            return Err(Error::Name);
        }
        let short = text.len() - short.len();
        Ok(Self { text: text.into(), short })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the namespace with its `@`; `None` for a name that has none.
    pub fn namespace(&self) -> Option<&str> {
        (self.short > 0).then(|| &self.text[..self.short - 1])
    }

    /// Returns the part after the namespace: the whole name if there is none.
    pub fn short(&self) -> &str {
        &self.text[self.short..]
    }

    /// Returns the name as it stands in an upstream's path.
    pub fn in_path(&self, slash: Slash) -> String {
        match slash {
            Slash::Raw => self.text.to_string(),
            Slash::Escaped => self.text.replace('/', "%2F"),
        }
    }

    /// Returns the file name of an archive, without the namespace. Source: contract niso §3.
    pub fn archive_file(&self, version: &Version, arch: &Arch) -> String {
        format!("{}-{version}-{arch}.niso", self.short())
    }
}

fn is_name_part(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_part(text, is_first, |byte| is_first(byte) || b"._-".contains(&byte))
}

/// Tells whether the first byte of a text and all others are as they must be, and are not too many.
fn is_part(text: &str, is_first: impl Fn(u8) -> bool, is_next: impl Fn(u8) -> bool) -> bool {
    text.len() <= MAX_PART && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_next)
}

// === impl Arch ===

impl Arch {
    /// Reads an architecture.
    ///
    /// # Errors
    /// [`Error::Arch`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_next = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = is_part(text, |byte| byte.is_ascii_alphanumeric(), is_next) && !RESERVED.contains(&text);
        if fits { Ok(Self(text.into())) } else { Err(Error::Arch) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Tag ===

impl Tag {
    /// Reads a tag. What starts with a letter never is a version.
    ///
    /// # Errors
    /// [`Error::Spec`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_next = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = is_part(text, |byte| byte.is_ascii_alphabetic(), is_next) && !RESERVED.contains(&text);
        if fits { Ok(Self(text.into())) } else { Err(Error::Spec) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_latest(&self) -> bool {
        &*self.0 == LATEST
    }
}

// === impl Spec ===

impl Spec {
    /// Reads what stands behind a package's name, percent-decoded already.
    ///
    /// # Errors
    /// [`Error::Spec`]: neither a version nor a tag.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Version::parse(text).map(Self::Version).or_else(|_| Tag::parse(text).map(Self::Tag))
    }

    /// Returns the text it was read from.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Version(version) => version.as_str(),
            Self::Tag(tag) => tag.as_str(),
        }
    }
}

print_as_text!(PackageName, Arch, Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_knows_its_parts_and_is_in_lower_case() {
        for (text, whole, namespace, short, escaped) in [
            ("app", "app", None, "app", "app"),
            ("App.2_x-Y", "app.2_x-y", None, "app.2_x-y", "app.2_x-y"),
            ("0", "0", None, "0", "0"),
            ("@acme/app", "@acme/app", Some("@acme"), "app", "@acme%2Fapp"),
            ("@joe.somebody/APP", "@joe.somebody/app", Some("@joe.somebody"), "app", "@joe.somebody%2Fapp"),
            ("@acme/1.0.0", "@acme/1.0.0", Some("@acme"), "1.0.0", "@acme%2F1.0.0"),
        ] {
            let name = PackageName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((name.as_str(), name.namespace(), name.short()), (whole, namespace, short));
            assert_eq!((name.in_path(Slash::Raw).as_str(), name.in_path(Slash::Escaped).as_str()), (whole, escaped));
        }
        let file = |name: &str| {
            let (version, arch) = (Version::parse("1.1.0+b").unwrap(), Arch::parse("x86_64-linux").unwrap());
            PackageName::parse(name).unwrap().archive_file(&version, &arch)
        };
        assert_eq!(file("@acme/app"), "app-1.1.0+b-x86_64-linux.niso");
        assert_eq!(file("app"), file("@acme/app"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let (long, long_namespace) = ("a".repeat(65), format!("@{}/a", "a".repeat(65)));
        for text in [
            "",
            "@",
            "@acme",
            "@acme/",
            "@/app",
            "@acme/app/x",
            "acme/app",
            "@@acme/app",
            ".",
            "..",
            "@acme/..",
            "@../app",
            "_app",
            "-app",
            ".app",
            "@.acme/app",
            "a b",
            "a\\b",
            "a\0",
            "a\n",
            "a%2f",
            "é",
            "@acme%2fapp",
            &long,
            &long_namespace,
        ] {
            assert_eq!(PackageName::parse(text), Err(Error::Name), "{text:?}");
        }
        assert!(PackageName::parse(&format!("@{0}/{0}", "a".repeat(64))).is_ok());
    }

    #[test]
    fn a_spec_is_a_version_before_a_tag_and_never_a_reserved_word() {
        for text in ["1.0.0", "1.0.0-rc.1+b"] {
            assert!(matches!(Spec::parse(text), Ok(Spec::Version(_))), "{text}");
        }
        for text in ["latest", "stable", "v1.0.0", "Next-2"] {
            assert!(matches!(Spec::parse(text), Ok(Spec::Tag(_))), "{text}");
            assert_eq!(Spec::parse(text).unwrap().as_str(), text);
        }
        let long = "a".repeat(65);
        for text in ["", "1.0", "2", "_x", "a/b", "a b", "é", "..", "manifest", "chunks", "versions", "tags", &long] {
            assert_eq!(Spec::parse(text), Err(Error::Spec), "{text}");
        }
    }

    #[test]
    fn an_architecture_is_opaque_text_but_no_reserved_word() {
        for text in ["x86_64-linux", "x86_64", "aarch64-macos", "386", "Any", "latest"] {
            assert_eq!(Arch::parse(text).map(|arch| arch.to_string()).as_deref(), Ok(text));
        }
        let long = "a".repeat(65);
        for text in ["", ".", "..", "-x", "_x", "a/b", "a b", "é", "manifest", "chunks", "versions", "tags", &long] {
            assert_eq!(Arch::parse(text), Err(Error::Arch), "{text}");
        }
    }
}
