//! Second factors: codes that change with time, and a few that an account's owner keeps for the day the other is lost.
//!
//! A factor is pending until its owner has shown a first code: nobody locks themselves out by a secret that was never
//! noted. What codes are computed from must be read again, so it is sealed; recovery codes are kept as their SHA-256, and
//! each is gone once it was used. Of the others the last step is kept that was taken.

use std::net::IpAddr;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, factors as rows, failures};
use super::error::Error;
use super::users::{User, UserId, subject};
use super::{patience, totp};
use crate::base::digest::{Digest, hex};
use crate::base::secret::Secret;

/// How many recovery codes there are.
const RECOVERY: usize = 5;

/// What a second factor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To log in, and to change the account.
    Access,
    /// To write to packages, too.
    Writes,
}

/// A factor, as it is kept.
#[derive(Clone, Debug)]
pub struct Factor {
    pub mode: Mode,
    pub is_pending: bool,
    pub(super) sealed: Vec<u8>,
    pub(super) last_step: u64,
}

impl Overlay {
    /// Finds a user's second factor, pending or not.
    ///
    /// # Errors
    /// The database's.
    pub async fn factor(&self, user: UserId) -> Result<Option<Factor>, Error> {
        rows::find(self.db.link(), user).await
    }

    /// Gives a user a new second factor, in place of one that is pending, and returns what codes are computed from, in
    /// base32. It counts once [`Overlay::prove_factor`] has seen a code.
    ///
    /// # Errors
    /// [`Error::Taken`]: there is one that counts. Or the database's.
    pub async fn begin_factor(&self, user: &User, mode: Mode, actor: &Actor) -> Result<Secret, Error> {
        let secret = Secret::new(totp::base32(&totp::random()));
        let sealed = self.vault.seal(&purpose(user.id), &secret)?;
        let write = self.db.write(self.clock.now()).await?;
        if rows::find(write.link(), user.id).await?.is_some_and(|held| !held.is_pending) {
            return Err(Error::taken("second factor of", &user.name));
        }
        rows::replace(&write, user.id, &Factor { mode, is_pending: true, sealed, last_step: 0 }).await?;
        let (verb, subject) = ("begin second factor", subject(&user.name));
        write.commit(&Entry { actor, verb, subject, detail: String::new() }).await?;
        Ok(secret)
    }

