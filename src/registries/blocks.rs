//! What an operator keeps from being served: packages, and ranges of their versions. One rule for all dialects.
//!
//! A request is held against the blocks once, by what its action is about ([`Subject`]), before anything else is looked
//! at: neither another spelling nor another route walks around it, and what is kept is no exception. Documents that tell
//! of many versions are then served without the blocked ones ([`Barred`]); signed ones cannot be, and are served whole.
//!
//! ```text
//! versions = "*"             ; the whole package
//!          / range           ; >=1.2.0 <1.2.5 || 2.x, pre-releases among them: see [`super::range`]
//!          / version         ; that one, letter by letter
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::Opening;
use super::failure::Error;
use super::range::{Precedence, Range};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::overlay::Overlay;
use crate::overlay::blocks::{ALL_VERSIONS, Block, Blocked};

/// What a request is about, as far as that may be blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// No package, or the blocks themselves.
    Nothing,
    /// A package as a whole, or a version that is not known yet.
    Package(Cow<'a, str>),
    /// A package and a version.
    Release(Cow<'a, str>, &'a str),
}

/// The blocks of one mount. Cheap to clone.
#[derive(Clone)]
pub struct Blocks {
    overlay: Arc<Overlay>,
    mount: Arc<str>,
    clock: Clock,
}

/// The blocks that one package is under.
#[derive(Clone, Debug, Default)]
pub struct Barred(Vec<(Arc<Block>, Extent)>);

/// All blocks of one mount, at one moment.
pub struct Screen {
    blocked: Arc<Blocked>,
    mount: Arc<str>,
    now: SystemTime,
}

/// Which versions a block means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Extent {
    All,
    Within(Range),
    /// No range: that version alone.
    Exactly,
}

/// Tells whether a text names versions, for who writes a block.
pub fn names_versions(text: &str) -> bool {
    text == ALL_VERSIONS || Range::parse(text).is_some()
}

// === impl Subject ===

impl<'a> Subject<'a> {
    /// Returns the package that it is about.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Package(name) | Self::Release(name, _) => Some(name),
        }
    }

    pub fn package(name: &'a str) -> Self {
        Self::Package(Cow::Borrowed(name))
    }

    pub fn release(name: &'a str, version: &'a str) -> Self {
        Self::Release(Cow::Borrowed(name), version)
    }
}

// === impl Blocks ===

impl Blocks {
    pub fn new(opening: &Opening<'_>) -> Self {
        let (overlay, mount) = (Arc::clone(&opening.overlay), opening.mount.name.as_str().into());
        Self { overlay, mount, clock: Clock::default() }
    }

    /// Lets a request through, unless what it is about is blocked.
    ///
    /// # Errors
    /// [`Error::Barred`], or the overlay's: nobody can say whether it is blocked.
    pub async fn check(&self, subject: Subject<'_>) -> Result<(), Error> {
        match subject {
            Subject::Nothing => Ok(()),
            Subject::Package(package) => self.of(&package).await?.check(&package),
            Subject::Release(package, version) => self.of(&package).await?.check_version(&package, version),
        }
    }

    /// Returns the blocks that a package is under.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn of(&self, package: &str) -> Result<Barred, Error> {
        Barred::of(&self.overlay, &self.mount, package).await
    }

    /// Returns all of them, for a list of many packages.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn screen(&self) -> Result<Screen, Error> {
        Ok(Screen { blocked: self.overlay.blocked().await?, mount: Arc::clone(&self.mount), now: self.clock.now() })
    }
}

// === impl Screen ===

impl Screen {
    /// Returns those of many packages that are not hidden.
    pub fn open<'a, T: Clone>(&self, all: &'a [T], name: impl Fn(&T) -> &str) -> Cow<'a, [T]> {
        if self.is_empty() {
            return Cow::Borrowed(all);
        }
        Cow::Owned(all.iter().filter(|one| !self.hides(name(one))).cloned().collect())
    }

    /// Tells whether a package as a whole is blocked.
    pub fn hides(&self, package: &str) -> bool {
        self.of(package).hides_all()
    }

    /// Returns the blocks that a package is under.
    pub fn of(&self, package: &str) -> Barred {
        if self.is_empty() {
            return Barred::default();
        }
        Barred::new(self.blocked.of(&self.mount, package, self.now))
    }

    /// Tells whether nothing is blocked.
    pub fn is_empty(&self) -> bool {
        !self.blocked.concerns(&self.mount)
    }
}

// === impl Barred ===

impl Barred {
    fn new(blocks: Vec<Arc<Block>>) -> Self {
        Self(blocks.into_iter().map(|block| (Arc::clone(&block), Extent::parse(&block.versions))).collect())
    }

