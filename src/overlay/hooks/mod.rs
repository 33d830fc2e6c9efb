//! Webhooks: who wants to be told of what, where, and how it went last.
//!
//! A hook's secret is sealed, and is read by nobody but who signs. What is to be told of an event of the feed is a row for
//! each hook that hears of it, a *delivery*, which stays until it was delivered or tried often enough ([`dispatch`]). This
//! part says what is due and what comes of it; who sends is another's business.

pub mod dispatch;

use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::hooks as rows;
use super::error::Error;
use super::users::{UserId, UserName};
use crate::base::secret::Secret;

/// Names a hook, for its whole life and beyond.
pub type HookId = u64;

/// What a hook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Package,
    /// All packages of a scope, named with its `@`.
    Scope,
    /// All packages that a user owns.
    Owner,
}

/// A hook to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewHook<'a> {
    pub mount: &'a str,
    pub user: UserId,
    pub about: About,
    pub name: &'a str,
    pub endpoint: &'a str,
    pub secret: &'a Secret,
    /// How many hooks its user may have.
    pub limit: u64,
}

/// A hook, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub id: HookId,
    pub mount: String,
    pub user: UserId,
    pub user_name: UserName,
    pub about: About,
    pub name: String,
    pub endpoint: String,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
    /// How it went last; `None`: nothing was sent yet.
    pub last: Option<Last>,
}

/// How sending went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    pub at: SystemTime,
    /// What the endpoint answered; `None`: nothing.
    pub status: Option<u64>,
    pub is_delivered: bool,
}

impl Overlay {
    /// Makes a hook, which hears of what happens from now on.
    ///
    /// # Errors
    /// [`Error::TooManyHooks`], or the database's. Nothing was kept.
    pub async fn add_hook(&self, new: NewHook<'_>, actor: &Actor) -> Result<Hook, Error> {
        let write = self.db.write(self.clock.now()).await?;
        if rows::count(write.link(), new.user).await? >= new.limit {
            return Err(Error::TooManyHooks { limit: new.limit });
        }
        let id = write.number;
        let sealed = self.vault.seal(&purpose(id), new.secret)?;
        rows::insert(&write, &new, &sealed).await?;
        let detail = format!("{} {}/{}", new.about.as_str(), new.mount, new.name);
        write.commit(&Entry { actor, verb: "add hook", subject: subject(id), detail }).await?;
        rows::find(self.db.link(), id).await?.ok_or_else(|| Error::absent("hook", id))
    }

    /// Gives a hook another endpoint and secret.
    ///
    /// # Errors
    /// [`Error::Absent`], or the database's. Nothing was changed.
    pub async fn edit_hook(&self, id: HookId, endpoint: &str, secret: &Secret, actor: &Actor) -> Result<Hook, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let sealed = self.vault.seal(&purpose(id), secret)?;
        if rows::update(&write, id, endpoint, &sealed).await? == 0 {
            return Err(Error::absent("hook", id));
        }
        write.commit(&Entry { actor, verb: "edit hook", subject: subject(id), detail: String::new() }).await?;
        rows::find(self.db.link(), id).await?.ok_or_else(|| Error::absent("hook", id))
    }

    /// Takes a hook away, and what it was still to be told.
    ///
    /// # Errors
    /// [`Error::Absent`], or the database's. Nothing was changed.
    pub async fn remove_hook(&self, id: HookId, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        if rows::delete(&write, id).await? == 0 {
            return Err(Error::absent("hook", id));
        }
        write.commit(&Entry { actor, verb: "remove hook", subject: subject(id), detail: String::new() }).await
    }

    /// Finds a hook.
    ///
    /// # Errors
    /// The database's.
    pub async fn hook(&self, id: HookId) -> Result<Option<Hook>, Error> {
        rows::find(self.db.link(), id).await
    }

    /// Lists the hooks of a user at a mount, in the order in which they were made.
    ///
    /// # Errors
    /// The database's.
    pub async fn hooks(&self, mount: &str, user: UserId) -> Result<Vec<Hook>, Error> {
        rows::list(self.db.link(), mount, user).await
    }

    /// Returns what a hook's deliveries are signed with.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Row`], or the database's.
    pub async fn hook_secret(&self, id: HookId) -> Result<Secret, Error> {
        let sealed = rows::sealed(self.db.link(), id).await?.ok_or_else(|| Error::absent("hook", id))?;
        self.vault.open(&purpose(id), &sealed)
    }
}

/// What a secret is sealed for: moved to another hook, it opens no more.
fn purpose(id: HookId) -> String {
    format!("hook {id}")
}

fn subject(id: HookId) -> String {
    format!("hook {id}")
}

// === impl Last ===

impl Last {
    /// Says that nothing was answered.
    pub(super) fn failed(at: SystemTime) -> Self {
        Self { at, status: None, is_delivered: false }
    }
}

// === impl About ===

impl About {
    const ALL: [Self; 3] = [Self::Package, Self::Scope, Self::Owner];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Scope => "scope",
            Self::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|about| about.as_str() == text)
    }
}
