//! Where the parts of a packument lie, found in one pass; and the proof that it is one.

use std::borrow::Cow;
use std::ops::Range;

use super::Error;
use super::scan::{Scanner, Span, Text};
use crate::registries::npm::name::PackageName;

/// A packument's parts. Holds no bytes of its own, but for keys that had escapes.
pub struct Map<'a> {
    pub text: &'a str,
    /// Just behind the opening brace: where missing members are put in.
    pub inside: u32,
    name: Option<Text<'a>>,
    pub dist_tags: Option<Span>,
    /// `None`: the tag's value is no string.
    pub tags: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
    pub versions: Option<Span>,
    /// In the document's order.
    pub releases: Vec<Release<'a>>,
    /// Members of all releases that the abbreviated form keeps, key and value.
    pub kept: Vec<Span>,
    /// `time.modified`, or what an abbreviated document has instead.
    pub modified: Option<Text<'a>>,
    /// `time`: sorted by key.
    pub times: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Everything was unpublished, and `time` says so.
    pub is_unpublished: bool,
    has_time: bool,
}

/// One version of a packument.
pub struct Release<'a> {
    pub version: Cow<'a, str>,
    /// The key, with its quotes.
    pub key: Span,
    /// The manifest.
    pub object: Span,
    /// Its `dist`.
    pub dist: Span,
    /// What is rewritten, in the document's order.
    pub links: Links<'a>,
    /// Which of [`Map::kept`] are this version's.
    pub kept: Range<u32>,
    pub has_install_script: bool,
}

/// The links of one version; the first places are taken first.
pub type Links<'a> = [Option<Link<'a>>; 2];

/// A URL that is rewritten.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    pub kind: LinkKind,
    pub text: Text<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    Tarball,
    Attestations,
}

/// Tells which members of a version the abbreviated form keeps; `hasInstallScript` is derived instead.
///
/// Source: contract npm §4.1, with what the cnpm dialect adds.
fn is_kept(key: &str) -> bool {
    matches!(
        key,
        "name"
            | "version"
            | "deprecated"
            | "dependencies"
            | "acceptDependencies"
            | "optionalDependencies"
            | "devDependencies"
            | "bundleDependencies"
            | "bundledDependencies"
            | "peerDependencies"
            | "peerDependenciesMeta"
            | "bin"
            | "directories"
            | "dist"
            | "engines"
            | "cpu"
            | "os"
            | "libc"
            | "workspaces"
            | "funding"
            | "_hasShrinkwrap"
            | "publish_time"
            | "_source_registry_name"
            | "_npmUser"
    )
}

// === impl Map ===

impl<'a> Map<'a> {
    /// Finds the parts of a packument and proves that it is one of `name`: an object with that name, whose versions all
    /// carry a `dist`, and which no two parsers can read in two ways.
    ///
    /// # Errors
    /// All of [`Error`] but [`Error::Write`].
    pub fn parse(document: &'a [u8], name: &PackageName) -> Result<Self, Error> {
        let mut scanner = Scanner::new(document)?;
        let mut map = Self::new(scanner.text());
        let whole = scanner.object(|scanner, key| map.visit(scanner, key))?;
        scanner.finish()?;
        map.inside = whole.start + 1;
        map.judge(name)?;
        Ok(map)
    }

    /// Finds when a version was published, as the document writes it.
    pub fn time_of(&self, version: &str) -> Option<&str> {
        let behind = self.times.partition_point(|(key, _)| &**key <= version);
        let (key, time) = self.times[..behind].last()?;
        (key == version).then_some(time)
    }

    fn new(text: &'a str) -> Self {
        Self {
            text,
            inside: 0,
            name: None,
            dist_tags: None,
            tags: Vec::new(),
            versions: None,
            releases: Vec::new(),
            kept: Vec::new(),
            modified: None,
            times: Vec::new(),
            is_unpublished: false,
            has_time: false,
        }
    }

    fn judge(&mut self, name: &PackageName) -> Result<(), Error> {
        let found = self.name.ok_or(Error::Missing("name"))?.decode();
        if found != name.as_str() {
            return Err(Error::WrongName { found: found.chars().take(214).collect() });
        }
        if self.versions.is_none() && !self.is_unpublished {
            return Err(Error::Missing("versions"));
        }
        let mut versions: Vec<&str> = self.releases.iter().map(|release| &*release.version).collect();
        versions.sort_unstable();
        refuse_twins(&versions)?;
        let mut tags: Vec<&str> = self.tags.iter().map(|(tag, _)| &**tag).collect();
        tags.sort_unstable();
        refuse_twins(&tags)?;
        // Stable: of two equal keys the later one stays behind, and parsers take the later one.
        self.times.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(())
    }

    fn visit(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>) -> Result<(), Error> {
        match &*key.decode() {
            "name" => {
                let name = string_or_skip(scanner)?.ok_or(Error::Missing("name"))?;
                refuse_second(self.name.replace(name), "name")
            }
            "dist-tags" => {
                let span = self.visit_tags(scanner)?;
                refuse_second(self.dist_tags.replace(span), "dist-tags")
            }
            "versions" if scanner.peek() != Some(b'{') => Err(Error::Missing("versions")),
            "versions" => {
                let span = scanner.object(|scanner, key| self.visit_version(scanner, key))?;
                refuse_second(self.versions.replace(span), "versions")
            }
            "time" => {
                refuse_second(self.has_time.then_some(()), "time")?;
                self.has_time = true;
                self.visit_times(scanner)
            }
            "modified" if scanner.peek() == Some(b'"') => {
                let modified = scanner.string()?;
                self.modified.get_or_insert(modified);
                Ok(())
            }
            _ => scanner.value().map(drop),
        }
    }

