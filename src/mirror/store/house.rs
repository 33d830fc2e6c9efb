//! What has to be done from time to time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::error::Error;
use super::{Store, blocking, rows};
use crate::base::fs;

/// How often marks of use are written down and the budget is looked at.
const ROUND: Duration = Duration::from_secs(5);
/// How often to look whether another process has written.
const GLANCE: Duration = Duration::from_secs(1);
/// How exactly it is known when an entry was last asked for: a hot one is not written down more often than this.
const USE_PRECISION: Duration = Duration::from_secs(60);

impl Store {
    /// Does what has to be done, for as long as it is polled: writes down what was asked for, keeps the budget, hashes
    /// everything again, forgets what another process has changed.
    pub async fn background(&self) {
        tokio::join!(self.watch(), self.keep_house(), self.scrub(), self.collect_orphans());
    }

    /// Looks whether another process has written, until the store is closed.
    async fn watch(&self) {
        while self.glance().await.is_ok() {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Looks whether another process has written: whatever the writer is given to do, it looks first.
    pub(super) async fn glance(&self) -> Result<(), Error> {
        self.0.writer.alone(|_| Ok(())).await
    }

    async fn keep_house(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            if let Err(error) = self.round().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "housekeeping interrupted");
            }
        }
    }

    /// Does what is done every few seconds.
    pub(super) async fn round(&self) -> Result<(), Error> {
        self.flush_marks().await?;
        self.sweep().await?;
        self.keep_budget().await?;
        // So that little is left to wait for when this process is told to stop.
        if self.0.unsynced.swap(false, Ordering::Relaxed) { self.sync().await } else { Ok(()) }
    }

    /// Waits until everything that was written is on the disk.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let directory = self.0.directory.clone();
        blocking(move || Ok(fs::sync_file_system(&directory)?)).await
    }

    /// Writes down what was asked for.
    pub(super) async fn flush_marks(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.0.shared);
        let keys = blocking(move || Ok(shared.hot.take_marks())).await?;
        if keys.is_empty() {
            return Ok(());
        }
        let now = self.0.clock.now();
        let before = now.checked_sub(USE_PRECISION).unwrap_or(SystemTime::UNIX_EPOCH);
        self.0.writer.write(move |connection| rows::mark_used(connection, &keys, now, before), |()| {}).await
    }
}
