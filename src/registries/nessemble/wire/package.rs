//! One package, seen from one of its versions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::archive::Archive;
use super::budget::Reader;
use super::list::package_url;
use super::{Error, texts};
use crate::base::digest::{Algorithm, Promise};
use crate::registries::members::{Members, Repeated, parse_json, quote};
use crate::registries::nessemble::name::{Title, Version};
use crate::registries::times::{parse_time, print_millis};

/// Tokens of a document without its versions and tags: the object, eleven names, nine texts, an object and an array.
const FIXED: usize = 23;

/// What a document says of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub title: Title,
    pub description: String,
    pub version: Version,
    /// Every version there is, this one included, and when it was published.
    pub versions: BTreeMap<Version, Option<OffsetDateTime>>,
    /// A username.
    pub author: String,
    pub license: String,
    pub date: Option<OffsetDateTime>,
    /// The SHA-1 of the archive, in lower-case hexadecimal.
    pub shasum: Option<String>,
    pub tags: Vec<String>,
}

/// Where a document's links lead.
pub struct Links<'a> {
    /// Where clients reach the mount, without a trailing slash.
    pub base: &'a str,
    /// The client asked for this very version.
    pub is_exact: bool,
}

/// Reads a package. `asked` is the version that the document must be of, where one was asked for.
///
/// # Errors
/// [`Error::NotJson`], [`Error::Not`], [`Error::WrongTitle`], [`Error::WrongVersion`], [`Error::Missing`],
/// [`Error::Shasum`]; [`Error::Repeated`]: save for `version`, which upstreams have twice (contract nessemble §5.4).
pub fn parse_package(document: &[u8], title: &Title, asked: Option<&Version>) -> Result<Package, Error> {
    let mut members = Members::of(parse_json(document)?).ok_or(Error::Not("package"))?;
    let found = members.take_text("title")?.unwrap_or_default();
    if found != title.as_str() {
        return Err(Error::WrongTitle { found });
    }
    let (version, mut versions) = parse_versions(&mut members)?;
    if let Some(asked) = asked
        && *asked != version
    {
        return Err(Error::WrongVersion { found: version });
    }
    let date = members.take_text("date")?.and_then(|text| parse_time(&text));
    let date = date.or_else(|| versions.get(&version).copied().flatten());
    versions.entry(version.clone()).or_insert(date);
    Ok(Package {
        title: title.clone(),
        description: members.take_text("description")?.unwrap_or_default(),
        author: members.take("author")?.map(parse_author).transpose()?.unwrap_or_default(),
        license: members.take_text("license")?.unwrap_or_default(),
        shasum: members.take_text("shasum")?.filter(|text| !text.is_empty()).map(parse_shasum).transpose()?,
        tags: members.take("tags")?.map(texts).unwrap_or_default(),
        version,
        versions,
        date,
    })
}

/// Reads `version` and `versions`, which some upstreams call `version` too: the one is a text, the other an object.
fn parse_versions(members: &mut Members<'_>) -> Result<(Version, BTreeMap<Version, Option<OffsetDateTime>>), Error> {
    let (mut version, mut versions) = (None, members.take("versions")?.and_then(Members::of));
    while let Some(value) = members.take_first("version") {
        let repeated = match (serde_json::from_str::<Cow<'_, str>>(value.get()), Members::of(value)) {
            (Ok(text), _) => version.replace(text).is_some(),
            (_, Some(object)) => versions.replace(object).is_some(),
            _ => false,
        };
        if repeated {
            return Err(Repeated("version".to_owned()).into());
        }
    }
    let version = version.and_then(|text| Version::parse(&text).ok()).ok_or(Error::Missing("version"))?;
    let mut found = BTreeMap::new();
    for (name, value) in versions.unwrap_or_default() {
        let Ok(name) = Version::parse(&name) else { continue };
        let date = serde_json::from_str::<Cow<'_, str>>(value.get()).ok().and_then(|text| parse_time(&text));
        if found.insert(name, date).is_some() {
            return Err(Repeated("versions".to_owned()).into());
        }
    }
    Ok((version, found))
}

