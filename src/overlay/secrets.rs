//! Secrets that a registry needs for good and all nodes share, such as what it signs releases with. Each is made once, by
//! the node that needs it first.

use super::Overlay;
use super::db::secrets as rows;
use super::error::Error;
use crate::base::secret::Secret;

impl Overlay {
    /// Returns the secret of a name, which never changes; `make` makes it if no node has.
    ///
    /// # Errors
    /// The database's, or the vault's.
    pub async fn secret(&self, name: &str, make: impl FnOnce() -> Secret) -> Result<Secret, Error> {
        let purpose = format!("the secret {name}");
        let sealed = match rows::find(self.db.link(), name).await? {
            Some(sealed) => sealed,
            None => rows::keep_first(&self.db, name, &self.vault.seal(&purpose, &make())?).await?,
        };
        self.vault.open(&purpose, &sealed)
    }
}
