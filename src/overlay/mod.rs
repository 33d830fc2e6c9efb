//! What was written here, for good: who has an account and a token, what was published, what is blocked, and
//! what releases were when they were first seen.
//!
//! The cache may be deleted at any time, this never: they share no directory, no eviction and no code. Knows no dialect:
//! names, versions and manifests are texts and bytes that a dialect has parsed and will read again.
//!
//! ```text
//! <data>/overlay/overlay.sqlite     or PostgreSQL     users, tokens, packages, blocks, first digests, tasks, the audit log
//! <data>/overlay/blobs/v1/ab/abcd…  or S3             published bytes, by SHA-256
//! <data>/overlay/key                or configured     what secrets in the database are sealed with
//! ```
//!
//! # A write
//!
//! Every verb that writes takes an [`audit::Actor`], is one transaction, and leaves one line in the audit log. All writes
//! stand in one line ([`db`] says how), so a verb reads, decides by a pure function, and writes, and nothing changes in
//! between. It returns when all of it is on the disk.
//!
//! # What other nodes see
//!
//! Each part has a head that moves with it. A node asks for the heads at most twice a second, and drops what it holds in
//! memory when one has moved: tokens, blocks, routes and packages are the same everywhere within a second. While the
//! database does not answer, what was last known stands for a time of grace ([`Settings::grace`]), and nothing is written.

pub mod audit;
pub mod binaries;
pub mod blobs;
pub mod blocks;
mod crash;
mod db;
pub mod downloads;
mod error;
pub mod factors;
pub mod feeds;
pub mod firsts;
pub mod hooks;
pub mod invitations;
mod keyring;
pub mod logins;
pub mod namespaces;
pub mod networks;
pub mod packages;
mod passwords;
mod patience;
mod pulse;
pub mod replicas;
pub mod rights;
pub mod schedules;
mod secrets;
pub mod tasks;
pub mod teams;
pub mod tokens;
mod totp;
pub mod upstreams;
pub mod users;
pub mod vault;

use std::time::Duration;

use std::time::SystemTime;

use self::blobs::Blobs;
use self::blocks::Screen;
use self::db::Database;
use self::downloads::Tally;
use self::firsts::Recorder;
use self::keyring::Keyring;
use self::packages::Roster;
use self::passwords::Passwords;
use self::pulse::Pulse;
use self::tasks::Backlog;
use self::vault::Vault;
use crate::base::clock::Clock;
use crate::base::secret::Secret;

pub use self::db::Heads;
pub use self::error::{Error, Fault};
pub use self::keyring::Identity;

/// Where the overlay is.
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`, which may hold a password.
    pub database: Secret,
    /// Where published bytes are kept.
    pub blobs: blobs::Place,
    /// Where the key is that secrets are sealed with.
    pub key: vault::Place,
    /// How long what was last known stands while the database does not answer: who may do what, what is ours, what is
    /// blocked.
    pub grace: Duration,
    pub clock: Clock,
}

/// Everything that was written here. One a process.
pub struct Overlay {
    db: Database,
    clock: Clock,
    pulse: Pulse,
    keyring: Keyring,
    passwords: Passwords,
    roster: Roster,
    screen: Screen,
    map: upstreams::Map,
    tally: Tally,
    recorder: Recorder,
    backlog: Backlog,
    blobs: Blobs,
    vault: Vault,
}

impl Overlay {
    /// Opens the overlay, making what is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::TooNew`], [`Error::Unavailable`], [`Error::Failed`].
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let db = Database::open(settings.database.reveal()).await?;
        let vault = Vault::open_at(&settings.key, &db).await?;
        Ok(Self {
            db,
            clock: settings.clock,
            pulse: Pulse::new(settings.grace),
            keyring: Keyring::default(),
            passwords: Passwords::new(),
            roster: Roster::default(),
            screen: Screen::default(),
            map: upstreams::Map::default(),
            tally: Tally::default(),
            recorder: Recorder::default(),
            backlog: Backlog::default(),
            blobs: Blobs::open(&settings.blobs)?,
            vault,
        })
    }

    /// Returns what seals secrets that must be read again.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Returns how far each part has come, as it was at most half a second ago.
    ///
    /// # Errors
    /// The database's.
    pub async fn heads(&self) -> Result<Heads, Error> {
        self.pulse.heads(&self.db).await
    }

    /// Tells the time, as rows have it.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Writes down what is held in memory, and closes the database.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(&self) -> Result<(), Error> {
        let saved = self.save_uses().await.and(self.save_downloads().await);
        self.db.close().await.and(saved)
    }
}
