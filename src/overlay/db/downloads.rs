//! The rows of downloads.

use super::Database;
use super::sql::{Bound, Link, values};
use crate::overlay::downloads::{Count, Day, Key, Of};
use crate::overlay::error::Error;

/// Adds to counts. They come in the order of their keys, so that two nodes never wait for each other.
pub async fn add(database: &Database, counts: &[(Key, u64)]) -> Result<(), Error> {
    let note = database.note().await?;
    for ((mount, package, day, version), count) in counts {
        let sql = "INSERT INTO downloads (mount, package, day, version, count) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (mount, package, day, version) DO UPDATE SET count = downloads.count + $5";
        note.link().run(sql, values![&**mount, &**package, *day, &**version, *count]).await?;
    }
    note.commit().await
}

pub async fn list(link: Link<'_>, mount: &str, package: &str, days: (Day, Day)) -> Result<Vec<Count>, Error> {
    let sql = "SELECT day, version, count FROM downloads \
               WHERE mount = $1 AND package = $2 AND day >= $3 AND day <= $4 ORDER BY day, version";
    let rows = link.all(sql, values![mount, package, days.0, days.1]).await?;
    rows.iter().map(|row| Ok(Count { day: row.get(0)?, version: row.get(1)?, count: row.get(2)? })).collect()
}

pub async fn sum(link: Link<'_>, mount: &str, of: Of<'_>, days: (Day, Day)) -> Result<Vec<(Day, u64)>, Error> {
    let mut bound: Vec<Bound> = values![mount, days.0, days.1];
    let of = match of {
        Of::All => "",
        // A scope's names stand between its slash and the next character.
        Of::Scope(scope) => {
            bound.extend(values![format!("{scope}/").as_str(), format!("{scope}0").as_str()]);
            "AND package >= $4 AND package < $5"
        }
    };
    let sql = format!(
        "SELECT day, CAST(SUM(count) AS BIGINT) FROM downloads \
         WHERE mount = $1 AND day >= $2 AND day <= $3 {of} GROUP BY day ORDER BY day"
    );
    link.all(&sql, bound).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
