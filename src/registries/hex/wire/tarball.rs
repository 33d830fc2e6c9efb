//! The tarball of a package: a plain tar of four files. Source: contract hex §3.

use super::{Error, MAX_MEMBERS};
use crate::base::digest::{Digest, Hasher};
use crate::registries::untar::{self, Kind, Limits, Member};

const VERSION: &str = "VERSION";
const CHECKSUM: &str = "CHECKSUM";
const METADATA: &str = "metadata.config";
const CONTENTS: &str = "contents.tar.gz";

/// Longest of each file, in bytes (contract hex §3.3); the contents are bounded by the tarball.
const MAX_VERSION: u64 = 32;
const MAX_CHECKSUM: u64 = 128;
const MAX_METADATA: u64 = 1024 * 1024;

/// The only layout that today's readers take.
const LAYOUT: &[u8] = b"3";

/// A tarball taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tarball {
    version: Vec<u8>,
    /// What the tarball says of itself.
    pub checksum: Digest,
    /// Erlang terms.
    pub metadata: Vec<u8>,
    /// A compressed tar of the package's files.
    pub contents: Vec<u8>,
}

#[derive(Default)]
struct Parts {
    version: Option<Vec<u8>>,
    checksum: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    contents: Option<Vec<u8>>,
}

impl Tarball {
    /// Finds the four files, in any order. Others are passed over, and of two the later counts, as clients have it.
    ///
    /// # Errors
    /// [`Error::Archive`], [`Error::NoEntry`], [`Error::BadEntry`]: also of another layout than 3.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let (mut parts, length) = (Parts::default(), body.len() as u64);
        let limits = Limits { members: MAX_MEMBERS, unpacked_bytes: length };
        untar::walk(body, limits, |member| parts.take(member, length))?;
        let version = parts.version.ok_or(Error::NoEntry(VERSION))?;
        if version != LAYOUT {
            return Err(Error::BadEntry(VERSION));
        }
        let checksum = parts.checksum.ok_or(Error::NoEntry(CHECKSUM))?;
        let checksum = str::from_utf8(&checksum).ok().and_then(|text| text.parse().ok());
        Ok(Self {
            version,
            checksum: checksum.ok_or(Error::BadEntry(CHECKSUM))?,
            metadata: parts.metadata.ok_or(Error::NoEntry(METADATA))?,
            contents: parts.contents.ok_or(Error::NoEntry(CONTENTS))?,
        })
    }

    /// Computes the inner checksum. Source: contract hex §3.1.
    pub fn inner_checksum(&self) -> Digest {
        let mut hasher = Hasher::new(None);
        for part in [&self.version, &self.metadata, &self.contents] {
            hasher.update(part);
        }
        hasher.finish().digest
    }
}

impl Parts {
    fn take(&mut self, member: &mut Member<'_>, length: u64) -> Result<(), untar::Error> {
        let (place, longest) = match member.path {
            VERSION => (&mut self.version, MAX_VERSION),
            CHECKSUM => (&mut self.checksum, MAX_CHECKSUM),
            METADATA => (&mut self.metadata, MAX_METADATA),
            CONTENTS => (&mut self.contents, length),
            _ => return Ok(()),
        };
        if member.kind != Kind::File {
            return Err(untar::Error::refuse(format!("{} is no file", member.path)));
        }
        *place = Some(member.read(longest)?);
        Ok(())
    }
}
