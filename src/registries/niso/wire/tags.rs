//! The tags of a package. `latest` is always one of them: as upstream has it, else as the rule says.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Error;
use super::versions::Versions;
use crate::registries::members::{Members, Repeated, parse_array, parse_json, quote};
use crate::registries::niso::name::{LATEST, Tag, Version};

/// The tags of one package, as upstream has them.
#[derive(Clone, Debug, Default)]
pub struct Tags<'a>(BTreeMap<Tag, Place<'a>>);

/// Where a tag points.
#[derive(Clone, Debug)]
struct Place<'a> {
    version: Version,
    /// Members that nobody here knows.
    more: Members<'a>,
}

/// Reads a package's tags. Those that cannot be asked for, or point at no version, are left out.
///
/// # Errors
/// [`Error::NotJson`], [`Error::NotList`]; [`Error::Repeated`]: a tag that points at two versions.
pub fn parse_tags(document: &[u8]) -> Result<Tags<'_>, Error> {
    let rows = parse_array(parse_json(document)?, "tags")?.ok_or(Error::NotList("tags"))?;
    let mut tags = BTreeMap::new();
    for row in rows {
        let Some(mut members) = Members::of(row) else { continue };
        let tag = members.take_text("tag")?.and_then(|text| Tag::parse(&text).ok());
        let version = members.take_text("version")?.and_then(|text| Version::parse(&text).ok());
        let (Some(tag), Some(version)) = (tag, version) else { continue };
        match tags.get(&tag) {
            Some(Place { version: first, .. }) if *first != version => {
                return Err(Repeated(tag.to_string()).into());
            }
            Some(_) => {}
            None => drop(tags.insert(tag, Place { version, more: members })),
        }
    }
    Ok(Tags(tags))
}

/// Prints the tags that point at one of `versions`, sorted, with `latest`.
///
/// # Errors
/// The sink's.
pub fn print_tags(tags: &Tags<'_>, versions: &Versions<'_>, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let known = tags.0.iter().filter(|(_, place)| versions.has(&place.version));
    let mut lines: BTreeMap<&str, (&Version, Option<&Members<'_>>)> =
        known.map(|(tag, place)| (tag.as_str(), (&place.version, Some(&place.more)))).collect();
    if let Some(row) = versions.latest(None) {
        lines.entry(LATEST).or_insert((&row.version, None));
    }
    out.write_all(b"[")?;
    for (index, (tag, (version, more))) in lines.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"tag":{},"version":{}"#, quote(tag), quote(version.as_str()))?;
        more.map_or(Ok(()), |more| more.print_rest(out))?;
        out.write_all(b"}")?;
    }
    out.write_all(b"]")
}

// === impl Tags ===

impl Tags<'_> {
    /// Returns the version that a tag points at.
    pub fn version(&self, tag: &Tag) -> Option<&Version> {
        self.0.get(tag).map(|place| &place.version)
    }
}
