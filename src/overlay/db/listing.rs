//! Many packages at once, each as one of its tags shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use super::packages::{read_event, user_name};
use super::sql::{Bound, CLOSED, LIVING, Link, Row, places, values};
use super::{Database, Snapshot};
use crate::overlay::error::Error;
use crate::overlay::packages::{Author, Census, Event, Span, Summary};
use crate::overlay::users::{UserId, UserName};

/// In the order in which [`read`] takes them. What has no such tag, or no version behind it, is not listed.
const SUMMARIES: &str = "SELECT packages.id, packages.name, packages.modified_at, releases.version, releases.manifest, \
    releases.published_at, users.name, users.email, unlisted.package IS NULL, \
    packages.is_restricted OR EXISTS (SELECT 1 FROM bindings WHERE bindings.package = packages.id) FROM packages \
    JOIN tags ON tags.package = packages.id AND tags.tag = $2 \
    JOIN releases ON releases.package = packages.id AND releases.version = tags.version AND releases.variant = '' \
    LEFT JOIN users ON users.id = releases.publisher \
    LEFT JOIN unlisted ON unlisted.mount = packages.mount AND unlisted.package = packages.name \
    WHERE packages.mount = $1 AND releases.removed_at IS NULL";

/// Lists packages in the order of their names.
pub async fn summaries(database: &Database, mount: &str, tag: &str, span: &Span<'_>) -> Result<Vec<Summary>, Error> {
    let snapshot = database.snapshot().await?;
    let (more, bound): (String, Vec<Bound>) = match *span {
        Span::Those([]) => return Ok(Vec::new()),
        Span::One(name) => ("AND packages.name = $3".to_owned(), values![mount, tag, name]),
        Span::Those(names) => {
            let mut bound = values![mount, tag];
            bound.extend(names.iter().flat_map(|name| values![*name]));
            (format!("AND packages.name IN ({}) ORDER BY packages.name", places(3, names.len())), bound)
        }
        Span::After { name, limit } => {
            ("AND packages.name > $3 ORDER BY packages.name LIMIT $4".to_owned(), values![mount, tag, name, limit])
        }
        Span::Changed { since, after, limit } => (
            "AND packages.name > $3 AND EXISTS (SELECT 1 FROM changes WHERE changes.mount = packages.mount \
             AND changes.package = packages.name AND changes.at >= $5) ORDER BY packages.name LIMIT $4"
                .to_owned(),
            values![mount, tag, after, limit, since],
        ),
    };
    let rows = snapshot.link().all(&format!("{SUMMARIES} {more}"), bound).await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    add_beside(&snapshot, &mut found).await?;
    Ok(found.into_iter().map(|(_, summary)| summary).collect())
}

fn read(row: &Row) -> Result<(u64, Summary), Error> {
    let author = |name| Ok::<_, Error>(Author { name, email: row.find(7)? });
    let has_publisher = row.find::<String>(6)?.is_some();
    let publisher = has_publisher.then(|| user_name(row, 6).and_then(author)).transpose()?;
    let summary = Summary {
        name: row.get(1)?,
        modified_at: row.get(2)?,
        version: row.get(3)?,
        manifest: row.find(4)?.unwrap_or_default(),
        published_at: row.get(5)?,
        publisher,
        tags: BTreeMap::new(),
        owners: Vec::new(),
        is_listed: row.get(8)?,
        is_closed: row.get(9)?,
    };
    Ok((row.get(0)?, summary))
}

/// Adds the tags and owners of packages.
async fn add_beside(snapshot: &Snapshot, found: &mut [(u64, Summary)]) -> Result<(), Error> {
    if found.is_empty() {
        return Ok(());
    }
    let ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
    let (those, bound) = (places(1, ids.len()), || ids.iter().flat_map(|id| values![*id]).collect::<Vec<Bound>>());
    let mut by_id: HashMap<u64, &mut Summary> = found.iter_mut().map(|(id, summary)| (*id, summary)).collect();
    let sql = format!("SELECT package, tag, version FROM tags WHERE package IN ({those})");
    for row in snapshot.link().all(&sql, bound()).await? {
        if let Some(summary) = by_id.get_mut(&row.get(0)?) {
            summary.tags.insert(row.get(1)?, row.get(2)?);
        }
    }
    let sql = format!(
        "SELECT owners.package, users.name, users.email FROM owners JOIN users ON users.id = owners.account \
         WHERE owners.package IN ({those}) ORDER BY users.folded"
    );
    for row in snapshot.link().all(&sql, bound()).await? {
        if let Some(summary) = by_id.get_mut(&row.get(0)?) {
            summary.owners.push(Author { name: user_name(&row, 1)?, email: row.find(2)? });
        }
    }
    Ok(())
}

