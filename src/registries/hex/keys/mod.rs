//! The keys that repositories sign with: read from PEM in either form, named by fingerprint, pinned before anything is
//! believed. Source: contract hex §2.1.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents};
use spki::der::asn1::{AnyRef, BitStringRef, UintRef};
use spki::der::{self, Decode, Encode, Reader, SliceReader, Tag};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::base::digest::Digest;

/// The key of `hexpm`, unchanged since 2016 and built into every client. Source: hex_core, `src/hex_core.erl`; the same is
/// in rebar3 3.19.0 as Debian builds it.
pub const HEXPM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApqREcFDt5vV21JVe2QNB
Edvzk6w36aNFhVGWN5toNJRjRJ6m4hIuG4KaXtDWVLjnvct6MYMfqhC79HAGwyF+
IqR6Q6a5bbFSsImgBJwz1oadoVKD6ZNetAuCIK84cjMrEFRkELtEIPNHblCzUkkM
3rS9+DPlnfG8hBvGi6tvQIuZmXGCxF/73hU0/MyGhbmEjIKRtG6b0sJYKelRLTPW
XgK7s5pESgiwf2YC/2MGDXjAJfpfCd0RpLdvd4eRiXtVlE9qO9bND94E7PgQ/xqZ
J1i2xWFndWa6nfFnRxZmCStCOZWYYPlaxr+FZceFbpMwzTNs4g3d4tLNUcbKAIH4
0wIDAQAB
-----END PUBLIC KEY-----
";

/// The form that every client takes, and the only one that Gleam does. Source: RFC 5280 §4.1.
const SPKI: &str = "PUBLIC KEY";
/// The form that `mix hex.registry build` writes. Source: RFC 8017 §A.1.1.
const PKCS1: &str = "RSA PUBLIC KEY";
/// What names an RSA key in the general form. Source: RFC 8017 §A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Longest text that is looked at for a key, in bytes; the longest key that is taken needs 1,500.
const MAX_PEM: usize = 16 * 1024;
/// Shortest and longest key, in bits: shorter ones are broken, longer ones only cost.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What a fingerprint starts with, as OpenSSH writes it.
const SHA256: &str = "SHA256:";

/// Why a text is no key, or not the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("this is no public key in PEM")]
    NotPem,
    #[error("this is no RSA key")]
    NotRsa(#[source] der::Error),
    #[error("the key has {0} bits, not 2048 to 8192")]
    Size(usize),
    #[error("a key's fingerprint is SHA256: and 43 characters of base64")]
    NotFingerprint,
    #[error("the key has the fingerprint {found}, which is not the one it is known by")]
    Other { found: Fingerprint },
}

/// An RSA key that documents are proved with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Big-endian, without leading zeros; so is the exponent.
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
    /// Worked out once: every request names the key by it.
    fingerprint: Fingerprint,
}

/// What a key is known by before it is there: `SHA256:` and the base64 of its SSH form's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Digest);

/// What an operator says of a repository's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    Key(PublicKey),
    /// The key itself is asked of the repository, which can give no other.
    Fingerprint(Fingerprint),
}

// === impl PublicKey ===

impl PublicKey {
    /// Reads the first public key of a PEM text, in either form.
    ///
    /// # Errors
    /// [`Error::NotPem`], [`Error::NotRsa`], [`Error::Size`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let (label, bytes) = parse_pem(text).ok_or(Error::NotPem)?;
        let key = if label == SPKI { parse_spki(&bytes) } else { parse_pkcs1(&bytes) };
        let key = key.map_err(Error::NotRsa)?;
        if BITS.contains(&key.bits()) { Ok(key) } else { Err(Error::Size(key.bits())) }
    }

    /// Returns the key of `hexpm`.
    pub fn hexpm() -> Self {
        Self::parse(HEXPM.as_bytes()).expect("a test reads this constant")
    }

    fn bits(&self) -> usize {
        let zeros = self.modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        self.modulus.len() * 8 - zeros
    }

    /// Tells whether a signature over SHA-512 of `message` is this key's. Source: RFC 8017 §8.2.2.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(&RSA_PKCS1_2048_8192_SHA512, message, signature).is_ok()
    }

    /// Returns the key's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Prints the key in the form that every client takes, whichever it was read from.
    pub fn to_pem(&self) -> String {
        let encoded = STANDARD.encode(self.to_spki().expect("a key of bounded size can be encoded"));
        let lines: Vec<&str> =
            (0..encoded.len()).step_by(64).map(|at| &encoded[at..encoded.len().min(at + 64)]).collect();
        format!("-----BEGIN {SPKI}-----\n{}\n-----END {SPKI}-----\n", lines.join("\n"))
    }

    fn to_spki(&self) -> der::Result<Vec<u8>> {
        let numbers = [UintRef::new(&self.modulus)?.to_der()?, UintRef::new(&self.exponent)?.to_der()?].concat();
        let key = AnyRef::new(Tag::Sequence, &numbers)?.to_der()?;
        let algorithm = AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(&key)? }.to_der()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fingerprint(), formatter)
    }
}

