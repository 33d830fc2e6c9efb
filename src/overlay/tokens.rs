//! Tokens: what stands in for a name and a password. Random, shown once, kept as their SHA-256.
//!
//! A token is 256 random bits (128 where a dialect's form has no room for more), so a plain hash is enough: there is
//! nothing to guess. Its own rights are a bound on those of its user, never more: what a user may no longer do, its
//! tokens may not either, at once.

use std::time::SystemTime;

use rand::RngExt as _;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, tokens as rows};
use super::error::Error;
use super::networks::Networks;
use super::rights::Rights;
use super::users::UserId;
use crate::base::digest::{Digest, hex};
use crate::base::secret::Secret;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the alphabet that hold 256 bits.
const RANDOM: usize = 43;
/// Characters that say whether the others were copied whole: a scanner for secrets tells a token from noise by them.
const CHECK: usize = 6;
/// The longest name of a token, or description, in bytes.
const LONGEST_TEXT: usize = 255;

/// Names a token, for its whole life and beyond.
pub type TokenId = u64;

/// What a token's text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `heliostat_` or a dialect's own word, then 43 random characters and 6 that check them.
    Prefixed(&'static str),
    /// 32 hex digits in lower case. Source: Hex's API keys, its contract, section 7.2.
    Hex,
}

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whose it is; an operator's tokens may be nobody's.
    pub user: Option<UserId>,
    /// A dialect's own word for what it is for: `session`, `user`, `scoped`.
    pub kind: &'a str,
    pub name: &'a str,
    /// What it is for, in its owner's words.
    pub description: &'a str,
    pub rights: &'a Rights,
    pub networks: &'a Networks,
    pub is_read_only: bool,
    /// Publishes without a second factor, and administers nothing.
    pub is_automation: bool,
    pub expires_at: Option<SystemTime>,
    pub form: Form,
}

/// A token, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// The SHA-256 of its text, by which it may be named too.
    pub hash: Digest,
    /// Its first and last characters, to be told from others by its owner.
    pub hint: String,
    pub user: Option<UserId>,
    pub kind: String,
    pub name: String,
    pub description: String,
    pub rights: Rights,
    pub networks: Networks,
    pub is_read_only: bool,
    pub is_automation: bool,
    pub created_at: SystemTime,
    pub expires_at: Option<SystemTime>,
    pub revoked_at: Option<SystemTime>,
    /// Within the last minute or so.
    pub last_used_at: Option<SystemTime>,
}

impl Overlay {
    /// Makes a token. Its text is returned this once.
    ///
    /// # Errors
    /// [`Error::Absent`]: no such user. [`Error::Malformed`], or the database's. Nothing was kept.
    pub async fn issue_token(&self, new: NewToken<'_>, actor: &Actor) -> Result<(Token, Secret), Error> {
        check_text("token's name", new.name)?;
        check_text("token's description", new.description)?;
        let text = new.form.random();
        let hash = Digest::of(text.reveal().as_bytes());
        let write = self.db.write(self.clock.now()).await?;
        rows::insert(&write, &new, hash, &hint(text.reveal())).await?;
        let id = write.number;
        // Nothing that is known changes by a token that nobody has yet: no head is turned.
        let user = new.user.map_or_else(|| "nobody".to_owned(), |user| format!("user {user}"));
        let detail = format!("{} for {user}: {}", new.kind, new.rights);
        write.commit(&Entry { actor, verb: "issue token", subject: subject(id), detail }).await?;
        let token = rows::find(self.db.link(), hash).await?.ok_or_else(|| Error::absent("token", id))?;
        Ok((token, text))
    }

