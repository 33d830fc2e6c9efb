//! The RSA keys that repositories sign with, which guard nothing. Source: contract hex §2.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heliostat::registries::hex::keys::PublicKey;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA512};
use tempfile::TempDir;

/// One signing key.
pub struct Key(KeyPair);

/// The public half of one in a file, as an operator has it.
pub struct PinnedKey(TempDir);

impl Key {
    /// The one that tests have pinned.
    pub fn repository() -> Self {
        Self::read(include_bytes!("../../../../src/registries/hex/fixtures/repository.pk8"))
    }

    /// One that nobody has pinned.
    pub fn stranger() -> Self {
        Self::read(include_bytes!("../../../../src/registries/hex/fixtures/stranger.pk8"))
    }

    fn read(key: &[u8]) -> Self {
        Self(KeyPair::from_pkcs8(key).expect("a fixture is a key"))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature);
        signed.expect("a key of 2048 bits signs anything");
        signature
    }

    pub fn sign_in_base64(&self, message: &[u8]) -> String {
        STANDARD.encode(self.sign(message))
    }

    /// Returns the public half as `mix hex.registry build` writes it.
    pub fn to_pem(&self) -> String {
        let key = STANDARD.encode(self.0.public_key().as_ref());
        let lines: Vec<_> = key.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// Returns what an operator pins.
    pub fn fingerprint(&self) -> String {
        let key = PublicKey::parse(self.to_pem().as_bytes()).expect("our own key can be read");
        key.fingerprint().to_string()
    }
}

// === impl PinnedKey ===

impl PinnedKey {
    pub fn of(key: &Key) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(home.path().join("key.pem"), key.to_pem()).expect("a temporary directory can be written");
        Self(home)
    }

    /// Returns the line for a mount that pins it.
    pub fn line(&self) -> String {
        format!("public_key = {:?}\n", self.0.path().join("key.pem").display().to_string())
    }
}
