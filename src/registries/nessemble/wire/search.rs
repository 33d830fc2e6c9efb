//! Searching the list: every package that has the term in its title, description or tags; the better match first.
//!
//! The whole list is here, so upstream is not asked: it would look at titles only, and allows few requests a minute.

use std::io::{self, Write};

use super::budget::{MAX_TOKENS, Reader};
use super::list::{Listed, package_url};
use crate::registries::members::quote;

/// Returns the packages that match, those whose title does before the rest, each part in the list's order. Without a
/// term, all.
///
/// Source: contract nessemble §5.3.
pub fn search<'a>(packages: &'a [Listed], term: Option<&str>) -> Vec<&'a Listed> {
    let term = term.unwrap_or_default().to_ascii_lowercase();
    let has = |text: &str| text.to_ascii_lowercase().contains(&term);
    let (mut found, others): (Vec<_>, Vec<_>) = packages.iter().partition(|listed| has(listed.title.as_str()));
    let more = |listed: &&Listed| has(&listed.description) || listed.tags.iter().any(|tag| has(tag));
    found.extend(others.into_iter().filter(more));
    found
}

/// Prints what was found, as much of it as the reader can hold. `base` is where clients reach the mount, without a
/// trailing slash.
///
/// # Errors
/// The sink's.
pub fn print_results(
    term: Option<&str>,
    found: &[&Listed],
    base: &str,
    reader: Reader,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let term = term.map_or_else(|| "null".to_owned(), |term| reader.quote(term));
    write!(out, r#"{{"term":{term},"results":["#)?;
    // The object, the term and the array, with their names.
    let mut spent = 5;
    for (index, listed) in found.iter().enumerate() {
        // The object, four names, three texts and an array.
        spent += 9;
        let tags = &listed.tags;
        // Of the best match alone too much would be told, if it were not for this.
        let tags = if index == 0 { &tags[..reader.room(tags.len(), 1, spent)] } else { tags };
        spent += tags.len();
        if reader == Reader::Old && spent > MAX_TOKENS {
            break;
        }
        out.write_all(if index == 0 { b"" } else { b"," })?;
        write!(out, r#"{{"title":{}"#, quote(listed.title.as_str()))?;
        write!(out, r#","description":{}"#, reader.quote(&listed.description))?;
        write!(out, r#","tags":{},"url":{}}}"#, reader.quote_all(tags), quote(&package_url(base, &listed.title)))?;
    }
    out.write_all(b"]}")
}