    /// Lists at most `limit` tokens of a user below the identifier `before`, latest first. Revoked ones are left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn tokens(&self, user: UserId, before: Option<TokenId>, limit: u64) -> Result<Vec<Token>, Error> {
        rows::list(self.db.link(), user, before.unwrap_or(u64::MAX), limit).await
    }

    /// Lists at most `limit` tokens of everybody below the identifier `before`, latest first. Revoked ones are left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn all_tokens(&self, before: Option<TokenId>, limit: u64) -> Result<Vec<Token>, Error> {
        rows::list_all(self.db.link(), before.unwrap_or(u64::MAX), limit).await
    }

    /// Finds a token by the SHA-256 of its text, revoked or not.
    ///
    /// # Errors
    /// The database's.
    pub async fn token(&self, hash: Digest) -> Result<Option<Token>, Error> {
        rows::find(self.db.link(), hash).await
    }

    /// Revokes a token; with `of`, only if it is that user's. All nodes know within a second. One that was revoked
    /// before is as good as revoked.
    ///
    /// # Errors
    /// [`Error::Absent`]: there is none, or it is another's. Else the database's.
    pub async fn revoke_token(&self, id: TokenId, of: Option<UserId>, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        if rows::revoke(&write, id, of).await? == 0 {
            return Err(Error::absent("token", id));
        }
        write.turn(Head::Identity).await?;
        write.commit(&Entry { actor, verb: "revoke token", subject: subject(id), detail: String::new() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Revokes all tokens of a user, and returns how many there were.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoke_tokens_of(&self, user: UserId, actor: &Actor) -> Result<u64, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let count = rows::revoke_all(&write, user).await?;
        write.turn(Head::Identity).await?;
        let (subject, detail) = (format!("user {user}"), format!("{count} tokens"));
        write.commit(&Entry { actor, verb: "revoke tokens", subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(count)
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    if text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return Err(Error::Malformed { what, why: "is too long or has control characters" });
    }
    Ok(())
}

fn subject(id: TokenId) -> String {
    format!("token {id}")
}

/// Returns as much of a token as may be shown.
fn hint(text: &str) -> String {
    let end = text.len().saturating_sub(4);
    format!("{}…{}", text.get(..8).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

// === impl Form ===

impl Form {
    /// The form where a dialect has none of its own.
    pub const OURS: Self = Self::Prefixed("heliostat_");

    pub(super) fn random(self) -> Secret {
        match self {
            Self::Prefixed(prefix) => {
                let mut random = rand::rng();
                let character = |_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
                let body: String = (0..RANDOM).map(character).collect();
                Secret::new(format!("{prefix}{body}{}", check(&body)))
            }
            Self::Hex => Secret::new(hex(&rand::random::<[u8; 16]>())),
        }
    }

    /// Tells whether a text may be a token of any form, without asking anybody. All tokens are made here.
    pub(super) fn may_be(text: &str) -> bool {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let rest = text.len().checked_sub(RANDOM + CHECK).and_then(|start| text.get(start..));
        let rest = rest.and_then(|rest| rest.split_at_checked(RANDOM));
        is_hex || rest.is_some_and(|(body, checked)| checked == check(body))
    }
}

fn check(body: &str) -> String {
    let digest = Digest::of(body.as_bytes());
    digest.as_bytes()[..CHECK].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Form = Form::OURS;

    #[test]
    fn a_token_is_told_from_noise() {
        let text = OURS.random();
        let text = text.reveal();
        assert_eq!(text.len(), "heliostat_".len() + RANDOM + CHECK);
        assert!(Form::may_be(text), "{text}");
        let mut wrong = text.to_owned();
        let last = wrong.pop().unwrap();
        assert!(!Form::may_be(&wrong));
        wrong.push(if last == 'x' { 'y' } else { 'x' });
        assert!(!Form::may_be(&wrong));
        assert!(!Form::may_be(&"ä".repeat(30)) && !Form::may_be("") && !Form::may_be(&"A".repeat(32)));
        assert!(Form::may_be(Form::Hex.random().reveal()));
        assert!(Form::may_be(Form::Prefixed("").random().reveal()));
    }

    #[test]
    fn no_two_are_alike_and_a_hint_does_not_give_one_away() {
        let (one, other) = (OURS.random(), OURS.random());
        assert_ne!(one, other);
        assert_eq!(hint("heliostat_0123456789"), "heliosta…6789");
        assert_eq!(hint("ä"), "…ä");
    }
}
