//! Who shows a token: its holder, and what both may do. Asked once of the database, then held in memory until a token, a
//! user or a role changes anywhere.
//!
//! Who shows a token takes no lock: tokens lie in parts, one of which is copied when one of its tokens is first seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use super::Overlay;
use super::db::{namespaces, teams, tokens, users};
use super::error::Error;
use super::namespaces::Role;
use super::passwords::is_equal;
use super::rights::{Action, Rights};
use super::teams::TeamId;
use super::tokens::{Form, Token, TokenId};
use super::users::User;
use crate::base::clock::millis;
use crate::base::digest::Digest;
use crate::base::secret::Secret;

const PARTS: usize = 256;
/// How many tokens a part holds: 20,000 in all, at some 1 KiB each. Past that, all of the part are forgotten.
const MOST: usize = 80;

/// How long a use of a token is not written down again.
const USE: Duration = Duration::from_secs(60);

/// Who asks, and what it may do.
#[derive(Debug)]
pub struct Identity {
    /// `None`: a token of an operator that is nobody's.
    pub user: Option<User>,
    /// By what it is known; `None` by name and password.
    pub token: Option<Token>,
    /// By namespace, without its `@`.
    pub roles: BTreeMap<String, Role>,
    pub teams: BTreeSet<TeamId>,
    /// When its last use was noted, in milliseconds since 1970.
    noted_at: AtomicU64,
}

/// Holders of tokens.
pub(super) struct Keyring {
    /// By the first byte of the token's hash.
    parts: [ArcSwap<Part>; PARTS],
    /// Uses that are not written down yet. Held for a few instructions, once a minute and token.
    uses: Mutex<HashMap<TokenId, SystemTime>>,
}

/// Holders by the hash of their token, as they were when the head of identity was at `revision`.
#[derive(Clone, Default)]
struct Part {
    revision: u64,
    identities: HashMap<Digest, Arc<Identity>>,
    /// Texts that are no tokens. None becomes one: they are random.
    strangers: HashSet<Digest>,
}

impl Overlay {
    /// Tells who shows a token. Costs a hash of its text, and while it is held in memory no question to the database but
    /// how far that has come, twice a second.
    ///
    /// # Errors
    /// [`Error::UnknownToken`], [`Error::RevokedToken`], [`Error::ExpiredToken`], [`Error::WrongNetwork`],
    /// [`Error::Locked`]. [`Error::Unavailable`]: nobody can say whether it still holds.
    pub async fn check_token(&self, text: &Secret, from: IpAddr) -> Result<Arc<Identity>, Error> {
        let hash = Digest::of(text.reveal().as_bytes());
        let revision = self.pulse.heads(&self.db).await?.identity;
        let identity = match self.keyring.find(revision, &hash) {
            Some(identity) => identity,
            None if self.keyring.is_strange(revision, &hash) || !Form::may_be(text.reveal()) => {
                return Err(Error::UnknownToken);
            }
            None => self.load_and_hold(revision, hash).await?,
        };
        let now = self.clock.now();
        identity.judge(&hash, from, now)?;
        self.keyring.note_use(&identity, now);
        Ok(identity)
    }

    /// Returns who has logged in by name and password: may do whatever the user may.
    ///
    /// # Errors
    /// The database's.
    pub async fn identity_of(&self, user: User) -> Result<Identity, Error> {
        let snapshot = self.db.snapshot().await?;
        let roles = namespaces::roles_of(snapshot.link(), user.id).await?;
        let teams = teams::of(snapshot.link(), user.id).await?;
        Ok(Identity { user: Some(user), token: None, roles, teams, noted_at: AtomicU64::new(0) })
    }

