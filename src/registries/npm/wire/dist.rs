//! What one version says of its tarball: where upstream keeps it and what vouches for it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Error;
use super::map::{Map, refuse_second};
use super::scan::{Scanner, Span};
use crate::registries::npm::name::{PackageName, Version};

/// Where a version has it.
const DIST: &str = "dist";

/// A version's `dist`, as far as a mirror needs it (contract npm §6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Dist {
    /// Where upstream keeps the tarball; its file name may be an odd one (§5.3).
    pub tarball: Option<String>,
    /// Subresource Integrity, one or more hashes.
    pub integrity: Option<String>,
    /// SHA-1 in hexadecimal: all that old versions have.
    pub shasum: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub signatures: Vec<Signature>,
    pub attestations: Option<Attestations>,
}

/// A registry's signature (§6.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Signature {
    pub keyid: String,
    /// Base64 of ASN.1 DER.
    pub sig: String,
}

/// Where a version's attestations are (§6.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attestations {
    pub url: Option<String>,
}

/// Every `dist` of a document, as it is written there.
pub struct Dists<'a> {
    text: &'a str,
    /// By version.
    places: HashMap<Cow<'a, str>, Span>,
}

/// A version that is described alone.
#[derive(Deserialize)]
struct Alone<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    dist: &'a RawValue,
}

/// Finds the `dist` of one version as it is written, given the bytes of its manifest in the upstream document.
///
/// # Errors
/// [`Error::Missing`]: there is none; [`Error::Repeated`]: there are two; [`Error::NotJson`] and what else [`Scanner`]
/// refuses.
pub fn find_dist(manifest: &[u8]) -> Result<&str, Error> {
    place_of_dist(manifest).map(|(text, place)| &text[place.range()])
}

/// Returns a manifest with one more member, as it is to be written, at the end of its `dist`, which has others already.
///
/// # Errors
/// As [`find_dist`].
pub fn with_in_dist(manifest: &str, member: &str) -> Result<String, Error> {
    let (text, place) = place_of_dist(manifest.as_bytes())?;
    // Before the brace that ends it.
    let (before, after) = text.split_at(place.range().end.saturating_sub(1));
    Ok([before, ",", member, after].concat())
}

fn place_of_dist(manifest: &[u8]) -> Result<(&str, Span), Error> {
    let mut scanner = Scanner::new(manifest)?;
    let mut dist = None;
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if key.decode() == DIST { refuse_second(dist.replace(value), DIST) } else { Ok(()) }
    })?;
    scanner.finish()?;
    dist.map(|place| (scanner.text(), place)).ok_or(Error::Missing(DIST))
}

/// Proves that `document` describes this version of this package, and has a `dist`.
///
/// # Errors
/// [`Error::NoManifest`], [`Error::WrongName`], [`Error::WrongVersion`], [`Error::BadDist`].
pub fn check_manifest(document: &[u8], name: &PackageName, version: &Version) -> Result<(), Error> {
    let alone: Alone<'_> = serde_json::from_slice(document).map_err(Error::NoManifest)?;
    if alone.name != name.as_str() {
        return Err(Error::WrongName { found: alone.name.into_owned() });
    }
    if alone.version != version.as_str() {
        return Err(Error::WrongVersion { found: alone.version.into_owned() });
    }
    parse_dist(alone.dist.get()).map(drop)
}

/// Reads a `dist`.
///
/// # Errors
/// [`Error::BadDist`]: it is no object, has a member of the wrong type, or one that stands there twice.
pub fn parse_dist(dist: &str) -> Result<Dist, Error> {
    serde_json::from_str(dist).map_err(Error::BadDist)
}

// === impl Dists ===

