//! What a document says of versions whose tarballs were proved before. What vouches for one is its `dist`: that of the
//! first tarball is remembered as it was written, and put back where a later document names other hashes.

use std::io;

use super::name::{PackageName, Version};
use super::proofs;
use super::wire::{self, Dists};
use crate::base::digest::Integrity;
use crate::mirror::first_seen::{Chronicle, IsOf, Reading, Rival};
use crate::mirror::firsts::First;

/// How much of what a document claims is told, in characters: the longest hash has a hundred.
const MAX_CLAIM: usize = 256;

/// The releases of one package.
pub struct Releases {
    package: PackageName,
    prefix: String,
}

// === impl Releases ===

impl Releases {
    pub fn of(namespace: &str, package: &PackageName) -> Self {
        Self { package: package.clone(), prefix: format!("{namespace}/{package}@") }
    }

    /// Names one of them: `npm/left-pad@1.0.0`.
    pub fn name(namespace: &str, package: &PackageName, version: &Version) -> String {
        format!("{namespace}/{package}@{version}")
    }

    /// Returns the version and the first `dist` of a release that is to be held to.
    fn first<'a>(&self, first: &'a First) -> Option<(&'a str, &'a str)> {
        Some((first.release.strip_prefix(&self.prefix)?, first.testimony.as_deref()?))
    }
}

impl Chronicle for Releases {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn read(&self, document: &[u8], firsts: &[First], is_of: &IsOf<'_>) -> io::Result<Reading> {
        let dists = Dists::parse(document, &self.package).map_err(io::Error::other)?;
        let (mut rivals, mut earlier) = (Vec::new(), Vec::new());
        for first in firsts {
            let Some((version, testimony)) = self.first(first) else { continue };
            let is_of_first = |now: &Integrity| is_of(first.digest, now);
            let claim = dists.of(version).and_then(|dist| claim(testimony, dist, &is_of_first));
            if let Some(claim) = claim {
                rivals.push(Rival { release: first.release.clone(), claim });
                earlier.push((version, testimony));
            }
        }
        let mended = (!earlier.is_empty()).then(|| dists.with(&earlier));
        Ok(Reading { rivals, mended, ..Reading::default() })
    }
}

/// Returns the hashes that a `dist` names, if they are of other bytes than `testimony` vouches for. Where the two have no
/// kind of hash in common, `is_of_first` looks at the bytes; where those are gone, their next fetch shows. One that
/// names no hash at all contradicts nothing.
fn claim(testimony: &str, dist: &str, is_of_first: &dyn Fn(&Integrity) -> Option<bool>) -> Option<String> {
    let now = match wire::parse_dist(dist).map(|dist| proofs::all_promised(&dist)) {
        Ok(Ok(now)) => now?,
        Ok(Err(_)) | Err(_) => return Some("nothing that can be read".to_owned()),
    };
    let then = wire::parse_dist(testimony).ok().and_then(|dist| proofs::all_promised(&dist).ok()?);
    let agrees = then.and_then(|then| then.agrees_with(&now)).or_else(|| is_of_first(&now));
    (agrees == Some(false)).then(|| now.to_string().chars().take(MAX_CLAIM).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    const OLD: &str = "0101010101010101010101010101010101010101";
    const NEW: &str = "0202020202020202020202020202020202020202";

    fn sum(hex: &str) -> String {
        format!(r#"{{ "shasum": "{hex}", "fileCount": 1 }}"#)
    }

    fn sri(bytes: &[u8]) -> String {
        format!(r#"{{"integrity":"{}"}}"#, Digest::of(bytes).to_sri())
    }

    fn document(dist: &str) -> String {
        let other = r#""2.0.0":{"dist":{}}"#;
        format!(r#"{{"name":"@s/n","versions":{{"1.0.0":{{"dist":{dist},"x":[]}},{other}}},"time":{{}}}}"#)
    }

    fn first(version: &str, testimony: Option<String>) -> First {
        let release = format!("npm/@s/n@{version}");
        First { release, digest: Digest::of(b"first"), testimony, rival: None }
    }

    /// Reads a document of one version, of which the first bytes are kept, or not.
    fn read(testimony: &str, dist: &str, kept: bool) -> Reading {
        let releases = Releases::of("npm", &PackageName::parse("@s/n").unwrap());
        let is_of = |digest, promised: &Integrity| {
            assert_eq!(digest, Digest::of(b"first"));
            kept.then(|| promised.agrees_with(&Integrity::parse(&Digest::of(b"first").to_sri()).unwrap()) == Some(true))
        };
        let firsts = [first("1.0.0", Some(testimony.to_owned())), first("9.0.0", Some(sum(OLD))), first("2.0.0", None)];
        releases.read(document(dist).as_bytes(), &firsts, &is_of).unwrap()
    }

    #[test]
    fn a_document_that_names_other_hashes_gets_the_first_ones_back() {
        let reading = read(&sum(OLD), &sum(NEW), false);
        let claim = "sha1-AgICAgICAgICAgICAgICAgICAgI=".to_owned();
        assert_eq!(reading.rivals, [Rival { release: "npm/@s/n@1.0.0".to_owned(), claim }]);
        assert_eq!(reading.mended.unwrap(), document(&sum(OLD)).into_bytes());
        let garbage = read(&sum(OLD), r#"{"integrity":"sha512-AAAA"}"#, false);
        assert_eq!(garbage.rivals[0].claim, "nothing that can be read");
        assert_eq!(garbage.mended.unwrap(), document(&sum(OLD)).into_bytes());
    }

    #[test]
    fn a_document_that_agrees_or_says_nothing_is_left_as_it_is() {
        for dist in [&sum(OLD), r#"{"shasum":"0101010101010101010101010101010101010101","signatures":[]}"#, "{}"] {
            let reading = read(&sum(OLD), dist, false);
            assert!(reading.rivals.is_empty() && reading.mended.is_none(), "{dist}");
        }
    }

    #[test]
    fn where_no_hash_is_shared_the_bytes_decide_if_they_are_kept() {
        for (testimony, dist, kept, is_rival) in [
            (sum(OLD), sri(b"first"), true, false),
            (sum(OLD), sri(b"other"), true, true),
            ("{}".to_owned(), sri(b"other"), true, true),
            ("{}".to_owned(), sri(b"first"), true, false),
            (sum(OLD), sri(b"other"), false, false),
        ] {
            let reading = read(&testimony, &dist, kept);
            assert_eq!(reading.mended.is_some(), is_rival, "{testimony} {dist} {kept}");
        }
    }
}