    /// Writes down when tokens were used: to be called every minute or so, and before the end.
    ///
    /// # Errors
    /// The database's. Those uses are forgotten.
    pub async fn save_uses(&self) -> Result<(), Error> {
        let uses = std::mem::take(&mut *self.keyring.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        let mut uses: Vec<_> = uses.into_iter().collect();
        // In one order on all nodes: else two of them could wait for each other.
        uses.sort_unstable();
        tokens::note_uses(&self.db, &uses).await
    }

    async fn load_and_hold(&self, revision: u64, hash: Digest) -> Result<Arc<Identity>, Error> {
        match self.load_identity(hash).await {
            Ok(identity) => {
                let identity = Arc::new(identity);
                self.keyring.hold(revision, hash, &identity);
                Ok(identity)
            }
            Err(error) => {
                if matches!(error, Error::UnknownToken) {
                    self.keyring.hold_strange(revision, hash);
                }
                Err(error)
            }
        }
    }

    async fn load_identity(&self, hash: Digest) -> Result<Identity, Error> {
        let snapshot = self.db.snapshot().await?;
        let token = tokens::find(snapshot.link(), hash).await?.ok_or(Error::UnknownToken)?;
        let user = match token.user {
            Some(id) => users::find_by_id(snapshot.link(), id).await?,
            None => None,
        };
        let (roles, teams) = match &user {
            Some(user) => {
                (namespaces::roles_of(snapshot.link(), user.id).await?, teams::of(snapshot.link(), user.id).await?)
            }
            None => (BTreeMap::new(), BTreeSet::new()),
        };
        Ok(Identity { user, token: Some(token), roles, teams, noted_at: AtomicU64::new(0) })
    }
}

// === impl Identity ===

impl Identity {
    /// Tells whether the token holds, here and now.
    fn judge(&self, hash: &Digest, from: IpAddr, now: SystemTime) -> Result<(), Error> {
        let Some(token) = &self.token else { return Ok(()) };
        if !is_equal(token.hash.as_bytes(), hash.as_bytes()) {
            return Err(Error::UnknownToken);
        }
        if token.revoked_at.is_some() {
            return Err(Error::RevokedToken);
        }
        if token.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Error::ExpiredToken);
        }
        if self.user.as_ref().is_some_and(|user| user.locked_at.is_some()) {
            return Err(Error::Locked);
        }
        if token.networks.hold(from) { Ok(()) } else { Err(Error::WrongNetwork) }
    }

    /// Tells whether the token allows an action on a package. Whether its user may do so is for who knows the package's
    /// owners and its namespace: [`Identity::role`].
    pub fn allows(&self, action: Action, mount: &str, name: &str) -> bool {
        let Some(token) = &self.token else { return true };
        let is_bound = token.is_read_only && action != Action::Pull || token.is_automation && action == Action::Admin;
        !is_bound && token.rights.allow(action, mount, name)
    }

    /// Tells whether it may do what is about no package: an admin, by a token that is not bound.
    pub fn rules(&self) -> bool {
        self.user.as_ref().is_none_or(|user| user.is_admin) && self.is_free()
    }

    /// Tells whether its token, if it has one, does not bound it.
    pub fn is_free(&self) -> bool {
        let is_free = |token: &Token| token.rights.rule() && !token.is_read_only && !token.is_automation;
        self.token.as_ref().map_or(self.user.is_some(), is_free)
    }

    /// Tells whether a token with these rights may be handed out.
    pub fn may_grant(&self, rights: &Rights) -> bool {
        self.token.as_ref().is_none_or(|token| !token.is_read_only && token.rights.cover(rights))
    }

    /// Returns its role in a namespace, named without `@`.
    pub fn role(&self, namespace: &str) -> Option<Role> {
        self.roles.get(namespace).copied()
    }
}

// === impl Keyring ===

impl Keyring {
    fn find(&self, revision: u64, hash: &Digest) -> Option<Arc<Identity>> {
        self.part(hash).load().find(revision, hash)
    }

    /// Holds who was loaded after the head was seen at `revision`: it is as new as that, or newer.
    fn hold(&self, revision: u64, hash: Digest, identity: &Arc<Identity>) {
        self.part(&hash).rcu(|part| part.with(revision, hash, identity));
    }

    fn is_strange(&self, revision: u64, hash: &Digest) -> bool {
        let part = self.part(hash).load();
        part.revision == revision && part.strangers.contains(hash)
    }

    /// Holds that nobody has this token, as [`Keyring::hold`] does who has one.
    fn hold_strange(&self, revision: u64, hash: Digest) {
        self.part(&hash).rcu(|part| part.with_stranger(revision, hash));
    }

    fn part(&self, hash: &Digest) -> &ArcSwap<Part> {
        &self.parts[usize::from(hash.as_bytes()[0]) % PARTS]
    }

    fn note_use(&self, identity: &Identity, now: SystemTime) {
        let Some(token) = &identity.token else { return };
        let noted_at = identity.noted_at.load(Ordering::Relaxed);
        if millis(now) < noted_at.saturating_add(USE.as_millis() as u64) {
            return;
        }
        identity.noted_at.store(millis(now), Ordering::Relaxed);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(token.id, now);
    }
}

impl Default for Keyring {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| ArcSwap::default()), uses: Mutex::default() }
    }
}

// === impl Part ===

impl Part {
    fn find(&self, revision: u64, hash: &Digest) -> Option<Arc<Identity>> {
        if self.revision == revision { self.identities.get(hash).cloned() } else { None }
    }

    /// Returns it with one more.
    fn with(&self, revision: u64, hash: Digest, identity: &Arc<Identity>) -> Self {
        // Loaded while others saw a later head: it may be older than that.
        if revision < self.revision {
            return self.clone();
        }
        let mut part = self.at(revision);
        if part.identities.len() >= MOST {
            part.identities.clear();
        }
        part.identities.insert(hash, Arc::clone(identity));
        part
    }

    /// Returns it with one more that is no token. However many come, no holder is forgotten for them.
    fn with_stranger(&self, revision: u64, hash: Digest) -> Self {
        if revision < self.revision {
            return self.clone();
        }
        let mut part = self.at(revision);
        if part.strangers.len() >= MOST {
            part.strangers.clear();
        }
        part.strangers.insert(hash);
        part
    }

    /// Returns what of it holds at a head that is no earlier.
    fn at(&self, revision: u64) -> Self {
        if revision > self.revision { Self { revision, ..Self::default() } } else { self.clone() }
    }
}

#[cfg(test)]
mod tests;
