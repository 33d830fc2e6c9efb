//! The rows of accounts.

use std::collections::BTreeSet;

use super::Write;
use super::sql::{Link, Row, places, values};
use crate::overlay::error::Error;
use crate::overlay::factors::Mode;
use crate::overlay::users::{NewUser, User, UserId, UserName};

/// In the order in which [`read`] takes them.
const COLUMNS: &str =
    "id, name, email, profile, is_admin, locked_at, created_at, modified_at, revision, password, mode";
/// With second factors that count.
const TABLES: &str = "users LEFT JOIN factors ON factors.account = users.id AND NOT factors.is_pending";

pub async fn find(link: Link<'_>, name: &UserName) -> Result<Option<User>, Error> {
    Ok(find_with_password(link, name).await?.map(|(user, _)| user))
}

/// Finds an account, and what is kept of its password.
pub async fn find_with_password(link: Link<'_>, name: &UserName) -> Result<Option<(User, String)>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE folded = $1");
    let row = link.first(&sql, values![name.folded().as_str()]).await?;
    row.map(|row| Ok((read(&row)?, row.get(9)?))).transpose()
}

pub async fn find_by_id(link: Link<'_>, id: UserId) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE id = $1");
    link.first(&sql, values![id]).await?.map(|row| read(&row)).transpose()
}

/// Finds accounts by their names, whatever their case; of those that there are.
pub async fn find_all(link: Link<'_>, names: &BTreeSet<String>) -> Result<Vec<User>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE folded IN ({})", places(1, names.len()));
    let bound = names.iter().flat_map(|name| values![name.as_str()]).collect();
    link.all(&sql, bound).await?.iter().map(read).collect()
}

pub async fn find_by_email(link: Link<'_>, email: &str) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE folded_email = $1 ORDER BY id LIMIT 1");
    link.first(&sql, values![fold(email).as_str()]).await?.map(|row| read(&row)).transpose()
}

pub async fn list(link: Link<'_>, after: Option<&UserName>, limit: u64) -> Result<Vec<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE folded > $1 ORDER BY folded LIMIT $2");
    let after = after.map(UserName::folded).unwrap_or_default();
    link.all(&sql, values![after.as_str(), limit]).await?.iter().map(read).collect()
}

pub async fn insert(write: &Write, new: &NewUser<'_>, password: &str) -> Result<(), Error> {
    let sql = "INSERT INTO users (id, name, folded, email, folded_email, password, is_admin, created_at, modified_at, \
               revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1)";
    let folded = new.email.map(fold);
    let mut bound = values![write.number, new.name.as_str(), new.name.folded().as_str(), new.email, folded.as_deref()];
    bound.extend(values![password, new.is_admin, write.now]);
    write.link().run(sql, bound).await.map(drop)
}

/// Writes all of an account; its password where there is a new one.
pub async fn update(write: &Write, user: &User, password: Option<&str>) -> Result<(), Error> {
    let sql = "UPDATE users SET email = $2, folded_email = $3, profile = $4, is_admin = $5, locked_at = $6, \
               modified_at = $7, revision = $8, password = COALESCE($9, password) WHERE id = $1";
    let email = user.email.as_deref();
    let mut bound = values![user.id, email, email.map(fold).as_deref(), user.profile.as_deref(), user.is_admin];
    bound.extend(values![user.locked_at, user.modified_at, user.revision, password]);
    write.link().run(sql, bound).await.map(drop)
}

fn fold(email: &str) -> String {
    email.to_lowercase()
}

fn read(row: &Row) -> Result<User, Error> {
    let (name, mode): (String, Option<String>) = (row.get(1)?, row.find(10)?);
    let mode = mode.map(|mode| Mode::parse(&mode).ok_or(Error::Row("the mode of a second factor")));
    Ok(User {
        id: row.get(0)?,
        name: UserName::parse(&name).map_err(|_| Error::Row("a user's name"))?,
        email: row.find(2)?,
        profile: row.find(3)?,
        is_admin: row.get(4)?,
        factor: mode.transpose()?,
        locked_at: row.find(5)?,
        created_at: row.get(6)?,
        modified_at: row.get(7)?,
        revision: row.get(8)?,
    })
}
