//! Tasks that are asked for by who is not known: by address, and not without end.

use std::net::IpAddr;

use crate::overlay::Overlay;
use crate::overlay::db::failures;
use crate::overlay::error::Error;
use crate::overlay::patience;

impl Overlay {
    /// Counts that somebody who is not known asks for a task. From one place not many are asked for at once.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], or the database's.
    pub async fn charge_stranger(&self, from: IpAddr) -> Result<(), Error> {
        failures::charge(&self.db, &[patience::stranger(from)], self.clock.now()).await
    }
}
