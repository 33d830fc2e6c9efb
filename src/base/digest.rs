//! Digests: our own content addresses (SHA-256) and what upstreams vouch with (SRI, hex sums).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// The SHA-256 of some content: its address in the store. Prints as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A hash function that a registry may vouch with, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// One promised hash of some bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Promise {
    pub algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The hashes an upstream vouches for; the strongest decides. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity(Vec<Promise>);

/// Why a text is no integrity value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no hash of a known algorithm")]
    NoKnownHash,
    #[error("a hash of the wrong length or alphabet")]
    Malformed,
}

/// Hashes bytes as they pass: always SHA-256, and whatever else is promised.
pub struct Hasher {
    own: sha2::Sha256,
    promised: Option<(Vec<Promise>, Running)>,
    length: u64,
}

/// What a [`Hasher`] found.
pub struct Hashed {
    pub digest: Digest,
    pub length: u64,
    /// Whether the promise holds; `None` when nothing was promised.
    pub promise_holds: Option<bool>,
}

enum Running {
    Sha1(sha1::Sha1),
    /// Our own address is the promise: nothing is hashed twice.
    Own,
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

// === impl Digest ===

impl Digest {
    /// Hashes bytes that are all there.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Returns the digest as an SRI string, `sha256-…`.
    pub fn to_sri(self) -> String {
        format!("sha256-{}", STANDARD.encode(self.0))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = unhex(text).ok_or(Error::Malformed)?;
        Ok(Self(bytes.try_into().map_err(|_| Error::Malformed)?))
    }
}

// === impl Algorithm ===

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|known| known.as_str() == text)
    }
}

// === impl Promise ===

impl Promise {
    /// Reads a hexadecimal sum of a known algorithm.
    ///
    /// # Errors
    /// [`Error::Malformed`]: wrong length or alphabet.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Self, Error> {
        let bytes = unhex(text).ok_or(Error::Malformed)?;
        if bytes.len() != algorithm.length() {
            return Err(Error::Malformed);
        }
        Ok(Self { algorithm, bytes })
    }

    /// Prints the sum in hexadecimal.
    pub fn to_hex(&self) -> String {
        hex(&self.bytes)
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.algorithm.as_str(), STANDARD.encode(&self.bytes))
    }
}

impl From<Promise> for Integrity {
    fn from(promise: Promise) -> Self {
        Self(vec![promise])
    }
}

// === impl Integrity ===

impl Integrity {
    /// Reads a Subresource Integrity value: `alg-base64[?options]`, several separated by spaces. Unknown algorithms are
    /// passed over.
    ///
    /// # Errors
    /// [`Error::NoKnownHash`] when nothing usable is left, [`Error::Malformed`] when a known algorithm has a bad value.
    ///
    /// Source: W3C Subresource Integrity §3.3.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut promises = Vec::new();
        for word in text.split_ascii_whitespace() {
            let Some((name, rest)) = word.split_once('-') else { continue };
            let Some(algorithm) = Algorithm::parse(name) else { continue };
            let value = rest.split('?').next().unwrap_or_default();
            let bytes = STANDARD.decode(value).map_err(|_| Error::Malformed)?;
            if bytes.len() != algorithm.length() {
                return Err(Error::Malformed);
            }
            promises.push(Promise { algorithm, bytes });
        }
        if promises.is_empty() { Err(Error::NoKnownHash) } else { Ok(Self(promises)) }
    }

    /// Returns every promise.
    pub fn promises(&self) -> &[Promise] {
        &self.0
    }

    /// Adds a further promise about the same bytes.
    pub fn and(mut self, promise: Promise) -> Self {
        if !self.0.contains(&promise) {
            self.0.push(promise);
        }
        self
    }

    /// Tells whether `other` can be a promise about the same bytes, by the strongest algorithm that both name; `None`
    /// when there is none.
    pub fn agrees_with(&self, other: &Self) -> Option<bool> {
        let in_other = |promise: &&Promise| other.0.iter().any(|theirs| theirs.algorithm == promise.algorithm);
        let strongest = self.0.iter().filter(in_other).map(|promise| promise.algorithm).max()?;
        Some(self.0.iter().any(|promise| promise.algorithm == strongest && other.0.contains(promise)))
    }

    /// Returns the strongest algorithm present, and every hash promised in it: any one of them may hold (SRI §3.3.4).
    fn strongest(&self) -> (Algorithm, Vec<Promise>) {
        let algorithm = self.0.iter().map(|promise| promise.algorithm).max().expect("an integrity is never empty");
        (algorithm, self.0.iter().filter(|promise| promise.algorithm == algorithm).cloned().collect())
    }
}

