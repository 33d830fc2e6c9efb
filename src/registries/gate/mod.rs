//! Who asks, and what it may do: one gate for all dialects, which each knocks at in its own words.
//!
//! What a mount calls its own is published here and never asked upstream: names that were published, and those that the
//! configuration keeps for them. Rights are asked of the token and of who stands behind it, whichever says less.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Opening;
use super::failure::{Error, WRONG_PASSWORD};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::config::{self, Registration, Who};
use crate::mirror::turns::Turns;
use crate::overlay::audit::Actor;
use crate::overlay::packages::{Edition, Package};
use crate::overlay::rights::{self, Action};
use crate::overlay::users::{User, UserName};
use crate::overlay::{Identity, Overlay};

mod judge;
mod lead;
mod sight;

pub use self::sight::{Act, Sight};

/// How long a password that was right is taken for it again without being hashed anew: clients show it at each request.
const BELIEVED: Duration = Duration::from_secs(60);
/// Passwords that are believed at once.
const MAX_BELIEVED: usize = 1024;

/// What a client shows of itself.
#[derive(Debug)]
pub enum Credentials {
    Nothing,
    Token(Secret),
    Password { name: String, password: Secret },
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// `None`: nobody that we know.
    pub identity: Option<Arc<Identity>>,
    from: Option<IpAddr>,
}

/// What a mount keeps for itself.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Names that are ours, with `*` for any run of characters.
    pub own: Vec<String>,
    /// Names of upstream's that may be published over, with `*` likewise. A name that is kept for us is none of them.
    pub merged: Vec<String>,
    /// Whether who shows no credentials may read.
    pub anonymous_reading: bool,
}

// === impl Credentials ===

impl Credentials {
    /// Reads an `Authorization`. Source: RFC 6750 §2.1, RFC 7617 §2.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub fn parse(value: &str) -> Result<Self, Error> {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Self::Token(Secret::new(rest)));
        }
        if scheme.eq_ignore_ascii_case("basic")
            && let Ok(text) = STANDARD.decode(rest)
            && let Ok(text) = String::from_utf8(text)
            && let Some((name, password)) = text.split_once(':')
        {
            return Ok(Self::Password { name: name.to_owned(), password: Secret::new(password) });
        }
        Err(Error::Unauthorized("the credentials are neither Bearer nor Basic"))
    }
}

/// The gate of one mount. A clone knows the same visitors.
#[derive(Clone)]
pub struct Gate {
    overlay: Arc<Overlay>,
    mount: String,
    rules: Rules,
    /// Patterns of further names that are ours, beside those of the rules.
    also_own: Vec<String>,
    accounts: config::Accounts,
    believed: Arc<Mutex<HashMap<Digest, Believed>>>,
    /// Held while a password is looked at, by what is shown: a client opens many connections at once, with the same.
    turns: Arc<Turns>,
}

/// A password that was right.
struct Believed {
    identity: Arc<Identity>,
    /// How far accounts had come then: a password that was changed since is not.
    head: u64,
    until: Instant,
}

