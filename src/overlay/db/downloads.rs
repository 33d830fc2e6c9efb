//! The rows of downloads, and their sums.

use std::collections::{BTreeMap, BTreeSet};

use super::sql::{CLOSED, Link, Row, places, rows, values};
use super::{Database, Write};
use crate::overlay::downloads::{Count, Day, Key, Of};
use crate::overlay::error::Error;

/// What all packages of a mount are counted under.
const ALL: &str = "*";

/// Adds to counts, and to the sums of what everybody sees. No count stands there twice.
pub async fn add(database: &Database, counts: &[(Key, u64)]) -> Result<(), Error> {
    // In line with writes: nothing is hidden, or shown, between the counts and the sums.
    let note = database.note_in_line().await?;
    let named: Vec<&(Key, u64)> = counts.iter().filter(|((.., version), _)| !version.is_empty()).collect();
    let closed = if named.is_empty() { BTreeSet::new() } else { add_named(note.link(), &named).await? };
    let mut sums: BTreeMap<(&str, &str, Day), u64> = BTreeMap::new();
    for ((mount, package, day, _), count) in counts {
        let is_open = !closed.contains(&(mount.clone(), package.clone()));
        for part in parts(package).filter(|_| is_open) {
            *sums.entry((mount, part, *day)).or_default() += count;
        }
    }
    if !sums.is_empty() {
        let sql = format!(
            "INSERT INTO download_sums (mount, part, day, count) VALUES {} \
             ON CONFLICT (mount, part, day) DO UPDATE SET count = download_sums.count + excluded.count",
            rows(sums.len(), 4)
        );
        let bound = sums.iter().flat_map(|((mount, part, day), count)| values![*mount, *part, *day, *count]);
        note.link().run(&sql, bound.collect()).await?;
    }
    note.commit().await
}

/// Adds to counts of versions. Returns those of the counted packages that not everybody sees, with their mounts.
async fn add_named(link: Link<'_>, counts: &[&(Key, u64)]) -> Result<BTreeSet<(Box<str>, Box<str>)>, Error> {
    let sql = format!(
        "INSERT INTO downloads (mount, package, day, version, count) VALUES {} \
         ON CONFLICT (mount, package, day, version) DO UPDATE SET count = downloads.count + excluded.count",
        rows(counts.len(), 5)
    );
    let bound = counts
        .iter()
        .flat_map(|((mount, package, day, version), count)| values![&**mount, &**package, *day, &**version, *count]);
    link.run(&sql, bound.collect()).await?;
    let names: BTreeSet<&str> = counts.iter().map(|((_, package, ..), _)| &**package).collect();
    let sql = format!("SELECT mount, name FROM packages WHERE name IN ({}) AND {CLOSED}", places(1, names.len()));
    let bound = names.into_iter().flat_map(|name| values![name]).collect();
    let read = |row: &Row| Ok((row.get::<String>(0)?.into(), row.get::<String>(1)?.into()));
    link.all(&sql, bound).await?.iter().map(read).collect()
}

/// Tells whether there is a package that not everybody sees.
pub async fn is_closed(link: Link<'_>, mount: &str, package: &str) -> Result<bool, Error> {
    let sql = format!("SELECT 1 FROM packages WHERE mount = $1 AND name = $2 AND {CLOSED}");
    Ok(link.first(&sql, values![mount, package]).await?.is_some())
}

/// Takes a package out of the sums, since not everybody sees it any more; or into them again.
pub async fn count_in(write: &Write, mount: &str, package: &str, is_closed: bool) -> Result<(), Error> {
    let sign = if is_closed { "-" } else { "" };
    for part in parts(package) {
        let sql = format!(
            "INSERT INTO download_sums (mount, part, day, count) \
             SELECT mount, $3, day, {sign}CAST(SUM(count) AS BIGINT) FROM downloads \
             WHERE mount = $1 AND package = $2 GROUP BY mount, day \
             ON CONFLICT (mount, part, day) DO UPDATE SET count = download_sums.count + excluded.count"
        );
        write.link().run(&sql, values![mount, package, part]).await?;
    }
    Ok(())
}

/// Takes versions out of the counts of the oldest day that has any, if it is before another: of what is published here, all
/// are one count of that day then, and of what is mirrored none is left; the sums have both. Tells whether there was one.
pub async fn fold(database: &Database, before: Day) -> Result<bool, Error> {
    let sql = "SELECT MIN(day) FROM downloads WHERE version <> '' AND day < $1";
    let row = database.link().first(sql, values![before]).await?;
    let Some(day) = row.map(|row| row.find::<u64>(0)).transpose()?.flatten() else { return Ok(false) };
    let note = database.note_in_line().await?;
    let sql = "INSERT INTO downloads (mount, package, day, version, count) \
               SELECT mount, package, day, '', CAST(SUM(count) AS BIGINT) FROM downloads \
               WHERE day = $1 AND version <> '' AND EXISTS (SELECT 1 FROM packages \
               WHERE packages.mount = downloads.mount AND packages.name = downloads.package) \
               GROUP BY mount, package, day \
               ON CONFLICT (mount, package, day, version) DO UPDATE SET count = downloads.count + excluded.count";
    note.link().run(sql, values![day]).await?;
    note.link().run("DELETE FROM downloads WHERE day = $1 AND version <> ''", values![day]).await?;
    note.commit().await?;
    Ok(true)
}

/// Returns what the downloads of a package are a part of: all, and those of its scope.
fn parts(package: &str) -> impl Iterator<Item = &str> {
    let scope = package.find('/').filter(|_| package.starts_with('@')).map(|slash| &package[..=slash]);
    [ALL].into_iter().chain(scope)
}

pub async fn list(link: Link<'_>, mount: &str, package: &str, days: (Day, Day)) -> Result<Vec<Count>, Error> {
    let sql = "SELECT day, version, count FROM downloads \
               WHERE mount = $1 AND package = $2 AND day >= $3 AND day <= $4 ORDER BY day, version";
    let rows = link.all(sql, values![mount, package, days.0, days.1]).await?;
    rows.iter().map(|row| Ok(Count { day: row.get(0)?, version: row.get(1)?, count: row.get(2)? })).collect()
}

pub async fn sum(link: Link<'_>, mount: &str, of: Of<'_>, days: (Day, Day)) -> Result<Vec<(Day, u64)>, Error> {
    let part = match of {
        Of::All => ALL.to_owned(),
        Of::Scope(scope) => format!("{scope}/"),
    };
    let sql = "SELECT day, count FROM download_sums \
               WHERE mount = $1 AND part = $2 AND day >= $3 AND day <= $4 AND count > 0 ORDER BY day";
    let rows = link.all(sql, values![mount, part.as_str(), days.0, days.1]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_one_of_all_and_of_its_scope() {
        for (package, expected) in
            [("x", &["*"][..]), ("@a/x", &["*", "@a/"]), ("a/x", &["*"]), ("@a", &["*"]), ("@a/x/y", &["*", "@a/"])]
        {
            assert_eq!(parts(package).collect::<Vec<_>>(), expected, "{package}");
        }
    }
}
