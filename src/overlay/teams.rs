//! Teams: some members of a namespace, and packages that are bound to them. Only the members of its teams see a bound
//! package, beside its owners and those above them; what its team is given on it, is all that a member may do.
//!
//! Every namespace has the team `developers`, in which all its members are. Who leaves the namespace leaves its teams.
//! Which packages are bound to a team is a part of each package: [`super::packages::Edit::Bind`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, namespaces as namespace_rows, teams as rows};
use super::error::Error;
use super::namespaces::NamespaceName;
use super::users::{UserId, UserName};

/// The team that all members of a namespace are in.
pub const DEVELOPERS: &str = "developers";

/// The longest description, in bytes.
const LONGEST_DESCRIPTION: usize = 10_240;

/// Names a team, in all namespaces.
pub type TeamId = u64;

/// A team's name in its namespace: of the same form as the namespace's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TeamName(String);

/// Where a team is.
#[derive(Clone, Copy, Debug)]
pub struct TeamPath<'a> {
    pub namespace: &'a NamespaceName,
    pub name: &'a TeamName,
}

/// What the members of a team may do with a package that is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    ReadOnly,
    /// Publish too, and remove what was published.
    ReadWrite,
}

/// A team and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    pub name: TeamName,
    pub description: String,
    pub created_at: SystemTime,
    pub members: BTreeMap<UserName, UserId>,
}

/// A team to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewTeam<'a> {
    pub path: TeamPath<'a>,
    pub description: &'a str,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    In,
    Out,
}

impl Overlay {
    /// Finds a team with its members.
    ///
    /// # Errors
    /// The database's.
    pub async fn team(&self, path: TeamPath<'_>) -> Result<Option<Team>, Error> {
        let snapshot = self.db.snapshot().await?;
        rows::find(snapshot.link(), path).await
    }

    /// Lists the teams of a namespace by name; none, where there is no such namespace.
    ///
    /// # Errors
    /// The database's.
    pub async fn teams(&self, namespace: &NamespaceName) -> Result<Vec<TeamName>, Error> {
        rows::list(self.db.link(), namespace).await
    }

    /// Lists the packages of a mount that are bound to a team, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn packages_of_team(&self, mount: &str, team: TeamId) -> Result<Vec<(String, Permission)>, Error> {
        rows::packages(self.db.link(), mount, team).await
    }

    /// Lists the packages of a mount that are bound to a user's teams, with what the best of them gives.
    ///
    /// # Errors
    /// The database's.
    pub async fn packages_of_member(&self, mount: &str, user: UserId) -> Result<BTreeMap<String, Permission>, Error> {
        let mut best: BTreeMap<String, Permission> = BTreeMap::new();
        for (name, permission) in rows::packages_of(self.db.link(), mount, user).await? {
            let held = best.entry(name).or_insert(permission);
            *held = permission.max(*held);
        }
        Ok(best)
    }

    /// Makes a team without members.
    ///
    /// # Errors
    /// [`Error::Absent`]: there is no such namespace. [`Error::Taken`], [`Error::Malformed`], or the database's. Nothing was
    /// kept.
    pub async fn create_team(&self, new: NewTeam<'_>, actor: &Actor) -> Result<(), Error> {
        if new.description.len() > LONGEST_DESCRIPTION || new.description.contains('\0') {
            return Err(Error::Malformed { what: "description", why: "is too long or has control characters" });
        }
        let write = self.db.write(self.clock.now()).await?;
        let namespace = namespace_rows::find(write.link(), new.path.namespace).await?;
        let namespace = namespace.ok_or_else(|| Error::absent("namespace", new.path.namespace))?;
        if rows::find(write.link(), new.path).await?.is_some() {
            return Err(Error::taken("team", new.path));
        }
        rows::insert(&write, namespace.id, &new).await?;
        let (subject, detail) = (subject(new.path), new.description.to_owned());
        write.commit(&Entry { actor, verb: "create team", subject, detail }).await
    }

    /// Removes a team. One that packages are bound to stays: without it, they would be seen by others than before.
    ///
    /// # Errors
    /// [`Error::Absent`]. [`Error::InUse`]: packages are bound to it, or it is the one that all are in. Else the database's.
    /// Nothing was changed.
    pub async fn remove_team(&self, path: TeamPath<'_>, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let team = rows::find(write.link(), path).await?.ok_or_else(|| Error::absent("team", path))?;
        if path.name.as_str() == DEVELOPERS {
            return Err(Error::InUse("this team has all members and cannot be removed"));
        }
        if rows::has_packages(write.link(), team.id).await? {
            return Err(Error::InUse("packages are bound to this team: take its access to them away first"));
        }
        rows::remove(&write, team.id).await?;
        write.turn(Head::Identity).await?;
        let detail = format!("{} members", team.members.len());
        write.commit(&Entry { actor, verb: "remove team", subject: subject(path), detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Lets a member of the namespace into a team, or out of it.
    ///
    /// # Errors
    /// [`Error::Absent`]: there is no such team; the user is no member of the namespace, or not in the team.
    /// [`Error::InUse`]: nobody leaves the team that all are in. Else the database's. Nothing was changed.
    pub async fn move_member(&self, path: TeamPath<'_>, user: UserId, way: Move, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let team = rows::find(write.link(), path).await?.ok_or_else(|| Error::absent("team", path))?;
        let detail = match way {
            Move::In => {
                rows::join(&write, team.id, user).await?;
                format!("user {user} in")
            }
            Move::Out if path.name.as_str() == DEVELOPERS => {
                return Err(Error::InUse("all members are in this team: who is to leave it leaves the organisation"));
            }
            Move::Out if !rows::leave(&write, team.id, user).await? => return Err(Error::absent("member", user)),
            Move::Out => format!("user {user} out"),
        };
        write.turn(Head::Identity).await?;
        write.commit(&Entry { actor, verb: "move member", subject: subject(path), detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }
}

fn subject(path: TeamPath<'_>) -> String {
    format!("team {path}")
}

// === impl TeamName ===

impl TeamName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed =
            |_| Error::Malformed { what: "team", why: "is not 1 to 100 lower-case letters, digits, dots, dashes" };
        let name = if text.starts_with('@') { Err(()) } else { NamespaceName::parse(text).map_err(drop) };
        Ok(Self(name.map_err(malformed)?.as_str().to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl TeamPath ===

impl fmt::Display for TeamPath<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.namespace, self.name.as_str())
    }
}

// === impl Permission ===

impl Permission {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite].into_iter().find(|permission| permission.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_called_like_a_namespace_without_its_sign() {
        let namespace = NamespaceName::parse("acme").unwrap();
        for good in ["core", "a.b-c_d~", &"a".repeat(100)] {
            let name = TeamName::parse(good).unwrap();
            assert_eq!(TeamPath { namespace: &namespace, name: &name }.to_string(), format!("@acme:{good}"));
        }
        for wrong in ["", "@core", "Core", "a b", "a:b", "a/b", &"a".repeat(101)] {
            assert!(TeamName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_permission_is_read_as_it_is_written() {
        for permission in [Permission::ReadOnly, Permission::ReadWrite] {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
        }
        assert_eq!(Permission::parse("write"), None);
    }
}
