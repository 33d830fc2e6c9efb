//! Versions of registries that hold to SemVer 2.0 by the letter.

use super::text::print_as_text;

/// Longest version, in characters: SemVer sets no end, and every version stands in many keys.
const MAX_VERSION: usize = 256;

/// A version by SemVer 2.0, as it was written. Ordered as SemVer says, then by its build.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version {
    text: Box<str>,
    parsed: semver::Version,
}

/// Why a text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is SemVer of at most 256 characters")]
pub struct NoVersion;

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// [`NoVersion`].
    pub fn parse(text: &str) -> Result<Self, NoVersion> {
        let parsed = semver::Version::parse(text).ok().filter(|_| text.len() <= MAX_VERSION);
        Ok(Self { text: text.into(), parsed: parsed.ok_or(NoVersion)? })
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

print_as_text!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semver_and_in_its_order() {
        let ascending = ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "1.10.0"];
        let parsed = ascending.map(|text| Version::parse(text).unwrap());
        assert!(parsed.is_sorted_by(|one, other| one < other));
        assert_eq!(parsed.iter().filter(|version| version.is_prerelease()).count(), 4);
        let long = format!("1.0.0-{}", "a".repeat(251));
        for text in [
            "", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0.0", "1.0.0 ", "1.x.0", "latest", "README", "data", "1.0.0-é",
            &long,
        ] {
            assert_eq!(Version::parse(text), Err(NoVersion), "{text}");
        }
    }
}
