//! A packument's served forms, written from the original's own bytes: what is not replaced is copied as it stands.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::map::{Link, LinkKind, Map, Release};
use super::scan::Span;
use crate::registries::npm::name::PackageName;

/// Bytes gathered before a sink is called, since a form is made of many small pieces.
const BUFFER_BYTES: usize = 64 << 10;

/// Where every registry has its attestations.
const ATTESTATIONS: &str = "/-/npm/v1/attestations/";
/// All that a version never holds.
const NOT_IN_VERSIONS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'+');

/// Dist-tags that are served instead of the document's own.
pub type Repaired<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Makes the URLs that a document's links are rewritten to.
pub struct Links<'a> {
    base: &'a str,
    name: &'a PackageName,
}

/// Copies a document up to each place that is replaced, and counts what it has written.
struct Copier<'a, 'w> {
    text: &'a str,
    /// What lies before has been copied or passed over.
    from: usize,
    out: BufWriter<&'w mut dyn Write>,
    written: u64,
}

// === impl Links ===

impl<'a> Links<'a> {
    /// `base` is where clients reach this mount, without a trailing slash.
    pub fn new(base: &'a str, name: &'a PackageName) -> Self {
        Self { base, name }
    }

    /// Returns a link as a JSON string.
    ///
    /// A version that is none still gets a URL of ours, one that finds nothing: clients must not be sent elsewhere.
    ///
    /// Source: contract npm §2.6 and §4.2.5.
    fn print(&self, link: &Link<'_>, version: &str) -> String {
        let (base, name) = (self.base, self.name);
        let version = utf8_percent_encode(version, NOT_IN_VERSIONS);
        let url = match link.kind {
            LinkKind::Tarball => format!("{base}/{name}/-/{}-{version}.tgz", name.unscoped()),
            LinkKind::Attestations => {
                // What upstream's own mount put before the path goes (contract npm §6.3).
                let url = link.text.decode();
                let kept = url.find(ATTESTATIONS).map(|at| url[at..].to_owned());
                format!("{base}{}", kept.unwrap_or_else(|| format!("{ATTESTATIONS}{}@{version}", name.escaped())))
            }
        };
        print_string(&url)
    }
}

// === impl Copier ===

impl<'a, 'w> Copier<'a, 'w> {
    fn new(text: &'a str, out: &'w mut dyn Write) -> Self {
        Self { text, from: 0, out: BufWriter::with_capacity(BUFFER_BYTES, out), written: 0 }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.written += text.len() as u64;
        self.out.write_all(text.as_bytes())
    }

    fn copy_to(&mut self, end: u32) -> io::Result<()> {
        let piece = &self.text[self.from..end as usize];
        self.from = end as usize;
        self.write(piece)
    }

    fn copy(&mut self, span: Span) -> io::Result<()> {
        self.from = span.start as usize;
        self.copy_to(span.end)
    }

    fn replace(&mut self, span: Span, with: &str) -> io::Result<()> {
        self.copy_to(span.start)?;
        self.from = span.end as usize;
        self.write(with)
    }

    fn replace_links(&mut self, release: &Release<'_>, within: Span, links: &Links<'_>) -> io::Result<()> {
        for link in
            release.links.iter().flatten().filter(|link| within.range().contains(&(link.text.span.start as usize)))
        {
            self.replace(link.text.span, &links.print(link, &release.version))?;
        }
        self.copy_to(within.end)
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the full form and returns where each release lies in it, in the document's order.
///
/// # Errors
/// The sink's.
///
/// Source: contract npm §4.1.
pub fn print_full(
    map: &Map<'_>,
    tags: Option<&Repaired<'_>>,
    links: &Links<'_>,
    out: &mut dyn Write,
) -> io::Result<Vec<std::ops::Range<u64>>> {
    let mut copier = Copier::new(map.text, out);
    copier.copy_to(map.inside)?;
    copier.write(&print_missing(map, tags))?;
    let mut tags_to_replace = map.dist_tags.zip(tags);
    let mut places = Vec::with_capacity(map.releases.len());
    for release in &map.releases {
        if let Some((span, tags)) = tags_to_replace.take_if(|(span, _)| span.end <= release.object.start) {
            copier.replace(span, &print_tags(tags))?;
        }
        copier.copy_to(release.object.start)?;
        let start = copier.written;
        copier.replace_links(release, release.object, links)?;
        places.push(start..copier.written);
    }
    if let Some((span, tags)) = tags_to_replace {
        copier.replace(span, &print_tags(tags))?;
    }
    copier.copy_to(map.text.len() as u32)?;
    copier.finish()?;
    Ok(places)
}

/// Prints the members that clients cannot do without and that a document may lack, to stand behind its opening brace.
fn print_missing(map: &Map<'_>, tags: Option<&Repaired<'_>>) -> String {
    let mut members = String::new();
    if map.dist_tags.is_none() {
        members += &format!("\"dist-tags\":{},", tags.map_or_else(|| "{}".to_owned(), print_tags));
    }
    if map.versions.is_none() {
        members += "\"versions\":{},";
    }
    // Its `name` always follows, so that a comma at the end is right.
    members
}

/// Writes the abbreviated form and returns where each release lies in it, in the document's order.
///
/// # Errors
/// The sink's.
///
/// Source: contract npm §4.1; `time` is left out whole, as it may be.
pub fn print_abbreviated(
    map: &Map<'_>,
    tags: Option<&Repaired<'_>>,
    links: &Links<'_>,
    out: &mut dyn Write,
) -> io::Result<Vec<std::ops::Range<u64>>> {
    let mut copier = Copier::new(map.text, out);
    copier.write(&format!("{{\"name\":{},\"dist-tags\":", print_string(links.name.as_str())))?;
    match (tags, map.dist_tags) {
        (Some(tags), _) => copier.write(&print_tags(tags))?,
        (None, Some(span)) => copier.copy(span)?,
        (None, None) => copier.write("{}")?,
    }
    copier.write(",\"versions\":{")?;
    let mut places = Vec::with_capacity(map.releases.len());
    for release in &map.releases {
        if !places.is_empty() {
            copier.write(",")?;
        }
        copier.copy(release.key)?;
        copier.write(":")?;
        let start = copier.written;
        print_release(map, release, links, &mut copier)?;
        places.push(start..copier.written);
    }
    copier.write("}")?;
    if let Some(modified) = map.modified {
        copier.write(",\"modified\":")?;
        copier.copy(modified.span)?;
    }
    copier.write("}")?;
    copier.finish()?;
    Ok(places)
}

fn print_release(
    map: &Map<'_>,
    release: &Release<'_>,
    links: &Links<'_>,
    copier: &mut Copier<'_, '_>,
) -> io::Result<()> {
    let mut separator = "{";
    for member in &map.kept[release.kept.start as usize..release.kept.end as usize] {
        copier.write(separator)?;
        separator = ",";
        copier.from = member.start as usize;
        copier.replace_links(release, *member, links)?;
    }
    // There is a `dist` at least, so that this is never the first member.
    copier.write(if release.has_install_script { ",\"hasInstallScript\":true}" } else { "}" })
}

fn print_tags(tags: &Repaired<'_>) -> String {
    let members: Vec<String> =
        tags.iter().map(|(tag, version)| format!("{}:{}", print_string(tag), print_string(version))).collect();
    format!("{{{}}}", members.join(","))
}

pub fn print_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
