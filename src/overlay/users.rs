//! Who has an account: names, passwords, who is locked out, who may do everything.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use super::audit::{Actor, Entry};
use super::db::{
    Head, invitations as invitation_rows, namespaces as namespace_rows, packages as package_rows, users as rows,
};
use super::error::Error;
use super::factors::Mode;
use super::namespaces::{NamespaceName, Role};
use super::{Overlay, db::failures};
use super::{invitations, patience};
use crate::base::secret::Secret;

/// The longest e-mail address. Source: RFC 5321 §4.5.3.1.
const LONGEST_EMAIL: usize = 254;

/// Names an account, for all dialects.
pub type UserId = u64;

/// A user's name: 1 to 100 letters, digits and `.` `_` `-` `~`, the first of them a letter, a digit or `~`. Names that
/// differ by case alone are one. A dialect may ask for less, none for more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub name: UserName,
    pub email: Option<String>,
    /// What a dialect remembers of a user, in its own form.
    pub profile: Option<Vec<u8>>,
    pub is_admin: bool,
    /// What its second factor is asked for, if it has one.
    pub factor: Option<Mode>,
    pub locked_at: Option<SystemTime>,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
    /// Counted up by every write to the account.
    pub revision: u64,
}

/// An account to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    pub name: &'a UserName,
    pub email: Option<&'a str>,
    pub password: &'a Secret,
    /// The code of an invitation that is used up by this.
    pub invitation: Option<&'a Secret>,
    pub is_admin: bool,
    /// Whether an address that another account has is refused.
    pub is_email_unique: bool,
    /// Whether the namespace of the same name comes with it.
    pub with_namespace: bool,
}

/// What is to become of an account; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserEdit<'a> {
    pub email: Option<Option<&'a str>>,
    pub password: Option<&'a Secret>,
    pub profile: Option<&'a [u8]>,
    pub is_admin: Option<bool>,
    pub is_locked: Option<bool>,
    /// The revision it must be at.
    pub expected: Option<u64>,
}

impl Overlay {
    /// Finds an account by its name, whatever its case.
    ///
    /// # Errors
    /// The database's.
    pub async fn user(&self, name: &UserName) -> Result<Option<User>, Error> {
        rows::find(self.db.link(), name).await
    }

    /// Finds accounts by their names in lower case, all at once; of those that there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn users_by_name(&self, folded: &BTreeSet<String>) -> Result<Vec<User>, Error> {
        rows::find_all(self.db.link(), folded).await
    }

    /// Finds an account by its identifier.
    ///
    /// # Errors
    /// The database's.
    pub async fn user_by_id(&self, id: UserId) -> Result<Option<User>, Error> {
        rows::find_by_id(self.db.link(), id).await
    }

    /// Finds the oldest account with an e-mail address.
    ///
    /// # Errors
    /// The database's.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, Error> {
        rows::find_by_email(self.db.link(), email).await
    }

    /// Lists at most `limit` accounts after a name, in the order of their names in lower case.
    ///
    /// # Errors
    /// The database's.
    pub async fn users(&self, after: Option<&UserName>, limit: u64) -> Result<Vec<User>, Error> {
        rows::list(self.db.link(), after, limit).await
    }

    /// Makes an account for who asks for one over the network. From one place not many can be had at once, but by
    /// invitations.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], and those of [`Overlay::register`]. Nothing was kept.
    pub async fn sign_up(&self, new: NewUser<'_>, from: IpAddr, actor: &Actor) -> Result<User, Error> {
        let subjects = [patience::newcomer(from)];
        failures::charge(&self.db, &subjects, self.clock.now()).await?;
        let user = self.register(new, actor).await?;
        if new.invitation.is_some() {
            self.forgive(&subjects).await;
        }
        Ok(user)
    }

    /// Forgives attempts, once what they were for is done: it is, whether they can be forgiven or not.
    pub(super) async fn forgive(&self, subjects: &[patience::Subject]) {
        if let Err(error) = failures::forgive(&self.db, subjects).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "attempts that succeeded still count");
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::NotInvited`], [`Error::Malformed`], or the database's. Nothing was kept.
    pub async fn register(&self, new: NewUser<'_>, actor: &Actor) -> Result<User, Error> {
        check_email(new.email)?;
        // Before the write begins: it takes long, and all other writes wait for this one.
        let password = self.passwords.hash(new.password).await?;
        let write = self.db.write(self.clock.now()).await?;
        if rows::find(write.link(), new.name).await?.is_some() {
            return Err(Error::taken("user", new.name));
        }
        if let Some(email) = new.email.filter(|_| new.is_email_unique)
            && rows::find_by_email(write.link(), email).await?.is_some()
        {
            return Err(Error::taken("e-mail address", email));
        }
        rows::insert(&write, &new, &password).await?;
        if let Some(code) = new.invitation {
            let held = invitation_rows::find(&write, invitations::hash(code)).await?;
            invitation_rows::use_up(&write, invitations::judge(held.as_ref(), new.email, write.now)?).await?;
        }
        if new.with_namespace {
            let name = NamespaceName::of(new.name);
            if namespace_rows::find(write.link(), &name).await?.is_some() {
                return Err(Error::taken("namespace", name));
            }
            namespace_rows::insert(&write, &name).await?;
            namespace_rows::set_role(&write, write.number, write.number, Some(Role::Owner)).await?;
        }
        let id = write.number;
        let detail = if new.is_admin { "admin" } else { "" }.to_owned();
        write.commit(&Entry { actor, verb: "register", subject: subject(new.name), detail }).await?;
        self.user_by_id(id).await?.ok_or_else(|| Error::absent("user", new.name))
    }

    /// Finds the account that a name and a password belong to. Who fails often must wait, by account and by address.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::TooManyAttempts`], [`Error::Locked`], or the database's.
    pub async fn log_in(&self, name: &UserName, password: &Secret, from: IpAddr) -> Result<User, Error> {
        let subjects = patience::subjects(name, from);
        // Counted before it is known whether it fails: else many could be tried at once.
        failures::charge(&self.db, &subjects, self.clock.now()).await?;
        let found = rows::find_with_password(self.db.link(), name).await?;
        let kept = found.as_ref().map(|(_, kept)| kept.as_str());
        if !self.passwords.verify(password, kept).await? {
            return Err(Error::WrongPassword);
        }
        failures::forgive(&self.db, &subjects).await?;
        match found {
            Some((user, _)) if user.locked_at.is_none() => Ok(user),
            Some(_) => Err(Error::Locked),
            None => Err(Error::WrongPassword),
        }
    }

    /// Changes an account.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Stale`], [`Error::Malformed`], or the database's. Nothing was changed.
    pub async fn edit_user(&self, id: UserId, edit: UserEdit<'_>, actor: &Actor) -> Result<User, Error> {
        check_email(edit.email.flatten())?;
        let password = match edit.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find_by_id(write.link(), id).await?.ok_or_else(|| Error::absent("user", id))?;
        if edit.expected.is_some_and(|expected| expected != held.revision) {
            return Err(Error::Stale { held: held.revision });
        }
        let email = held.email.clone();
        let edited = apply(held, &edit, write.now);
        rows::update(&write, &edited, password.as_deref()).await?;
        if edited.email != email {
            // It stands in what is said of their packages.
            package_rows::touch_owned(&write, id).await?;
        }
        write.turn(Head::Identity).await?;
        write.commit(&Entry { actor, verb: "edit user", subject: subject(&edited.name), detail: tell(&edit) }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(edited)
    }
}

