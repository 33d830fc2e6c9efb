//! What the mirror keeps on disk: content by its digest, an index of entries beside it, the hot ones in memory. All of
//! it may be deleted at any time; it costs fetches, no data.
//!
//! ```text
//! cache/v1/
//!   content-v2/sha256/aa/bb/…   content, as cacache lays it out        content.rs
//!   index.sqlite                entries, incidents                     schema.rs
//!   tmp/<run>/…                 what is being fetched                  base/fs
//! ```
//!
//! A fill asks for room ([`Store::reserve`]), writes a temporary file ([`Store::temp`]), has it proved, and hands it to
//! [`Store::commit`]: in place → row, so that a row never points at bytes that are not there. A request finds its entry
//! in memory ([`Store::find_hot`], no I/O), else by the index ([`Store::find`]), which looks at the file's length. What
//! is damaged is dropped with a warning and is simply not there.
//!
//! No commit waits for the disk. A power cut may take bytes whose row survives; but then the run did not end either, and
//! all that it wrote is hashed again at its first use. A run ends ([`Store::close`]) when its bytes are on the disk; they
//! are sent there every few seconds, so that the end comes soon.
//!
//! Several processes may have a store open at once (an upgrade, a purge from the command line): files are moved and
//! removed only while the index is locked, and who sees that somebody else wrote drops his memory.

mod carry;
mod content;
mod entry;
mod error;
mod evict;
mod find;
mod fitness;
mod hot;
mod house;
mod incidents;
mod index;
mod keep;
mod listing;
mod pins;
mod rows;
mod schema;
mod scrub;
#[cfg(test)]
mod tests;
mod values;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus::IntCounter;
use rusqlite::Connection;

pub use self::carry::Carried;
pub use self::entry::{Draft, Entry, Http, Segment};
pub use self::error::Error;
pub use self::evict::Reservation;
pub use self::incidents::Incident;
pub use self::listing::{Kept, Listing};
pub use self::pins::Checked;
pub use self::writer::Totals;

use self::content::Content;
use self::fitness::Deed;
use self::hot::Hot;
use self::index::{Readers, Suspects};
use self::writer::{Shared, Writer};
use crate::base::clock::Clock;
use crate::base::digest::{Digest, Integrity};
use crate::base::fs::RunDir;
use crate::config::Store as Settings;
use crate::mirror::turns::Turns;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// The store of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    settings: Settings,
    clock: Clock,
    content: Content,
    run: RunDir,
    writer: Writer,
    readers: Readers,
    suspects: Suspects,
    shared: Arc<Shared>,
    hits: IntCounter,
    misses: IntCounter,
    /// Bytes that fills have been promised.
    reserved: Arc<AtomicU64>,
    /// Contents that are being hashed before their first use.
    hashing: Turns,
    /// Held by whoever evicts.
    evicting: tokio::sync::Mutex<()>,
    /// Whether content was written that may not be on the disk yet.
    unsynced: AtomicBool,
    /// Whether the disk has lost something of what this run has written.
    lossy: AtomicBool,
    closing: AtomicBool,
}

impl Store {
    /// Opens the store of a directory, or makes an empty one. Blocks; takes no longer for many entries than for few.
    ///
    /// # Errors
    /// [`Error::TooNew`], or the system's or SQLite's.
    pub fn open(directory: &Path, settings: Settings, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let run = RunDir::create(&directory.join("tmp"))?;
        let opened = index::open(directory, run.name())?;
        let (hits, misses) =
            (metrics.hot_requests.with_label_values(&["hit"]), metrics.hot_requests.with_label_values(&["miss"]));
        let shared = Arc::new(Shared::new(Hot::new(settings.hot_bytes), metrics));
        shared.orphans.store(opened.orphans, Ordering::Relaxed);
        Ok(Self(Arc::new(Inner {
            directory: directory.to_path_buf(),
            settings,
            clock,
            content: Content::new(directory),
            run,
            writer: Writer::start(opened.writer, Arc::clone(&shared))?,
            readers: opened.readers,
            suspects: opened.suspects,
            shared,
            hits,
            misses,
            reserved: Arc::default(),
            hashing: Turns::default(),
            evicting: tokio::sync::Mutex::default(),
            unsynced: AtomicBool::default(),
            lossy: AtomicBool::default(),
            closing: AtomicBool::default(),
        })))
    }

    /// Remembers a proof that did not hold.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn report(&self, incident: Incident) -> Result<(), Error> {
        self.0.writer.write(move |connection| incidents::add(connection, &incident), |()| {}).await
    }

    /// Lists up to `limit` incidents, newest first.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn incidents(&self, limit: usize) -> Result<Vec<Incident>, Error> {
        self.read(move |connection| incidents::list(connection, limit)).await
    }

    /// Tells whether the content of a digest has a promised hash; `None` when it is not kept, or damaged. Blocks for as
    /// long as hashing takes.
    ///
    /// # Errors
    /// The system's.
    pub fn is_of(&self, digest: Digest, promised: &Integrity) -> io::Result<Option<bool>> {
        self.0.content.is_of(digest, promised)
    }

    /// Has `health` told whether the store works, from now on.
    pub fn report_to(&self, health: Arc<Health>) {
        self.0.shared.fitness.report_to(health);
    }

    /// Returns how much is kept, as of the last write.
    pub fn totals(&self) -> Totals {
        self.0.shared.totals()
    }

    /// Ends this process's use of the store in order: without it, the next start suspects what was written meanwhile.
    /// What is asked of the store afterwards may fail.
    ///
    /// # Errors
    /// [`Error::Lossy`], SQLite's or the system's.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.closing.store(true, Ordering::Relaxed);
        self.flush_marks().await?;
        self.sweep().await?;
        self.sync().await?;
        let inner = Arc::clone(&self.0);
        self.0.writer.alone(move |connection| index::end_run(connection, inner.run.name())).await?;
        Ok(self.0.run.close()?)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.0);
        let done = blocking(move || inner.readers.read(work)).await;
        done.inspect_err(|error| self.0.shared.fitness.failed(Deed::Read, error))
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    // The work does not panic, so it can only have been cancelled: the runtime is going down.
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?
}
