//! What a client publishes: one body with the manifest of one version and its tarball, judged as a whole before anything
//! of it is kept. Pure.
//!
//! ```json
//! {"_id": "@acme/tool", "name": "@acme/tool", "dist-tags": {"latest": "1.0.0"}, "access": null,
//!  "versions": {"1.0.0": {"name": "@acme/tool", "version": "1.0.0", "dist": {"integrity": "sha512-…", "shasum": "…"}}},
//!  "_attachments": {"@acme/tool-1.0.0.tgz": {"content_type": "application/octet-stream", "data": "H4sI…", "length": 512}}}
//! ```
//!
//! Source: contract npm §7.1.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha384, Sha512};

use self::provenance::Statement;
use super::name::{PackageName, Spec, Version};
use crate::base::digest::{self, Algorithm, Integrity, Promise};
use crate::registries::members::{Members, Repeated};
use crate::registries::untar;

pub mod manifest;
pub mod naming;
pub mod provenance;

/// Most tags that one publish sets; clients set one.
const MAX_TAGS: usize = 32;
/// Longest manifest, and longest package.json, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;
/// Most hashes of one tarball; clients name one or two.
const MAX_PROMISES: usize = 8;
/// How much of a tarball is looked at.
const LIMITS: untar::Limits = untar::Limits { members: 200_000, unpacked_bytes: 4 << 30 };
/// Where a package names what it is to be installed with. Source: npm-shrinkwrap.json(5).
const SHRINKWRAP: &str = "npm-shrinkwrap.json";
/// The end of the name of an attached provenance bundle.
const BUNDLE: &str = ".sigstore";

/// A version to be published, proved to be what it says.
#[derive(Debug)]
pub struct Publication<'a> {
    pub version: Version,
    /// As the client wrote it.
    pub manifest: &'a RawValue,
    /// What is to point at the version; never none.
    pub tags: Vec<Box<str>>,
    /// As the client wrote it; `public` or `restricted` where it says.
    pub access: Option<Access>,
    /// Where it does not stand in the manifest: yarn puts it beside the versions.
    pub readme: Option<&'a RawValue>,
    pub tarball: Tarball,
    /// A provenance bundle, as it came.
    pub bundle: Option<Bundle>,
}

/// Who may read a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Public,
    Restricted,
}

/// The bytes of a version, and what is known of them.
#[derive(Debug)]
pub struct Tarball {
    pub bytes: Vec<u8>,
    /// `sha512-…`.
    pub integrity: String,
    /// SHA-1, in hexadecimal.
    pub shasum: String,
    pub files: u64,
    pub unpacked_bytes: u64,
    /// Whether it names what it is to be installed with: clients look into it for that only where its manifest says so.
    pub has_shrinkwrap: bool,
}

/// An attached provenance bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub json: String,
    /// What it says: `https://slsa.dev/provenance/v1`.
    pub predicate_type: String,
}

/// What is found in a tarball.
#[derive(Debug, Default)]
struct Contents {
    files: u64,
    unpacked_bytes: u64,
    has_shrinkwrap: bool,
}