/// Returns an account as it is after an edit.
fn apply(held: User, edit: &UserEdit<'_>, now: SystemTime) -> User {
    let locked_at = match edit.is_locked {
        None => held.locked_at,
        Some(true) => held.locked_at.or(Some(now)),
        Some(false) => None,
    };
    User {
        email: edit.email.map_or(held.email, |email| email.map(str::to_owned)),
        profile: edit.profile.map_or(held.profile, |profile| Some(profile.to_vec())),
        is_admin: edit.is_admin.unwrap_or(held.is_admin),
        locked_at,
        modified_at: now,
        revision: held.revision + 1,
        ..held
    }
}

/// Says which parts an edit is about, and nothing of what they are.
fn tell(edit: &UserEdit<'_>) -> String {
    let words = [
        edit.email.map(|_| "email"),
        edit.password.map(|_| "password"),
        edit.profile.map(|_| "profile"),
        edit.is_admin.map(|is_admin| if is_admin { "made admin" } else { "made no admin" }),
        edit.is_locked.map(|is_locked| if is_locked { "locked" } else { "unlocked" }),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

pub(super) fn check_email(email: Option<&str>) -> Result<(), Error> {
    let Some(email) = email else { return Ok(()) };
    let is_one = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let is_plain = !email.chars().any(|character| character.is_control() || character.is_whitespace());
    if is_one && is_plain && email.len() <= LONGEST_EMAIL {
        return Ok(());
    }
    Err(Error::Malformed { what: "e-mail address", why: "is not of the form user@host" })
}

pub(super) fn subject(name: &UserName) -> String {
    format!("user {name}")
}

// === impl UserName ===

impl UserName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_first = |character: char| character.is_ascii_alphanumeric() || character == '~';
        let is_later = |character: char| is_first(character) || "._-".contains(character);
        if text.len() <= 100 && text.starts_with(is_first) && text.chars().all(is_later) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Malformed { what: "user name", why: "is not 1 to 100 letters, digits, dots, dashes" })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name in lower case, by which accounts are told apart.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for good in ["joe.somebody", "a", "~x", "0", "Joe-2_b", &"a".repeat(100)] {
            assert_eq!(UserName::parse(good).unwrap().as_str(), good);
        }
        for wrong in ["", ".a", "-a", "a b", "a/b", "a:b", "ä", "a\0", "@a", &"a".repeat(101)] {
            assert!(UserName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_are_checked_no_further_than_they_can_be() {
        for good in ["joe@host.example", "\"a@b\"@c"] {
            assert!(check_email(Some(good)).is_ok(), "{good}");
        }
        for wrong in ["joe", "@host", "joe@", "jo e@host", "joe@host\n"] {
            assert!(check_email(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_log_tells_what_was_changed_and_no_secret() {
        let password = Secret::new("hunter2");
        let edit = UserEdit { password: Some(&password), is_locked: Some(true), ..UserEdit::default() };
        assert_eq!(tell(&edit), "password, locked");
    }
}
