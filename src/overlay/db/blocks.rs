//! The rows of blocks.

use super::Write;
use super::sql::{Link, Row, values};
use crate::overlay::blocks::{Block, NewBlock};
use crate::overlay::error::Error;

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "id, mount, package, versions, reason, operator, created_at, modified_at, expires_at";

pub async fn put(write: &Write, new: &NewBlock<'_>, operator: &str) -> Result<Block, Error> {
    let sql = format!(
        "INSERT INTO blocks ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) \
         ON CONFLICT (mount, package, versions) DO UPDATE SET \
         reason = $5, operator = $6, modified_at = $7, expires_at = $8 RETURNING {COLUMNS}"
    );
    let mut bound = values![write.number, new.mount, new.package, new.versions, new.reason, operator];
    bound.extend(values![write.now, new.expires_at]);
    let row = write.link().first(&sql, bound).await?;
    read(&row.ok_or(Error::Row("a block is missing"))?)
}

pub async fn remove(write: &Write, mount: &str, package: &str, versions: &str) -> Result<u64, Error> {
    let sql = "DELETE FROM blocks WHERE mount = $1 AND package = $2 AND versions = $3";
    write.link().run(sql, values![mount, package, versions]).await
}

pub async fn list(link: Link<'_>, mount: Option<&str>) -> Result<Vec<Block>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM blocks WHERE $1 IS NULL OR mount = $1 ORDER BY mount, package, versions");
    link.all(&sql, values![mount]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Block, Error> {
    Ok(Block {
        id: row.get(0)?,
        mount: row.get(1)?,
        package: row.get(2)?,
        versions: row.get(3)?,
        reason: row.get(4)?,
        operator: row.get(5)?,
        created_at: row.get(6)?,
        modified_at: row.get(7)?,
        expires_at: row.find(8)?,
    })
}
