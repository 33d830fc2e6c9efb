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

/// What stands for no version.
const NONE: &str = "null";

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
    /// Sorted by name.
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    name: PackageName,
    latest: Option<Version>,
    /// Where it stands in the text, and where in that its latest version does.
    place: Range<usize>,
    latest_place: Range<usize>,
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
        let latest_place = print_package(package, &mut list.text)?;
        let (name, latest) = (package.name.clone(), package.latest_version.clone());
        list.rows.push(Row { name, latest, place: start..list.text.len(), latest_place });
    }
    Ok(list)
}

/// Prints a row, and returns where its latest version stands.
fn print_package(package: &Package<'_>, out: &mut Vec<u8>) -> io::Result<Range<usize>> {
    let latest = package.latest_version.as_ref().map_or_else(|| NONE.to_owned(), |latest| quote(latest.as_str()));
    write!(out, r#"{{"name":"{}","latest_version":"#, package.name)?;
    let start = out.len();
    out.extend_from_slice(latest.as_bytes());
    let latest = start..out.len();
    write!(out, r#","description":{}"#, quote(&package.description))?;
    write!(out, r#","updated_at":{}"#, print_time(package.updated_at))?;
    write!(out, r#","download_count":{}"#, package.download_count)?;
    package.more.print_rest(out)?;
    out.push(b'}');
    Ok(latest)
}

// === impl List ===

impl List {
    /// Returns the packages that a client asks for and that are not hidden, as an array. Of one whose latest version is
    /// hidden, the list does not know which comes before it.
    pub fn select(&self, filter: &Filter, is_hidden: impl Fn(&PackageName, Option<&Version>) -> bool) -> Vec<u8> {
        let is_wanted = |row: &&Row| row.name.as_str().contains(&filter.text) && !is_hidden(&row.name, None);
        let wanted = self.rows.iter().filter(is_wanted);
        let mut out = b"[".to_vec();
        for (index, row) in wanted.skip(filter.offset).take(filter.limit.unwrap_or(usize::MAX)).enumerate() {
            out.extend_from_slice(if index == 0 { b"" } else { b"," });
            let Row { name, latest, place, latest_place } = row;
            if latest.as_ref().is_some_and(|latest| is_hidden(name, Some(latest))) {
                out.extend_from_slice(&self.text[place.start..latest_place.start]);
                out.extend_from_slice(NONE.as_bytes());
                out.extend_from_slice(&self.text[latest_place.end..place.end]);
            } else {
                out.extend_from_slice(&self.text[place.clone()]);
            }
        }
        out.push(b']');
        out
    }

    /// Returns about what it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<Row>()
    }
}
