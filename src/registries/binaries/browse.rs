//! What is asked of a mirror between its walks: a directory that nobody has listed yet is listed when it is asked for, as
//! are those above it; a file that a listing does not have is looked for in a newer one, now and then.

use std::time::Duration;

use tokio::time::timeout;

use super::depot::Depot;
use crate::mirror::fresh::Demand;
use crate::overlay::Overlay;
use crate::overlay::binaries::Held;
use crate::registries::failure::Error;

/// Whoever asks waits no longer than this for what must be listed first.
const PATIENCE: Duration = Duration::from_secs(6);

/// A listing of this age is as new as can be, whatever is missing from it.
const NEW: Duration = Duration::from_secs(10);

impl Depot {
    /// Makes sure that a directory is listed, and tells whether there is one.
    ///
    /// # Errors
    /// Why nobody can tell.
    pub async fn know(&self, overlay: &Overlay, path: &str) -> Result<bool, Error> {
        if overlay.binary_visit(self.at(path)).await?.is_some() {
            return Ok(true);
        }
        self.in_time(path, self.list_down_to(overlay, path)).await
    }

    /// Finds an entry of a directory.
    ///
    /// # Errors
    /// Why nobody can tell whether it is there.
    pub async fn find(&self, overlay: &Overlay, path: &str, name: &str) -> Result<Option<Held>, Error> {
        let held = overlay.binary(self.at(path), name).await?;
        if held.is_some() || !self.know(overlay, path).await? {
            return Ok(held);
        }
        // It may have been listed only now.
        if let Some(held) = overlay.binary(self.at(path), name).await? {
            return Ok(Some(held));
        }
        if !self.missed.is_known(path, name) {
            self.in_time(path, self.list_again(overlay, path)).await?;
            self.missed.note(path, name);
        }
        Ok(overlay.binary(self.at(path), name).await?)
    }

    async fn in_time<T>(&self, path: &str, listed: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let what = || format!("the listing of {}/{path}", self.rules.name);
        timeout(PATIENCE, listed).await.map_err(|_| Error::TimedOut { what: what(), cause: None })?
    }

    /// Lists a directory, and before it those above, as far as they are there.
    async fn list_down_to(&self, overlay: &Overlay, path: &str) -> Result<bool, Error> {
        let _turn = self.listing.lock().await;
        let mut above = String::new();
        for name in path.split_terminator('/') {
            if !self.list_once(overlay, &above).await? {
                return Ok(false);
            }
            let entry = overlay.binary(self.at(&above), name).await?;
            if !entry.is_some_and(|held| held.entry.is_directory) {
                return Ok(false);
            }
            above.push_str(name);
            above.push('/');
        }
        self.list_once(overlay, path).await
    }

    async fn list_once(&self, overlay: &Overlay, path: &str) -> Result<bool, Error> {
        if overlay.binary_visit(self.at(path)).await?.is_some() {
            return Ok(true);
        }
        if self.missed.is_known(path, "") {
            return Ok(false);
        }
        let is_there = self.note(overlay, path, &Demand::NONE).await?;
        if !is_there {
            self.missed.note(path, "");
        }
        Ok(is_there)
    }

    async fn list_again(&self, overlay: &Overlay, path: &str) -> Result<(), Error> {
        let _turn = self.listing.lock().await;
        let visit = overlay.binary_visit(self.at(path)).await?;
        let is_old = visit.is_none_or(|visit| overlay.now().duration_since(visit.listed_at).is_ok_and(|age| age > NEW));
        if is_old {
            self.note(overlay, path, &Demand::NONE.newest()).await?;
        }
        Ok(())
    }

    /// Lists a directory at upstream and notes what it holds; false where there is none.
    async fn note(&self, overlay: &Overlay, path: &str, demand: &Demand) -> Result<bool, Error> {
        let Some(listing) = self.list(path, demand).await? else { return Ok(false) };
        overlay.note_all_binaries(&self.rules.name, &listing.into_directories()).await?;
        Ok(true)
    }
}
