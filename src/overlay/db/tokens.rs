//! The rows of tokens.

use std::time::SystemTime;

use super::sql::{Link, Row, values};
use super::{Database, Write};
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::networks::Networks;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::{NewToken, Token, TokenId};
use crate::overlay::users::UserId;

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "id, hash, hint, account, kind, name, rights, networks, is_read_only, is_automation, created_at, \
                       expires_at, revoked_at, last_used_at, description";

pub async fn find(link: Link<'_>, hash: Digest) -> Result<Option<Token>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1");
    link.first(&sql, values![hash]).await?.map(|row| read(&row)).transpose()
}

pub async fn list(link: Link<'_>, user: UserId, before: TokenId, limit: u64) -> Result<Vec<Token>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tokens WHERE account = $1 AND id < $2 AND revoked_at IS NULL ORDER BY id DESC LIMIT $3"
    );
    link.all(&sql, values![user, before, limit]).await?.iter().map(read).collect()
}

pub async fn list_all(link: Link<'_>, before: TokenId, limit: u64) -> Result<Vec<Token>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE id < $1 AND revoked_at IS NULL ORDER BY id DESC LIMIT $2");
    link.all(&sql, values![before, limit]).await?.iter().map(read).collect()
}

/// Writes a new token.
///
/// # Errors
/// [`Error::Absent`]: there is no such user. Else the database's.
pub async fn insert(write: &Write, new: &NewToken<'_>, hash: Digest, hint: &str) -> Result<(), Error> {
    if let Some(user) = new.user
        && super::users::find_by_id(write.link(), user).await?.is_none()
    {
        return Err(Error::absent("user", user));
    }
    let sql = "INSERT INTO tokens (id, hash, hint, account, kind, name, rights, networks, is_read_only, is_automation, \
               created_at, expires_at, description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let (rights, networks) = (new.rights.to_string(), new.networks.to_string());
    let mut bound = values![write.number, hash, hint, new.user, new.kind, new.name];
    bound.extend(values![rights.as_str(), networks.as_str(), new.is_read_only, new.is_automation]);
    bound.extend(values![write.now, new.expires_at, new.description]);
    write.link().run(sql, bound).await.map(drop)
}

/// Revokes a token, and returns how many there were: one or none.
pub async fn revoke(write: &Write, id: TokenId, of: Option<UserId>) -> Result<u64, Error> {
    let sql = "UPDATE tokens SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 AND ($3 IS NULL OR account = $3)";
    write.link().run(sql, values![id, write.now, of]).await
}

pub async fn revoke_all(write: &Write, user: UserId) -> Result<u64, Error> {
    let sql = "UPDATE tokens SET revoked_at = $2 WHERE account = $1 AND revoked_at IS NULL";
    write.link().run(sql, values![user, write.now]).await
}

pub async fn note_uses(database: &Database, uses: &[(TokenId, SystemTime)]) -> Result<(), Error> {
    let note = database.note().await?;
    for (id, at) in uses {
        let sql = "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        note.link().run(sql, values![*id, *at]).await?;
    }
    note.commit().await
}

fn read(row: &Row) -> Result<Token, Error> {
    let (rights, networks): (String, String) = (row.get(6)?, row.get(7)?);
    Ok(Token {
        id: row.get(0)?,
        hash: row.get(1)?,
        hint: row.get(2)?,
        user: row.find(3)?,
        kind: row.get(4)?,
        name: row.get(5)?,
        rights: Rights::parse(&rights).map_err(|_| Error::Row("the rights of a token"))?,
        networks: Networks::parse(&networks).map_err(|_| Error::Row("the networks of a token"))?,
        is_read_only: row.get(8)?,
        is_automation: row.get(9)?,
        created_at: row.get(10)?,
        expires_at: row.find(11)?,
        revoked_at: row.find(12)?,
        last_used_at: row.find(13)?,
        description: row.get(14)?,
    })
}
