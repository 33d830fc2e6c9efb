//! Which digest vouches for an archive, and what it must be besides. All pure: bytes are hashed by the mirror.
//!
//! `shasum` of the versioned document is the SHA-1 of the archive's bytes as they are sent; `X-Integrity` says the same
//! in the answer itself, and stands in for a document that says nothing. Some servers send another version's there: that
//! is worth a line in the log where there is a `shasum` (contract nessemble §7). SHA-1 can be made to collide, so that our
//! own SHA-256 of a version's bytes, taken when they are first proved, is held to for ever: that is what a resource's
//! `release` is for.

use http::HeaderMap;
use sha1::{Digest as _, Sha1};

use super::name::{Title, Version};
use super::wire::{self, Archive};
use crate::base::digest::{self, Algorithm, Promise, hex};

/// The header that names the SHA-1 of the body it stands before.
pub const INTEGRITY: &str = "x-integrity";

/// Why something is not proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("upstream gives no digest of it")]
    NoDigest,
    #[error("upstream gives a digest that is none")]
    Malformed(#[from] digest::Error),
    #[error("the archive's SHA-1 is {found}, and not what X-Integrity says")]
    Digest { found: String },
    #[error(transparent)]
    Archive(#[from] wire::Error),
    #[error("the archive says that it is {title} {version}")]
    Other { title: Title, version: Version },
}

/// What an archive's bytes are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    pub promise: Promise,
    /// `X-Integrity` says something else, which is worth a line in the log.
    pub header_differs: bool,
}

/// Returns what an archive's bytes are held to: `shasum`, or where there is none, `X-Integrity`.
///
/// # Errors
/// [`Error::NoDigest`]: what nobody vouches for is refused. [`Error::Malformed`].
///
/// Source: contract nessemble §7, for archives that are asked for by their version.
pub fn promised(shasum: Option<&str>, header: Option<&str>) -> Result<Promised, Error> {
    let header = header.map(str::trim).filter(|text| !text.is_empty());
    let read = |text| Promise::from_hex(Algorithm::Sha1, text);
    let Some(shasum) = shasum else {
        return Ok(Promised { promise: read(header.ok_or(Error::NoDigest)?)?, header_differs: false });
    };
    let promise = read(shasum)?;
    let header_differs = header.is_some_and(|header| read(header).as_ref() != Ok(&promise));
    Ok(Promised { promise, header_differs })
}

/// Returns what a body's own head says of it.
pub fn find_integrity(headers: &HeaderMap) -> Option<&str> {
    headers.get(INTEGRITY)?.to_str().ok()
}

/// Returns the SHA-1 of an archive, in lower-case hexadecimal.
pub fn shasum(archive: &[u8]) -> String {
    hex(&Sha1::digest(archive))
}

/// Proves that an archive has a SHA-1 that was promised.
///
/// # Errors
/// [`Error::Digest`].
pub fn check_digest(archive: &[u8], promise: &Promise) -> Result<(), Error> {
    let found = shasum(archive);
    let is_right = Promise::from_hex(Algorithm::Sha1, &found).as_ref() == Ok(promise);
    if is_right { Ok(()) } else { Err(Error::Digest { found }) }
}

/// Proves that an archive is whole, has the three files of a package, and is of this title and version.
///
/// # Errors
/// [`Error::Archive`], [`Error::Other`]. Source: contract nessemble §7.
pub fn check_archive(archive: &[u8], title: &Title, version: &Version) -> Result<Archive, Error> {
    let opened = wire::open(archive)?;
    if opened.title != *title || opened.version != *version {
        return Err(Error::Other { title: opened.title, version: opened.version });
    }
    Ok(opened)
}

#[cfg(test)]
mod tests;