    /// Returns the blocks that a package of a mount is under.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn of(overlay: &Overlay, mount: &str, package: &str) -> Result<Self, Error> {
        Ok(Self::new(overlay.blocks_of(mount, package).await?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether the package as a whole is blocked.
    pub fn hides_all(&self) -> bool {
        self.whole().is_some()
    }

    /// Finds what a version is blocked by, the whole package's blocks among them.
    pub fn find(&self, version: &str) -> Option<&Block> {
        let covers = |(block, extent): &&(Arc<Block>, Extent)| extent.covers(version, &block.versions);
        self.0.iter().find(covers).map(|(block, _)| &**block)
    }

    fn name(&self) -> Option<Digest> {
        let name = |(block, _): &(Arc<Block>, Extent)| format!("{} {} {}\n", block.id, block.versions, block.reason);
        (!self.is_empty()).then(|| Digest::of(self.0.iter().map(name).collect::<String>().as_bytes()))
    }

    fn check(&self, package: &str) -> Result<(), Error> {
        self.whole().map_or(Ok(()), |block| Err(Error::barred(package.to_owned(), block)))
    }

    fn whole(&self) -> Option<&Block> {
        self.0.iter().find(|(_, extent)| *extent == Extent::All).map(|(block, _)| &**block)
    }

    /// Lets a version through, unless it is blocked.
    ///
    /// # Errors
    /// [`Error::Barred`].
    pub fn check_version(&self, package: &str, version: &str) -> Result<(), Error> {
        self.find(version).map_or(Ok(()), |block| Err(Error::barred(format!("{package}@{version}"), block)))
    }

    /// Tells that a document has no version left.
    pub fn nothing_left(&self, package: &str) -> Error {
        let reasons: Vec<_> = self.0.iter().map(|(block, _)| block.reason.as_str()).collect();
        Error::NothingLeft { what: package.to_owned(), reason: reasons.join("; ") }
    }
}

#[cfg(test)]
impl Barred {
    /// Returns the blocks of versions of a package, each with a number and a reason.
    pub fn by(versions: &[&str]) -> Self {
        let block = |(id, versions): (u64, &&str)| {
            Arc::new(Block {
                id,
                mount: "npm".to_owned(),
                package: "x".to_owned(),
                versions: (*versions).to_owned(),
                reason: format!("reason {id}"),
                operator: String::new(),
                created_at: SystemTime::UNIX_EPOCH,
                modified_at: SystemTime::UNIX_EPOCH,
                expires_at: None,
            })
        };
        Self::new((1..).zip(versions).map(block).collect())
    }
}

/// Names these blocks, as they are now: what was made under others is another thing. Nothing, where there are none.
impl fmt::Display for Barred {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().map_or(Ok(()), |name| write!(formatter, " without {name}"))
    }
}

// === impl Extent ===

impl Extent {
    fn parse(versions: &str) -> Self {
        match Range::parse(versions) {
            _ if versions == ALL_VERSIONS => Self::All,
            Some(range) => Self::Within(range),
            None => Self::Exactly,
        }
    }

    /// A version that has no place in the order of versions is in every range: nobody can say that it is not.
    fn covers(&self, version: &str, written: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exactly => version == written,
            Self::Within(range) => Precedence::parse(version).is_none_or(|version| range.covers(version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barred(versions: &[&str]) -> Barred {
        Barred::by(versions)
    }

    #[test]
    fn a_version_is_blocked_by_what_covers_it() {
        for (versions, version, expected) in [
            (&["1.0.0"][..], "1.0.0", Some(1)),
            (&["1.0.0"], "1.0.1", None),
            (&["1.0.0"], "1.0.0-rc.1", None),
            (&["<2.0.0"], "1.9.9-rc.1", Some(1)),
            (&["<2.0.0"], "2.0.0", None),
            (&["1.x", ">=3"], "3.1.0", Some(2)),
            (&["1.x"], "not a version", Some(1)),
            (&["1.x"], "1.0", Some(1)),
            (&["odd one"], "odd one", Some(1)),
            (&["odd one"], "1.0.0", None),
            (&["*"], "anything", Some(1)),
            (&[], "1.0.0", None),
        ] {
            assert_eq!(barred(versions).find(version).map(|block| block.id), expected, "{versions:?} {version}");
        }
    }

    #[test]
    fn only_a_block_of_all_versions_hides_the_package() {
        assert!(barred(&["1.x", ">=0.0.0"]).check("x").is_ok());
        let refused = barred(&["1.x", "*"]).check("x").unwrap_err();
        assert_eq!(refused.to_string(), "x is blocked here: reason 2");
        let refused = barred(&["1.x"]).check_version("x", "1.2.3").unwrap_err();
        assert_eq!(refused.to_string(), "x@1.2.3 is blocked here: reason 1");
    }

    #[test]
    fn what_is_made_under_blocks_is_named_by_them() {
        assert_eq!(barred(&[]).to_string(), "");
        let names = [&["1.x"][..], &["2.x"], &["1.x", "2.x"], &["*"]].map(|versions| barred(versions).to_string());
        assert!(names.iter().enumerate().all(|(index, name)| !name.is_empty() && !names[..index].contains(name)));
        assert_eq!(barred(&["1.x"]).to_string(), names[0]);
    }

    #[test]
    fn versions_are_named_by_ranges_or_all_at_once() {
        for (text, expected) in
            [("*", true), ("1.0.0", true), ("<1 || >=2.0.0-rc.1", true), ("latest", false), ("1..2", false)]
        {
            assert_eq!(names_versions(text), expected, "{text}");
        }
    }
}
