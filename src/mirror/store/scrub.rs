//! Hashing everything again within a set period, slowly, so that damage is found before somebody asks; and finding the
//! files that no row knows of.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use super::content::Condition;
use super::error::Error;
use super::evict;
use super::values::{Blob, Millis};
use super::{Store, blocking};
use crate::base::digest::Digest;

/// Content becomes due after this share of the period, so that the rest is left to do it in.
const DUE: f64 = 0.75;
/// For each second of hashing, this many of rest.
const REST: u32 = 9;
/// How long to rest when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// How long to rest between two of the 256 parts of the content tree.
const PART_REST: Duration = Duration::from_secs(1);

impl Store {
    /// Hashes what is due, for ever.
    pub(super) async fn scrub(&self) {
        loop {
            let begun = Instant::now();
            let rest = match self.scrub_one().await {
                Ok(true) => begun.elapsed() * REST,
                Ok(false) => IDLE,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "scrub interrupted");
                    IDLE
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Hashes the content that was hashed longest ago, if it is due; `false` when nothing is.
    pub(super) async fn scrub_one(&self) -> Result<bool, Error> {
        let now = self.0.clock.now();
        let limit = now.checked_sub(self.0.settings.scrub_period().mul_f64(DUE)).unwrap_or(SystemTime::UNIX_EPOCH);
        let Some(digest) = self.read(move |connection| due(connection, limit)).await? else { return Ok(false) };
        match self.examine(digest).await? {
            Condition::Intact => self.mark_hashed(digest).await?,
            Condition::Broken => {
                self.0.shared.metrics.scrub_broken.inc();
                self.drop_damaged(digest).await?;
            }
            Condition::Stopped => return Ok(false),
        }
        Ok(true)
    }

    /// Looks for files that no row knows of, whenever there may be some, for ever.
    pub(super) async fn collect_orphans(&self) {
        loop {
            if self.0.shared.orphans.swap(false, Ordering::Relaxed) {
                match self.remove_orphans(PART_REST).await {
                    Ok(removed) => tracing::info!(removed, "content without rows removed"),
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "content tree not walked"),
                }
            }
            tokio::time::sleep(IDLE).await;
        }
    }

    /// Removes the files that no row knows of, resting after each 256th of the tree. Returns how many there were.
    pub(super) async fn remove_orphans(&self, rest: Duration) -> Result<usize, Error> {
        let mut removed = 0;
        for part in 0..=u8::MAX {
            let content = self.0.content.clone();
            let files = blocking(move || Ok(content.digests_in(part)?)).await?;
            if !files.is_empty() {
                let content = self.0.content.clone();
                let remove = move |connection: &Connection| evict::remove_orphans(connection, &content, &files);
                removed += self.0.writer.alone(remove).await?;
            }
            tokio::time::sleep(rest).await;
        }
        Ok(removed)
    }
}

/// Finds the content that was hashed longest ago, if that was before `limit`.
fn due(connection: &Connection, limit: SystemTime) -> Result<Option<Digest>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT digest FROM contents WHERE hashed_at < ?1 AND refs > 0 ORDER BY hashed_at LIMIT 1")?;
    Ok(statement.query_row(params![Millis(limit)], |row| row.get::<_, Blob>(0)).optional()?.map(|blob| blob.0))
}
