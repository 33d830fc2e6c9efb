//! Namespaces, one for all dialects: `@acme` of npm and niso, the organisation `acme` of Hex. Who is a member may do there
//! what its role says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, namespaces as rows};
use super::error::Error;
use super::rights::Action;
use super::users::{UserId, UserName};

/// A namespace's name, without its `@`: 1 to 100 lower-case letters, digits and `.` `_` `-` `~`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceName(String);

/// What a member may do.
///
/// | here | niso | npm | Hex |
/// |---|---|---|---|
/// | owner | owner | owner | - |
/// | admin | admin | admin | admin |
/// | publisher | member | developer | write |
/// | reader | - | - | read |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Reader,
    Publisher,
    Admin,
    Owner,
}

/// A namespace and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    pub id: u64,
    pub name: NamespaceName,
    pub created_at: SystemTime,
    pub members: BTreeMap<UserName, (UserId, Role)>,
}

/// What a user is to be in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    pub user: UserId,
    /// `None`: no member any more.
    pub role: Option<Role>,
}

impl Overlay {
    /// Finds a namespace with its members.
    ///
    /// # Errors
    /// The database's.
    pub async fn namespace(&self, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
        let snapshot = self.db.snapshot().await?;
        rows::find(snapshot.link(), name).await
    }

    /// Makes a namespace that belongs to a user.
    ///
    /// # Errors
    /// [`Error::Taken`], or the database's. Nothing was kept.
    pub async fn create_namespace(&self, name: &NamespaceName, owner: UserId, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        if rows::find(write.link(), name).await?.is_some() {
            return Err(Error::taken("namespace", name));
        }
        rows::insert(&write, name).await?;
        rows::set_role(&write, write.number, owner, Some(Role::Owner)).await?;
        write.turn(Head::Identity).await?;
        let subject = format!("namespace {name}");
        write.commit(&Entry { actor, verb: "create namespace", subject, detail: format!("owner {owner}") }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Removes a namespace with its members and teams. One whose scope has packages stays: without its members and teams,
    /// others would see them, and publish beside them.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::InUse`], or the database's. Nothing was changed.
    pub async fn remove_namespace(&self, name: &NamespaceName, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), name).await?.ok_or_else(|| Error::absent("namespace", name))?;
        if rows::has_packages(write.link(), &held).await? {
            return Err(Error::InUse("its scope has packages: unpublish them first"));
        }
        rows::remove(&write, held.id).await?;
        write.turn(Head::Identity).await?;
        let (subject, detail) = (format!("namespace {name}"), format!("{} members", held.members.len()));
        write.commit(&Entry { actor, verb: "remove namespace", subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Gives a user a role in a namespace, or takes it away, if that may be as the namespace is at that moment.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::LastOwner`], [`Error::NotAllowed`], or the database's. Nothing was changed.
    pub async fn set_role(
        &self,
        name: &NamespaceName,
        Membership { user, role }: Membership,
        may: impl FnOnce(&Namespace) -> bool + Send,
        actor: &Actor,
    ) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), name).await?.ok_or_else(|| Error::absent("namespace", name))?;
        if !may(&held) {
            return Err(Error::NotAllowed("only owners make owners, and end them"));
        }
        if !held.has_owner_without(user) && role != Some(Role::Owner) {
            return Err(Error::LastOwner);
        }
        rows::set_role(&write, held.id, user, role).await?;
        write.turn(Head::Identity).await?;
        let detail = format!("user {user}: {}", role.map_or("none", Role::as_str));
        write.commit(&Entry { actor, verb: "set role", subject: format!("namespace {name}"), detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }
}

// === impl NamespaceName ===

impl NamespaceName {
    /// Reads a name, with or without `@`.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = text.strip_prefix('@').unwrap_or(text);
        if name.chars().any(|character| character.is_ascii_uppercase()) {
            return Err(Error::Malformed { what: "namespace", why: "has upper-case letters" });
        }
        let malformed =
            |_| Error::Malformed { what: "namespace", why: "is not 1 to 100 letters, digits, dots, dashes" };
        Ok(Self(UserName::parse(name).map_err(malformed)?.folded()))
    }

    /// Returns the namespace that has a user's name.
    pub fn of(user: &UserName) -> Self {
        Self(user.folded())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "@{}", self.0)
    }
}

// === impl Role ===

impl Role {
    const ALL: [Self; 4] = [Self::Reader, Self::Publisher, Self::Admin, Self::Owner];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Tells whether a member may do something to the packages of its namespace; `admin` stands for its members too.
    pub fn allows(self, action: Action) -> bool {
        match action {
            Action::Pull => true,
            Action::Push | Action::Delete => self >= Self::Publisher,
            Action::Admin => self >= Self::Admin,
        }
    }
}

// === impl Namespace ===

impl Namespace {
    fn has_owner_without(&self, user: UserId) -> bool {
        self.members.values().any(|(member, role)| *member != user && *role == Role::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_what_those_below_it_do_and_more() {
        let allowed = |role: Role| {
            let actions = [Action::Pull, Action::Push, Action::Delete, Action::Admin];
            actions.into_iter().filter(|action| role.allows(*action)).count()
        };
        assert_eq!(Role::ALL.map(allowed), [1, 3, 4, 4]);
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
    }

    #[test]
    fn names_are_read_with_and_without_their_sign() {
        assert_eq!(NamespaceName::parse("@acme").unwrap(), NamespaceName::parse("acme").unwrap());
        assert_eq!(NamespaceName::parse("acme").unwrap().to_string(), "@acme");
        for wrong in ["@", "", "@Acme", "@a/b", "@@a"] {
            assert!(NamespaceName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
