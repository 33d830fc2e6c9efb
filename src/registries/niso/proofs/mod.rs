//! Which digest vouches for what, and what an archive must be besides. All pure: bytes are hashed by the mirror.
//!
//! The list of versions names the SHA-256 of every archive, and a chunk's name is its SHA-256 (contract niso §3, §5).
//! Both come from the same origin as the bytes: they catch corruption, truncation and later tampering, not a malicious
//! upstream. Manifests and lists of chunks are made here, from archives that were proved.

use std::io::{BufRead, Read};

use super::name::{PackageName, Version};
use super::wire::{self, Archive, Chunk, Limits, Row};
use crate::base::digest::{Algorithm, Digest, Integrity, Promise};

/// Why something is not proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("upstream gives no checksum of it")]
    NoChecksum,
    #[error(transparent)]
    Archive(#[from] wire::Error),
    #[error("the archive says that it is {name} {version}")]
    Other { name: String, version: String },
    #[error("the archive's checksum is {found}, not {promised}")]
    Digest { promised: Digest, found: Digest },
}

/// Returns what an archive's bytes are held to.
///
/// # Errors
/// [`Error::NoChecksum`]: what nobody vouches for is refused. Source: contract niso §8.
pub fn promised(row: &Row<'_>) -> Result<Digest, Error> {
    row.checksum.ok_or(Error::NoChecksum)
}

/// Turns a SHA-256 into what the mirror holds bytes to.
pub fn integrity(digest: &Digest) -> Integrity {
    let promise = Promise::from_hex(Algorithm::Sha256, &digest.to_hex());
    promise.expect("a SHA-256 prints as the hexadecimal sum of one").into()
}

/// Proves that an archive is whole, that its own sums hold, and that it is of this package and version.
///
/// # Errors
/// [`Error::Archive`], [`Error::Other`]. Source: contract niso §4.
pub fn check_archive(
    archive: impl BufRead,
    name: &PackageName,
    version: &Version,
    limits: &Limits,
) -> Result<Archive, Error> {
    let opened = wire::open(archive, limits)?;
    let package = &opened.package;
    if PackageName::parse(&package.name).as_ref() != Ok(name) || package.version != version.as_str() {
        return Err(Error::Other { name: package.name.clone(), version: package.version.clone() });
    }
    Ok(opened)
}

/// Cuts an archive into chunks, and proves on the way that it is the one that was promised.
///
/// # Errors
/// [`Error::Digest`]: it is another one; [`Error::Archive`]: it cannot be read.
pub fn cut_proved(archive: impl Read, promised: &Digest) -> Result<Vec<Chunk>, Error> {
    let (found, chunks) = wire::cut(archive)?;
    if found != *promised {
        return Err(Error::Digest { promised: *promised, found });
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests;
