//! The rows of namespaces and their members.

use std::collections::BTreeMap;

use super::sql::{LIVING, Link, Row, values};
use super::{Write, teams};
use crate::overlay::error::Error;
use crate::overlay::namespaces::{Namespace, NamespaceName, Role};
use crate::overlay::users::{UserId, UserName};

pub async fn find(link: Link<'_>, name: &NamespaceName) -> Result<Option<Namespace>, Error> {
    let sql = "SELECT id, created_at FROM namespaces WHERE name = $1";
    let Some(row) = link.first(sql, values![name.as_str()]).await? else { return Ok(None) };
    let id: u64 = row.get(0)?;
    let sql = "SELECT users.name, users.id, members.role FROM members JOIN users ON users.id = members.account \
               WHERE members.namespace = $1";
    let members = link.all(sql, values![id]).await?.iter().map(read_member).collect::<Result<_, _>>()?;
    Ok(Some(Namespace { id, name: name.clone(), created_at: row.get(1)?, members }))
}

/// Returns the roles of a user, by namespace.
pub async fn roles_of(link: Link<'_>, user: UserId) -> Result<BTreeMap<String, Role>, Error> {
    let sql = "SELECT namespaces.name, members.role FROM members \
               JOIN namespaces ON namespaces.id = members.namespace WHERE members.account = $1";
    let rows = link.all(sql, values![user]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, read_role(row, 1)?))).collect()
}

/// Makes a namespace, with the team that all its members are in.
pub async fn insert(write: &Write, name: &NamespaceName) -> Result<(), Error> {
    let sql = "INSERT INTO namespaces (id, name, created_at) VALUES ($1, $2, $3)";
    write.link().run(sql, values![write.number, name.as_str(), write.now]).await?;
    teams::insert_first(write).await
}

/// Tells whether any package is in a namespace's scope, or bound to one of its teams.
pub async fn has_packages(link: Link<'_>, namespace: &Namespace) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM bindings JOIN teams ON teams.id = bindings.team WHERE teams.namespace = $1 LIMIT 1";
    if link.first(sql, values![namespace.id]).await?.is_some() {
        return Ok(true);
    }
    let scope = &namespace.name;
    let sql = format!("SELECT 1 FROM packages WHERE name >= $1 AND name < $2 AND {LIVING} LIMIT 1");
    Ok(link.first(&sql, values![format!("{scope}/").as_str(), format!("{scope}0").as_str()]).await?.is_some())
}

/// Removes a namespace, and whatever says who is in it.
pub async fn remove(write: &Write, namespace: u64) -> Result<(), Error> {
    for sql in [
        "DELETE FROM team_members WHERE team IN (SELECT id FROM teams WHERE namespace = $1)",
        "DELETE FROM teams WHERE namespace = $1",
        "DELETE FROM members WHERE namespace = $1",
        "DELETE FROM namespaces WHERE id = $1",
    ] {
        write.link().run(sql, values![namespace]).await?;
    }
    Ok(())
}

/// Gives a user a role, or takes it away, and all its teams with it.
///
/// # Errors
/// [`Error::Absent`]: there is no such user. Else the database's.
pub async fn set_role(write: &Write, namespace: u64, user: UserId, role: Option<Role>) -> Result<(), Error> {
    let link = write.link();
    link.run("DELETE FROM members WHERE namespace = $1 AND account = $2", values![namespace, user]).await?;
    let Some(role) = role else { return teams::leave_all(write, namespace, user).await };
    let sql = "INSERT INTO members (namespace, account, role) SELECT $1, id, $3 FROM users WHERE id = $2";
    match link.run(sql, values![namespace, user, role.as_str()]).await? {
        0 => Err(Error::absent("user", user)),
        _ => teams::join_first(write, namespace, user).await,
    }
}

fn read_member(row: &Row) -> Result<(UserName, (UserId, Role)), Error> {
    let name: String = row.get(0)?;
    let name = UserName::parse(&name).map_err(|_| Error::Row("a user's name"))?;
    Ok((name, (row.get(1)?, read_role(row, 2)?)))
}

fn read_role(row: &Row, column: usize) -> Result<Role, Error> {
    let role: String = row.get(column)?;
    Role::parse(&role).ok_or(Error::Row("a role"))
}
