//! The rows of feeds.

use std::time::{Duration, SystemTime};

use super::sql::{Link, Row, values};
use super::{Database, plain};
use crate::overlay::error::Error;
use crate::overlay::feeds::{Feed, FeedHold, Step};

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "mount, name, cursor, memory, moves, due_at, read_at, caught_up_at, behind, failures, error";

/// Of which mount, and of what name.
type Key<'a> = (&'a str, &'a str);

/// Looks whether a node may take a feed, without a lock.
pub async fn may_be_leased(link: Link<'_>, (mount, name): Key<'_>, node: &str, now: SystemTime) -> Result<bool, Error> {
    let sql = "SELECT due_at <= $4 AND (holder = $3 OR held_until < $4) FROM feeds WHERE mount = $1 AND name = $2";
    let row = link.first(sql, values![mount, name, node, now]).await?;
    row.map_or(Ok(true), |row| row.get(0))
}

pub async fn lease(
    database: &Database,
    (mount, name): Key<'_>,
    node: &str,
    (now, until): (SystemTime, SystemTime),
) -> Result<Option<Feed>, Error> {
    let note = database.note().await?;
    let sql = "INSERT INTO feeds (mount, name, moves, holder, held_until, due_at, failures) \
               VALUES ($1, $2, 0, '', 0, 0, 0) ON CONFLICT DO NOTHING";
    note.link().run(sql, values![mount, name]).await?;
    let sql = format!(
        "UPDATE feeds SET holder = $3, held_until = $5 WHERE mount = $1 AND name = $2 AND due_at <= $4 \
         AND (holder = $3 OR held_until < $4) RETURNING {COLUMNS}"
    );
    let row = note.link().first(&sql, values![mount, name, node, now, until]).await?;
    let feed = row.map(|row| read(&row)).transpose()?;
    note.commit().await?;
    Ok(feed)
}

/// Moves a cursor on while it is held; tells whether it was.
pub async fn advance(link: Link<'_>, hold: &FeedHold, step: &Step<'_>, now: SystemTime) -> Result<bool, Error> {
    let sql = "UPDATE feeds SET cursor = $5, memory = $6, moves = moves + 1, read_at = $7, \
               caught_up_at = CASE WHEN $8 THEN $7 ELSE caught_up_at END, behind = $9, due_at = $10, failures = 0, \
               error = NULL WHERE mount = $1 AND name = $2 AND holder = $3 AND moves = $4";
    let FeedHold { mount, name, node, moves } = hold;
    let behind = step.behind.map(|behind| behind.as_millis() as u64);
    let mut bound = values![mount.as_str(), name.as_str(), node.as_str(), *moves, step.cursor, step.memory, now];
    bound.extend(values![step.is_at_head, behind, now + step.pause]);
    Ok(link.run(sql, bound).await? == 1)
}

pub async fn fail(database: &Database, hold: &FeedHold, error: &str, due_at: SystemTime) -> Result<(), Error> {
    let note = database.note().await?;
    let sql = "UPDATE feeds SET failures = failures + 1, error = $5, due_at = $6 \
               WHERE mount = $1 AND name = $2 AND holder = $3 AND moves = $4";
    let (FeedHold { mount, name, node, moves }, error) = (hold, plain(error));
    let bound = values![mount.as_str(), name.as_str(), node.as_str(), *moves, error.as_str(), due_at];
    note.link().run(sql, bound).await?;
    note.commit().await
}

/// Has a feed due, and with a cursor read from there on: what its holder is reading counts for nothing then.
pub async fn set(link: Link<'_>, (mount, name): Key<'_>, cursor: Option<&str>, now: SystemTime) -> Result<Feed, Error> {
    let sql = format!(
        "INSERT INTO feeds (mount, name, cursor, moves, holder, held_until, due_at, failures) \
         VALUES ($1, $2, $3, 0, '', 0, $4, 0) ON CONFLICT (mount, name) DO UPDATE SET \
         cursor = COALESCE(excluded.cursor, feeds.cursor), \
         memory = CASE WHEN excluded.cursor IS NULL THEN feeds.memory ELSE NULL END, \
         moves = feeds.moves + CASE WHEN excluded.cursor IS NULL THEN 0 ELSE 1 END, \
         due_at = excluded.due_at, failures = 0 RETURNING {COLUMNS}"
    );
    let row = link.first(&sql, values![mount, name, cursor, now]).await?;
    read(&row.ok_or(Error::Row("a feed is missing"))?)
}

pub async fn find(link: Link<'_>, mount: &str, name: &str) -> Result<Option<Feed>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM feeds WHERE mount = $1 AND name = $2");
    link.first(&sql, values![mount, name]).await?.map(|row| read(&row)).transpose()
}

/// Lists feeds, without their memories.
pub async fn list(link: Link<'_>) -> Result<Vec<Feed>, Error> {
    // Nothing, of the type that it has.
    let columns = COLUMNS.replace("memory", "CASE WHEN moves < 0 THEN memory END");
    let sql = format!("SELECT {columns} FROM feeds ORDER BY mount, name");
    link.all(&sql, values![]).await?.iter().map(read).collect()
}

pub async fn oldest_followed(link: Link<'_>) -> Result<Vec<(String, SystemTime)>, Error> {
    let sql = "SELECT mount, MIN(made_at) FROM tasks WHERE cause = 'feed' AND state IN ('waiting', 'processing') \
               GROUP BY mount ORDER BY mount";
    link.all(sql, values![]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

fn read(row: &Row) -> Result<Feed, Error> {
    let behind: Option<u64> = row.find(8)?;
    Ok(Feed {
        mount: row.get(0)?,
        name: row.get(1)?,
        cursor: row.find(2)?,
        memory: row.find(3)?,
        moves: row.get(4)?,
        due_at: row.get(5)?,
        read_at: row.find(6)?,
        caught_up_at: row.find(7)?,
        behind: behind.map(Duration::from_millis),
        failures: row.get(9)?,
        error: row.find(10)?,
    })
}
