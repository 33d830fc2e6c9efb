//! Which digest vouches for an archive, and what it must be besides. All pure: bytes are hashed by the mirror.
//!
//! `shasum` of the versioned document is the SHA-1 of the archive's bytes as they are sent; `X-Integrity` says the same
//! in the answer itself, save at servers that send another version's (contract nessemble §7). SHA-1 can be made to
//! collide, so that our own SHA-256 of a version's bytes, taken when they are first proved, is held to for ever: that is
//! what a resource's `release` is for.

use super::name::{Title, Version};
use super::wire::{self, Archive};
use crate::base::digest::{self, Algorithm, Promise};

/// Why something is not proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("upstream gives no digest of it")]
    NoDigest,
    #[error("upstream gives a digest that is none")]
    Malformed(#[from] digest::Error),
    #[error("upstream gives two digests that differ: {shasum} and {header}")]
    Disagree { shasum: String, header: String },
    #[error(transparent)]
    Archive(#[from] wire::Error),
    #[error("the archive says that it is {title} {version}")]
    Other { title: Title, version: Version },
}

/// By which path an archive was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// With its version: there, `X-Integrity` may be another version's.
    Versioned,
    /// Without: both digests are of the version served, and agree.
    Unversioned,
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
/// [`Error::NoDigest`]: what nobody vouches for is refused. [`Error::Disagree`], [`Error::Malformed`].
///
/// Source: contract nessemble §7.
pub fn promised(shasum: Option<&str>, header: Option<&str>, route: Route) -> Result<Promised, Error> {
    let header = header.map(str::trim).filter(|text| !text.is_empty());
    let read = |text| Promise::from_hex(Algorithm::Sha1, text);
    let Some(shasum) = shasum else {
        return Ok(Promised { promise: read(header.ok_or(Error::NoDigest)?)?, header_differs: false });
    };
    let promise = read(shasum)?;
    let header_differs = header.is_some_and(|header| read(header).as_ref() != Ok(&promise));
    match (header, route) {
        (Some(header), Route::Unversioned) if header_differs => {
            Err(Error::Disagree { shasum: shasum.to_owned(), header: header.to_owned() })
        }
        _ => Ok(Promised { promise, header_differs }),
    }
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