impl Gate {
    pub fn new(opening: &Opening<'_>, rules: Rules) -> Self {
        Self {
            overlay: Arc::clone(&opening.overlay),
            mount: opening.mount.name.clone(),
            rules,
            also_own: Vec::new(),
            accounts: opening.accounts.clone(),
            believed: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// Returns a gate of the server itself, for what is about no single mount.
    pub fn of_server(overlay: Arc<Overlay>, accounts: &config::Accounts) -> Self {
        Self {
            overlay,
            mount: String::new(),
            rules: Rules { own: Vec::new(), merged: Vec::new(), anonymous_reading: true },
            also_own: Vec::new(),
            accounts: accounts.clone(),
            believed: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// Returns the same gate, which keeps names of these patterns too.
    pub fn also_keeping(&self, patterns: Vec<String>) -> Self {
        Self { also_own: patterns, ..self.clone() }
    }

    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// Names the mount, as the overlay knows it.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// Tells whether who shows no credentials may read.
    pub fn is_public(&self) -> bool {
        self.rules.anonymous_reading
    }

    /// Says who may make an account.
    pub fn registration(&self) -> Registration {
        self.accounts.registration
    }

    /// Finds out who asks. Credentials that are wrong are refused, wherever they are shown.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`], [`Error::TooManyAttempts`], or the overlay's.
    pub async fn identify(&self, credentials: Credentials, from: Option<IpAddr>) -> Result<Visitor, Error> {
        // Who comes over no network comes from here.
        let address = from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let identity = match credentials {
            Credentials::Nothing => None,
            Credentials::Token(token) => Some(self.overlay.check_token(&token, address).await?),
            Credentials::Password { name, password } => Some(self.log_in(&name, &password, address).await?),
        };
        Ok(Visitor { identity, from })
    }

    /// Lets a visitor read. What everybody may read, every token may: a client shows its own with every request.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]: it must say who it is. [`Error::Forbidden`].
    pub fn let_read(&self, visitor: &Visitor, name: &str) -> Result<(), Error> {
        match &visitor.identity {
            None if self.rules.anonymous_reading => Ok(()),
            None => Err(Error::Unauthorized("this registry is read by who is logged in")),
            Some(_) if self.rules.anonymous_reading => Ok(()),
            Some(identity) if identity.allows(Action::Pull, &self.mount, name) => Ok(()),
            Some(_) => Err(Error::Forbidden("this token may not read that".into())),
        }
    }

    /// Returns who asks, who must be somebody.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub fn known<'a>(&self, visitor: &'a Visitor) -> Result<&'a Identity, Error> {
        visitor.identity.as_deref().ok_or(Error::Unauthorized("you are not logged in"))
    }

    /// Returns the user that asks, who must be one.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub fn user<'a>(&self, visitor: &'a Visitor) -> Result<&'a User, Error> {
        self.known(visitor)?.user.as_ref().ok_or(Error::Unauthorized("this token belongs to no user"))
    }

    pub fn is_admin(&self, user: &User) -> bool {
        user.is_admin || self.names_admin(&user.name)
    }

    /// Tells whether the configuration makes whoever has this name an admin: such an account only operators make.
    pub fn names_admin(&self, name: &UserName) -> bool {
        self.accounts.admins.iter().any(|admin| admin.eq_ignore_ascii_case(name.as_str()))
    }

    /// Lets a token through that may write to a package at all, before what it sends is read.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`].
    pub fn let_write(&self, visitor: &Visitor, name: &str) -> Result<(), Error> {
        let identity = self.known(visitor)?;
        let may = [Action::Push, Action::Delete].into_iter().any(|action| identity.allows(action, &self.mount, name));
        if may { Ok(()) } else { Err(Error::Forbidden("this token may not write".into())) }
    }

    /// Lets an admin through, by what does not bound it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`].
    pub fn let_rule(&self, visitor: &Visitor) -> Result<(), Error> {
        let identity = self.known(visitor)?;
        let is_named = identity.user.as_ref().is_some_and(|user| self.names_admin(&user.name));
        let rules = identity.rules() || is_named && identity.is_free();
        if rules { Ok(()) } else { Err(Error::Forbidden("only an admin of this registry may do that".into())) }
    }

    /// Lets a visitor have packages brought up to their upstreams, as far as it may read them.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`].
    pub fn let_sync(&self, visitor: &Visitor, who: Who) -> Result<(), Error> {
        match who {
            Who::Nobody => Err(Error::Forbidden("this registry takes no sync tasks".into())),
            Who::Admin => self.let_rule(visitor),
            Who::User => self.known(visitor).map(drop),
            Who::Anyone => Ok(()),
        }
    }

    /// Names who asks, for the audit log.
    pub fn actor(&self, visitor: &Visitor) -> Actor {
        let identity = visitor.identity.as_deref();
        let user = identity.and_then(|identity| identity.user.as_ref());
        let token = identity.and_then(|identity| identity.token.as_ref());
        Actor {
            name: user.map_or_else(|| "nobody".to_owned(), |user| user.name.to_string()),
            via: match token {
                Some(token) => format!("token {}", token.id),
                None if identity.is_none() => "nothing".to_owned(),
                None => "password".to_owned(),
            },
            address: visitor.from,
            reason: None,
        }
    }

    /// Tells whether a name is kept for what is published here.
    pub fn keeps(&self, name: &str) -> bool {
        self.patterns().any(|pattern| rights::matches(pattern, name))
    }

    /// Tells whether what is published under a name here is served with what upstream has there.
    pub fn merges(&self, name: &str) -> bool {
        !self.keeps(name) && self.rules.merged.iter().any(|pattern| rights::matches(pattern, name))
    }

    /// Tells whether the configuration itself keeps every name of a scope, with its `@`, for what is published here.
    pub fn rules_keep_all_of(&self, scope: &str) -> bool {
        // No name has a `*`: what matches it matches whatever may stand in its place.
        let any = format!("{scope}/*");
        self.rules.own.iter().any(|pattern| rights::matches(pattern, &any))
    }

    /// Returns the scopes, with their `@`, of the names that are kept.
    pub fn own_scopes(&self) -> impl Iterator<Item = String> {
        let scope = |pattern: &str| pattern.split_once('/').map(|(scope, _)| scope.to_owned());
        self.patterns().filter(|pattern| pattern.starts_with('@')).filter_map(scope)
    }

    fn patterns(&self) -> impl Iterator<Item = &str> {
        self.rules.own.iter().chain(&self.also_own).map(String::as_str)
    }

    /// Tells whether any name may be ours.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn has_own(&self) -> Result<bool, Error> {
        Ok(self.patterns().next().is_some() || self.overlay.has_packages(&self.mount).await?)
    }

    /// Tells whether no upstream is to hear of a name: it is kept for us, or ours and merged with nothing.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn is_kept_from_upstream(&self, name: &str) -> Result<bool, Error> {
        Ok(self.keeps(name) || !self.merges(name) && self.holds(name).await?.is_some())
    }

