//! Signatures of our own: clients that audit count a version without one as tampered with, once its registry has keys. The
//! key is made once for all nodes; the same text always has the same signature, so that all of them print the same.
//! Source: contract npm §6.2.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

use super::Npm;
use super::error::Error;
use super::proofs::{KEY_TYPE, fingerprint};
use super::wire;
use crate::base::digest::{Digest, hex};
use crate::base::secret::Secret;
use crate::registries::memo::Memo;

/// What the overlay knows the key by.
const NAME: &str = "npm signing key 1";

/// Signatures that are remembered, at some 200 bytes each: a publish prints all versions of its package anew.
const MAX_SIGNATURES: usize = 20_000;

/// Signs what is published here.
pub struct Signer {
    key: SigningKey,
    id: String,
    /// As clients are told it.
    entry: Value,
    /// By what was signed.
    known: Memo<Arc<str>>,
}

impl Npm {
    /// Returns who signs what is published here; `None` where nobody does.
    ///
    /// # Errors
    /// The overlay's.
    pub(super) async fn signer(&self) -> Result<Option<Arc<Signer>>, Error> {
        if !self.signs {
            return Ok(None);
        }
        let signer = self.signer.get_or_try_init(|| async {
            let secret = self.gate.overlay().secret(NAME, Signer::make).await?;
            let signer = Signer::of(&secret).ok_or_else(|| Error::internal("a signing key of ours that is none"))?;
            Ok::<_, Error>(Arc::new(signer))
        });
        signer.await.cloned().map(Some)
    }
}

// === impl Signer ===

impl Signer {
    /// Makes a new key.
    fn make() -> Secret {
        loop {
            let bytes: [u8; 32] = rand::random();
            // One of 2^32 is no number below the order of the curve.
            if SigningKey::from_slice(&bytes).is_ok() {
                return Secret::new(hex(&bytes));
            }
        }
    }

    /// Reads a key that was made here.
    fn of(secret: &Secret) -> Option<Self> {
        let key = SigningKey::from_slice(&secret.as_key()?).ok()?;
        let id = fingerprint(key.verifying_key());
        let public = key.verifying_key().to_public_key_der().ok()?;
        let entry = json!({
            "expires": null,
            "keyid": id,
            "keytype": KEY_TYPE,
            "scheme": KEY_TYPE,
            "key": STANDARD.encode(public.as_bytes()),
        });
        Some(Self { key, id, entry, known: Memo::new(MAX_SIGNATURES) })
    }

    /// Returns the key's line in a key set.
    pub fn entry(&self) -> &Value {
        &self.entry
    }

    /// Returns the manifest of a version with its signature, which is over the hash that it names.
    ///
    /// # Errors
    /// The manifest is none of ours.
    pub fn sign(&self, name: &str, version: &str, manifest: &str) -> Result<String, wire::Error> {
        let dist = wire::parse_dist(wire::find_dist(manifest.as_bytes())?)?;
        let Some(integrity) = dist.integrity else { return Ok(manifest.to_owned()) };
        let signature = self.signature(&format!("{name}@{version}:{integrity}"));
        let signatures = json!([{ "keyid": self.id, "sig": &*signature }]);
        wire::with_in_dist(manifest, &format!("\"signatures\":{signatures}"))
    }

    fn signature(&self, message: &str) -> Arc<str> {
        let mark = Digest::of(message.as_bytes());
        if let Some(known) = self.known.find(&mark) {
            return known;
        }
        let signature: Signature = self.key.sign(message.as_bytes());
        self.known.keep(mark, STANDARD.encode(signature.to_der()).into(), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::name::{PackageName, Version};
    use crate::registries::npm::proofs::{KeySet, Verdict, judge};

    fn signer() -> Signer {
        Signer::of(&Secret::new("0b".repeat(32))).unwrap()
    }

    #[test]
    fn what_is_signed_is_verified_by_the_rules_that_upstreams_signatures_are_held_to() {
        let (signer, integrity) = (signer(), Digest::of(b"tarball").to_sri());
        let manifest = format!(r#"{{"name":"@s/n","dist":{{"integrity":"{integrity}"}},"x":[1]}}"#);
        let signed = signer.sign("@s/n", "1.0.0", &manifest).unwrap();
        let set = json!({ "keys": [signer.entry()] }).to_string();
        let keys = KeySet::parse(set.as_bytes()).unwrap();
        let dist = wire::parse_dist(wire::find_dist(signed.as_bytes()).unwrap()).unwrap();
        let judge = |version| {
            let name = PackageName::parse("@s/n").unwrap();
            judge(&keys, &name, &Version::parse(version).unwrap(), &dist, None)
        };
        assert_eq!(judge("1.0.0"), Verdict::Valid { keyid: signer.id.clone() });
        assert_eq!(judge("1.0.1"), Verdict::Bad);
        let without = signed.replace(&format!(",\"signatures\":{}", json!(dist_signatures(&signed))), "");
        assert_eq!(without, manifest, "all else stands as it was written");
    }

    fn dist_signatures(manifest: &str) -> Value {
        serde_json::from_str::<Value>(manifest).unwrap()["dist"]["signatures"].clone()
    }

    #[test]
    fn the_same_is_signed_alike_by_every_node() {
        let manifest = r#"{"dist":{"integrity":"sha512-AAAA"}}"#;
        let signed = [signer(), signer()].map(|signer| signer.sign("n", "1.0.0", manifest).unwrap());
        assert_eq!(signed[0], signed[1]);
        let again = signer();
        assert_eq!([(); 2].map(|()| again.sign("n", "1.0.0", manifest).unwrap()), signed);
    }

    #[test]
    fn a_version_that_names_no_hash_is_not_signed() {
        let manifest = r#"{"dist":{"shasum":"00"}}"#;
        assert_eq!(signer().sign("n", "1.0.0", manifest).unwrap(), manifest);
        assert!(signer().sign("n", "1.0.0", "{}").is_err());
    }

    #[test]
    fn a_key_that_is_made_can_be_read() {
        let secret = Signer::make();
        assert!(Signer::of(&secret).is_some());
        assert!(Signer::of(&Secret::new("00".repeat(32))).is_none(), "zero is no key");
    }
}
