//! The rows of teams, of their members, and of the packages that are bound to them.

use std::collections::{BTreeMap, BTreeSet};

use super::Write;
use super::sql::{Link, Row, values};
use crate::overlay::error::Error;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::teams::{DEVELOPERS, NewTeam, Permission, Team, TeamId, TeamName, TeamPath};
use crate::overlay::users::{UserId, UserName};

pub async fn find(link: Link<'_>, path: TeamPath<'_>) -> Result<Option<Team>, Error> {
    let sql = "SELECT teams.id, teams.description, teams.created_at FROM teams \
               JOIN namespaces ON namespaces.id = teams.namespace WHERE namespaces.name = $1 AND teams.name = $2";
    let row = link.first(sql, values![path.namespace.as_str(), path.name.as_str()]).await?;
    let Some(row) = row else { return Ok(None) };
    let id = row.get(0)?;
    let members = members(link, id).await?;
    Ok(Some(Team { id, name: path.name.clone(), description: row.get(1)?, created_at: row.get(2)?, members }))
}

async fn members(link: Link<'_>, team: TeamId) -> Result<BTreeMap<UserName, UserId>, Error> {
    let sql = "SELECT users.name, users.id FROM team_members JOIN users ON users.id = team_members.account \
               WHERE team_members.team = $1";
    link.all(sql, values![team]).await?.iter().map(|row| Ok((user_name(row, 0)?, row.get(1)?))).collect()
}

/// Lists the teams of a namespace, in the order of their names.
pub async fn list(link: Link<'_>, namespace: &NamespaceName) -> Result<Vec<TeamName>, Error> {
    let sql = "SELECT teams.name FROM teams JOIN namespaces ON namespaces.id = teams.namespace \
               WHERE namespaces.name = $1 ORDER BY teams.name";
    link.all(sql, values![namespace.as_str()]).await?.iter().map(|row| team_name(row, 0)).collect()
}

/// Returns the teams that a user is in.
pub async fn of(link: Link<'_>, user: UserId) -> Result<BTreeSet<TeamId>, Error> {
    let rows = link.all("SELECT team FROM team_members WHERE account = $1", values![user]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

pub async fn insert(write: &Write, namespace: u64, new: &NewTeam<'_>) -> Result<(), Error> {
    let sql = "INSERT INTO teams (id, namespace, name, description, created_at) VALUES ($1, $2, $3, $4, $5)";
    let bound = values![write.number, namespace, new.path.name.as_str(), new.description, write.now];
    write.link().run(sql, bound).await.map(drop)
}

/// Makes the team that a namespace begins with. The namespace is made by the same write.
pub async fn insert_first(write: &Write) -> Result<(), Error> {
    let sql = "INSERT INTO teams (id, namespace, name, description, created_at) VALUES ($1, $1, $2, '', $3)";
    write.link().run(sql, values![write.number, DEVELOPERS, write.now]).await.map(drop)
}

pub async fn remove(write: &Write, team: TeamId) -> Result<(), Error> {
    write.link().run("DELETE FROM team_members WHERE team = $1", values![team]).await?;
    write.link().run("DELETE FROM teams WHERE id = $1", values![team]).await.map(drop)
}

/// Lets a member of the namespace into a team.
///
/// # Errors
/// [`Error::Absent`]: it is no member. Else the database's.
pub async fn join(write: &Write, team: TeamId, user: UserId) -> Result<(), Error> {
    leave(write, team, user).await?;
    let sql = "INSERT INTO team_members (team, account) SELECT teams.id, members.account FROM teams \
               JOIN members ON members.namespace = teams.namespace WHERE teams.id = $1 AND members.account = $2";
    match write.link().run(sql, values![team, user]).await? {
        0 => Err(Error::absent("member", user)),
        _ => Ok(()),
    }
}

/// Returns whether it was in.
pub async fn leave(write: &Write, team: TeamId, user: UserId) -> Result<bool, Error> {
    let sql = "DELETE FROM team_members WHERE team = $1 AND account = $2";
    Ok(write.link().run(sql, values![team, user]).await? > 0)
}

/// Lets a new member of a namespace into the team that all are in.
pub async fn join_first(write: &Write, namespace: u64, user: UserId) -> Result<(), Error> {
    let sql = "INSERT INTO team_members (team, account) SELECT id, $2 FROM teams WHERE namespace = $1 AND name = $3 \
               ON CONFLICT (team, account) DO NOTHING";
    write.link().run(sql, values![namespace, user, DEVELOPERS]).await.map(drop)
}

/// Takes who is no member of a namespace any more out of all its teams.
pub async fn leave_all(write: &Write, namespace: u64, user: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM team_members WHERE account = $2 \
               AND team IN (SELECT id FROM teams WHERE namespace = $1)";
    write.link().run(sql, values![namespace, user]).await.map(drop)
}

/// Tells whether any package is bound to a team.
pub async fn has_packages(link: Link<'_>, team: TeamId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM bindings WHERE team = $1 LIMIT 1";
    Ok(link.first(sql, values![team]).await?.is_some())
}

/// Lists the packages of a mount that are bound to a team, by name.
pub async fn packages(link: Link<'_>, mount: &str, team: TeamId) -> Result<Vec<(String, Permission)>, Error> {
    let sql = "SELECT packages.name, bindings.permission FROM bindings \
               JOIN packages ON packages.id = bindings.package \
               WHERE bindings.team = $1 AND packages.mount = $2 ORDER BY packages.name";
    let rows = link.all(sql, values![team, mount]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, read_permission(row, 1)?))).collect()
}

/// Lists the packages of a mount that are bound to a user's teams, once for each of those.
pub async fn packages_of(link: Link<'_>, mount: &str, user: UserId) -> Result<Vec<(String, Permission)>, Error> {
    let sql = "SELECT packages.name, bindings.permission FROM team_members \
               JOIN bindings ON bindings.team = team_members.team JOIN packages ON packages.id = bindings.package \
               WHERE team_members.account = $1 AND packages.mount = $2";
    let rows = link.all(sql, values![user, mount]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, read_permission(row, 1)?))).collect()
}

pub fn team_name(row: &Row, column: usize) -> Result<TeamName, Error> {
    let name: String = row.get(column)?;
    TeamName::parse(&name).map_err(|_| Error::Row("a team's name"))
}

pub fn read_permission(row: &Row, column: usize) -> Result<Permission, Error> {
    let permission: String = row.get(column)?;
    Permission::parse(&permission).ok_or(Error::Row("a permission"))
}

fn user_name(row: &Row, column: usize) -> Result<UserName, Error> {
    let name: String = row.get(column)?;
    UserName::parse(&name).map_err(|_| Error::Row("a user's name"))
}
