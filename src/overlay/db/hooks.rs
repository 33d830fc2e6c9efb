//! The rows of hooks, of deliveries, and of who makes them.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::packages::{read_event, user_name};
use super::sql::{Link, Row, values};
use super::{Database, Note, Write};
use crate::overlay::error::Error;
use crate::overlay::hooks::dispatch::Delivery;
use crate::overlay::hooks::{About, Hook, HookId, Last, NewHook};
use crate::overlay::users::UserId;

/// In the order in which [`read`] takes them.
const HOOKS: &str = "SELECT hooks.id, hooks.mount, hooks.account, users.name, hooks.about, hooks.name, hooks.endpoint, \
                     hooks.created_at, hooks.modified_at, hooks.last_at, hooks.last_status, hooks.is_delivered \
                     FROM hooks JOIN users ON users.id = hooks.account";

/// What every hook is to be told next.
const HEADS: &str = "hooks JOIN deliveries ON deliveries.hook = hooks.id AND deliveries.event = \
                     (SELECT MIN(event) FROM deliveries WHERE deliveries.hook = hooks.id)";

/// Makes deliveries of events of the feed: for hooks about the package, about its scope, whose names stand between its
/// slash and the next character, and about one of its owners, or who was one until that.
const HEARD: &str = "INSERT INTO deliveries (hook, event, tries, due_at) \
    SELECT hooks.id, changes.number, 0, CAST($3 AS BIGINT) FROM changes \
    JOIN hooks ON hooks.mount = changes.mount AND hooks.about = 'package' AND hooks.name = changes.package \
    WHERE changes.number > $1 AND changes.number <= $2 AND hooks.since < changes.number \
    UNION SELECT hooks.id, changes.number, 0, CAST($3 AS BIGINT) FROM changes \
    JOIN hooks ON hooks.mount = changes.mount AND hooks.about = 'scope' \
    AND changes.package >= hooks.name || '/' AND changes.package < hooks.name || '0' \
    WHERE changes.number > $1 AND changes.number <= $2 AND hooks.since < changes.number \
    UNION SELECT hooks.id, changes.number, 0, CAST($3 AS BIGINT) FROM changes \
    JOIN packages ON packages.mount = changes.mount AND packages.name = changes.package \
    JOIN owners ON owners.package = packages.id JOIN users ON users.id = owners.account \
    JOIN hooks ON hooks.mount = changes.mount AND hooks.about = 'owner' AND LOWER(hooks.name) = users.folded \
    WHERE changes.number > $1 AND changes.number <= $2 AND hooks.since < changes.number \
    UNION SELECT hooks.id, changes.number, 0, CAST($3 AS BIGINT) FROM changes \
    JOIN users ON users.id = changes.account AND changes.kind = 'owner removed' \
    JOIN hooks ON hooks.mount = changes.mount AND hooks.about = 'owner' AND LOWER(hooks.name) = users.folded \
    WHERE changes.number > $1 AND changes.number <= $2 AND hooks.since < changes.number \
    ON CONFLICT DO NOTHING RETURNING hook";

pub async fn count(link: Link<'_>, user: UserId) -> Result<u64, Error> {
    let row = link.first("SELECT COUNT(*) FROM hooks WHERE account = $1", values![user]).await?;
    row.ok_or(Error::Row("a count is missing"))?.get(0)
}