/// Reads an author: a username, or what older servers sent, an object with its name.
fn parse_author(author: &RawValue) -> Result<String, Error> {
    let name = Members::of(author).map(|mut members| members.take_text("name")).transpose()?.flatten();
    Ok(name.or_else(|| serde_json::from_str(author.get()).ok()).unwrap_or_default())
}

/// A sum that cannot be read vouches for nothing, and must not pass for one that is not there.
fn parse_shasum(text: String) -> Result<String, Error> {
    let text = text.trim().to_ascii_lowercase();
    Promise::from_hex(Algorithm::Sha1, &text).map(|_| text).map_err(|_| Error::Shasum)
}

/// Returns a document with another `shasum`, and everything else as it stands.
///
/// # Errors
/// [`Error::NotJson`], [`Error::Not`].
pub fn with_shasum(document: &[u8], shasum: &str) -> Result<Vec<u8>, Error> {
    let members = Members::of(parse_json(document)?).ok_or(Error::Not("package"))?;
    let print = |(name, value): (String, &RawValue)| match name.as_str() {
        "shasum" => format!("\"shasum\":{}", quote(shasum)),
        _ => format!("{}:{}", quote(&name), value.get()),
    };
    let members: Vec<_> = members.into_iter().map(print).collect();
    Ok(format!("{{{}}}", members.join(",")).into_bytes())
}

/// Prints a package with its eleven members, as much of it as the reader can hold: the newest versions, this one always
/// among them.
///
/// # Errors
/// The sink's.
pub fn print_package(
    package: &Package,
    links: &Links<'_>,
    reader: Reader,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    // A version costs two, and one must fit.
    let tags = &package.tags[..reader.room(package.tags.len(), 1, FIXED + 2)];
    let room = reader.room(package.versions.len(), 2, FIXED + tags.len());
    let own = package_url(links.base, &package.title);
    let own = if links.is_exact { format!("{own}/{}", package.version) } else { own };
    write!(out, r#"{{"title":"{}","description":{}"#, package.title, reader.quote(&package.description))?;
    write!(out, r#","version":"{}","versions":{{"#, package.version)?;
    for (index, (version, date)) in package.newest(room).into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}"{version}":{}"#, print_date(date))?;
    }
    write!(out, r#"}},"author":{}"#, reader.quote(&package.author))?;
    write!(out, r#","license":{},"date":{}"#, reader.quote(&package.license), print_date(package.date))?;
    write!(out, r#","readme":{},"resource":{}"#, quote(&format!("{own}/README")), quote(&format!("{own}/data")))?;
    let shasum = package.shasum.as_deref().map_or_else(|| "null".to_owned(), quote);
    write!(out, r#","shasum":{shasum},"tags":{}}}"#, reader.quote_all(tags))
}

fn print_date(date: Option<OffsetDateTime>) -> String {
    date.map_or_else(|| "null".to_owned(), |date| quote(&print_millis(date)))
}

// === impl Package ===

impl Package {
    /// Returns the version that is meant where none is named: the newest release, or else the newest pre-release.
    ///
    /// Source: contract nessemble §5.4; upstream takes the one its database comes upon first.
    pub fn default_version(&self) -> &Version {
        let mut releases = self.versions.keys().rev().filter(|version| !version.is_prerelease());
        releases.next().or_else(|| self.versions.keys().next_back()).unwrap_or(&self.version)
    }

    /// Takes what the proved archive says of itself in place of what nobody vouches for, and the SHA-1 of its bytes.
    /// Source: contract nessemble §7.
    pub fn with_archive(self, archive: &Archive, shasum: String) -> Self {
        let Archive { description, author, license, tags, .. } = archive.clone();
        Self { description, author, license, tags, shasum: Some(shasum), ..self }
    }

    /// Returns `count` versions, the newest first, this one among them.
    fn newest(&self, count: usize) -> Vec<(&Version, Option<OffsetDateTime>)> {
        let newest = self.versions.iter().rev().map(|(version, date)| (version, *date));
        let mut newest: Vec<_> = newest.take(count).collect();
        if let Some((own, date)) = self.versions.get_key_value(&self.version)
            && !newest.iter().any(|(version, _)| *version == own)
        {
            newest.pop();
            newest.push((own, *date));
        }
        newest
    }
}
