//! The rows of what was synced.

use std::time::SystemTime;

use super::sql::{Bound, Link, Row, places, rows, values};
use crate::overlay::error::Error;
use crate::overlay::replicas::{NewReplica, Pin, Replica, Synced, Tombstone};

/// Rows that one statement writes.
const AT_ONCE: usize = 200;

/// Whose rows are written, by which task, and when.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub mount: &'a str,
    pub package: &'a str,
    pub task: &'a str,
    pub now: SystemTime,
}

pub async fn is_known(link: Link<'_>, mount: &str, package: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM replicas WHERE mount = $1 AND package = $2";
    Ok(link.first(sql, values![mount, package]).await?.is_some())
}

pub async fn save(link: Link<'_>, subject: Subject<'_>, new: &NewReplica<'_>) -> Result<(), Error> {
    let sql = "INSERT INTO replicas (mount, package, upstream, roll, digest, synced_at) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (mount, package) DO UPDATE SET upstream = $3, roll = $4, digest = $5, synced_at = $6";
    let bound = values![subject.mount, subject.package, new.upstream, new.roll, new.digest, subject.now];
    link.run(sql, bound).await.map(drop)
}

/// Notes versions that upstream has no more. Those that are noted already stay as they are.
pub async fn bury(link: Link<'_>, subject: Subject<'_>, versions: &[String]) -> Result<(), Error> {
    for some in versions.chunks(AT_ONCE) {
        let sql = format!(
            "INSERT INTO tombstones (mount, package, version, at) VALUES {} ON CONFLICT DO NOTHING",
            rows(some.len(), 4)
        );
        let bind = |version: &String| values![subject.mount, subject.package, version.as_str(), subject.now];
        link.run(&sql, some.iter().flat_map(bind).collect()).await?;
    }
    Ok(())
}

/// Pins versions; those that are pinned already stay as they are.
pub async fn pin(link: Link<'_>, subject: Subject<'_>, versions: &[String]) -> Result<(), Error> {
    for some in versions.chunks(AT_ONCE) {
        let Subject { mount, package, task, now } = subject;
        let sql = format!(
            "INSERT INTO pins (mount, package, version, task, at) VALUES {} ON CONFLICT DO NOTHING",
            rows(some.len(), 5)
        );
        let bind = |version: &String| -> Vec<Bound> { values![mount, package, version.as_str(), task, now] };
        link.run(&sql, some.iter().flat_map(bind).collect()).await?;
    }
    Ok(())
}

/// Forgets that upstream once had no more of versions that it has again.
pub async fn raise(link: Link<'_>, subject: Subject<'_>, versions: &[String]) -> Result<(), Error> {
    for some in versions.chunks(AT_ONCE) {
        let places = places(3, some.len());
        let sql = format!("DELETE FROM tombstones WHERE mount = $1 AND package = $2 AND version IN ({places})");
        let mut bound = values![subject.mount, subject.package];
        bound.extend(some.iter().flat_map(|version| values![version.as_str()]));
        link.run(&sql, bound).await?;
    }
    Ok(())
}

pub async fn find(link: Link<'_>, mount: &str, package: &str) -> Result<Option<Replica>, Error> {
    let sql = "SELECT package, upstream, roll, digest, synced_at FROM replicas WHERE mount = $1 AND package = $2";
    let read = |row: Row| {
        let (package, upstream, roll) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Replica { package, upstream, roll, digest: row.find(3)?, synced_at: row.get(4)? })
    };
    link.first(sql, values![mount, package]).await?.map(read).transpose()
}

pub async fn list(link: Link<'_>, mount: &str, after: &str, limit: u64) -> Result<Vec<Synced>, Error> {
    let sql = "SELECT package, digest, synced_at FROM replicas WHERE mount = $1 AND package > $2 \
               ORDER BY package LIMIT $3";
    let read = |row: &Row| Ok(Synced { package: row.get(0)?, digest: row.find(1)?, synced_at: row.get(2)? });
    link.all(sql, values![mount, after, limit]).await?.iter().map(read).collect()
}

pub async fn pins(
    link: Link<'_>,
    mount: &str,
    (package, version): (&str, &str),
    limit: u64,
) -> Result<Vec<Pin>, Error> {
    let sql = "SELECT package, version FROM pins WHERE mount = $1 AND (package, version) > ($2, $3) \
               ORDER BY package, version LIMIT $4";
    let read = |row: &Row| Ok(Pin { package: row.get(0)?, version: row.get(1)? });
    link.all(sql, values![mount, package, version, limit]).await?.iter().map(read).collect()
}

pub async fn tombstones(link: Link<'_>, mount: &str, package: &str) -> Result<Vec<Tombstone>, Error> {
    let sql = "SELECT version, at FROM tombstones WHERE mount = $1 AND package = $2 ORDER BY version";
    let read = |row: &Row| Ok(Tombstone { version: row.get(0)?, at: row.get(1)? });
    link.all(sql, values![mount, package]).await?.iter().map(read).collect()
}