    /// Returns the state of a package that was published here.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn holds(&self, name: &str) -> Result<Option<Edition>, Error> {
        Ok(self.overlay.holds(&self.mount, name).await?.map(|listed| listed.edition))
    }

    /// Returns a package that was published here.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn package(&self, name: &str) -> Result<Option<Package>, Error> {
        Ok(self.overlay.package(&self.mount, name).await?)
    }

    async fn log_in(&self, name: &str, password: &Secret, from: IpAddr) -> Result<Arc<Identity>, Error> {
        let head = self.overlay.heads().await?.identity;
        let shown = Digest::of(format!("{name}:{}", password.reveal()).as_bytes());
        if let Some(identity) = self.find_believed(&shown, head) {
            return Ok(identity);
        }
        let _turn = self.turns.turn(&shown.to_hex()).await;
        if let Some(identity) = self.find_believed(&shown, head) {
            return Ok(identity);
        }
        let name = UserName::parse(name).map_err(|_| Error::Unauthorized(WRONG_PASSWORD))?;
        let user = self.overlay.log_in(&name, password, from).await?;
        let identity = Arc::new(self.overlay.identity_of(user).await?);
        self.believe(shown, Believed { identity: Arc::clone(&identity), head, until: Instant::now() + BELIEVED });
        Ok(identity)
    }

    fn find_believed(&self, shown: &Digest, head: u64) -> Option<Arc<Identity>> {
        let believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        let found = believed.get(shown)?;
        (found.head == head && found.until > Instant::now()).then(|| Arc::clone(&found.identity))
    }

    fn believe(&self, shown: Digest, right: Believed) {
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if believed.len() >= MAX_BELIEVED {
            believed.clear();
        }
        believed.insert(shown, right);
    }
}
