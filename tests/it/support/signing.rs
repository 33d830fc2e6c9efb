//! The registry's ECDSA P-256 keys and signatures. Source: contract npm §6.2.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One signing key; the same seed gives the same key.
pub struct Key {
    key: SigningKey,
    pub keyid: String,
    /// ISO 8601, when the key is a retired one.
    pub expires: Option<String>,
}

impl Key {
    pub fn from_seed(seed: &str) -> Self {
        let key = SigningKey::from_slice(&Sha256::digest(seed)).expect("a hash is below the order of the curve");
        let keyid = fingerprint(key.verifying_key().to_sec1_point(false).as_bytes());
        Self { key, keyid, expires: None }
    }

    pub fn expiring(mut self, at: &str) -> Self {
        self.expires = Some(at.to_owned());
        self
    }

    /// Returns a base64 DER signature over SHA-256 of the text.
    pub fn sign(&self, text: &str) -> String {
        let signature: Signature = self.key.sign(text.as_bytes());
        STANDARD.encode(signature.to_der().as_bytes())
    }

    /// Returns the entry for `/-/npm/v1/keys`.
    pub fn entry(&self) -> Value {
        let spki = self.key.verifying_key().to_public_key_der().expect("a P-256 key has a DER form");
        json!({
            "expires": self.expires,
            "keyid": self.keyid,
            "keytype": "ecdsa-sha2-nistp256",
            "scheme": "ecdsa-sha2-nistp256",
            "key": STANDARD.encode(spki.as_bytes()),
        })
    }
}

/// Returns the OpenSSH fingerprint of an uncompressed point.
fn fingerprint(point: &[u8]) -> String {
    let mut wire = Vec::new();
    for field in [b"ecdsa-sha2-nistp256".as_slice(), b"nistp256", point] {
        wire.extend_from_slice(&(field.len() as u32).to_be_bytes());
        wire.extend_from_slice(field);
    }
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(wire)))
}
