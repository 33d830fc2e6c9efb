//! What one version says of its tarball: where upstream keeps it and what vouches for it.

use serde::Deserialize;

use super::Error;

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

#[derive(Deserialize)]
struct Manifest {
    dist: Dist,
}

/// Reads the `dist` of one version, given the bytes of its manifest in the upstream document.
///
/// # Errors
/// [`Error::BadDist`]: no `dist`, a member of the wrong type, or one that stands there twice.
pub fn parse_dist(manifest: &[u8]) -> Result<Dist, Error> {
    serde_json::from_slice(manifest).map(|Manifest { dist }| dist).map_err(Error::BadDist)
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Signature>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dist_is_read_with_everything_or_next_to_nothing() {
        let dist = parse_dist(
            br#"{"name":"n","dist":{"tarball":"https://registry.example/n.tgz","integrity":"sha512-x","shasum":"00",
                "fileCount":3,"signatures":[{"keyid":"SHA256:k","sig":"MEUC","more":1}],"npm-signature":"x",
                "attestations":{"url":"https://registry.example/a","provenance":{"predicateType":"p"}}}}"#,
        )
        .unwrap();
        assert_eq!(dist.tarball.as_deref(), Some("https://registry.example/n.tgz"));
        assert_eq!(dist.signatures, [Signature { keyid: "SHA256:k".into(), sig: "MEUC".into() }]);
        assert_eq!(dist.attestations.unwrap().url.as_deref(), Some("https://registry.example/a"));
        assert_eq!(parse_dist(br#"{"dist":{}}"#).unwrap(), Dist::default());
        let nulls = br#"{"dist":{"integrity":null,"signatures":null,"attestations":null,"tarball":null}}"#;
        assert_eq!(parse_dist(nulls).unwrap(), Dist::default());
    }

    #[test]
    fn an_ambiguous_or_mistyped_dist_is_refused() {
        for manifest in [
            r#"{}"#,
            r#"{"dist":null}"#,
            r#"{"dist":{},"dist":{}}"#,
            r#"{"dist":{},"di\u0073t":{}}"#,
            r#"{"dist":{"integrity":"a","integrity":"b"}}"#,
            r#"{"dist":{"signatures":{}}}"#,
            r#"{"dist":{"signatures":[{"keyid":"k"}]}}"#,
            r#"{"dist":{"shasum":1}}"#,
            r#"{"dist":{}"#,
        ] {
            assert!(matches!(parse_dist(manifest.as_bytes()), Err(Error::BadDist(_))), "{manifest}");
        }
    }
}
