//! Packuments as bytes. A document of 27 MB is never turned into values: one pass tells where its parts lie
//! (`map`), and its served forms are copied from the original around the few places that change (`print`).
//!
//! From one upstream document come three things, which switch together: the full form (the original with its links
//! rewritten, all else byte for byte), the abbreviated form for installers, and the index that finds one version's
//! bytes in each of them, so that a manifest is served as a slice.

use std::io::{self, Write};
use std::ops::Range;

mod describe;
mod dist;
mod index;
mod map;
mod print;
mod scan;
mod screen;
mod tags;
mod time;
mod unite;

pub use describe::{Dependency, DependencyKind, Fingerprint, find_dependencies, fingerprint, maintainers, short};
pub use dist::{Attestations, Dist, Dists, Signature, check_manifest, find_dist, parse_dist, with_in_dist};
pub use index::{VersionLine, find_tag, find_version, resolve, tags, versions};
pub use screen::screen;
pub use tags::{Tag, latest, repair};
pub use time::parse_time;
pub use unite::unite;

use self::map::Map;
use self::print::{Links, Repaired, print_abbreviated, print_full, print_string};
use super::name::{PackageName, is_version};

/// Names the code that makes the forms: to be changed when its output does.
pub const FORMS_VERSION: u32 = 4;

/// Members of the manifest of `latest` that stand in the document too, and in lists and searches. Source: contract npm §4.1,
/// §10.1, §10.2.
pub const LISTED_MEMBERS: [&str; 8] =
    ["description", "homepage", "keywords", "repository", "author", "bugs", "license", "readmeFilename"];

/// Why bytes are no packument of the name that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the document is no object")]
    NoObject(#[source] serde_json::Error),
    #[error("the document is longer than 4 GiB")]
    TooLong,
    #[error("the document is not UTF-8")]
    NotUtf8,
    #[error("the document is no packument in JSON, at byte {at}")]
    NotJson { at: usize },
    #[error("the document is nested too deeply at byte {at}")]
    TooDeep { at: usize },
    #[error("the document is of another package, {found:?}")]
    WrongName { found: String },
    #[error("the document is of another version, {found:?}")]
    WrongVersion { found: String },
    #[error("the document describes no version")]
    NoManifest(#[source] serde_json::Error),
    #[error("the document has no {0}")]
    Missing(&'static str),
    #[error("the document has {0:?} twice in one place")]
    Repeated(String),
    #[error("version {version:?} has no dist")]
    NoDist { version: String },
    #[error("a version's dist cannot be read")]
    BadDist(#[source] serde_json::Error),
    #[error("the form could not be written")]
    Write(#[from] io::Error),
}

/// Where the forms of a packument go.
pub struct Sinks<'a> {
    pub full: &'a mut dyn Write,
    pub abbreviated: &'a mut dyn Write,
    pub index: &'a mut dyn Write,
}

/// What was found in a packument on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many versions it has.
    pub versions: usize,
    /// `time.modified`, in milliseconds since 1970.
    pub modified: Option<u64>,
    /// Everything was unpublished.
    pub is_unpublished: bool,
}

/// Proves that `document` is a packument of `name`, and says what it found.
///
/// # Errors
/// All of [`Error`] but [`Error::Write`] and [`Error::BadDist`].
///
/// Source: design, table of proofs.
pub fn check(document: &[u8], name: &PackageName) -> Result<Summary, Error> {
    Map::parse(document, name).map(|map| summarize(&map))
}

/// Proves a packument and writes its forms and index, one after another, in pieces of 64 KiB or more. `base` is where
/// clients reach this mount, without a trailing slash.
///
/// Holds about half a kilobyte a version besides the document.
///
/// # Errors
/// What [`check`] returns, and [`Error::Write`]: the sinks hold part of a form then.
pub fn prepare(document: &[u8], name: &PackageName, base: &str, sinks: Sinks<'_>) -> Result<Summary, Error> {
    let map = Map::parse(document, name)?;
    let versions: Vec<&str> = map.releases.iter().map(|release| &*release.version).collect();
    let repaired = repair(&map.tags, &versions);
    let links = Links::new(base, name);
    let full = print_full(&map, repaired.as_ref(), &links, sinks.full)?;
    let abbreviated = print_abbreviated(&map, repaired.as_ref(), &links, sinks.abbreviated)?;
    let lines = version_lines(&map, full, abbreviated);
    let mut index = io::BufWriter::new(sinks.index);
    index::print_index(&tag_lines(&map, repaired.as_ref()), &lines, &mut index)?;
    index.flush()?;
    Ok(summarize(&map))
}

/// Tells whether a member of the manifest of `latest` stands in the document too. Source: contract npm §4.1.
pub fn is_hoisted(name: &str) -> bool {
    LISTED_MEMBERS.contains(&name) || matches!(name, "contributors" | "readme")
}

fn summarize(map: &Map<'_>) -> Summary {
    let modified = map.modified.and_then(|text| parse_time(&text.decode()));
    let versions = map.releases.len();
    Summary { versions, modified, is_unpublished: map.is_unpublished && versions == 0 }
}

/// Returns a sorted line for each version that can be asked for.
fn version_lines<'a>(map: &'a Map<'_>, full: Vec<Range<u64>>, abbreviated: Vec<Range<u64>>) -> Vec<VersionLine<'a>> {
    let places = map.releases.iter().zip(full.into_iter().zip(abbreviated));
    let mut lines: Vec<VersionLine<'a>> = places
        .filter(|(release, _)| is_version(&release.version))
        .map(|(release, (full, abbreviated))| VersionLine {
            version: &release.version,
            original: u64::from(release.object.start)..u64::from(release.object.end),
            full,
            abbreviated,
            published: map.time_of(&release.version).and_then(parse_time),
        })
        .collect();
    lines.sort_unstable_by_key(|line| line.version);
    lines
}

/// Returns a sorted line for each tag that a line can hold.
fn tag_lines<'a>(map: &'a Map<'_>, repaired: Option<&'a Repaired<'_>>) -> Vec<(&'a str, &'a str)> {
    let mut lines: Vec<(&str, &str)> = match repaired {
        Some(tags) => tags.iter().map(|(tag, version)| (&**tag, &**version)).collect(),
        None => map.tags.iter().filter_map(|(tag, version)| Some((&**tag, version.as_deref()?))).collect(),
    };
    lines.retain(|(tag, version)| is_version(version) && !tag.chars().any(char::is_control));
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests;
