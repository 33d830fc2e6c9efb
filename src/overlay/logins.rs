//! Logins by a browser: a client begins one, its user goes through with it on a page, and the client comes for what it
//! brings. Rows, so that any node can answer each of the three; minutes long, and named by two random texts that are kept
//! as their SHA-256. Who has the page's cannot fetch what the client waits for.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::Overlay;
use super::db::{failures, logins as rows};
use super::error::Error;
use super::patience;
use super::tokens::Form;
use super::users::UserId;
use crate::base::digest::Digest;
use crate::base::secret::Secret;

/// How long a login may take.
pub const LIFE: Duration = Duration::from_secs(600);
/// The longest name of a client that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// A login that its user has not gone through with yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What the client calls itself.
    pub agent: String,
    /// From where it was begun.
    pub address: String,
    /// Whether the client wants an account to be made.
    pub is_new: bool,
    pub begun_at: SystemTime,
}

/// How a login that was begun can be named.
#[derive(Debug)]
pub struct Begun {
    /// Leads to the page.
    pub page: Secret,
    /// By which the client asks whether it is over.
    pub done: Secret,
}

/// How far a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    /// This user has gone through with it. Told this once.
    Done(UserId),
}

impl Overlay {
    /// Begins a login for a client. From one place not many are begun at once.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], or the database's.
    pub async fn begin_login(&self, agent: &str, from: IpAddr, is_new: bool) -> Result<Begun, Error> {
        let now = self.clock.now();
        failures::charge(&self.db, &[patience::browser(from)], now).await?;
        let begun = Begun { page: Form::Hex.random(), done: Form::Hex.random() };
        let agent: String = agent.chars().filter(|char| !char.is_control()).take(LONGEST_AGENT).collect();
        let login = Login { agent, address: from.to_string(), is_new, begun_at: now };
        rows::begin(&self.db, (hash(&begun.page), hash(&begun.done)), &login).await?;
        Ok(begun)
    }

    /// Finds a login by its page, while nobody has gone through with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn login(&self, page: &Secret) -> Result<Option<Login>, Error> {
        rows::find(self.db.link(), hash(page), self.begun_since()).await
    }

    /// Lets a user go through with a login, which counts no longer for where it was begun. `false`: it is over, or somebody
    /// has.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_login(&self, page: &Secret, user: UserId) -> Result<bool, Error> {
        let Some(address) = rows::end(&self.db, hash(page), user, self.begun_since()).await? else {
            return Ok(false);
        };
        if let Ok(from) = address.parse() {
            self.forgive(&[patience::browser(from)]).await;
        }
        Ok(true)
    }

    /// Tells how far a login is; `None`: there is none, or it is over. That it is done is told once, on all nodes.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_login(&self, done: &Secret) -> Result<Option<Progress>, Error> {
        let hash = hash(done);
        match rows::progress(self.db.link(), hash, self.begun_since()).await? {
            Some(Progress::Done(user)) => Ok(rows::take(&self.db, hash).await?.then_some(Progress::Done(user))),
            other => Ok(other),
        }
    }

    /// Returns when a login was begun at the earliest that is not over.
    fn begun_since(&self) -> SystemTime {
        self.clock.now().checked_sub(LIFE).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn hash(id: &Secret) -> Digest {
    Digest::of(id.reveal().as_bytes())
}