/// Why a body is not published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the body is no JSON object")]
    NotJson(#[source] serde_json::Error),
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("the body has no {0}")]
    Missing(&'static str),
    #[error("the manifest is longer than {MAX_MANIFEST} bytes")]
    Long,
    #[error("the body is of the package {0:?}, not of the one in the path")]
    OtherName(String),
    #[error("_attachments is empty")]
    NoAttachment,
    #[error("the body has {0}, and one version is published at a time")]
    Many(&'static str),
    #[error("the version {0:?} is not the same in key, manifest and attachment, or no strict semver")]
    Version(String),
    #[error("{0:?} is no dist-tag for this version")]
    Tag(String),
    #[error("the attachment cannot be read: {0}")]
    Attachment(&'static str),
    #[error("the tarball does not have the {0} that the manifest says")]
    Digest(&'static str),
    #[error("the manifest's {0} cannot be read")]
    BadDigest(&'static str, #[source] digest::Error),
    #[error("the tarball is refused")]
    Tarball(#[source] untar::Error),
    #[error("the provenance bundle is refused: {0}")]
    Bundle(&'static str),
}

/// What is read of a manifest.
#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    #[serde(default)]
    dist: Option<Dist>,
}

#[derive(Deserialize)]
struct Dist {
    integrity: Option<String>,
    shasum: Option<String>,
}

#[derive(Deserialize)]
struct Attachment<'a> {
    /// Borrowed: it is most of the body.
    #[serde(borrow)]
    data: Cow<'a, str>,
    length: Option<u64>,
}

/// Reads and proves a publish body for the package in the path.
///
/// Holds the tarball once more than the body does, and reads it through: some 10 ms for a MiB.
///
/// # Errors
/// [`Error`], in the order of the contract's table.
pub fn parse<'a>(body: &'a [u8], name: &PackageName) -> Result<Publication<'a>, Error> {
    let mut body: Members<'a> = serde_json::from_slice(body).map_err(Error::NotJson)?;
    let (key, manifest) = only(object(body.take("versions")?).ok_or(Error::Missing("versions"))?, "versions")?;
    // Documents have it again and again, for as long as the package is there.
    if manifest.get().len() as u64 > MAX_MANIFEST {
        return Err(Error::Long);
    }
    let said = body.take_text("name")?.ok_or(Error::Missing("name"))?;
    if said != name.as_str() {
        return Err(Error::OtherName(said));
    }
    let attachments = object(body.take("_attachments")?).unwrap_or_default();
    let (file, attachment, bundle) = sort(attachments)?;
    let read: Manifest = serde_json::from_str(manifest.get()).map_err(Error::NotJson)?;
    if read.name != name.as_str() {
        return Err(Error::OtherName(read.name));
    }
    let version = version(&key, &read.version, name, &file)?;
    let tags = tags(object(body.take("dist-tags")?).unwrap_or_default(), &key)?;
    let bytes = decode(&attachment)?;
    let (integrity, shasum) = prove(&bytes, read.dist.as_ref())?;
    let Contents { files, unpacked_bytes, has_shrinkwrap } = open(&bytes, &read)?;
    let bundle = bundle.map(|bundle| check_bundle(&bundle, &read, &bytes)).transpose()?;
    let access = body.take("access")?.and_then(|access| serde_json::from_str(access.get()).ok());
    let tarball = Tarball { bytes, integrity, shasum, files, unpacked_bytes, has_shrinkwrap };
    Ok(Publication { version, manifest, tags, access, readme: body.take("readme")?, tarball, bundle })
}

// === impl Contents ===

impl Contents {
    /// Notes a file, by its path below the folder at the top.
    fn note(&mut self, path: &str, size: u64) {
        self.files += 1;
        self.unpacked_bytes += size;
        self.has_shrinkwrap |= path == SHRINKWRAP;
    }
}

fn object(value: Option<&RawValue>) -> Option<Members<'_>> {
    value.and_then(Members::of)
}

/// Returns the only member.
fn only<'a>(members: Members<'a>, what: &'static str) -> Result<(String, &'a RawValue), Error> {
    let mut members = members.into_iter();
    let first = members.next().ok_or(Error::Missing(what))?;
    if members.next().is_some() { Err(Error::Many("several versions")) } else { Ok(first) }
}

/// Tells the tarball from the bundle.
fn sort<'a>(attachments: Members<'a>) -> Result<(String, Attachment<'a>, Option<Attachment<'a>>), Error> {
    let (mut tarball, mut bundle) = (None, None);
    for (file, value) in attachments {
        let attachment = serde_json::from_str(value.get()).map_err(|_| Error::Attachment("it has no data"))?;
        let place = if file.ends_with(BUNDLE) { &mut bundle } else { &mut tarball };
        if place.replace((file, attachment)).is_some() {
            return Err(Error::Many("several attachments"));
        }
    }
    let (file, tarball) = tarball.ok_or(Error::NoAttachment)?;
    Ok((file, tarball, bundle.map(|(_, bundle)| bundle)))
}

/// Reads the version, which must be the same everywhere. The file's name has the scope in it, or not: both are sent.
fn version(key: &str, said: &str, name: &PackageName, file: &str) -> Result<Version, Error> {
    let odd = || Error::Version(key.to_owned());
    let version = Version::parse(key).map_err(|_| odd())?;
    let names = [format!("{name}-{key}.tgz"), name.tarball_file(&version)];
    if said == key && names.iter().any(|name| name == file) { Ok(version) } else { Err(odd()) }
}

fn tags(tags: Members<'_>, version: &str) -> Result<Vec<Box<str>>, Error> {
    let tags: Vec<(String, &RawValue)> = tags.into_iter().collect();
    if tags.is_empty() {
        return Err(Error::Missing("dist-tags"));
    }
    if tags.len() > MAX_TAGS {
        return Err(Error::Many("very many dist-tags"));
    }
    let tag = |(tag, value): (String, &RawValue)| {
        let points_here = serde_json::from_str::<String>(value.get()).is_ok_and(|said| said == version);
        let is_tag = matches!(Spec::parse(&tag), Ok(Spec::Tag(_)));
        if points_here && is_tag { Ok(tag.into_boxed_str()) } else { Err(Error::Tag(tag)) }
    };
    tags.into_iter().map(tag).collect()
}