/// Makes a hook. The first of all begins at the end of the feed, which nobody was to be told of before.
pub async fn insert(write: &Write, new: &NewHook<'_>, sealed: &[u8]) -> Result<(), Error> {
    let sql = "UPDATE dispatcher SET read_to = (SELECT changes FROM heads WHERE heads.one = 1) \
               WHERE one = 1 AND NOT EXISTS (SELECT 1 FROM hooks)";
    write.link().run(sql, values![]).await?;
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

/// Returns the number of the last of the next events of all mounts; `None` where there are none.
pub async fn end_of_page(link: Link<'_>, after: u64, limit: u64) -> Result<Option<u64>, Error> {
    let sql = "SELECT MAX(number) FROM \
               (SELECT number FROM changes WHERE number > $1 ORDER BY number LIMIT $2) AS page";
    link.first(sql, values![after, limit]).await?.ok_or(Error::Row("a maximum is missing"))?.find(0)
}

/// Moves the cursor on, adds what is due, and returns of which hooks so many old deliveries were given up since there are
/// too many; `None`, and nothing of it, when another node has the lease or has moved the cursor.
pub async fn advance(
    database: &Database,
    node: &str,
    (from, to): (u64, u64),
    max_waiting: u64,
    now: SystemTime,
) -> Result<Option<Vec<(HookId, u64)>>, Error> {
    // In line with writes: no hook is taken away meanwhile.
    let note = database.note_in_line().await?;
    let sql = "UPDATE dispatcher SET read_to = $3 WHERE one = 1 AND holder = $1 AND read_to = $2";
    if note.link().run(sql, values![node, from, to]).await? == 0 {
        return Ok(None);
    }
    let told = note.link().all(HEARD, values![from, to, now]).await?;
    let told = told.iter().map(|row| row.get(0)).collect::<Result<BTreeSet<HookId>, _>>()?;
    let mut given_up = Vec::new();
    for hook in told {
        let sql = "DELETE FROM deliveries WHERE hook = $1 AND event <= \
                   (SELECT event FROM deliveries WHERE hook = $1 ORDER BY event DESC LIMIT 1 OFFSET $2)";
        let count = note.link().run(sql, values![hook, max_waiting]).await?;
        if count > 0 {
            went(&note, hook, Last::failed(now)).await?;
            given_up.push((hook, count));
        }
    }
    note.commit().await?;
    Ok(Some(given_up))
}

/// Lists what hooks are to be told next, as far as it is due.
pub async fn due(link: Link<'_>, now: SystemTime, limit: u64) -> Result<Vec<Delivery>, Error> {
    let sql = format!(
        "SELECT changes.number, changes.at, changes.mount, changes.package, changes.kind, changes.version, changes.tag, \
         changes.account, changes.reason, hooks.id, hooks.account, hooks.endpoint, deliveries.tries FROM {HEADS} \
         JOIN changes ON changes.number = deliveries.event WHERE deliveries.due_at <= $1 \
         ORDER BY deliveries.due_at, deliveries.event, deliveries.hook LIMIT $2"
    );
    let read = |row: &Row| {
        Ok(Delivery {
            event: read_event(row)?,
            hook: row.get(9)?,
            user: row.get(10)?,
            endpoint: row.get(11)?,
            tries: row.get(12)?,
        })
    };
    link.all(&sql, values![now, limit]).await?.iter().map(read).collect()
}

/// Takes deliveries that are due, each until a time, and gives those up that were tried often enough.
pub async fn claim(
    database: &Database,
    due: Vec<Delivery>,
    spent: &[Delivery],
    (now, until): (SystemTime, SystemTime),
) -> Result<Vec<Delivery>, Error> {
    if due.is_empty() && spent.is_empty() {
        return Ok(Vec::new());
    }
    let note = database.note().await?;
    let mut claimed = Vec::with_capacity(due.len());
    for delivery in due {
        let Delivery { hook, event, tries, .. } = &delivery;
        let sql = "UPDATE deliveries SET tries = tries + 1, due_at = $4 WHERE hook = $1 AND event = $2 AND tries = $3";
        if note.link().run(sql, values![*hook, event.number, *tries, until]).await? == 1 {
            claimed.push(Delivery { tries: tries + 1, ..delivery });
        }
    }
    for Delivery { hook, event, .. } in spent {
        if over(&note, (*hook, event.number)).await? == 1 {
            went(&note, *hook, Last::failed(now)).await?;
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
    went(&note, hook, last).await?;
    match again {
        Some(again) => {
            let sql = "UPDATE deliveries SET due_at = $3 WHERE hook = $1 AND event = $2";
            note.link().run(sql, values![hook, event, again]).await?;
        }
        None => drop(over(&note, (hook, event)).await?),
    }
    note.commit().await
}

/// Takes a delivery away, of which its hook shows nothing.
pub async fn forget(database: &Database, delivery: (HookId, u64)) -> Result<(), Error> {
    let note = database.note().await?;
    over(&note, delivery).await?;
    note.commit().await
}

async fn over(note: &Note, (hook, event): (HookId, u64)) -> Result<u64, Error> {
    note.link().run("DELETE FROM deliveries WHERE hook = $1 AND event = $2", values![hook, event]).await
}

/// Writes down how it went last.
async fn went(note: &Note, hook: HookId, last: Last) -> Result<(), Error> {
    let sql = "UPDATE hooks SET last_at = $2, last_status = $3, is_delivered = $4 WHERE id = $1";
    note.link().run(sql, values![hook, last.at, last.status, last.is_delivered]).await.map(drop)
}

/// Returns when the next delivery is due.
pub async fn next_due(link: Link<'_>) -> Result<Option<SystemTime>, Error> {
    let row = link.first(&format!("SELECT MIN(deliveries.due_at) FROM {HEADS}"), values![]).await?;
    row.ok_or(Error::Row("a minimum is missing"))?.find(0)
}
