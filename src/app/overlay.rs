//! Opens what was written here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::install_crypto;
use crate::base::clock::Clock;
use crate::base::fs;
use crate::base::secret::Secret;
use crate::config::{self, Config};
use crate::overlay::{self, Overlay};

/// How often it is written down when tokens were used.
const USES: Duration = Duration::from_secs(60);

/// How often downloads are written down.
const DOWNLOADS: Duration = Duration::from_secs(5);

/// After how many of those times bytes are looked for that nothing refers to, and how old they are at least: more than the
/// longest publish takes.
const SWEEP: u64 = 60;
const GRACE: Duration = Duration::from_secs(86_400);

/// Builds what drives the overlay's connections: one thread, since databases do the work.
pub fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("overlay").enable_all().build().context("cannot start a thread")
}

/// Opens what was written here, also for commands that work on it beside a running server.
///
/// # Errors
/// The overlay's.
pub async fn open_overlay(config: &Config) -> anyhow::Result<Overlay> {
    install_crypto();
    Overlay::open(overlay_settings(config)?).await.context("cannot open the overlay")
}

/// Says where the overlay is: below the data directory, unless the configuration has it elsewhere.
fn overlay_settings(config: &Config) -> anyhow::Result<overlay::Settings> {
    let (directory, section) = (config::Overlay::directory(&config.data), &config.overlay);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let file = || Secret::new(format!("sqlite:{}", directory.join("overlay.sqlite").display()));
    let blobs = match &section.s3 {
        None => overlay::blobs::Place::Directory(section.blobs.clone().unwrap_or_else(|| directory.join("blobs"))),
        Some(s3) => overlay::blobs::Place::S3(overlay::blobs::S3 {
            endpoint: s3.endpoint.as_ref().map(|url| url.as_url().as_str().trim_end_matches('/').to_owned()),
            region: s3.region.clone(),
            bucket: s3.bucket.clone(),
            prefix: s3.prefix.clone(),
            access_key: s3.access_key.clone(),
            secret_key: s3.secret_key.clone(),
        }),
    };
    let database = section.database.clone().unwrap_or_else(file);
    let key = match &section.key {
        Some(key) => overlay::vault::Place::Given(key.clone()),
        None => overlay::vault::Place::File(directory.join("key")),
    };
    Ok(overlay::Settings { database, blobs, key, grace: section.grace, clock: Clock::default() })
}

/// Writes down every few seconds how often what is served was fetched.
pub async fn tally(overlay: Arc<Overlay>) {
    loop {
        tokio::time::sleep(DOWNLOADS).await;
        if let Err(error) = overlay.save_downloads().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "downloads not written down yet");
        }
    }
}

/// Writes down now and then when tokens were used, takes away bytes that nothing refers to and tasks that were over for
/// longer than `keep`, and adds up old downloads.
pub async fn tidy(overlay: Arc<Overlay>, keep: Duration) {
    for minute in 1_u64.. {
        tokio::time::sleep(USES).await;
        if minute.is_multiple_of(SWEEP)
            && let Err(error) = overlay.sweep_blobs(GRACE).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "bytes of failed publishes not taken away");
        }
        if minute.is_multiple_of(SWEEP)
            && let Err(error) = overlay.fold_downloads().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "old downloads not added up yet");
        }
        if minute.is_multiple_of(SWEEP)
            && let Err(error) = overlay.fold_tasks(keep).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "old tasks not taken away yet");
        }
        if let Err(error) = overlay.save_uses().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "uses of tokens not written down");
        }
    }
}
