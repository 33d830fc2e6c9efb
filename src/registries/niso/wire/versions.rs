//! The versions of a package: one row for each version and architecture, newest first.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io::{self, Write};

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::Error;
use super::tags::Tags;
use crate::base::digest::Digest;
use crate::registries::members::{Members, parse_array, parse_json, quote};
use crate::registries::niso::name::{Arch, PackageName, Spec, Version};
use crate::registries::times::{parse_time, print_seconds};

/// All versions of one package.
#[derive(Clone, Debug)]
pub struct Versions<'a> {
    pub name: PackageName,
    /// Sorted, the newest version first, then by architecture.
    pub rows: Vec<Row<'a>>,
}

/// One archive, as upstream describes it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub version: Version,
    pub arch: Arch,
    /// In bytes.
    pub size: Option<u64>,
    /// The SHA-256 of the whole archive. Without one it can be neither proved nor served, and is not listed.
    pub checksum: Option<Digest>,
    pub uploaded_at: Option<OffsetDateTime>,
    pub download_count: u64,
    /// The row as it stands in its document.
    pub written: &'a str,
    /// Members that nobody here knows.
    more: Members<'a>,
}

/// Reads the versions of `name`. Rows whose version or architecture cannot be asked for are left out.
///
/// # Errors
/// [`Error::NotJson`], [`Error::NotList`], [`Error::WrongName`], [`Error::Repeated`]; [`Error::Ambiguous`]: two rows of
/// one archive that do not agree on its checksum.
pub fn parse_versions<'a>(document: &'a [u8], name: &PackageName) -> Result<Versions<'a>, Error> {
    let rows = parse_array(parse_json(document)?, "versions")?.ok_or(Error::NotList("versions"))?;
    let mut found = BTreeMap::new();
    for row in rows {
        let Some(row) = parse_row(row, name)? else { continue };
        match found.entry((std::cmp::Reverse(row.version.clone()), row.arch.clone())) {
            Entry::Vacant(place) => drop(place.insert(row)),
            Entry::Occupied(first) if first.get().checksum == row.checksum => {}
            Entry::Occupied(_) => {
                return Err(Error::Ambiguous { version: row.version.to_string(), arch: row.arch.to_string() });
            }
        }
    }
    Ok(Versions { name: name.clone(), rows: found.into_values().collect() })
}

fn parse_row<'a>(row: &'a RawValue, name: &PackageName) -> Result<Option<Row<'a>>, Error> {
    let Some(mut members) = Members::of(row) else { return Ok(None) };
    if let Some(found) = members.take_text("name")?
        && PackageName::parse(&found).as_ref() != Ok(name)
    {
        return Err(Error::WrongName { found });
    }
    let version = members.take_text("version")?.and_then(|text| Version::parse(&text).ok());
    let arch = members.take_text("arch")?.and_then(|text| Arch::parse(&text).ok());
    // The former generation's word for it; where both are given, both must hold the same.
    let sums = [members.take_text("checksum")?, members.take_text("sha256")?];
    let size = members.take_number("size")?;
    let uploaded_at = members.take_text("uploaded_at")?.and_then(|text| parse_time(&text));
    let download_count = members.take_number("download_count")?.unwrap_or_default();
    let (Some(version), Some(arch)) = (version, arch) else { return Ok(None) };
    let checksum = agreed(sums, &version, &arch)?;
    let written = row.get();
    Ok(Some(Row { version, arch, size, checksum, uploaded_at, download_count, written, more: members }))
}

/// Returns the one checksum that a row gives; none if it cannot be read, which is never taken for another one's word.
fn agreed(sums: [Option<String>; 2], version: &Version, arch: &Arch) -> Result<Option<Digest>, Error> {
    let mut sums = sums.into_iter().flatten().map(|text| text.trim().parse().ok());
    match (sums.next(), sums.next()) {
        (Some(one), Some(other)) if one != other => {
            Err(Error::Ambiguous { version: version.to_string(), arch: arch.to_string() })
        }
        (first, _) => Ok(first.flatten()),
    }
}

/// Prints the rows that can be proved.
///
/// # Errors
/// The sink's.
pub fn print_versions(versions: &Versions<'_>, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, (row, checksum)) in versions.provable().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"name":"{}","version":"{}","arch":"{}""#, versions.name, row.version, row.arch)?;
        match row.size {
            Some(size) => write!(out, r#","size":{size},"checksum":"{checksum}""#)?,
            None => write!(out, r#","size":null,"checksum":"{checksum}""#)?,
        }
        write!(out, r#","uploaded_at":{},"download_count":{}"#, print_time(row.uploaded_at), row.download_count)?;
        row.more.print_rest(out)?;
        out.write_all(b"}")?;
    }
    out.write_all(b"]")
}

/// Prints a time as JSON; `null` where there is none, since no made-up time is true.
pub fn print_time(time: Option<OffsetDateTime>) -> String {
    time.map_or_else(|| "null".to_owned(), |time| quote(&print_seconds(time)))
}

// === impl Versions ===

impl<'a> Versions<'a> {
    /// Returns the rows that have a checksum, with it.
    fn provable(&self) -> impl Iterator<Item = (&Row<'a>, Digest)> {
        self.rows.iter().filter_map(|row| Some((row, row.checksum?)))
    }

    /// Leaves out versions.
    #[must_use]
    pub fn without(mut self, is_hidden: impl Fn(&Version) -> bool) -> Self {
        self.rows.retain(|row| !is_hidden(&row.version));
        self
    }

    /// Finds one archive, whether it can be proved or not.
    pub fn find(&self, version: &Version, arch: &Arch) -> Option<&Row<'a>> {
        self.rows.iter().find(|row| row.version == *version && row.arch == *arch)
    }

    /// Finds the archive of a version that comes first by its architecture: whose manifest stands for all.
    pub fn find_first(&self, version: &Version) -> Option<&Row<'a>> {
        let rows = || self.rows.iter().filter(|row| row.version == *version);
        rows().find(|row| row.checksum.is_some()).or_else(|| rows().next())
    }

    /// Finds what a client asks for: an exact version, or the one that a tag names. Without `arch`, the first one's.
    ///
    /// Source: contract niso §2 (specs), §3 (latest).
    pub fn resolve(&self, spec: &Spec, arch: Option<&Arch>, tags: &Tags<'_>) -> Option<&Row<'a>> {
        let exact = |version: &Version| arch.map_or_else(|| self.find_first(version), |arch| self.find(version, arch));
        match spec {
            Spec::Version(version) => exact(version),
            Spec::Tag(tag) => {
                let tagged = tags.version(tag).and_then(exact);
                if tag.is_latest() { tagged.or_else(|| self.latest(arch)) } else { tagged }
            }
        }
    }

    /// Returns the newest release that can be proved; where there is none, the newest pre-release.
    pub fn latest(&self, arch: Option<&Arch>) -> Option<&Row<'a>> {
        let rows = || self.provable().map(|(row, _)| row).filter(|row| arch.is_none_or(|arch| row.arch == *arch));
        rows().find(|row| !row.version.is_prerelease()).or_else(|| rows().next())
    }

    /// Tells whether there is an archive of this version that can be proved.
    pub fn has(&self, version: &Version) -> bool {
        self.provable().any(|(row, _)| row.version == *version)
    }
}
