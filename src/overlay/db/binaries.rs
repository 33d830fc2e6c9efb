//! The rows of listings of binaries.

use std::time::SystemTime;

use super::Database;
use super::sql::{Link, Row, places, rows, values};
use crate::overlay::binaries::{Change, Directory, Entry, Held, Since, Visit};
use crate::overlay::error::Error;

/// How many rows one statement has.
const BATCH: usize = 500;

const COLUMNS: &str = "name, is_directory, size, date, place, is_certain, modified_at";

/// Writes down what directories of a mirror hold: those above before those below, so that all nodes take them in one order.
pub async fn replace(
    database: &Database,
    mirror: &str,
    listings: &[(&str, &[Entry])],
    now: SystemTime,
) -> Result<(), Error> {
    let note = database.note().await?;
    for (path, entries) in listings {
        replace_one(note.link(), Directory { mirror, path }, entries, now).await?;
    }
    note.commit().await
}

async fn replace_one(link: Link<'_>, at: Directory<'_>, entries: &[Entry], now: SystemTime) -> Result<(), Error> {
    // Whoever lists the same directory waits here until this is over.
    let sql = "INSERT INTO binary_directories (mirror, directory, listed_at) VALUES ($1, $2, $3) \
               ON CONFLICT (mirror, directory) DO UPDATE SET listed_at = excluded.listed_at";
    link.run(sql, values![at.mirror, at.path, now]).await?;
    let held: Vec<Entry> = list(link, at, None).await?.into_iter().map(|held| held.entry).collect();
    let change = Change::of(&held, entries);
    for names in change.gone.chunks(BATCH) {
        remove(link, at, names).await?;
    }
    for name in &change.emptied {
        empty(link, Directory { path: &format!("{}{name}/", at.path), ..at }).await?;
    }
    for entries in change.changed.chunks(BATCH) {
        save(link, at, entries, now).await?;
    }
    Ok(())
}

async fn remove(link: Link<'_>, at: Directory<'_>, names: &[String]) -> Result<(), Error> {
    let sql =
        format!("DELETE FROM binaries WHERE mirror = $1 AND directory = $2 AND name IN ({})", places(3, names.len()));
    let bound = values![at.mirror, at.path].into_iter().chain(names.iter().flat_map(|name| values![name.as_str()]));
    link.run(&sql, bound.collect()).await.map(drop)
}

/// Removes a directory's rows, with those of all below it.
async fn empty(link: Link<'_>, at: Directory<'_>) -> Result<(), Error> {
    // What starts with it, in the order of bytes, comes before it with the next sign in place of its slash.
    let end = format!("{}0", at.path.trim_end_matches('/'));
    for table in ["binaries", "binary_directories"] {
        let sql = format!("DELETE FROM {table} WHERE mirror = $1 AND directory >= $2 AND directory < $3");
        link.run(&sql, values![at.mirror, at.path, end.as_str()]).await?;
    }
    Ok(())
}

async fn save(link: Link<'_>, at: Directory<'_>, entries: &[Entry], now: SystemTime) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO binaries (mirror, directory, {COLUMNS}) VALUES {} \
         ON CONFLICT (mirror, directory, name) DO UPDATE SET is_directory = excluded.is_directory, \
         size = excluded.size, date = excluded.date, place = excluded.place, is_certain = excluded.is_certain, \
         modified_at = excluded.modified_at",
        rows(entries.len(), 9)
    );
    let bound = entries.iter().flat_map(|entry| {
        let Entry { name, is_directory, size, date, place, is_certain } = entry;
        let (name, date, place) = (name.as_str(), date.as_str(), place.as_str());
        values![at.mirror, at.path, name, *is_directory, *size, date, place, *is_certain, now]
    });
    link.run(&sql, bound.collect()).await.map(drop)
}

/// Writes down that an entry was seen, if that is new.
pub async fn settle(
    database: &Database,
    at: Directory<'_>,
    name: &str,
    size: u64,
    now: SystemTime,
) -> Result<(), Error> {
    let note = database.note().await?;
    let sql = "UPDATE binaries SET is_certain = $4, size = $5, modified_at = $6 \
               WHERE mirror = $1 AND directory = $2 AND name = $3 \
               AND (is_certain <> $4 OR size IS NULL OR size <> $5)";
    note.link().run(sql, values![at.mirror, at.path, name, true, size, now]).await?;
    note.commit().await
}

/// Writes down that all that a directory lists was fetched.
pub async fn walked(database: &Database, at: Directory<'_>, now: SystemTime) -> Result<(), Error> {
    let note = database.note().await?;
    let sql = "UPDATE binary_directories SET walked_at = $3 WHERE mirror = $1 AND directory = $2";
    note.link().run(sql, values![at.mirror, at.path, now]).await?;
    note.commit().await
}

pub async fn visit(link: Link<'_>, at: Directory<'_>) -> Result<Option<Visit>, Error> {
    let sql = "SELECT listed_at, walked_at FROM binary_directories WHERE mirror = $1 AND directory = $2";
    let row = link.first(sql, values![at.mirror, at.path]).await?;
    row.map(|row| Ok(Visit { listed_at: row.get(0)?, walked_at: row.find(1)? })).transpose()
}

pub async fn find(link: Link<'_>, at: Directory<'_>, name: &str) -> Result<Option<Held>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM binaries WHERE mirror = $1 AND directory = $2 AND name = $3");
    let row = link.first(&sql, values![at.mirror, at.path, name]).await?;
    row.map(|row| read(&row)).transpose()
}

pub async fn list(link: Link<'_>, at: Directory<'_>, since: Option<Since<'_>>) -> Result<Vec<Held>, Error> {
    let start = format!("SELECT {COLUMNS} FROM binaries WHERE mirror = $1 AND directory = $2");
    let rows = match since {
        None => link.all(&format!("{start} ORDER BY name"), values![at.mirror, at.path]).await?,
        Some(Since { date, limit }) => {
            let sql = format!("{start} AND date >= $3 AND is_certain ORDER BY date, name LIMIT $4");
            link.all(&sql, values![at.mirror, at.path, date, limit]).await?
        }
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Held, Error> {
    let (name, is_directory, size, date) = (row.get(0)?, row.get(1)?, row.find(2)?, row.get(3)?);
    let entry = Entry { name, is_directory, size, date, place: row.get(4)?, is_certain: row.get(5)? };
    Ok(Held { entry, modified_at: row.get(6)? })
}
