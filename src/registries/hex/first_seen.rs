//! What a package's document says of tarballs that were proved before.
//!
//! A document is signed: nothing in it can be put back, and without it none of its package's releases could be installed.
//! So it is served as it is. A release of which it names another checksum than the one that was proved is listed as an
//! incident, and its new tarball is refused. The first one is not served in its place: by this document, no client would
//! take it.
//!
//! A signed document says nothing of when it was made, so that an old one holds for ever. One that lacks releases which
//! were proved may be such a replay; or a publisher has withdrawn them, which is legal. It is served, and they are counted.

use std::io;
use std::sync::Arc;

use super::name::{PackageName, Version};
use super::proofs::Trusted;
use super::wire::Package;
use crate::base::digest::Digest;
use crate::mirror::first_seen::{Chronicle, IsOf, Reading, Rival};
use crate::mirror::firsts::First;

/// The releases of one package.
pub struct Releases {
    package: PackageName,
    trusted: Arc<Trusted>,
    prefix: String,
}

/// What a document says of one release.
enum Said {
    Nothing,
    Checksum(Digest),
}

// === impl Releases ===

impl Releases {
    pub fn of(mount: &str, package: &PackageName, trusted: &Arc<Trusted>) -> Self {
        let prefix = format!("{mount}/{package}@");
        Self { package: package.clone(), trusted: Arc::clone(trusted), prefix }
    }

    /// Names one of them: `hex/jason@1.0.0`.
    pub fn name(mount: &str, package: &PackageName, version: &Version) -> String {
        format!("{mount}/{package}@{version}")
    }
}

impl Chronicle for Releases {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A checksum is the very digest that bytes are remembered by, so that nobody needs to look at them.
    fn read(&self, document: &[u8], firsts: &[First], _is_of: &IsOf<'_>) -> io::Result<Reading> {
        let package = self.trusted.package(document, &self.package).map_err(io::Error::other)?;
        let mut reading = Reading::default();
        for first in firsts {
            let Some(version) = first.release.strip_prefix(&self.prefix) else { continue };
            match said(&package, version) {
                Said::Nothing => reading.lost.push(first.release.clone()),
                Said::Checksum(now) if now != first.digest => {
                    reading.rivals.push(Rival { release: first.release.clone(), claim: format!("sha256 {now}") });
                }
                Said::Checksum(_) => {}
            }
        }
        Ok(reading)
    }
}

fn said(package: &Package, version: &str) -> Said {
    let release = package.releases.iter().find(|release| release.version == version);
    let checksums = release.and_then(|release| release.checksums());
    checksums.map_or(Said::Nothing, |checksums| Said::Checksum(checksums.outer))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Parts, Signer, package, package_name};
    use super::*;
    use crate::base::digest::Integrity;

    fn first(version: &str, bytes: &[u8]) -> First {
        First { release: format!("hex/jason@{version}"), digest: Digest::of(bytes), testimony: None, rival: None }
    }

    /// Reads a document of 1.0.0 and 1.1.0-rc.1.
    fn read(firsts: &[First]) -> Reading {
        let signer = Signer::repository();
        let document = signer.seal(&package("hexpm", "jason"));
        let is_of = |_: Digest, _: &Integrity| panic!("nobody needs the bytes");
        Releases::of("hex", &package_name("jason"), &signer.trusted_for("hexpm"))
            .read(&document, firsts, &is_of)
            .unwrap()
    }

    #[test]
    fn a_document_that_names_another_checksum_is_a_rival_and_is_left_as_it_was_signed() {
        let right = Parts::of("jason", "1.0.0").pack();
        let reading = read(&[first("1.0.0", b"first"), first("1.1.0-rc.1", &Parts::of("jason", "1.1.0-rc.1").pack())]);
        let claim = format!("sha256 {}", Digest::of(&right));
        assert_eq!(reading.rivals, [Rival { release: "hex/jason@1.0.0".to_owned(), claim }]);
        assert!(reading.mended.is_none() && reading.lost.is_empty());
        assert!(read(&[first("1.0.0", &right)]).rivals.is_empty());
    }

    #[test]
    fn releases_that_a_document_no_longer_has_are_told() {
        let reading = read(&[first("0.9.0", b"first"), first("1.0.0", &Parts::of("jason", "1.0.0").pack())]);
        assert_eq!(reading.lost, ["hex/jason@0.9.0"]);
        assert!(reading.rivals.is_empty() && reading.mended.is_none());
    }
}