    fn visit_tags(&mut self, scanner: &mut Scanner<'a>) -> Result<Span, Error> {
        if scanner.peek() != Some(b'{') {
            return scanner.value();
        }
        scanner.object(|scanner, tag| {
            let version = string_or_skip(scanner)?.map(|text| text.decode());
            self.tags.push((tag.decode(), version));
            Ok(())
        })
    }

    fn visit_times(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Error> {
        if scanner.peek() != Some(b'{') {
            return scanner.value().map(drop);
        }
        let visit = |scanner: &mut Scanner<'a>, key: Text<'a>| {
            let key = key.decode();
            if key == "unpublished" && scanner.peek() == Some(b'{') {
                self.is_unpublished = true;
            }
            let Some(time) = string_or_skip(scanner)? else { return Ok(()) };
            if key == "modified" {
                self.modified = Some(time);
            }
            self.times.push((key, time.decode()));
            Ok(())
        };
        scanner.object(visit).map(drop)
    }

    fn visit_version(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>) -> Result<(), Error> {
        let start = self.kept.len() as u32;
        let (mut links, mut dist, mut has_install_script) = ([None; 2], None, false);
        let version = key.decode();
        if scanner.peek() != Some(b'{') {
            return Err(Error::NoDist { version: version.into_owned() });
        }
        let object = scanner.object(|scanner, key| {
            let member = key.decode();
            let value = match &*member {
                "dist" if scanner.peek() == Some(b'{') => {
                    let span = visit_dist(scanner, &mut links)?;
                    refuse_second(dist.replace(span), "dist")?;
                    span
                }
                "dist" => return Err(Error::NoDist { version: version.to_string() }),
                "scripts" => visit_scripts(scanner, &mut has_install_script)?,
                "hasInstallScript" => {
                    has_install_script |= scanner.peek() == Some(b't');
                    scanner.value()?
                }
                _ => scanner.value()?,
            };
            if is_kept(&member) {
                self.kept.push(Span { start: key.span.start, end: value.end });
            }
            Ok(())
        })?;
        let Some(dist) = dist else { return Err(Error::NoDist { version: version.into_owned() }) };
        let kept = start..self.kept.len() as u32;
        self.releases.push(Release { version, key: key.span, object, dist, links, kept, has_install_script });
        Ok(())
    }
}

/// Finds the links of a `dist`. A member that proofs are taken from must not stand there twice.
fn visit_dist<'a>(scanner: &mut Scanner<'a>, links: &mut Links<'a>) -> Result<Span, Error> {
    const SINGLE: [&str; 5] = ["tarball", "integrity", "shasum", "signatures", "attestations"];
    let mut seen = [false; SINGLE.len()];
    scanner.object(|scanner, key| {
        let key = key.decode();
        if let Some(place) = SINGLE.iter().position(|single| *single == key) {
            refuse_second(seen[place].then_some(()), SINGLE[place])?;
            seen[place] = true;
        }
        match &*key {
            "tarball" => add_link(links, LinkKind::Tarball, string_or_skip(scanner)?),
            "attestations" if scanner.peek() == Some(b'{') => visit_attestations(scanner, links)?,
            _ => drop(scanner.value()?),
        }
        Ok(())
    })
}

fn visit_attestations<'a>(scanner: &mut Scanner<'a>, links: &mut Links<'a>) -> Result<(), Error> {
    let mut url = None;
    let visit = |scanner: &mut Scanner<'a>, key: Text<'a>| {
        if key.decode() != "url" {
            return scanner.value().map(drop);
        }
        let Some(text) = string_or_skip(scanner)? else { return Ok(()) };
        refuse_second(url.replace(text), "url")
    };
    scanner.object(visit)?;
    add_link(links, LinkKind::Attestations, url);
    Ok(())
}

fn add_link<'a>(links: &mut Links<'a>, kind: LinkKind, text: Option<Text<'a>>) {
    // There is one of each kind at most, so that a place is free.
    if let (Some(place), Some(text)) = (links.iter_mut().find(|place| place.is_none()), text) {
        *place = Some(Link { kind, text });
    }
}

/// Finds out whether installing runs something (contract npm §4.1).
fn visit_scripts(scanner: &mut Scanner<'_>, has_install_script: &mut bool) -> Result<Span, Error> {
    if scanner.peek() != Some(b'{') {
        return scanner.value();
    }
    scanner.object(|scanner, key| {
        *has_install_script |= matches!(&*key.decode(), "install" | "preinstall" | "postinstall");
        scanner.value().map(drop)
    })
}

fn string_or_skip<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Text<'a>>, Error> {
    if scanner.peek() == Some(b'"') { scanner.string().map(Some) } else { scanner.value().map(|_| None) }
}

/// Refuses a member that was there before: parsers differ in which one they take.
pub fn refuse_second<T>(earlier: Option<T>, member: &'static str) -> Result<(), Error> {
    if earlier.is_none() { Ok(()) } else { Err(Error::Repeated(member.to_owned())) }
}

fn refuse_twins(sorted: &[&str]) -> Result<(), Error> {
    let twin = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    twin.map_or(Ok(()), |pair| Err(Error::Repeated(pair[0].to_owned())))
}
