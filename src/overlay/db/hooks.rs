//! The rows of hooks, of deliveries, and of who makes them.

use std::time::SystemTime;

use super::packages::{read_event, user_name};
use super::sql::{Link, Row, values};
use super::{Database, Write};
use crate::overlay::error::Error;
use crate::overlay::hooks::dispatch::Delivery;
use crate::overlay::hooks::{About, Hook, HookId, Last, NewHook};
use crate::overlay::packages::Event;
use crate::overlay::users::UserId;

/// In the order in which [`read`] takes them.
const HOOKS: &str = "SELECT hooks.id, hooks.mount, hooks.account, users.name, hooks.about, hooks.name, hooks.endpoint, \
                     hooks.created_at, hooks.modified_at, hooks.last_at, hooks.last_status, hooks.is_delivered \
                     FROM hooks JOIN users ON users.id = hooks.account";

pub async fn count(link: Link<'_>, user: UserId) -> Result<u64, Error> {
    let row = link.first("SELECT COUNT(*) FROM hooks WHERE account = $1", values![user]).await?;
    row.ok_or(Error::Row("a count is missing"))?.get(0)
}

pub async fn insert(write: &Write, new: &NewHook<'_>, sealed: &[u8]) -> Result<(), Error> {
    let sql = "INSERT INTO hooks (id, mount, account, about, name, endpoint, secret, since, created_at, modified_at, \
               is_delivered) SELECT $1, $2, $3, $4, $5, $6, $7, changes, $8, $8, $9 FROM heads WHERE one = 1";
    let mut bound = values![write.number, new.mount, new.user, new.about.as_str(), new.name, new.endpoint];
    bound.extend(values![sealed, write.now, false]);
    write.link().run(sql, bound).await.map(drop)
}

pub async fn update(write: &Write, id: HookId, endpoint: &str, sealed: &[u8]) -> Result<u64, Error> {
    let sql = "UPDATE hooks SET endpoint = $2, secret = $3, modified_at = $4 WHERE id = $1";
    write.link().run(sql, values![id, endpoint, sealed, write.now]).await
}

pub async fn delete(write: &Write, id: HookId) -> Result<u64, Error> {
    write.link().run("DELETE FROM deliveries WHERE hook = $1", values![id]).await?;
    write.link().run("DELETE FROM hooks WHERE id = $1", values![id]).await
}

pub async fn find(link: Link<'_>, id: HookId) -> Result<Option<Hook>, Error> {
    link.first(&format!("{HOOKS} WHERE hooks.id = $1"), values![id]).await?.map(|row| read(&row)).transpose()
}