/// Returns label and bytes of the first block that is a public key. Lines may be indented, as configuration has them.
fn parse_pem(text: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_PEM)?;
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| {
        [SPKI, PKCS1].into_iter().find(|label| line.strip_prefix("-----BEGIN ") == Some(&format!("{label}-----")))
    })?;
    let end = format!("-----END {label}-----");
    let mut encoded = String::new();
    loop {
        match lines.next()? {
            line if line == end => break,
            line => encoded.push_str(line),
        }
    }
    Some((label, STANDARD.decode(encoded).ok()?))
}

fn parse_spki(bytes: &[u8]) -> der::Result<PublicKey> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes)?;
    info.algorithm.assert_algorithm_oid(RSA).map_err(|_| der::ErrorKind::OidUnknown { oid: info.algorithm.oid })?;
    parse_pkcs1(info.subject_public_key.as_bytes().ok_or(der::ErrorKind::Failed)?)
}

fn parse_pkcs1(bytes: &[u8]) -> der::Result<PublicKey> {
    let mut reader = SliceReader::new(bytes)?;
    let (modulus, exponent) =
        reader.sequence(|reader| der::Result::Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)))?;
    reader.finish()?;
    let (modulus, exponent): (Box<[u8]>, Box<[u8]>) = (modulus.as_bytes().into(), exponent.as_bytes().into());
    Ok(PublicKey { fingerprint: Fingerprint::of(&modulus, &exponent), modulus, exponent })
}

/// Prints a positive number as SSH does: a leading zero keeps it positive. Source: RFC 4251 §5.
fn mpint(number: &[u8]) -> Vec<u8> {
    let is_high = number.first().is_some_and(|first| *first >= 0x80);
    let sign: &[u8] = if is_high { &[0] } else { &[] };
    [sign, number].concat()
}

// === impl Fingerprint ===

impl Fingerprint {
    /// Returns the hash of a key's SSH form. Source: RFC 4253 §6.6.
    fn of(modulus: &[u8], exponent: &[u8]) -> Self {
        let mut form = Vec::new();
        for part in [b"ssh-rsa".to_vec(), mpint(exponent), mpint(modulus)] {
            form.extend((part.len() as u32).to_be_bytes());
            form.extend(part);
        }
        Self(Digest::of(&form))
    }

    /// Prints the hash as a part of keys: in base64 there may be slashes.
    pub fn to_hex(self) -> String {
        self.0.to_hex()
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = text.strip_prefix(SHA256).and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or(Error::NotFingerprint)?;
        Ok(Self(Digest::from_bytes(bytes)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SHA256}{}", STANDARD_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

// === impl Pin ===

impl Pin {
    /// Returns the fingerprint of the one key that is believed.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Key(key) => key.fingerprint(),
            Self::Fingerprint(fingerprint) => *fingerprint,
        }
    }

    /// Reads the key that a repository gives, and takes no other than the pinned one.
    ///
    /// # Errors
    /// As [`PublicKey::parse`]; [`Error::Other`].
    pub fn admit(&self, text: &[u8]) -> Result<PublicKey, Error> {
        let key = PublicKey::parse(text)?;
        let found = key.fingerprint();
        if found == self.fingerprint() { Ok(key) } else { Err(Error::Other { found }) }
    }
}

#[cfg(test)]
mod tests;