impl<'a> Dists<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// As [`super::check`].
    pub fn parse(document: &'a [u8], name: &PackageName) -> Result<Self, Error> {
        let map = Map::parse(document, name)?;
        let places = map.releases.into_iter().map(|release| (release.version, release.dist)).collect();
        Ok(Self { text: map.text, places })
    }

    /// Finds that of a version.
    pub fn of(&self, version: &str) -> Option<&'a str> {
        self.places.get(version).map(|place| &self.text[place.range()])
    }

    /// Returns the document with others in their places, by version; those of versions that it does not have are left
    /// out.
    pub fn with(&self, others: &[(&str, &str)]) -> Vec<u8> {
        let mut changes: Vec<(Span, &str)> =
            others.iter().filter_map(|(version, dist)| Some((*self.places.get(*version)?, *dist))).collect();
        changes.sort_unstable_by_key(|(place, _)| place.start);
        let (mut document, mut from) = (String::with_capacity(self.text.len()), 0);
        for (place, dist) in changes {
            document.push_str(&self.text[from..place.start as usize]);
            document.push_str(dist);
            from = place.end as usize;
        }
        document.push_str(&self.text[from..]);
        document.into_bytes()
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Signature>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(manifest: &[u8]) -> Result<Dist, Error> {
        find_dist(manifest).and_then(parse_dist)
    }

    #[test]
    fn a_manifest_is_of_its_version_and_says_everything_once() {
        let (name, version) = (PackageName::parse("@s/n").unwrap(), Version::parse("1.0.0").unwrap());
        let check = |manifest: &str| check_manifest(manifest.as_bytes(), &name, &version);
        assert!(check(r#"{"_id":"@s/n@1.0.0","name":"@s/n","version":"1.0.0","dist":{"shasum":"00"}}"#).is_ok());
        for wrong in [
            r#"{"name":"@s/n","version":"1.0.0"}"#,
            r#"{"name":"@s/n","dist":{}}"#,
            r#"{"name":"@s/n","version":"1.0.0","dist":{},"dist":{}}"#,
            r#"{"name":"@s/n","name":"@s/n","version":"1.0.0","dist":{}}"#,
            r#"{"name":"@s/n","version":"1.0.0","dist":{"shasum":"00","shasum":"11"}}"#,
            r#"{"name":"@s/n","version":"1.0.0","dist":"none"}"#,
            r#"{"name":"@s/n","version":"1.0.0","dist":{}} {}"#,
            "<!doctype html>",
            "[]",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        let of = |name: &str, version: &str| format!(r#"{{"name":"{name}","version":"{version}","dist":{{}}}}"#);
        assert!(matches!(check(&of("@s/m", "1.0.0")), Err(Error::WrongName { found }) if found == "@s/m"));
        assert!(matches!(check(&of("@s/n", "1.0.1")), Err(Error::WrongVersion { found }) if found == "1.0.1"));
    }

    #[test]
    fn the_dists_of_single_versions_are_exchanged_and_no_other_byte() {
        let document = br#"{"name":"n","versions":{"1.0.0":{"dist":{"shasum":"00"} ,"x":1}, "1.1.0":{"dist": {}},
            "2.0.0":{"dist":{"shasum":"22"}}}}"#;
        let name = PackageName::parse("n").unwrap();
        let dists = Dists::parse(document, &name).unwrap();
        assert_eq!(
            (dists.of("1.0.0"), dists.of("1.1.0"), dists.of("3.0.0")),
            (Some(r#"{"shasum":"00"}"#), Some("{}"), None)
        );
        let others = [("2.0.0", "{}"), ("3.0.0", "{}"), ("1.0.0", r#"{"shasum":"11","more":[]}"#)];
        let expected = String::from_utf8_lossy(document)
            .replace(r#"{"shasum":"00"}"#, r#"{"shasum":"11","more":[]}"#)
            .replace(r#"{"shasum":"22"}"#, "{}");
        assert_eq!(String::from_utf8(dists.with(&others)).unwrap(), expected);
        assert_eq!(dists.with(&[]), document);
    }

    #[test]
    fn a_dist_is_read_with_everything_or_next_to_nothing() {
        let dist = read(
            br#"{"name":"n","dist":{"tarball":"https://registry.example/n.tgz","integrity":"sha512-x","shasum":"00",
                "fileCount":3,"signatures":[{"keyid":"SHA256:k","sig":"MEUC","more":1}],"npm-signature":"x",
                "attestations":{"url":"https://registry.example/a","provenance":{"predicateType":"p"}}}}"#,
        )
        .unwrap();
        assert_eq!(dist.tarball.as_deref(), Some("https://registry.example/n.tgz"));
        assert_eq!(dist.signatures, [Signature { keyid: "SHA256:k".into(), sig: "MEUC".into() }]);
        assert_eq!(dist.attestations.unwrap().url.as_deref(), Some("https://registry.example/a"));
        assert_eq!(read(br#"{"dist":{}}"#).unwrap(), Dist::default());
        let nulls = br#"{"dist":{"integrity":null,"signatures":null,"attestations":null,"tarball":null}}"#;
        assert_eq!(read(nulls).unwrap(), Dist::default());
    }

    #[test]
    fn an_ambiguous_or_mistyped_dist_is_refused() {
        for manifest in [
            r#"{"dist":null}"#,
            r#"{"dist":{"integrity":"a","integrity":"b"}}"#,
            r#"{"dist":{"signatures":{}}}"#,
            r#"{"dist":{"signatures":[{"keyid":"k"}]}}"#,
            r#"{"dist":{"shasum":1}}"#,
        ] {
            assert!(matches!(read(manifest.as_bytes()), Err(Error::BadDist(_))), "{manifest}");
        }
        for manifest in [r#"{"dist":{},"dist":{}}"#, r#"{"dist":{},"di\u0073t":{}}"#] {
            assert!(matches!(read(manifest.as_bytes()), Err(Error::Repeated(_))), "{manifest}");
        }
        assert!(matches!(read(b"{}"), Err(Error::Missing("dist"))));
        assert!(matches!(read(br#"{"dist":{}"#), Err(Error::NotJson { .. })));
    }

    #[test]
    fn a_name_that_is_half_a_character_hides_no_dist() {
        let manifest = br#"{"s\ud800":{"install":"x"},"dist":{"shasum":"00"}}"#;
        assert_eq!(read(manifest).unwrap().shasum.as_deref(), Some("00"));
    }
}
