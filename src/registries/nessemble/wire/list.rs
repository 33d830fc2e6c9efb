//! The list of all packages: read page by page from an upstream, printed page by page for a client.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::value::RawValue;

use super::budget::Reader;
use super::{Error, texts};
use crate::registries::members::{Members, elements, parse_json, quote};
use crate::registries::nessemble::name::Title;
use crate::registries::nessemble::routes::{Order, Page, Sort};
use crate::registries::queries;

/// One package, as the list and the search show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub title: Title,
    pub description: String,
    pub tags: Vec<String>,
}

/// One page of an upstream's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    pub packages: Vec<Listed>,
    /// The number of the page after this one. Upstream's links are read for no more than that: its URLs are made here.
    pub next: Option<u64>,
}

/// Reads a page. What has no valid title is left out. Upstream's `total` counts versions, and is not looked at.
///
/// # Errors
/// [`Error::NotJson`], [`Error::Not`], [`Error::Repeated`]. Source: contract nessemble §5.1, §8.
pub fn parse_page(document: &[u8]) -> Result<ListPage, Error> {
    let mut members = Members::of(parse_json(document)?).ok_or(Error::Not("page of a list"))?;
    let packages = members.take("packages")?.ok_or(Error::Not("page of a list"))?;
    let packages = elements(packages).ok_or(Error::Not("page of a list"))?;
    let packages = packages.into_iter().filter_map(|package| parse_listed(package).transpose());
    let next = members.take("pagination")?.and_then(Members::of).map(|mut pagination| pagination.take("next"));
    let next = next.transpose()?.flatten();
    Ok(ListPage { packages: packages.collect::<Result<_, _>>()?, next: next.map(page_number).transpose()? })
}

/// Reads one package of a list; `None` when it cannot be asked for.
fn parse_listed(package: &RawValue) -> Result<Option<Listed>, Error> {
    let Some(mut members) = Members::of(package) else { return Ok(None) };
    let Some(title) = members.take_text("title")?.and_then(|text| Title::parse(&text).ok()) else { return Ok(None) };
    let description = members.take_text("description")?.unwrap_or_default();
    let tags = members.take("tags")?.map(texts).unwrap_or_default();
    Ok(Some(Listed { title, description, tags }))
}

/// Returns the number that a link to another page has in its query. A list that says it goes on, but not where, is not
/// taken for a whole one.
fn page_number(link: &RawValue) -> Result<u64, Error> {
    let link: String = serde_json::from_str(link.get()).map_err(|_| Error::Not("page of a list"))?;
    let query = link.split_once('?').map_or("", |(_, query)| query);
    let number = queries::find(query, "page").and_then(|page| page.parse().ok());
    number.ok_or(Error::Not("page of a list"))
}

/// Joins the pages of a list, each package once, sorted by title.
pub fn merge(pages: impl IntoIterator<Item = ListPage>) -> Vec<Listed> {
    let mut packages = BTreeMap::new();
    for listed in pages.into_iter().flat_map(|page| page.packages) {
        packages.entry(listed.title.clone()).or_insert(listed);
    }
    packages.into_values().collect()
}

/// Prints one page of the list of all `packages`, which are sorted by title. `base` is where clients reach the mount,
/// without a trailing slash.
///
/// # Errors
/// The sink's.
pub fn print_page(packages: &[Listed], page: &Page, base: &str, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let (total, size) = (packages.len() as u64, page.size.max(1));
    let last = total.div_ceil(size).max(1);
    let first = page.number.saturating_sub(1).saturating_mul(size).min(total) as usize;
    out.write_all(br#"{"packages":["#)?;
    for (index, listed) in sorted(packages, page).into_iter().skip(first).take(size as usize).enumerate() {
        out.write_all(if index == 0 { b"" } else { b"," })?;
        let (title, description) = (listed.title.as_str(), quote(&listed.description));
        write!(
            out,
            r#"{{"title":"{title}","description":{description},"tags":{}"#,
            Reader::Any.quote_all(&listed.tags)
        )?;
        write!(out, r#","url":{}}}"#, quote(&package_url(base, &listed.title)))?;
    }
    let link = |number| quote(&page_url(base, number, page));
    let previous = (page.number > 1).then(|| link((page.number - 1).min(last)));
    let next = (page.number < last).then(|| link(page.number + 1));
    let [previous, next] = [previous, next].map(|link| link.unwrap_or_else(|| "null".to_owned()));
    write!(out, r#"],"pagination":{{"page":{},"per_page":{size},"total":{total}"#, page.number)?;
    write!(out, r#","prev":{previous},"next":{next}}}}}"#)
}

/// Sorts by the bytes of what is asked for; ties stay in the order of their titles.
fn sorted<'a>(packages: &'a [Listed], page: &Page) -> Vec<&'a Listed> {
    let mut sorted: Vec<_> = packages.iter().collect();
    match (page.sort, page.order) {
        (Sort::Title, Order::Ascending) => {}
        (Sort::Title, Order::Descending) => sorted.reverse(),
        (Sort::Description, Order::Ascending) => sorted.sort_by_key(|listed| &listed.description),
        (Sort::Description, Order::Descending) => {
            sorted.sort_by_key(|listed| std::cmp::Reverse(&listed.description));
        }
    }
    sorted
}

/// Returns the URL of a page; what is as usual is not said. Source: contract nessemble §5.1.
fn page_url(base: &str, number: u64, page: &Page) -> String {
    let sort = if page.sort == Sort::Description { "&sort_by=description" } else { "" };
    let order = if page.order == Order::Descending { "&order=desc" } else { "" };
    format!("{base}/?page={number}&per_page={}{sort}{order}", page.size)
}

/// Returns the URL of a package. Titles need no escapes.
pub fn package_url(base: &str, title: &Title) -> String {
    format!("{base}/package/{title}")
}
