//! The rows of invitations.

use std::time::SystemTime;

use super::Write;
use super::sql::values;
use crate::base::digest::Digest;
use crate::overlay::error::Error;
use crate::overlay::invitations::Invitation;

pub async fn insert(write: &Write, hash: Digest, (email, expires_at): (Option<&str>, SystemTime)) -> Result<(), Error> {
    let sql = "INSERT INTO invitations (id, hash, email, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    write.link().run(sql, values![write.number, hash, email, write.now, expires_at]).await.map(drop)
}

pub async fn find(write: &Write, hash: Digest) -> Result<Option<Invitation>, Error> {
    let sql = "SELECT id, email, expires_at, used_at FROM invitations WHERE hash = $1";
    let row = write.link().first(sql, values![hash]).await?;
    let read = |row: super::sql::Row| {
        Ok(Invitation { id: row.get(0)?, email: row.find(1)?, expires_at: row.get(2)?, used_at: row.find(3)? })
    };
    row.map(read).transpose()
}

/// Uses an invitation up for the account that this write makes.
pub async fn use_up(write: &Write, id: u64) -> Result<(), Error> {
    let sql = "UPDATE invitations SET used_at = $2, account = $3 WHERE id = $1";
    write.link().run(sql, values![id, write.now, write.number]).await.map(drop)
}
