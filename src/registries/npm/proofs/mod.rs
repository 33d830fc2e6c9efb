//! Which digest and which signature vouch for a tarball, and what a mount makes of that. All pure: bytes are hashed by
//! the mirror.
//!
//! A document names a hash of its tarball and, at signing registries, carries signatures over
//! `<name>@<version>:<integrity>` (contract npm §6.2). The hash is always held to; the signature as the mount says.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature as Ecdsa, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::name::{PackageName, Version};
use super::wire::{Dist, parse_time};
use crate::base::digest::{self, Algorithm, Integrity, Promise};
use crate::config::Signatures;

/// The only kind of key that registries sign with (contract npm §6.2).
pub const KEY_TYPE: &str = "ecdsa-sha2-nistp256";
/// When a version without a publish time counts as published: 2015-01-01, as npm has it (contract npm §6.2).
const UNKNOWN_TIME: u64 = 1_420_070_400_000;
/// Signatures looked at for one version, since each costs some 0.1 ms; registries give one or two.
const MAX_SIGNATURES: usize = 16;
/// Keys read from one set; upstream has two.
const MAX_KEYS: usize = 256;

/// Why a document's proofs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("dist.integrity cannot be read")]
    Integrity(#[source] digest::Error),
    #[error("dist.shasum cannot be read")]
    Shasum(#[source] digest::Error),
    #[error("the key set cannot be read")]
    Keys(#[source] serde_json::Error),
}

/// The keys that a registry signs with, now and earlier.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: String,
    key: VerifyingKey,
    /// In milliseconds since 1970.
    expires: Option<u64>,
}

/// What a version's signatures are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One signature holds.
    Valid { keyid: String },
    /// The registry signs, but not this version.
    Missing,
    /// None of the signatures' keys is in the set.
    UnknownKey,
    /// The keys had expired when the version was published.
    Expired,
    /// A key of the set says otherwise.
    Bad,
    /// The registry has no keys: it signs nothing.
    NoKeys,
}

/// What becomes of a tarball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Pass,
    /// With the reason.
    Refuse(&'static str),
}

#[derive(Deserialize)]
struct KeySetDocument<'a> {
    #[serde(borrow)]
    keys: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct KeyDocument {
    keyid: String,
    keytype: String,
    key: String,
    expires: Option<String>,
}

/// Returns what the tarball's bytes are held to: the strongest of `dist.integrity`, else `dist.shasum`, else nothing.
///
/// # Errors
/// [`Error::Integrity`], [`Error::Shasum`]: a hash that cannot be read vouches for nothing, and the weaker one must not
/// stand in for it.
///
/// Source: contract npm §6.1.
pub fn promised(dist: &Dist) -> Result<Option<Integrity>, Error> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if let Some(text) = given(&dist.integrity) {
        match Integrity::parse(&text) {
            Ok(integrity) => return Ok(Some(integrity)),
            // Only algorithms from elsewhere or later: the sum, if there is one, still says something.
            Err(digest::Error::NoKnownHash) if given(&dist.shasum).is_some() => {}
            Err(error) => return Err(Error::Integrity(error)),
        }
    }
    let promise = given(&dist.shasum).map(|text| Promise::from_hex(Algorithm::Sha1, text.trim()));
    Ok(promise.transpose().map_err(Error::Shasum)?.map(Integrity::from))
}

/// Returns every hash that a document names for a tarball, to compare it with what another document names.
///
/// # Errors
/// As [`promised`].
pub fn all_promised(dist: &Dist) -> Result<Option<Integrity>, Error> {
    let sum = dist.shasum.as_deref().and_then(|text| Promise::from_hex(Algorithm::Sha1, text.trim()).ok());
    let promised = promised(dist)?;
    Ok(promised.map(|integrity| sum.into_iter().fold(integrity, Integrity::and)))
}

