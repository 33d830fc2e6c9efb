//! Passwords: argon2id, kept as PHC strings, hashed off the async threads and never too many at once.
//!
//! Source: RFC 9106; the costs are those of OWASP's password storage sheet (19 MiB, two passes); the string's form is the
//! PHC string format, so that the costs can be raised without losing a password.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::Semaphore;

use super::error::Error;
use crate::base::secret::Secret;

/// Memory in KiB, passes, lanes.
const COSTS: (u32, u32, u32) = (19 << 10, 2, 1);
const SALT: usize = 16;
const HASH: usize = 32;

/// Hashes that are computed at once; the others wait. Each takes its memory, and a core for some 20 ms.
const AT_ONCE: usize = 2;

/// The longest password, in bytes: its length is work that we do for anybody.
const LONGEST: usize = 1024;

/// Hashes passwords and holds others against them.
#[derive(Clone)]
pub(super) struct Passwords(Arc<Semaphore>);

/// What is kept of a password.
struct Kept {
    costs: (u32, u32, u32),
    salt: Vec<u8>,
    hash: Vec<u8>,
}

// === impl Passwords ===

impl Passwords {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Hashes a new password, into what is to be kept.
    ///
    /// # Errors
    /// [`Error::Malformed`]: empty or too long.
    pub(super) async fn hash(&self, password: &Secret) -> Result<String, Error> {
        let length = password.reveal().len();
        if length == 0 || length > LONGEST {
            return Err(Error::Malformed { what: "password", why: "is empty or too long" });
        }
        let salt: [u8; SALT] = rand::random();
        let hash = self.compute(password.clone(), salt.to_vec(), COSTS).await?;
        Ok(Kept { costs: COSTS, salt: salt.to_vec(), hash }.print())
    }

    /// Tells whether a password is the one kept. Without one it takes as long, and is none: nobody can tell by the time
    /// whether there is such an account.
    ///
    /// # Errors
    /// [`Error::Row`]: what is kept is none of ours.
    pub(super) async fn verify(&self, password: &Secret, kept: Option<&str>) -> Result<bool, Error> {
        let is_known = kept.is_some();
        let nobody = Kept { costs: COSTS, salt: vec![0; SALT], hash: vec![0; HASH] };
        let kept = kept.map_or(Ok(nobody), |kept| Kept::parse(kept).ok_or(Error::Row("a password")))?;
        if password.reveal().len() > LONGEST {
            return Ok(false);
        }
        let found = self.compute(password.clone(), kept.salt, kept.costs).await?;
        Ok(is_equal(&found, &kept.hash) && is_known)
    }

    async fn compute(&self, password: Secret, salt: Vec<u8>, costs: (u32, u32, u32)) -> Result<Vec<u8>, Error> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(Error::failed)?;
        let work = move || {
            let _permit = permit;
            compute(password.reveal().as_bytes(), &salt, costs)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::failed)?
    }
}

fn compute(password: &[u8], salt: &[u8], (memory, passes, lanes): (u32, u32, u32)) -> Result<Vec<u8>, Error> {
    let params = Params::new(memory, passes, lanes, Some(HASH)).map_err(Error::failed)?;
    let mut hash = vec![0; HASH];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password, salt, &mut hash).map_err(Error::failed)?;
    Ok(hash)
}

/// Compares two hashes in a time that does not depend on where they differ.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

// === impl Kept ===

impl Kept {
    fn print(&self) -> String {
        let (memory, passes, lanes) = self.costs;
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
        format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
    }

    fn parse(text: &str) -> Option<Self> {
        let (costs, rest) = text.strip_prefix("$argon2id$v=19$m=")?.split_once('$')?;
        let (memory, costs) = costs.split_once(",t=")?;
        let (passes, lanes) = costs.split_once(",p=")?;
        let (salt, hash) = rest.split_once('$')?;
        let costs = (memory.parse().ok()?, passes.parse().ok()?, lanes.parse().ok()?);
        Some(Self { costs, salt: STANDARD_NO_PAD.decode(salt).ok()?, hash: STANDARD_NO_PAD.decode(hash).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other_is() {
        let passwords = Passwords::new();
        let kept = passwords.hash(&Secret::new("correct horse")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.verify(&Secret::new("correct horse"), Some(&kept)).await.unwrap());
        assert!(!passwords.verify(&Secret::new("correct house"), Some(&kept)).await.unwrap());
        assert!(!passwords.verify(&Secret::new("correct horse"), None).await.unwrap());
        assert_ne!(kept, passwords.hash(&Secret::new("correct horse")).await.unwrap(), "each has a salt of its own");
    }

    #[test]
    fn the_algorithm_is_the_one_of_the_standard() {
        // Source: RFC 9106 §5.3 has a secret and data, which we have not; this is from the reference implementation's
        // test.c: argon2id, v=19, t=2, m=65536, p=1, password "password", salt "somesalt".
        let hash = compute(b"password", b"somesalt", (65536, 2, 1)).unwrap();
        assert_eq!(crate::base::digest::hex(&hash), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[tokio::test]
    async fn what_is_no_password_is_refused() {
        let passwords = Passwords::new();
        for wrong in [String::new(), "x".repeat(LONGEST + 1)] {
            assert!(matches!(passwords.hash(&Secret::new(wrong)).await, Err(Error::Malformed { .. })));
        }
        assert!(passwords.verify(&Secret::new("x"), Some("$2b$10$abc")).await.is_err());
        let kept = passwords.hash(&Secret::new("x")).await.unwrap();
        assert!(!passwords.verify(&Secret::new("x".repeat(LONGEST + 1)), Some(&kept)).await.unwrap());
    }
}
