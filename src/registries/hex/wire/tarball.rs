//! The tarball of a package: a plain tar of four entries. Source: contract hex §3.

use tar::Archive;

use super::{Error, MAX_ENTRIES};
use crate::base::digest::{Digest, Hasher};

const VERSION: &str = "VERSION";
const CHECKSUM: &str = "CHECKSUM";
const METADATA: &str = "metadata.config";
const CONTENTS: &str = "contents.tar.gz";

/// Longest of each entry, in bytes (contract hex §3.3); the contents are bounded by the tarball.
const LONGEST: [(&str, usize); 3] = [(VERSION, 32), (CHECKSUM, 128), (METADATA, 1024 * 1024)];

/// The only layout that today's readers take.
const LAYOUT: &[u8] = b"3";

/// A tarball taken apart; its parts lie where they lay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tarball<'a> {
    version: &'a [u8],
    /// What the tarball says of itself.
    pub checksum: Digest,
    /// Erlang terms.
    pub metadata: &'a [u8],
    /// A compressed tar of the package's files.
    pub contents: &'a [u8],
}

#[derive(Default)]
struct Parts<'a> {
    version: Option<&'a [u8]>,
    checksum: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    contents: Option<&'a [u8]>,
}

impl<'a> Tarball<'a> {
    /// Finds the four entries, in any order. Others are passed over, and of two the later counts, as clients have it.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::TooMany`], [`Error::NoEntry`], [`Error::BadEntry`]: also of another layout than 3.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let parts = Parts::find(body)?;
        let version = parts.version.ok_or(Error::NoEntry(VERSION))?;
        if version != LAYOUT {
            return Err(Error::BadEntry(VERSION));
        }
        let checksum = std::str::from_utf8(parts.checksum.ok_or(Error::NoEntry(CHECKSUM))?).ok();
        Ok(Self {
            version,
            checksum: checksum.and_then(|text| text.parse().ok()).ok_or(Error::BadEntry(CHECKSUM))?,
            metadata: parts.metadata.ok_or(Error::NoEntry(METADATA))?,
            contents: parts.contents.ok_or(Error::NoEntry(CONTENTS))?,
        })
    }

    /// Computes the inner checksum. Source: contract hex §3.1.
    pub fn inner_checksum(&self) -> Digest {
        let mut hasher = Hasher::new(None);
        for part in [self.version, self.metadata, self.contents] {
            hasher.update(part);
        }
        hasher.finish().digest
    }
}

impl<'a> Parts<'a> {
    fn find(body: &'a [u8]) -> Result<Self, Error> {
        let mut parts = Self::default();
        // Raw: an entry of ours needs no extended header, and none may rename another.
        for (index, entry) in Archive::new(body).entries().map_err(Error::Tar)?.raw(true).enumerate() {
            let entry = entry.map_err(Error::Tar)?;
            if index == MAX_ENTRIES {
                return Err(Error::TooMany);
            }
            let Some((name, place)) = parts.place(&entry.path_bytes()) else { continue };
            if !entry.header().entry_type().is_file() {
                return Err(Error::BadEntry(name));
            }
            let start = entry.raw_file_position() as usize;
            let bytes = start.checked_add(entry.size() as usize).and_then(|end| body.get(start..end));
            *place = Some(bytes.filter(|bytes| bytes.len() <= longest(name)).ok_or(Error::BadEntry(name))?);
        }
        Ok(parts)
    }

    fn place(&mut self, path: &[u8]) -> Option<(&'static str, &mut Option<&'a [u8]>)> {
        let places = [
            (VERSION, &mut self.version),
            (CHECKSUM, &mut self.checksum),
            (METADATA, &mut self.metadata),
            (CONTENTS, &mut self.contents),
        ];
        places.into_iter().find(|(name, _)| name.as_bytes() == path)
    }
}

fn longest(name: &str) -> usize {
    LONGEST.iter().find(|(limited, _)| *limited == name).map_or(usize::MAX, |(_, longest)| *longest)
}
