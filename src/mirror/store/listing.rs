//! What is kept, for who looks into the cache: entries with content, but for those that were made of others.

use std::ops::Range;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::Store;
use super::error::Error;
use super::values::{Count, Millis};

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub mount: String,
    /// `None`: what belongs to any package.
    pub package: Option<String>,
    /// Entries whose keys start so are left out.
    pub except: String,
}

/// An entry as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Names the entry, for as long as it is kept.
    pub id: i64,
    pub key: String,
    pub package: String,
    /// In bytes.
    pub size: u64,
    pub stored_at: SystemTime,
    pub validated_at: SystemTime,
}

impl Store {
    /// Returns how many entries a list has, and those of them at `places`, by package and age.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn list(&self, listing: Listing, places: Range<u64>) -> Result<(u64, Vec<Kept>), Error> {
        self.read(move |connection| Ok((listing.count(connection)?, listing.read(connection, places)?))).await
    }

    /// Lists up to `limit` packages of a mount of which something is kept, by name from behind `after` on. What belongs to
    /// no package is in no list.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn packages(&self, mount: &str, after: &str, limit: usize) -> Result<Vec<String>, Error> {
        let (mount, after) = (mount.to_owned(), after.to_owned());
        self.read(move |connection| packages(connection, &mount, after, limit)).await
    }
}

/// Steps from one package to the next: there may be thousands of entries of each.
fn packages(connection: &Connection, mount: &str, after: String, limit: usize) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT package FROM entries
        WHERE mount = ?1 AND package > ?2 AND digest IS NOT NULL AND source IS NULL ORDER BY package LIMIT 1",
    )?;
    let (mut found, mut last) = (Vec::new(), after);
    while found.len() < limit {
        let Some(next) = statement.query_row(params![mount, last], |row| row.get::<_, String>(0)).optional()? else {
            break;
        };
        found.push(next.clone());
        last = next;
    }
    Ok(found)
}

// === impl Listing ===

impl Listing {
    /// Whatever belongs to no package is in no list.
    fn chosen(&self) -> String {
        let package = if self.package.is_some() { "package = :package" } else { "package > :package" };
        format!(
            "mount = :mount AND {package} AND digest IS NOT NULL AND source IS NULL \
             AND substr(key, 1, length(:except)) <> :except"
        )
    }

    fn count(&self, connection: &Connection) -> Result<u64, Error> {
        let sql = format!("SELECT COUNT(*) FROM entries WHERE {}", self.chosen());
        let bound = named_params! { ":mount": self.mount, ":package": self.package_or_none(), ":except": self.except };
        Ok(connection.prepare_cached(&sql)?.query_row(bound, |row| row.get::<_, Count>(0))?.0)
    }

    fn read(&self, connection: &Connection, places: Range<u64>) -> Result<Vec<Kept>, Error> {
        let sql = format!(
            "SELECT id, key, package, size, stored_at, validated_at FROM entries JOIN contents USING (digest) \
             WHERE {} ORDER BY package, id LIMIT :limit OFFSET :offset",
            self.chosen()
        );
        let bound = named_params! {
            ":mount": self.mount, ":package": self.package_or_none(), ":except": self.except,
            ":limit": Count(places.end.saturating_sub(places.start)), ":offset": Count(places.start),
        };
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map(bound, Kept::read)?.collect::<Result<_, _>>()?)
    }

    fn package_or_none(&self) -> &str {
        self.package.as_deref().unwrap_or_default()
    }
}

// === impl Kept ===

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            package: row.get(2)?,
            size: row.get::<_, Count>(3)?.0,
            stored_at: row.get::<_, Millis>(4)?.0,
            validated_at: row.get::<_, Millis>(5)?.0,
        })
    }
}
