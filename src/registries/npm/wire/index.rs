//! The index of a packument: where each version lies in each form, and what the tags say. Sorted lines of text, so
//! that one is found in a mapped file by a few comparisons, and nothing is parsed or allocated for the rest.
//!
//! ```text
//! t <tag> <version>
//! v <version> <offset> <length> in the original, <offset> <length> in the full form,
//!             <offset> <length> in the abbreviated one, <milliseconds since 1970, or nothing>
//! ```
//!
//! One tab stands between fields: it sorts before everything that a tag or version may hold.

use std::io::{self, Write};
use std::ops::Range as Bytes;

use memchr::{memchr, memrchr};

use crate::registries::npm::name::Spec;
use crate::registries::range::Precedence;

/// Where one version lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionLine<'a> {
    pub version: &'a str,
    /// The manifest's bytes in the upstream document.
    pub original: Bytes<u64>,
    /// In the full form.
    pub full: Bytes<u64>,
    /// In the abbreviated form.
    pub abbreviated: Bytes<u64>,
    /// When it was published, in milliseconds since 1970, if the document says so.
    pub published: Option<u64>,
}

/// Writes the index. Tags and versions must be sorted by their bytes, and hold no tab and no line feed.
///
/// # Errors
/// The sink's.
pub fn print_index(
    tags: &[(&str, &str)],
    versions: &[VersionLine<'_>],
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    for (tag, version) in tags {
        writeln!(out, "t\t{tag}\t{version}")?;
    }
    for line in versions {
        write!(out, "v\t{}", line.version)?;
        for range in [&line.original, &line.full, &line.abbreviated] {
            write!(out, "\t{}\t{}", range.start, range.end - range.start)?;
        }
        match line.published {
            Some(millis) => writeln!(out, "\t{millis}")?,
            None => writeln!(out, "\t")?,
        }
    }
    Ok(())
}

/// Finds an exact version.
pub fn find_version<'a>(index: &'a [u8], version: &str) -> Option<VersionLine<'a>> {
    parse_version(find(index, b'v', version)?)
}

/// Finds the version that a dist-tag names.
pub fn find_tag<'a>(index: &'a [u8], tag: &str) -> Option<&'a str> {
    find(index, b't', tag)?.splitn(3, '\t').nth(2)
}

/// Finds what a client asks for: an exact version, else a tag, else the newest version of a range.
///
/// Source: contract npm §5.2.
pub fn resolve<'a>(index: &'a [u8], spec: &Spec) -> Option<VersionLine<'a>> {
    let by_tag = |tag: &str| find_version(index, find_tag(index, tag)?);
    match spec {
        Spec::Version(version) => find_version(index, version.as_str()),
        Spec::Tag(tag) => by_tag(tag),
        Spec::Range(text, range) => by_tag(text).or_else(|| {
            let parsed = versions(index).filter_map(|line| Some((Precedence::parse(line.version)?, line)));
            parsed
                .filter(|(version, _)| range.contains(*version))
                .max_by_key(|(version, _)| *version)
                .map(|(_, line)| line)
        }),
    }
}

/// Returns every version, sorted by its bytes.
pub fn versions(index: &[u8]) -> impl Iterator<Item = VersionLine<'_>> {
    lines(index).filter_map(parse_version)
}

/// Returns every dist-tag and its version, sorted by the tag's bytes.
pub fn tags(index: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    lines(index).filter_map(|line| line.strip_prefix("t\t")?.split_once('\t'))
}

fn lines(index: &[u8]) -> impl Iterator<Item = &str> {
    index.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

/// Halves the index until one line is left that has this kind and key.
fn find<'a>(index: &'a [u8], kind: u8, key: &str) -> Option<&'a str> {
    let (mut low, mut high) = (0, index.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = memrchr(b'\n', &index[low..middle]).map_or(low, |at| low + at + 1);
        let end = memchr(b'\n', &index[start..high]).map_or(high, |at| start + at);
        let line = &index[start..end];
        let (line_kind, rest) = (*line.first()?, line.get(2..)?);
        let line_key = &rest[..memchr(b'\t', rest)?];
        match (line_kind, line_key).cmp(&(kind, key.as_bytes())) {
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
            std::cmp::Ordering::Equal => return std::str::from_utf8(line).ok(),
        }
    }
    None
}