    /// Makes a pending factor count, by a code of it. Returns recovery codes, this once.
    ///
    /// # Errors
    /// [`Error::Absent`]: none is pending. [`Error::WrongCode`], [`Error::TooManyAttempts`], or the database's.
    pub async fn prove_factor(&self, user: &User, code: &Secret, actor: &Actor) -> Result<Vec<Secret>, Error> {
        let subjects = patience::of_code(&user.name, actor.address);
        failures::charge(&self.db, &subjects, self.clock.now()).await?;
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), user.id).await?.filter(|held| held.is_pending);
        let held = held.ok_or_else(|| Error::absent("pending second factor of", &user.name))?;
        let step = self.find_step(user, &held, code)?.ok_or(Error::WrongCode)?;
        rows::replace(&write, user.id, &Factor { is_pending: false, last_step: step, ..held }).await?;
        let codes: Vec<Secret> = (0..RECOVERY).map(|_| Secret::new(hex(&rand::random::<[u8; 32]>()))).collect();
        for code in &codes {
            rows::insert_recovery(&write, user.id, hash(code)).await?;
        }
        write.turn(Head::Identity).await?;
        let (verb, subject) = ("set second factor", subject(&user.name));
        write.commit(&Entry { actor, verb, subject, detail: held.mode.as_str().to_owned() }).await?;
        self.pulse.refresh(&self.db).await;
        failures::forgive(&self.db, &subjects).await?;
        Ok(codes)
    }

    /// Says what a second factor that counts is asked for from now on. `user` is as it was when that was asked of it: what has
    /// changed since is to be asked of anew.
    ///
    /// # Errors
    /// [`Error::Absent`]: there is none. [`Error::WrongCode`]: it is another than the user's was. Or the database's.
    pub async fn set_factor_mode(&self, user: &User, mode: Mode, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), user.id).await?.filter(|held| !held.is_pending);
        let held = held.ok_or_else(|| Error::absent("second factor of", &user.name))?;
        if user.factor != Some(held.mode) {
            return Err(Error::WrongCode);
        }
        rows::replace(&write, user.id, &Factor { mode, ..held }).await?;
        write.turn(Head::Identity).await?;
        let (verb, subject) = ("set second factor", subject(&user.name));
        write.commit(&Entry { actor, verb, subject, detail: mode.as_str().to_owned() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Takes a user's second factor away, with its recovery codes. None is as good as taken away. `user` is as for
    /// [`Overlay::set_factor_mode`].
    ///
    /// # Errors
    /// [`Error::WrongCode`]: there is one that counts, and the user had none, or another. Or the database's.
    pub async fn end_factor(&self, user: &User, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), user.id).await?.filter(|held| !held.is_pending);
        if held.is_some_and(|held| user.factor != Some(held.mode)) {
            return Err(Error::WrongCode);
        }
        rows::remove(&write, user.id).await?;
        write.turn(Head::Identity).await?;
        let (verb, subject) = ("end second factor", subject(&user.name));
        write.commit(&Entry { actor, verb, subject, detail: String::new() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Takes a code of a user's second factor, or a recovery code. Each counts once, on all nodes. Who fails often must
    /// wait, apart from who fails with passwords: else a right password would forgive wrong codes.
    ///
    /// # Errors
    /// [`Error::WrongCode`], [`Error::TooManyAttempts`], or the database's.
    pub async fn take_code(&self, user: &User, code: &Secret, from: IpAddr) -> Result<(), Error> {
        let subjects = patience::of_code(&user.name, Some(from));
        failures::charge(&self.db, &subjects, self.clock.now()).await?;
        let held = self.factor(user.id).await?.filter(|held| !held.is_pending).ok_or(Error::WrongCode)?;
        let is_taken = match self.find_step(user, &held, code)? {
            Some(step) => rows::take_step(&self.db, user.id, step).await?,
            None => self.take_recovery(user, code, from).await?,
        };
        if !is_taken {
            return Err(Error::WrongCode);
        }
        failures::forgive(&self.db, &subjects).await
    }

    async fn take_recovery(&self, user: &User, code: &Secret, from: IpAddr) -> Result<bool, Error> {
        let write = self.db.write(self.clock.now()).await?;
        if !rows::remove_recovery(&write, user.id, hash(code)).await? {
            return Ok(false);
        }
        let actor =
            Actor { name: user.name.to_string(), via: "recovery code".to_owned(), address: Some(from), reason: None };
        let (verb, subject) = ("use recovery code", subject(&user.name));
        write.commit(&Entry { actor: &actor, verb, subject, detail: String::new() }).await?;
        Ok(true)
    }

    fn find_step(&self, user: &User, held: &Factor, code: &Secret) -> Result<Option<u64>, Error> {
        let secret = self.vault.open(&purpose(user.id), &held.sealed)?;
        let secret = totp::unbase32(secret.reveal()).ok_or(Error::Row("the secret of a second factor"))?;
        // People read codes in groups.
        let shown: String = code.reveal().split_whitespace().collect();
        Ok(totp::find_step(&secret, &shown, (self.clock.now(), held.last_step)))
    }
}

fn purpose(user: UserId) -> String {
    format!("second factor of user {user}")
}

fn hash(code: &Secret) -> Digest {
    Digest::of(code.reveal().trim().to_ascii_lowercase().as_bytes())
}

// === impl Mode ===

impl Mode {
    /// Returns the word that is kept, which is npm's too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "auth-only",
            Self::Writes => "auth-and-writes",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Access, Self::Writes].into_iter().find(|mode| mode.as_str() == word)
    }
}
