//! Which signature and which checksum vouch for what. All pure: a repository is a name and a key, and its documents
//! prove themselves against both.
//!
//! The signature comes first: what is read behind it, the key's owner wrote. It says neither when, so that an old
//! document holds for ever (contract hex §2.1), nor what kind of document it is. So a document must have all that its
//! kind has, and the name that was asked for: then no other signed one can stand in for it.

use std::collections::HashSet;

use ::http::HeaderMap;
use bytes::Bytes;

use super::keys::PublicKey;
use super::name::{PackageName, PolicyName, RepositoryName, Version};
use super::wire::{self, MAX_LISTING, MAX_RESOURCE, Names, Package, Policy, Release, Tarball, Versions};
use crate::base::digest::{Algorithm, Digest, Promise, unhex};

/// Headers that carry the old registry's signature: the server's own, and that of the storage behind it.
pub const SIGNATURE_HEADERS: &[&str] = &["x-hex-signature", "x-amz-meta-signature"];

/// Longest text of a signature that is looked at, in bytes: 8,192 bits in hexadecimal.
const MAX_SIGNATURE: usize = 2048;

/// Why bytes are not proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unreadable(#[from] wire::Error),
    #[error("it is not signed")]
    Unsigned,
    #[error("the signature is not by the repository's key")]
    Signature,
    #[error("it is of another repository, {found:?}")]
    WrongRepository { found: String },
    #[error("it is of another name, {found:?}")]
    WrongName { found: String },
    #[error("version {version:?} has no checksums of 32 bytes")]
    NoChecksum { version: String },
    #[error("it has version {version:?} twice")]
    Repeated { version: String },
    #[error("it is no list of packages")]
    NoListing,
    #[error("what lies in the tarball has another checksum")]
    Inner,
}

/// Whose word is taken for a repository: who signs with this key, and of this name only.
#[derive(Clone, Debug)]
pub struct Trusted {
    pub repository: RepositoryName,
    pub key: PublicKey,
}

/// What a package's document promises of one tarball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// SHA-256 of the whole tarball.
    pub outer: Digest,
    /// SHA-256 over what lies in it.
    pub inner: Digest,
}

// === impl Trusted ===

impl Trusted {
    /// Proves `names`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Unsigned`], [`Error::Signature`], [`Error::WrongRepository`],
    /// [`Error::NoListing`].
    ///
    /// Source: contract hex §2.4.
    pub fn names(&self, body: &[u8]) -> Result<Names, Error> {
        let names: Names = wire::parse_message(self.payload(body, MAX_LISTING)?)?;
        self.is_ours(&names.repository)?;
        for package in &names.packages {
            is_listed(&package.name)?;
            // In a list of versions, they stand here.
            package.repository.iter().try_for_each(|repository| self.is_ours(repository))?;
        }
        Ok(names)
    }

    /// Proves `versions`.
    ///
    /// # Errors
    /// As [`Trusted::names`].
    ///
    /// Source: contract hex §2.4.
    pub fn versions(&self, body: &[u8]) -> Result<Versions, Error> {
        let versions: Versions = wire::parse_message(self.payload(body, MAX_LISTING)?)?;
        self.is_ours(&versions.repository)?;
        for package in &versions.packages {
            is_listed(&package.name)?;
            let is_right = |version: &String| Version::parse(version).is_ok();
            if package.versions.is_empty() || !package.versions.iter().all(is_right) {
                return Err(Error::NoListing);
            }
        }
        Ok(versions)
    }

    /// Proves `packages/NAME`: signed, of this name, and each release once and with its checksums.
    ///
    /// # Errors
    /// As [`Trusted::names`], but for the last; [`Error::WrongName`], [`Error::NoChecksum`], [`Error::Repeated`].
    ///
    /// Source: contract hex §2.4.
    pub fn package(&self, body: &[u8], name: &PackageName) -> Result<Package, Error> {
        let package: Package = wire::parse_message(self.payload(body, MAX_RESOURCE)?)?;
        self.is_ours(&package.repository)?;
        is_named(&package.name, name.as_str())?;
        let mut seen = HashSet::with_capacity(package.releases.len());
        for release in &package.releases {
            let version = &release.version;
            if release.checksums().is_none() {
                return Err(Error::NoChecksum { version: version.clone() });
            }
            if !seen.insert(version) {
                return Err(Error::Repeated { version: version.clone() });
            }
        }
        Ok(package)
    }