fn parse_version(line: &str) -> Option<VersionLine<'_>> {
    let mut fields = line.strip_prefix("v\t")?.split('\t');
    let version = fields.next()?;
    let mut range = || {
        let start: u64 = fields.next()?.parse().ok()?;
        let length: u64 = fields.next()?.parse().ok()?;
        Some(start..start.checked_add(length)?)
    };
    let (original, full, abbreviated) = (range()?, range()?, range()?);
    let published = fields.next()?.parse().ok();
    Some(VersionLine { version, original, full, abbreviated, published })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(version: &str, start: u64) -> VersionLine<'_> {
        let range = start..start + 7;
        let published = start.is_multiple_of(2).then_some(1_700_000_000_000 + start);
        VersionLine { version, original: range.clone(), full: range.clone(), abbreviated: range, published }
    }

    fn print(tags: &[(&str, &str)], versions: &[VersionLine<'_>]) -> Vec<u8> {
        let mut index = Vec::new();
        print_index(tags, versions, &mut index).unwrap();
        index
    }

    fn sample() -> (Vec<String>, Vec<u8>) {
        let mut texts: Vec<String> =
            (0..40).flat_map(|minor| (0..30).map(move |patch| format!("1.{minor}.{patch}"))).collect();
        texts.extend(["1.0.0-rc.1", "1.0.0+build", "10.0.0", "2.0.0"].map(str::to_owned));
        texts.sort();
        let lines: Vec<_> = texts.iter().zip(0..).map(|(text, start)| line(text, start)).collect();
        let index = print(&[("1.x", "1.0.0"), ("latest", "10.0.0"), ("next tag", "9.9.9")], &lines);
        (texts, index)
    }

    #[test]
    fn every_version_is_found_as_it_was_written() {
        let (texts, index) = sample();
        for (text, start) in texts.iter().zip(0..) {
            assert_eq!(find_version(&index, text), Some(line(text, start)), "{text}");
        }
        assert_eq!(versions(&index).map(|line| line.version).collect::<Vec<_>>(), texts);
        for absent in ["0.0.0", "1.0", "1.0.30", "9.9.9", "", "latest", "99.0.0"] {
            assert_eq!(find_version(&index, absent), None, "{absent}");
        }
    }

    #[test]
    fn every_tag_is_found_and_never_taken_for_a_version() {
        let (_, index) = sample();
        assert_eq!(tags(&index).collect::<Vec<_>>(), [("1.x", "1.0.0"), ("latest", "10.0.0"), ("next tag", "9.9.9")]);
        assert_eq!(find_tag(&index, "latest"), Some("10.0.0"));
        assert_eq!(find_tag(&index, "next tag"), Some("9.9.9"));
        for absent in ["1.0.0", "late", "latest ", "", "zzz"] {
            assert_eq!(find_tag(&index, absent), None, "{absent}");
        }
    }

    #[test]
    fn a_spec_finds_a_version_before_a_tag_before_a_range() {
        let (_, index) = sample();
        let found = |spec: &str| resolve(&index, &Spec::parse(spec).unwrap()).map(|line| line.version);
        assert_eq!(found("1.0.0-rc.1"), Some("1.0.0-rc.1"));
        assert_eq!(found("latest"), Some("10.0.0"));
        assert_eq!(found("1.x"), Some("1.0.0"), "a tag that reads as a range is a tag");
        assert_eq!(found("^1"), Some("1.39.29"));
        assert_eq!(found("<=2 || 3"), Some("2.0.0"));
        assert_eq!(found("*"), Some("10.0.0"));
        assert_eq!(found("^3"), None);
        assert_eq!(found("beta"), None);
        assert_eq!(found("7.7.7"), None);
    }

    #[test]
    fn broken_indexes_find_nothing_and_break_nothing() {
        let (_, index) = sample();
        for length in 0..200 {
            let _ = find_version(&index[..length], "1.20.0");
            let _ = find_tag(&index[length..], "latest");
        }
        for index in [
            &b""[..],
            b"\n",
            b"\n\n\n",
            b"v",
            b"v\t",
            b"v\t1.0.0",
            b"v\t1.0.0\tx\t1\n",
            b"\xff\xff\t\n",
            b"v\t1.0.0\t1\n",
        ] {
            assert_eq!(find_version(index, "1.0.0"), None);
            assert_eq!(versions(index).count(), 0);
        }
    }
}
