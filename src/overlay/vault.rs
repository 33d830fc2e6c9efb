//! Secrets that must be read again, such as what a second factor is computed from: sealed with a key that the database
//! does not hold, so that a copy of the database alone gives none away.
//!
//! ```text
//! sealed = version nonce ciphertext     ; 1 byte, 12 random ones, as long as the secret and 16 more
//! ```
//! ChaCha20-Poly1305, with a text as associated data that says what the secret is for and whose it is: moved to another
//! row, it opens no more. The key is configured, or made once and kept in a file. The database holds a text that was
//! sealed with it, by which a node with another key is known before it does anything.
//!
//! Source: RFC 8439 §2.8.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::db::{Database, vault as rows};
use super::error::Error;
use crate::base::digest::hex;
use crate::base::fs;
use crate::base::secret::Secret;

const VERSION: u8 = 1;
/// What the text in the database is for, and is.
const PROOF: &str = "the key of this database";

/// Where the key is.
#[derive(Clone, Debug)]
pub enum Place {
    /// It was configured: 32 bytes, as 64 hex digits or in base64.
    Given(Secret),
    /// It is made where it is needed first, and lies in this file. Of several nodes on one database, only one has it.
    File(PathBuf),
}

/// Seals secrets and opens them again.
pub struct Vault(LessSafeKey);

// === impl Vault ===

impl Vault {
    /// Takes the key of a database. The first one that comes is the one for good.
    ///
    /// # Errors
    /// [`Error::Setting`]: it is no key, or another than that of the database. [`Error::Failed`]: its file cannot be read
    /// or made. Or the database's.
    pub(super) async fn open_at(place: &Place, database: &Database) -> Result<Self, Error> {
        let vault = match place {
            Place::Given(key) => Self::parse(key).ok_or(Error::Setting("its key is not one of 32 bytes"))?,
            Place::File(path) => match load(path)? {
                Some(vault) => vault,
                // Made only for a database that has none: it could not be this one's. Another process may have made both
                // since we looked, the file before the row.
                None if rows::find(database.link()).await?.is_some() => load(path)?.ok_or_else(other_key)?,
                None => make(path)?,
            },
        };
        vault.prove(database).await?;
        Ok(vault)
    }

    /// Seals a secret for a purpose, which is to name whose it is.
    ///
    /// # Errors
    /// [`Error::Failed`]: it is longer than anything that can be sealed.
    pub fn seal(&self, purpose: &str, secret: &Secret) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = secret.reveal().as_bytes().to_vec();
        let purpose = Aad::from(purpose.as_bytes());
        let sealed = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), purpose, &mut text);
        sealed.map_err(Error::failed)?;
        Ok([&[VERSION], &nonce[..], &text].concat())
    }

    /// Opens what was sealed for the same purpose.
    ///
    /// # Errors
    /// [`Error::Row`]: it was not, or not with this key.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Secret, Error> {
        self.find(purpose, sealed).ok_or(Error::Row("a sealed secret"))
    }

    fn find(&self, purpose: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let purpose = Aad::from(purpose.as_bytes());
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), purpose, &mut text).ok()?;
        std::str::from_utf8(opened).ok().map(Secret::new)
    }

    /// Holds the key against what the database has; the first leaves its proof there.
    async fn prove(&self, database: &Database) -> Result<(), Error> {
        let held = match rows::find(database.link()).await? {
            Some(held) => held,
            None => rows::keep_first(database, &self.seal(PROOF, &Secret::new(PROOF))?).await?,
        };
        self.open(PROOF, &held).map(drop).map_err(|_| other_key())
    }

    fn parse(key: &Secret) -> Option<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key.as_key()?).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("****")
    }
}

fn other_key() -> Error {
    Error::Setting("its secrets were sealed with another key: set overlay.key, on all nodes, to the one of the first")
}

/// Reads the file, if there is one.
fn load(path: &Path) -> Result<Option<Vault>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Secret::new(text.trim()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::failed(error)),
    };
    Vault::parse(&text).map(Some).ok_or(Error::Setting("the file of its key does not hold one"))
}

/// Makes a key, or takes the one that another process has made meanwhile.
fn make(path: &Path) -> Result<Vault, Error> {
    let line = format!("{}\n", hex(&rand::random::<[u8; 32]>()));
    fs::keep_private(path, line.as_bytes()).map_err(Error::failed)?;
    load(path)?.ok_or(Error::Setting("the file of its key has vanished"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::parse(&Secret::new("0b".repeat(32))).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_for_its_purpose_alone() {
        let (vault, secret) = (vault(), Secret::new("hunter2 ü"));
        let sealed = vault.seal("for joe", &secret).unwrap();
        assert_eq!(vault.open("for joe", &sealed).unwrap(), secret);
        assert!(matches!(vault.open("for jim", &sealed), Err(Error::Row(_))));
        let other = Vault::parse(&Secret::new("0c".repeat(32))).unwrap();
        assert!(other.open("for joe", &sealed).is_err());
        let empty = vault.seal("", &Secret::new("")).unwrap();
        assert_eq!((empty.len(), vault.open("", &empty).unwrap().reveal()), (1 + 12 + 16, ""));
    }

    #[test]
    fn a_sealed_secret_that_was_touched_is_refused() {
        let vault = vault();
        let sealed = vault.seal("p", &Secret::new("hunter2")).unwrap();
        assert_eq!(sealed[0], VERSION);
        for index in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[index] ^= 1;
            assert!(vault.open("p", &touched).is_err(), "byte {index}");
            assert!(vault.open("p", &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn no_two_are_alike_and_none_shows_anything() {
        let (vault, secret) = (vault(), Secret::new("hunter2"));
        let [one, other] = [(); 2].map(|()| vault.seal("p", &secret).unwrap());
        assert_ne!(one, other);
        assert!(!one.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(format!("{vault:?}"), "****");
    }

    #[test]
    fn the_algorithm_is_the_one_of_the_standard() {
        let key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
        let vault = Vault::parse(&Secret::new(key)).unwrap();
        // Sealed by OpenSSL, with the key and the nonce of RFC 8439 §2.8.2.
        let sealed = "070000004041424344454647f70e8729648f72836dfa075858ec7a5c34df757756e64c";
        let bytes = (0..sealed.len()).step_by(2).map(|at| u8::from_str_radix(&sealed[at..at + 2], 16).unwrap());
        let sealed: Vec<u8> = [VERSION].into_iter().chain(bytes).collect();
        assert_eq!(vault.open("for joe", &sealed).unwrap().reveal(), "hunter2");
    }
}
