//! The key that a repository's documents are proved with: the operator's own, or the one that the repository itself gives
//! for its fingerprint.
//!
//! A key that was admitted stays so, in memory and in the store: a repository that no longer gives it, or takes it away from
//! somebody, takes nothing from what is held. Repositories beside the mirrored one sign with the same key, and are never
//! asked for another. Source: contract hex §2.1.

use std::sync::OnceLock;

use super::error::{Error, of_mirror};
use super::keys::{Pin, PublicKey};
use super::sources::Sources;
use crate::mirror::Mirror;
use crate::mirror::fresh::Demand;
use crate::registries::bodies;

/// What an error calls the key.
const KEY: &str = "the repository's key";

/// The key of one mount.
pub struct Keyring {
    pin: Pin,
    /// Those of the mirrored repository.
    sources: Sources,
    admitted: OnceLock<PublicKey>,
}

impl Keyring {
    pub fn new(pin: Pin, sources: Sources) -> Self {
        Self { pin, sources, admitted: OnceLock::new() }
    }

    /// Returns the key; the first time, of a repository that is known by a fingerprint, it is asked for.
    ///
    /// # Errors
    /// There is none, or another one than the pinned.
    pub async fn key(&self, mirror: &Mirror) -> Result<PublicKey, Error> {
        if let Pin::Key(key) = &self.pin {
            return Ok(key.clone());
        }
        if let Some(key) = self.admitted.get() {
            return Ok(key.clone());
        }
        let key = self.find(mirror).await?;
        Ok(self.admitted.get_or_init(|| key).clone())
    }

    /// Returns the key that what was fetched is kept under; `None` for the operator's own.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn place(&self) -> Result<Option<String>, Error> {
        match &self.pin {
            Pin::Key(_) => Ok(None),
            Pin::Fingerprint(_) => Ok(Some(self.sources.public_key(&self.pin)?.key.clone())),
        }
    }

    async fn find(&self, mirror: &Mirror) -> Result<PublicKey, Error> {
        let want = self.sources.public_key(&self.pin)?;
        let told = |error| of_mirror(error, KEY);
        let found = mirror.artifact(&want, &Demand::NONE).await.map_err(told)?;
        let body = bodies::settle(found.body).await.map_err(told)?;
        let admitted = self.pin.admit(&bodies::read(body).await?);
        admitted.map_err(|_| Error::internal("a key that was proved cannot be read"))
    }
}
