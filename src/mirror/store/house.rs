//! What has to be done from time to time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::error::Error;
use super::fitness::Deed;
use super::{Store, blocking, rows};

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

    /// Looks whether another process has written, and whether a store that failed works again, for as long as there is a
    /// writer.
    async fn watch(&self) {
        loop {
            if let Err(error) = self.glance().await {
                // Nobody writes any more, and nobody will.
                return self.0.shared.fitness.failed(Deed::Write, &error);
            }
            if self.0.shared.fitness.is_failing() {
                self.try_again().await;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Looks whether another process has written: whatever the writer is given to do, it looks first.
    pub(super) async fn glance(&self) -> Result<(), Error> {
        self.0.writer.alone(|_| Ok(())).await
    }

    /// Reads and writes a little of everything, to see whether that works again.
    pub(super) async fn try_again(&self) {
        let fitness = &self.0.shared.fitness;
        let shared = Arc::clone(&self.0.shared);
        let read = move |connection: &Connection| {
            shared.count(connection)?;
            rows::find(connection, "").map(drop)
        };
        if self.read(read).await.is_ok() {
            fitness.recovered(Deed::Read);
        }
        // The first is there, so that something is written; the others are not.
        let write = |connection: &Connection| {
            connection.execute("UPDATE totals SET one = one", [])?;
            connection.execute("UPDATE entries SET pinned = pinned WHERE id = -1", [])?;
            connection.execute("UPDATE contents SET refs = refs WHERE digest = x''", [])?;
            Ok(())
        };
        if self.temp().is_ok() && self.0.writer.write(write, |()| {}).await.is_ok() {
            fitness.recovered(Deed::Write);
        }
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

    /// Waits until everything that was written is on the disk. Once that fails, some of it may be lost, and this run is
    /// never to end in order.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            inner.run.sync_file_system().inspect_err(|_| inner.lossy.store(true, Ordering::Relaxed))?;
            if inner.lossy.load(Ordering::Relaxed) { Err(Error::Lossy) } else { Ok(()) }
        })
        .await
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
