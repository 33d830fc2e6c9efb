//! The list of all packages, and the part of it that a client asks for.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use time::OffsetDateTime;

use super::Error;
use super::versions::print_time;
use crate::registries::members::{Members, parse_array, parse_json, quote};
use crate::registries::niso::name::{PackageName, Version};
use crate::registries::niso::routes::Filter;
use crate::registries::times::parse_time;

/// One package of the list.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    pub name: PackageName,
    pub latest_version: Option<Version>,
    /// Empty if there is none.
    pub description: String,
    pub updated_at: Option<OffsetDateTime>,
    pub download_count: u64,
    /// Members that nobody here knows.
    more: Members<'a>,
}

/// A list as it is printed, of which each client gets a part.
#[derive(Clone, Debug, Default)]
pub struct List {
    text: Vec<u8>,
    /// Sorted by name; where each row stands in the text.
    rows: Vec<(PackageName, Range<usize>)>,
}

/// Reads a list, sorted by name. What has no valid name is left out; of several of one name the first counts, since
/// nothing rests on this document.
///
/// # Errors
/// [`Error::NotJson`], [`Error::NotList`], [`Error::Repeated`].
pub fn parse_list(document: &[u8]) -> Result<Vec<Package<'_>>, Error> {
    let rows = parse_array(parse_json(document)?, "packages")?.ok_or(Error::NotList("packages"))?;
    let mut packages = BTreeMap::new();
    for row in rows {
        let Some(mut members) = Members::of(row) else { continue };
        let Some(name) = members.take_text("name")?.and_then(|text| PackageName::parse(&text).ok()) else { continue };
        // The former generation's word for it.
        let latest = [members.take_text("latest_version")?, members.take_text("latest")?];
        let package = Package {
            latest_version: latest.into_iter().flatten().find_map(|text| Version::parse(&text).ok()),
            description: members.take_text("description")?.unwrap_or_default(),
            updated_at: members.take_text("updated_at")?.and_then(|text| parse_time(&text)),
            download_count: members.take_number("download_count")?.unwrap_or_default(),
            name: name.clone(),
            more: members,
        };
        packages.entry(name).or_insert(package);
    }
    Ok(packages.into_values().collect())
}

/// Prints a list, row by row.
///
/// # Errors
/// The sink's.
pub fn print_list(packages: &[Package<'_>]) -> io::Result<List> {
    let mut list = List::default();
    for package in packages {
        let start = list.text.len();
        print_package(package, &mut list.text)?;
        list.rows.push((package.name.clone(), start..list.text.len()));
    }
    Ok(list)
}

fn print_package(package: &Package<'_>, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let latest = package.latest_version.as_ref().map_or_else(|| "null".to_owned(), |latest| quote(latest.as_str()));
    write!(out, r#"{{"name":"{}","latest_version":{latest}"#, package.name)?;
    write!(out, r#","description":{}"#, quote(&package.description))?;
    write!(out, r#","updated_at":{}"#, print_time(package.updated_at))?;
    write!(out, r#","download_count":{}"#, package.download_count)?;
    package.more.print_rest(out)?;
    out.write_all(b"}")
}

// === impl List ===

impl List {
    /// Returns the packages that a client asks for and that are not hidden, as an array.
    pub fn select(&self, filter: &Filter, is_hidden: impl Fn(&PackageName) -> bool) -> Vec<u8> {
        let wanted = self.rows.iter().filter(|(name, _)| name.as_str().contains(&filter.text) && !is_hidden(name));
        let mut out = b"[".to_vec();
        for (index, (_, row)) in wanted.skip(filter.offset).take(filter.limit.unwrap_or(usize::MAX)).enumerate() {
            out.extend_from_slice(if index == 0 { b"" } else { b"," });
            out.extend_from_slice(&self.text[row.clone()]);
        }
        out.push(b']');
        out
    }

    /// Returns about what it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<(PackageName, Range<usize>)>()
    }
}