/// Finds the owners of packages, each with the package's name, whatever tags it has.
pub async fn owners(link: Link<'_>, mount: &str, names: &BTreeSet<&str>) -> Result<Vec<(String, UserName)>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT packages.name, users.name FROM packages JOIN owners ON owners.package = packages.id \
         JOIN users ON users.id = owners.account WHERE packages.mount = $1 AND packages.name IN ({}) \
         ORDER BY packages.name, users.folded",
        places(2, names.len())
    );
    let mut bound = values![mount];
    bound.extend(names.iter().flat_map(|name| values![*name]));
    link.all(&sql, bound).await?.iter().map(|row| Ok((row.get(0)?, user_name(row, 1)?))).collect()
}

/// Finds the names of users by their identifiers.
pub async fn user_names(link: Link<'_>, users: &BTreeSet<UserId>) -> Result<BTreeMap<UserId, UserName>, Error> {
    if users.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!("SELECT id, name FROM users WHERE id IN ({})", places(1, users.len()));
    let bound = users.iter().flat_map(|user| values![*user]).collect();
    link.all(&sql, bound).await?.iter().map(|row| Ok((row.get(0)?, user_name(row, 1)?))).collect()
}

pub async fn set_listed(link: Link<'_>, mount: &str, package: &str, is_listed: bool) -> Result<(), Error> {
    let sql = if is_listed {
        "DELETE FROM unlisted WHERE mount = $1 AND package = $2"
    } else {
        "INSERT INTO unlisted (mount, package) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    };
    link.run(sql, values![mount, package]).await.map(drop)
}

/// Counts what there is at a mount that everybody sees.
pub async fn census(database: &Database, mount: &str) -> Result<Census, Error> {
    let snapshot = database.snapshot().await?;
    let first = async |sql: &str| snapshot.link().first(sql, values![mount]).await;
    let count = async |sql: &str| first(sql).await?.ok_or(Error::Row("a count is missing"))?.get::<u64>(0);
    let seen = format!("FROM packages WHERE mount = $1 AND NOT {CLOSED}");
    let living = format!("{seen} AND {LIVING}");
    let releases = format!(
        "FROM releases JOIN packages ON packages.id = releases.package \
         WHERE packages.mount = $1 AND NOT {CLOSED} AND releases.removed_at IS NULL"
    );
    let packages = count(&format!("SELECT COUNT(*) {living}")).await?;
    let last_package = first(&format!("SELECT name {living} ORDER BY created_at DESC, id DESC LIMIT 1")).await?;
    let newest = "ORDER BY releases.published_at DESC, packages.id DESC, releases.version DESC LIMIT 1";
    let last_release = first(&format!("SELECT packages.name, releases.version {releases} {newest}")).await?;
    Ok(Census {
        packages,
        emptied: count(&format!("SELECT COUNT(*) {seen}")).await?.saturating_sub(packages),
        versions: count(&format!("SELECT COUNT(*) {releases}")).await?,
        last_package: last_package.map(|row| row.get(0)).transpose()?,
        last_release: last_release.map(|row| Ok::<_, Error>((row.get(0)?, row.get(1)?))).transpose()?,
        head: count("SELECT COALESCE(MAX(number), 0) FROM changes WHERE mount = $1").await?,
    })
}

/// Lists names and versions that were published within a time, and are there.
pub async fn published(
    link: Link<'_>,
    mount: &str,
    (from, to): (SystemTime, SystemTime),
    (name, version): (&str, &str),
    limit: u64,
) -> Result<Vec<(String, String, SystemTime)>, Error> {
    let sql = "SELECT packages.name, releases.version, releases.published_at FROM releases \
               JOIN packages ON packages.id = releases.package WHERE packages.mount = $1 \
               AND releases.published_at >= $2 AND releases.published_at < $3 AND releases.removed_at IS NULL \
               AND (packages.name > $4 OR (packages.name = $4 AND releases.version > $5)) \
               ORDER BY packages.name, releases.version LIMIT $6";
    let rows = link.all(sql, values![mount, from, to, name, version, limit]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Lists events from a time on, after a number.
pub async fn events_since(
    link: Link<'_>,
    mount: &str,
    since: SystemTime,
    after: u64,
    limit: u64,
) -> Result<Vec<Event>, Error> {
    let sql = "SELECT number, at, mount, package, kind, version, tag, account, reason FROM changes \
               WHERE mount = $1 AND at >= $2 AND number > $3 ORDER BY number LIMIT $4";
    link.all(sql, values![mount, since, after, limit]).await?.iter().map(read_event).collect()
}