/// Decodes the canonical alphabet, and nothing else.
fn decode(attachment: &Attachment<'_>) -> Result<Vec<u8>, Error> {
    let bytes = STANDARD.decode(attachment.data.as_bytes()).map_err(|_| Error::Attachment("its data is no base64"))?;
    match attachment.length {
        Some(length) if length != bytes.len() as u64 => Err(Error::Attachment("it is not of the length that it says")),
        _ if bytes.is_empty() => Err(Error::Attachment("it is empty")),
        _ => Ok(bytes),
    }
}

/// Holds the bytes to every hash that the manifest names, and returns both that it is to name. Source: contract npm §6.1.
fn prove(bytes: &[u8], dist: Option<&Dist>) -> Result<(String, String), Error> {
    let shasum = digest::hex(&Sha1::digest(bytes));
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes)));
    let given = |text: Option<&String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(said) = given(dist.and_then(|dist| dist.shasum.as_ref())) {
        let said = Promise::from_hex(Algorithm::Sha1, &said).map_err(|error| Error::BadDigest("shasum", error))?;
        if said.to_hex() != shasum {
            return Err(Error::Digest("shasum"));
        }
    }
    if let Some(said) = given(dist.and_then(|dist| dist.integrity.as_ref())) {
        let said = Integrity::parse(&said).map_err(|error| Error::BadDigest("integrity", error))?;
        if said.promises().len() > MAX_PROMISES {
            return Err(Error::Many("very many hashes"));
        }
        if !said.promises().iter().all(|promise| promise.to_hex() == sum(promise.algorithm, bytes)) {
            return Err(Error::Digest("integrity"));
        }
    }
    Ok((integrity, shasum))
}

fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
    match algorithm {
        Algorithm::Sha1 => digest::hex(&Sha1::digest(bytes)),
        Algorithm::Sha256 => digest::hex(&Sha256::digest(bytes)),
        Algorithm::Sha384 => digest::hex(&Sha384::digest(bytes)),
        Algorithm::Sha512 => digest::hex(&Sha512::digest(bytes)),
    }
}

/// Reads the tarball through: one folder at its top, a package.json in it of this name and version.
fn open(bytes: &[u8], manifest: &Manifest) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let (mut top, mut described): (Option<String>, Option<Manifest>) = (None, None);
    let mut gzip = GzDecoder::new(bytes);
    untar::walk(&mut gzip, LIMITS, |member| {
        let (first, rest) = member.path.split_once('/').unwrap_or((member.path, ""));
        if *top.get_or_insert_with(|| first.to_owned()) != first {
            return Err(untar::Error::refuse("it has more than one folder at its top"));
        }
        match member.kind {
            untar::Kind::Special => return Err(untar::Error::refuse(format!("{} is no file", member.path))),
            untar::Kind::Link if member.leads_out() => {
                return Err(untar::Error::refuse(format!("{} leads out of it", member.path)));
            }
            untar::Kind::File => contents.note(rest, member.size),
            _ => {}
        }
        if rest == "package.json" && member.kind == untar::Kind::File {
            let text = member.read(MAX_MANIFEST)?;
            let read = serde_json::from_slice(&text);
            described = Some(read.map_err(|_| untar::Error::refuse("its package.json cannot be read"))?);
        }
        Ok(())
    })
    .map_err(Error::Tarball)?;
    // What follows the archive is read by some, and passed over by others.
    if !gzip.get_ref().is_empty() {
        return Err(Error::Tarball(untar::Error::refuse("it goes on after its end")));
    }
    match described {
        Some(found) if found.name == manifest.name && cleaned(&found.version) == cleaned(&manifest.version) => {
            Ok(contents)
        }
        Some(_) => Err(Error::Tarball(untar::Error::refuse("its package.json is of another name or version"))),
        None => Err(Error::Tarball(untar::Error::refuse("it has no package.json"))),
    }
}

/// Returns a version as clients write it into the manifest, whatever package.json has: without its build metadata, too.
/// Source: semver's `clean`.
fn cleaned(version: &str) -> &str {
    let version = version.trim().trim_start_matches(['=', 'v']).trim_start();
    version.split_once('+').map_or(version, |(version, _)| version)
}

/// Holds a provenance bundle to what it is attached to. Who signed it is for the reader to judge. Source: contract npm
/// §6.3.
fn check_bundle(attached: &Attachment<'_>, manifest: &Manifest, bytes: &[u8]) -> Result<Bundle, Error> {
    let statement = Statement::parse(&attached.data).map_err(Error::Bundle)?;
    if !statement.is_about(&manifest.name, &manifest.version, &digest::hex(&Sha512::digest(bytes))) {
        return Err(Error::Bundle("it is about something else"));
    }
    Ok(Bundle { json: attached.data.as_ref().to_owned(), predicate_type: statement.predicate_type })
}

#[cfg(test)]
mod tests;
