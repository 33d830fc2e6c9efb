//! The rows of what is held in memory of all packages: their names, and who may see those that not everybody sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Database;
use super::sql::{Bound, CLOSED, Link, Row, values};
use super::teams::read_permission;
use crate::overlay::error::Error;
use crate::overlay::packages::{Audience, Edition, Listed, Reach};

/// A package as it is held in memory.
pub struct Named {
    pub mount: String,
    pub name: String,
    pub listed: Listed,
}

/// Of which packages something is read into memory.
#[derive(Clone, Copy)]
enum Which {
    All,
    /// Those of which the feed tells after a number, and up to one.
    Moved(u64, u64),
}

/// Lists all packages, and the number of the feed that they are as of.
pub async fn list_all(database: &Database) -> Result<(u64, Vec<Named>), Error> {
    let snapshot = database.snapshot().await?;
    let row = snapshot.link().first("SELECT changes FROM heads WHERE one = 1", values![]).await?;
    let read_to = row.ok_or(Error::Row("the heads are missing"))?.get(0)?;
    Ok((read_to, read_named(snapshot.link(), Which::All).await?))
}

/// Lists the packages of the next events of the feed, as they are now, and how far that goes.
pub async fn list_moved(database: &Database, after: u64, limit: u64) -> Result<(u64, Vec<Named>), Error> {
    // One state: else what is restricted could be read as bound no more, and as restricted not yet.
    let snapshot = database.snapshot().await?;
    let sql = "SELECT MAX(number) FROM (SELECT number FROM changes WHERE number > $1 ORDER BY number LIMIT $2) AS page";
    let row = snapshot.link().first(sql, values![after, limit]).await?.ok_or(Error::Row("a maximum is missing"))?;
    let Some(read_to) = row.find(0)? else { return Ok((after, Vec::new())) };
    Ok((read_to, read_named(snapshot.link(), Which::Moved(after, read_to)).await?))
}

async fn read_named(link: Link<'_>, which: Which) -> Result<Vec<Named>, Error> {
    let mut audiences = audiences(link, which).await?;
    let sql = format!("SELECT id, mount, name, revision, stamp FROM packages WHERE {}", which.condition());
    let read = |row: &Row| {
        let audience = audiences.remove(&row.get(0)?).map(Arc::new);
        let listed = Listed { edition: Edition { revision: row.get(3)?, stamp: row.get(4)? }, audience };
        Ok(Named { mount: row.get(1)?, name: row.get(2)?, listed })
    };
    link.all(&sql, which.bound()).await?.iter().map(read).collect()
}

/// Returns who sees the packages that not everybody sees.
async fn audiences(link: Link<'_>, which: Which) -> Result<HashMap<u64, Audience>, Error> {
    let sql = format!(
        "SELECT id, EXISTS (SELECT 1 FROM bindings WHERE bindings.package = packages.id) FROM packages \
         WHERE {CLOSED} AND {}",
        which.condition()
    );
    let mut audiences: HashMap<u64, Audience> = HashMap::new();
    for row in link.all(&sql, which.bound()).await? {
        let reach = Reach::of(true, row.get(1)?);
        audiences.insert(row.get(0)?, Audience { reach, owners: BTreeSet::new(), teams: BTreeMap::new() });
    }
    if audiences.is_empty() {
        return Ok(audiences);
    }
    let of = |columns: &str, table: &str| {
        let ids = format!("SELECT id FROM packages WHERE {}", which.condition());
        format!("SELECT package, {columns} FROM {table} WHERE package IN ({ids})")
    };
    for row in link.all(&of("account", "owners"), which.bound()).await? {
        if let Some(audience) = audiences.get_mut(&row.get(0)?) {
            audience.owners.insert(row.get(1)?);
        }
    }
    for row in link.all(&of("team, permission", "bindings"), which.bound()).await? {
        if let Some(audience) = audiences.get_mut(&row.get(0)?) {
            audience.teams.insert(row.get(1)?, read_permission(&row, 2)?);
        }
    }
    Ok(audiences)
}

// === impl Which ===

impl Which {
    fn condition(self) -> &'static str {
        match self {
            Self::All => "TRUE",
            Self::Moved(..) => {
                "id IN (SELECT moved.id FROM changes \
                 JOIN packages AS moved ON moved.mount = changes.mount AND moved.name = changes.package \
                 WHERE changes.number > $1 AND changes.number <= $2)"
            }
        }
    }

    fn bound(self) -> Vec<Bound> {
        match self {
            Self::All => values![],
            Self::Moved(after, to) => values![after, to],
        }
    }
}