/// Judges a version's signatures. `published` is in milliseconds since 1970.
///
/// One valid signature of several suffices. Of the rest the worst counts: a known key that disagrees, then an expired
/// one, then an unknown one.
///
/// Source: contract npm §6.2.
pub fn judge(keys: &KeySet, name: &PackageName, version: &Version, dist: &Dist, published: Option<u64>) -> Verdict {
    if keys.0.is_empty() {
        return Verdict::NoKeys;
    }
    let mut worst = if dist.signatures.is_empty() { Verdict::Missing } else { Verdict::UnknownKey };
    let message = format!("{name}@{version}:{}", dist.integrity.as_deref().unwrap_or_default());
    for signature in dist.signatures.iter().take(MAX_SIGNATURES) {
        let Some(key) = keys.0.iter().find(|key| key.id == signature.keyid) else { continue };
        if key.has_expired_by(published.unwrap_or(UNKNOWN_TIME)) {
            worst = if worst == Verdict::Bad { worst } else { Verdict::Expired };
        } else if dist.integrity.is_some() && key.verifies(&message, &signature.sig) {
            return Verdict::Valid { keyid: key.id.clone() };
        } else {
            worst = Verdict::Bad;
        }
    }
    worst
}

/// Decides what a verdict means to a mount.
///
/// `Verify` passes what it cannot judge: a registry's new key may not be here yet, and mirrors re-date versions
/// (contract npm §18.2), so that an old key seems expired.
pub fn decide(mode: Signatures, verdict: &Verdict) -> Decision {
    match (mode, verdict) {
        (Signatures::Off, _) | (_, Verdict::Valid { .. }) => Decision::Pass,
        (_, Verdict::Bad) => Decision::Refuse("the registry's signature does not hold"),
        (Signatures::Verify, Verdict::Missing | Verdict::UnknownKey | Verdict::Expired | Verdict::NoKeys) => {
            Decision::Pass
        }
        (Signatures::Require, Verdict::Missing) => Decision::Refuse("the version is not signed"),
        (Signatures::Require, Verdict::UnknownKey) => Decision::Refuse("the signature is by an unknown key"),
        (Signatures::Require, Verdict::Expired) => Decision::Refuse("the signature is by a key that had expired"),
        (Signatures::Require, Verdict::NoKeys) => Decision::Refuse("the registry has no keys"),
    }
}

// === impl KeySet ===

impl KeySet {
    /// Reads the answer of `/-/npm/v1/keys`. Keys of other kinds, and such whose id is not their fingerprint, are left
    /// out: they vouch for nothing.
    ///
    /// # Errors
    /// [`Error::Keys`]: no key set at all.
    ///
    /// Source: contract npm §6.2.
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        let document: KeySetDocument<'_> = serde_json::from_slice(document).map_err(Error::Keys)?;
        Ok(Self(document.keys.iter().take(MAX_KEYS).filter_map(|key| Key::parse(key.get())).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// === impl Key ===

impl Key {
    fn parse(json: &str) -> Option<Self> {
        let document: KeyDocument = serde_json::from_str(json).ok()?;
        if document.keytype != KEY_TYPE {
            return None;
        }
        let key = VerifyingKey::from_public_key_der(&STANDARD.decode(&document.key).ok()?).ok()?;
        // A time that cannot be read has long passed.
        let expires = document.expires.map(|text| parse_time(&text).unwrap_or_default());
        (document.keyid == fingerprint(&key)).then_some(Self { id: document.keyid, key, expires })
    }

    fn has_expired_by(&self, millis: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= millis)
    }

    fn verifies(&self, message: &str, signature: &str) -> bool {
        let der = STANDARD.decode(signature).ok();
        let signature = der.and_then(|der| Ecdsa::from_der(&der).ok());
        signature.is_some_and(|signature| self.key.verify(message.as_bytes(), &signature).is_ok())
    }
}

/// Returns the key's OpenSSH fingerprint: over the strings of the SSH wire form, each after its length.
///
/// Source: RFC 5656 §3.1, RFC 4251 §5.
pub fn fingerprint(key: &VerifyingKey) -> String {
    let point = key.to_sec1_point(false);
    let mut hash = Sha256::new();
    for part in [KEY_TYPE.as_bytes(), b"nistp256", point.as_bytes()] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    format!("SHA256:{}", STANDARD_NO_PAD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests;