/// Prints as an integrity value: `sha512-… sha1-…`.
impl fmt::Display for Integrity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, promise) in self.0.iter().enumerate() {
            write!(formatter, "{}{promise:?}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

// === impl Hasher ===

impl Hasher {
    /// Starts hashing, checking the strongest of `promised` on the way.
    pub fn new(promised: Option<&Integrity>) -> Self {
        let promised = promised.map(|integrity| {
            let (algorithm, promises) = integrity.strongest();
            let running = match algorithm {
                Algorithm::Sha1 => Running::Sha1(sha1::Sha1::default()),
                Algorithm::Sha256 => Running::Own,
                Algorithm::Sha384 => Running::Sha384(sha2::Sha384::default()),
                Algorithm::Sha512 => Running::Sha512(sha2::Sha512::default()),
            };
            (promises, running)
        });
        Self { own: sha2::Sha256::default(), promised, length: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.own.update(bytes);
        match self.promised.as_mut().map(|(_, running)| running) {
            Some(Running::Sha1(hash)) => hash.update(bytes),
            Some(Running::Sha384(hash)) => hash.update(bytes),
            Some(Running::Sha512(hash)) => hash.update(bytes),
            Some(Running::Own) | None => {}
        }
    }

    pub fn finish(self) -> Hashed {
        let digest = Digest(self.own.finalize().into());
        let promise_holds = self.promised.map(|(promises, running)| {
            let found = match running {
                Running::Sha1(hash) => hash.finalize().to_vec(),
                Running::Own => digest.0.to_vec(),
                Running::Sha384(hash) => hash.finalize().to_vec(),
                Running::Sha512(hash) => hash.finalize().to_vec(),
            };
            promises.iter().any(|promise| promise.bytes == found)
        });
        Hashed { digest, length: self.length, promise_holds }
    }
}

/// Prints bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads hexadecimal of either case; `None` when it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes().chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_SHA512: &str =
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

    fn holds(integrity: &str, bytes: &[u8]) -> bool {
        let integrity = Integrity::parse(integrity).unwrap();
        let mut hasher = Hasher::new(Some(&integrity));
        hasher.update(bytes);
        hasher.finish().promise_holds.unwrap()
    }

    #[test]
    fn a_promise_holds_for_its_bytes_only() {
        assert!(holds(EMPTY_SHA512, b""));
        assert!(!holds(EMPTY_SHA512, b"x"));
    }

    #[test]
    fn the_strongest_hash_decides() {
        let weak_right = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
        assert!(holds(weak_right, b""));
        let strong_wrong = format!("{weak_right} sha512-{}", STANDARD.encode([0; 64]));
        assert!(!holds(&strong_wrong, b""));
    }

    #[test]
    fn options_and_unknown_algorithms_are_passed_over() {
        assert!(holds(&format!("md5-AAAA {EMPTY_SHA512}?foo"), b""));
        assert_eq!(Integrity::parse("md5-AAAA"), Err(Error::NoKnownHash));
        assert_eq!(Integrity::parse("sha512-AAAA"), Err(Error::Malformed));
    }

    #[test]
    fn two_integrities_agree_by_the_strongest_hash_they_share() {
        let of = |algorithm: &str, byte: u8| {
            let length = Algorithm::parse(algorithm).unwrap().length();
            format!("{algorithm}-{}", STANDARD.encode(vec![byte; length]))
        };
        let (old, new, weak) = (of("sha512", 1), of("sha512", 2), of("sha1", 3));
        for (one, other, expected) in [
            (old.clone(), old.clone(), Some(true)),
            (old.clone(), new.clone(), Some(false)),
            (format!("{old} {weak}"), format!("{new} {weak}"), Some(false)),
            (format!("{old} {weak}"), weak.clone(), Some(true)),
            (format!("{new} {old}"), old.clone(), Some(true)),
            (old.clone(), weak.clone(), None),
        ] {
            let (one, other) = (Integrity::parse(&one).unwrap(), Integrity::parse(&other).unwrap());
            assert_eq!((one.agrees_with(&other), other.agrees_with(&one)), (expected, expected), "{one} {other}");
        }
        let both = Integrity::parse(&old).unwrap().and(Promise::from_hex(Algorithm::Sha1, &"03".repeat(20)).unwrap());
        assert_eq!(both.to_string(), format!("{old} {weak}"));
    }

    #[test]
    fn a_digest_reads_what_it_prints() {
        let digest = Digest::of(b"heliostat");
        assert_eq!(digest.to_hex().parse(), Ok(digest));
        assert_eq!("zz".parse::<Digest>(), Err(Error::Malformed));
    }

    #[test]
    fn a_hex_sum_of_another_length_is_refused() {
        assert!(Promise::from_hex(Algorithm::Sha1, &"ab".repeat(20)).is_ok());
        assert_eq!(Promise::from_hex(Algorithm::Sha1, "abcd"), Err(Error::Malformed));
    }
}
