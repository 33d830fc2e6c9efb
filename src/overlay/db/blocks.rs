//! The rows of blocks.

use super::Write;
use super::sql::{Link, Row, values};
use crate::overlay::blocks::{Block, NewBlock};
use crate::overlay::error::Error;
use crate::overlay::packages::EventKind;
use crate::overlay::rights::matches;

/// How many packages are told of that the pattern of one block names: who follows reads the rest of them anew by itself.
pub const MAX_TOLD: usize = 1000;
/// How many names are looked at at once.
const PAGE: u64 = 1000;

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

/// Tells who follows what has become of the package that a block names; of the packages published here where it is a
/// pattern, of at most [`MAX_TOLD`].
pub async fn announce(
    write: &Write,
    (mount, package): (&str, &str),
    kind: EventKind,
    (versions, reason): (&str, Option<&str>),
) -> Result<(), Error> {
    let names = if package.contains('*') { named(write, mount, package).await? } else { vec![package.to_owned()] };
    let first = write.number_changes(names.len() as u64).await?;
    for (number, name) in (first..).zip(&names) {
        let sql = "INSERT INTO changes (number, at, mount, package, kind, version, reason) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let bound = values![number, write.now, mount, name.as_str(), kind.as_str(), versions, reason];
        write.link().run(sql, bound).await?;
    }
    Ok(())
}

/// Lists the packages published here that a pattern matches, in order.
async fn named(write: &Write, mount: &str, pattern: &str) -> Result<Vec<String>, Error> {
    // All of them begin like this, and so lie together.
    let start = pattern.split('*').next().unwrap_or_default();
    let sql = "SELECT name FROM packages WHERE mount = $1 AND name >= $2 AND name > $3 ORDER BY name LIMIT $4";
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let rows = write.link().all(sql, values![mount, start, after.as_str(), PAGE]).await?;
        let names = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
        let last = names.last().filter(|name| names.len() as u64 == PAGE && name.starts_with(start)).cloned();
        let left = MAX_TOLD - found.len();
        found.extend(names.into_iter().filter(|name| matches(pattern, name)).take(left));
        match last {
            Some(last) if found.len() < MAX_TOLD => after = last,
            _ => return Ok(found),
        }
    }
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
