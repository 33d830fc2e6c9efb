//! Dist-tags that point at nothing are mended, and `latest` exists while a version does.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::registries::range::Precedence;

/// A tag as the document has it; `None`: its value is no string.
pub type Tag<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// Returns the tags to serve instead, in the document's order, or `None` where they are right as they are.
///
/// `latest` moves to the newest release. Another tag of a missing pre-release moves to the newest one with the same
/// first identifier; any other to the newest release. Where there is none, the tag disappears.
///
/// Source: contract npm §1.3, §4.2.4.
pub fn repair<'a>(tags: &[Tag<'a>], versions: &[&'a str]) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
    let known: HashSet<&str> = versions.iter().copied().collect();
    let is_right = |tag: &Tag<'_>| tag.1.as_ref().is_some_and(|version| known.contains(&**version));
    let has_latest = tags.iter().any(|(tag, _)| tag == "latest");
    if tags.iter().all(is_right) && (has_latest || versions.is_empty()) {
        return None;
    }
    let mend = |tag: &Tag<'a>| {
        let version = if is_right(tag) { tag.1.clone() } else { substitute(tag, versions).map(Cow::Borrowed) };
        Some((tag.0.clone(), version?))
    };
    let missing = (!has_latest).then_some((Cow::Borrowed("latest"), None));
    Some(missing.iter().chain(tags).filter_map(mend).collect())
}

/// Returns the newest release; where there is none, the newest pre-release.
pub fn latest<'a>(versions: &[&'a str]) -> Option<&'a str> {
    newest(versions, |version| !version.is_prerelease()).or_else(|| newest(versions, |_| true))
}

/// Returns the version that a tag of a missing one moves to.
fn substitute<'a>(tag: &Tag<'_>, versions: &[&'a str]) -> Option<&'a str> {
    if tag.0 == "latest" {
        return latest(versions);
    }
    let missing = Precedence::parse(tag.1.as_ref()?)?;
    if !missing.is_prerelease() {
        return latest(versions);
    }
    let channel = |version: &Precedence<'_>| version.prerelease.split('.').next().map(str::to_owned);
    newest(versions, |version| version.is_prerelease() && channel(version) == channel(&missing))
}

fn newest<'a>(versions: &[&'a str], fits: impl Fn(&Precedence<'a>) -> bool) -> Option<&'a str> {
    let parsed = versions.iter().filter_map(|version| Some((Precedence::parse(version)?, *version)));
    // The text decides between equals, so that the answer does not depend on the document's order.
    parsed.filter(|(version, _)| fits(version)).max().map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 6] = ["1.0.0", "2.0.0-beta.2", "1.2.0", "2.0.0-beta.10", "2.0.0-rc.1", "0.9.0"];

    fn repaired(tags: &[(&'static str, &'static str)], versions: &[&'static str]) -> Option<Vec<(String, String)>> {
        let tags: Vec<Tag<'_>> = tags.iter().map(|(tag, version)| ((*tag).into(), Some((*version).into()))).collect();
        repair(&tags, versions)
            .map(|tags| tags.into_iter().map(|(tag, version)| (tag.into(), version.into())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(tag, version)| ((*tag).to_owned(), (*version).to_owned())).collect())
    }

    #[test]
    fn right_tags_are_left_alone() {
        assert_eq!(repaired(&[("latest", "1.2.0"), ("old", "0.9.0")], &VERSIONS), None);
        assert_eq!(repaired(&[("latest", "2.0.0-rc.1")], &VERSIONS), None);
        assert_eq!(repaired(&[], &[]), None);
    }

    #[test]
    fn a_tag_of_a_missing_version_moves_to_the_newest_of_its_kind() {
        let tags = [("beta", "2.0.0-beta.11"), ("latest", "3.0.0"), ("rc", "1.0.0-rc.7"), ("stable", "1.1.1")];
        let expected = [("beta", "2.0.0-beta.10"), ("latest", "1.2.0"), ("rc", "2.0.0-rc.1"), ("stable", "1.2.0")];
        assert_eq!(repaired(&tags, &VERSIONS), pairs(&expected));
    }

    #[test]
    fn a_tag_without_a_successor_disappears() {
        let tags = [("latest", "1.2.0"), ("nightly", "3.0.0-nightly.1"), ("odd", "not a version")];
        assert_eq!(repaired(&tags, &VERSIONS), pairs(&[("latest", "1.2.0")]));
        assert_eq!(repaired(&[("latest", "1.0.0"), ("next", "2.0.0")], &[]), pairs(&[]));
    }

    #[test]
    fn latest_exists_while_a_version_does() {
        assert_eq!(repaired(&[("old", "0.9.0")], &VERSIONS), pairs(&[("latest", "1.2.0"), ("old", "0.9.0")]));
        assert_eq!(repaired(&[], &["1.0.0-a", "1.0.0-b"]), pairs(&[("latest", "1.0.0-b")]));
        assert_eq!(repair(&[("latest".into(), None)], &["1.0.0"]).unwrap(), [("latest".into(), "1.0.0".into())]);
    }
}