pub async fn list(link: Link<'_>, mount: &str, user: UserId) -> Result<Vec<Hook>, Error> {
    let sql = format!("{HOOKS} WHERE hooks.mount = $1 AND hooks.account = $2 ORDER BY hooks.id");
    link.all(&sql, values![mount, user]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Hook, Error> {
    let about: String = row.get(4)?;
    let is_delivered = row.get(11)?;
    let last = |at| Ok::<_, Error>(Last { at, status: row.find(10)?, is_delivered });
    Ok(Hook {
        id: row.get(0)?,
        mount: row.get(1)?,
        user: row.get(2)?,
        user_name: user_name(row, 3)?,
        about: About::parse(&about).ok_or(Error::Row("what a hook is about"))?,
        name: row.get(5)?,
        endpoint: row.get(6)?,
        created_at: row.get(7)?,
        modified_at: row.get(8)?,
        last: row.find(9)?.map(last).transpose()?,
    })
}

pub async fn sealed(link: Link<'_>, id: HookId) -> Result<Option<Vec<u8>>, Error> {
    link.first("SELECT secret FROM hooks WHERE id = $1", values![id]).await?.map(|row| row.get(0)).transpose()
}

pub async fn any(link: Link<'_>) -> Result<bool, Error> {
    Ok(link.first("SELECT 1 FROM hooks LIMIT 1", values![]).await?.is_some())
}

/// Lists the hooks about something that were made before an event.
pub async fn about(
    link: Link<'_>,
    mount: &str,
    (about, name): (About, &str),
    event: u64,
) -> Result<Vec<HookId>, Error> {
    let sql = "SELECT id FROM hooks WHERE mount = $1 AND about = $2 AND name = $3 AND since < $4";
    let rows = link.all(sql, values![mount, about.as_str(), name, event]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

pub async fn lease(database: &Database, node: &str, now: SystemTime, until: SystemTime) -> Result<bool, Error> {
    let note = database.note().await?;
    let sql = "UPDATE dispatcher SET holder = $1, held_until = $2 WHERE one = 1 AND (holder = $1 OR held_until < $3)";
    let held = note.link().run(sql, values![node, until, now]).await?;
    note.commit().await?;
    Ok(held == 1)
}

pub async fn read_to(link: Link<'_>) -> Result<u64, Error> {
    let row = link.first("SELECT read_to FROM dispatcher WHERE one = 1", values![]).await?;
    row.ok_or(Error::Row("the dispatcher is missing"))?.get(0)
}

/// Moves the cursor on and adds what is due; `false`, and nothing of it, when another node has the lease or moved it.
pub async fn advance(
    database: &Database,
    node: &str,
    (from, to): (u64, u64),
    due: &[(HookId, u64)],
    now: SystemTime,
) -> Result<bool, Error> {
    let note = database.note().await?;
    let sql = "UPDATE dispatcher SET read_to = $3 WHERE one = 1 AND holder = $1 AND read_to = $2";
    if note.link().run(sql, values![node, from, to]).await? == 0 {
        return Ok(false);
    }
    for (hook, event) in due {
        // A hook that was taken away meanwhile hears of nothing.
        let sql = "INSERT INTO deliveries (hook, event, tries, due_at) SELECT id, $2, 0, $3 FROM hooks WHERE id = $1 \
                   ON CONFLICT DO NOTHING";
        note.link().run(sql, values![*hook, *event, now]).await?;
    }
    note.commit().await?;
    Ok(true)
}

/// Takes deliveries that are due, each until a time.
pub async fn claim(
    database: &Database,
    now: SystemTime,
    until: SystemTime,
    limit: u64,
) -> Result<Vec<Delivery>, Error> {
    let sql = "SELECT changes.number, changes.at, changes.mount, changes.package, changes.kind, changes.version, \
               changes.tag, changes.account, deliveries.hook, deliveries.tries FROM deliveries \
               JOIN changes ON changes.number = deliveries.event \
               WHERE deliveries.due_at <= $1 ORDER BY deliveries.due_at, deliveries.event, deliveries.hook LIMIT $2";
    let rows = database.link().all(sql, values![now, limit]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let note = database.note().await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let (event, hook, tries) = (read_event(row)?, row.get(8)?, row.get::<u64>(9)?);
        let sql = "UPDATE deliveries SET tries = tries + 1, due_at = $4 WHERE hook = $1 AND event = $2 AND tries = $3";
        if note.link().run(sql, values![hook, event.number, tries, until]).await? == 1 {
            claimed.push(Delivery { hook, event, tries: tries + 1 });
        }
    }
    note.commit().await?;
    Ok(claimed)
}

/// Writes down how a delivery went; without a time at which it is tried again, it is over.
pub async fn settle(
    database: &Database,
    (hook, event): (HookId, u64),
    last: Last,
    again: Option<SystemTime>,
) -> Result<(), Error> {
    let note = database.note().await?;
    let sql = "UPDATE hooks SET last_at = $2, last_status = $3, is_delivered = $4 WHERE id = $1";
    note.link().run(sql, values![hook, last.at, last.status, last.is_delivered]).await?;
    match again {
        Some(again) => {
            let sql = "UPDATE deliveries SET due_at = $3 WHERE hook = $1 AND event = $2";
            note.link().run(sql, values![hook, event, again]).await?;
        }
        None => {
            let sql = "DELETE FROM deliveries WHERE hook = $1 AND event = $2";
            note.link().run(sql, values![hook, event]).await?;
        }
    }
    note.commit().await
}

pub async fn next_due(link: Link<'_>) -> Result<Option<SystemTime>, Error> {
    let row = link.first("SELECT MIN(due_at) FROM deliveries", values![]).await?;
    row.ok_or(Error::Row("a minimum is missing"))?.find(0)
}

/// Lists the next events of all mounts.
pub async fn events(link: Link<'_>, after: u64, limit: u64) -> Result<Vec<Event>, Error> {
    let sql = "SELECT number, at, mount, package, kind, version, tag, account FROM changes WHERE number > $1 \
               ORDER BY number LIMIT $2";
    link.all(sql, values![after, limit]).await?.iter().map(read_event).collect()
}

/// Lists the names of a package's owners.
pub async fn owners(link: Link<'_>, mount: &str, package: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT users.name FROM owners JOIN packages ON packages.id = owners.package \
               JOIN users ON users.id = owners.account WHERE packages.mount = $1 AND packages.name = $2";
    link.all(sql, values![mount, package]).await?.iter().map(|row| row.get(0)).collect()
}
