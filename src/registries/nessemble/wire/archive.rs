//! A package's archive, opened in one pass: a tar file under gzip, with the three files that make a package. Nothing is
//! unpacked to disk. Source: contract nessemble §6.1, §7.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::{Error, texts};
use crate::registries::members::{Members, parse_json};
use crate::registries::nessemble::name::{Title, Version};
use crate::registries::untar::{self, Kind, Limits, Member};

/// The old client has this much room for an archive, in bytes, and as much for it unpacked.
pub const MAX_ARCHIVE: u64 = 65_536;

const LIMITS: Limits = Limits { members: 256, unpacked_bytes: MAX_ARCHIVE };

const CODE: &str = "lib.asm";
const README: &str = "README.md";
const PACKAGE: &str = "package.json";

/// A package as its own archive describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub title: Title,
    pub version: Version,
    pub description: String,
    pub author: String,
    pub license: String,
    pub tags: Vec<String>,
    /// `README.md` as it stands.
    pub readme: Vec<u8>,
}

/// The files that are found on the way through an archive.
#[derive(Default)]
struct Files {
    code: Option<Vec<u8>>,
    readme: Option<Vec<u8>>,
    package: Option<Vec<u8>>,
}

/// Opens an archive and reads it to its end.
///
/// # Errors
/// [`Error::TooLong`], [`Error::Uncompress`], [`Error::Trailing`], [`Error::Archive`], [`Error::NoFile`],
/// [`Error::PackageJson`], [`Error::Repeated`].
pub fn open(archive: &[u8]) -> Result<Archive, Error> {
    if archive.len() as u64 > MAX_ARCHIVE {
        return Err(Error::TooLong);
    }
    let mut tar = GzDecoder::new(archive);
    let mut files = Files::default();
    untar::walk(&mut tar, LIMITS, |member| files.take(member))?;
    // Only at its end are the sums of the gzip file looked at.
    tar.read_to_end(&mut Vec::new()).map_err(Error::Uncompress)?;
    if !tar.into_inner().is_empty() {
        return Err(Error::Trailing);
    }
    files.finish()
}

// === impl Files ===

impl Files {
    fn take(&mut self, member: &mut Member<'_>) -> Result<(), untar::Error> {
        match member.kind {
            Kind::File => {}
            Kind::Directory => return Ok(()),
            Kind::Link => return Err(untar::Error::Kind("a link")),
            Kind::Special => return Err(untar::Error::Kind("a device or a pipe")),
        }
        let place = match member.path.rsplit('/').next() {
            Some(CODE) => &mut self.code,
            Some(README) => &mut self.readme,
            Some(PACKAGE) => &mut self.package,
            _ => return Ok(()),
        };
        match place.replace(member.read(MAX_ARCHIVE)?) {
            None => Ok(()),
            Some(_) => Err(untar::Error::refuse(format!("{} is there twice", member.path))),
        }
    }

    fn finish(self) -> Result<Archive, Error> {
        self.code.ok_or(Error::NoFile(CODE))?;
        let readme = self.readme.ok_or(Error::NoFile(README))?;
        let package = self.package.ok_or(Error::NoFile(PACKAGE))?;
        let mut members = parse_json(&package).ok().and_then(Members::of).ok_or(Error::PackageJson)?;
        let title = members.take_text("title")?.and_then(|text| Title::parse(&text).ok());
        let version = members.take_text("version")?.and_then(|text| Version::parse(&text).ok());
        Ok(Archive {
            title: title.ok_or(Error::PackageJson)?,
            version: version.ok_or(Error::PackageJson)?,
            description: members.take_text("description")?.unwrap_or_default(),
            author: members.take_text("author")?.unwrap_or_default(),
            license: members.take_text("license")?.unwrap_or_default(),
            tags: members.take("tags")?.map(texts).unwrap_or_default(),
            readme,
        })
    }
}