    /// Proves `policies/NAME`.
    ///
    /// # Errors
    /// As [`Trusted::names`], but for the last; [`Error::WrongName`].
    ///
    /// Source: contract hex §2.4, §5.1.
    pub fn policy(&self, body: &[u8], name: &PolicyName) -> Result<Policy, Error> {
        let policy: Policy = wire::parse_message(self.payload(body, MAX_RESOURCE)?)?;
        self.is_ours(&policy.repository)?;
        is_named(&policy.name, name.as_str())?;
        Ok(policy)
    }

    /// Proves `registry.ets.gz` by its signature, in hexadecimal, whether that came as a file or as a header.
    ///
    /// # Errors
    /// [`Error::Signature`].
    ///
    /// Source: contract hex §1.5.
    pub fn registry_v1(&self, body: &[u8], signature: &[u8]) -> Result<(), Error> {
        let signature = signature_text(signature).and_then(unhex).ok_or(Error::Signature)?;
        signed(&self.key, body, &signature)
    }

    /// Returns what the key's owner signed. Nothing in it was looked at before.
    fn payload(&self, body: &[u8], limit: u64) -> Result<Bytes, Error> {
        let envelope = wire::parse_signed(body, limit)?;
        let signature = envelope.signature.ok_or(Error::Unsigned)?;
        signed(&self.key, &envelope.payload, &signature)?;
        Ok(envelope.payload)
    }

    fn is_ours(&self, repository: &str) -> Result<(), Error> {
        if repository == self.repository.as_str() {
            return Ok(());
        }
        Err(Error::WrongRepository { found: repository.to_owned() })
    }
}

fn signed(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
    if key.verifies(message, signature) { Ok(()) } else { Err(Error::Signature) }
}

fn is_named(found: &str, asked: &str) -> Result<(), Error> {
    if found == asked { Ok(()) } else { Err(Error::WrongName { found: found.to_owned() }) }
}

fn is_listed(name: &str) -> Result<(), Error> {
    PackageName::parse(name).map(drop).map_err(|_| Error::NoListing)
}

/// Returns a signature without the space around it; `None` when it is no text, or longer than any.
pub fn signature_text(signature: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(signature).ok().map(str::trim)?;
    (text.len() <= MAX_SIGNATURE).then_some(text)
}

// === impl Release ===

impl Release {
    /// Returns what the release promises of its tarball; `None` unless it promises both in full.
    pub fn checksums(&self) -> Option<Checksums> {
        let digest = |bytes: &Bytes| Some(Digest::from_bytes(bytes.as_ref().try_into().ok()?));
        Some(Checksums { outer: digest(self.outer_checksum.as_ref()?)?, inner: digest(&self.inner_checksum)? })
    }
}

// === impl Checksums ===

impl Checksums {
    /// Finds what a proved document promises of a version's tarball; `None` when it does not have the version.
    pub fn find(package: &Package, version: &Version) -> Option<Self> {
        package.releases.iter().find(|release| release.version == version.as_str())?.checksums()
    }

    /// Returns the promise that holds a tarball's bytes while they come.
    pub fn promise(&self) -> Promise {
        Promise::from_hex(Algorithm::Sha256, &self.outer.to_hex()).expect("a digest prints as hexadecimal")
    }
}

/// Proves what lies in a tarball: what the tarball says of it, and what was signed, are both so. That the tarball is the
/// promised one is [`Checksums::promise`]'s to hold; this finds the wrong one that was signed by mistake.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::Inner`].
///
/// Source: contract hex §2.4, §3.1.
pub fn tarball(body: &[u8], inner: &Digest) -> Result<(), Error> {
    let tarball = Tarball::parse(body)?;
    let found = tarball.inner_checksum();
    if found == tarball.checksum && found == *inner { Ok(()) } else { Err(Error::Inner) }
}

/// Finds the signature of `registry.ets.gz` in the headers it came with. Source: contract hex §1.5.
pub fn find_signature(headers: &HeaderMap) -> Option<&[u8]> {
    SIGNATURE_HEADERS.iter().find_map(|name| Some(headers.get(*name)?.as_bytes()))
}

#[cfg(test)]
mod tests;
