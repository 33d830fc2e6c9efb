//! Who holds tasks.

use std::collections::HashMap;
use std::time::SystemTime;

use super::{COLUMNS, journal, read, read_length};
use crate::overlay::db::sql::{Bound, Link, places, values};
use crate::overlay::db::{Database, Note};
use crate::overlay::error::Error;
use crate::overlay::tasks::journal::{Mark, fit, line};
use crate::overlay::tasks::{Rank, Task, TaskId};

/// How many tasks at once are given up that were tried often enough.
const PAGE: u64 = 100;

/// Who claims how many tasks, and until when.
pub struct Claim<'a> {
    pub node: &'a str,
    pub limit: u64,
    pub now: SystemTime,
    pub until: SystemTime,
}

/// What there may be to claim: a look, without a lock.
#[derive(Clone, Copy)]
pub struct Due {
    waiting: bool,
    abandoned: bool,
}

/// Looks whether anything is due.
pub async fn find_due(link: Link<'_>, now: SystemTime) -> Result<Due, Error> {
    // One look at an index for each rank: within one, rows lie by the time at which they are due.
    let of_rank = |rank: &Rank| {
        let rank = rank.number();
        format!("EXISTS (SELECT 1 FROM tasks WHERE state = 'waiting' AND rank = {rank} AND due_at <= $1)")
    };
    let waiting = Rank::ALL.iter().map(of_rank).collect::<Vec<_>>().join(" OR ");
    let sql = format!("SELECT {waiting}, EXISTS (SELECT 1 FROM tasks WHERE state = 'processing' AND held_until < $1)");
    let row = link.first(&sql, values![now]).await?.ok_or(Error::Row("a look has no answer"))?;
    Ok(Due { waiting: row.get(0)?, abandoned: row.get(1)? })
}

/// Takes tasks over whose holders went away, and then such as wait, in the order of their ranks.
pub async fn claim(database: &Database, claim: &Claim<'_>, due: Due, attempts: u64) -> Result<Vec<Task>, Error> {
    let note = database.note().await?;
    let mut claimed = Vec::new();
    if due.abandoned {
        give_up(&note, claim.now, attempts).await?;
        claimed = take_over(note.link(), claim, attempts).await?;
    }
    for rank in Rank::ALL.into_iter().filter(|_| due.waiting) {
        let left = claim.limit.saturating_sub(claimed.len() as u64);
        if left > 0 {
            claimed.extend(take(note.link(), claim, rank, left).await?);
        }
    }
    note.commit().await?;
    Ok(claimed)
}

/// Claims tasks of a rank that are due, and whose subjects no other task is busy with.
async fn take(link: Link<'_>, claim: &Claim<'_>, rank: Rank, limit: u64) -> Result<Vec<Task>, Error> {
    let (sql, bound) = taking(link, claim, rank, limit);
    link.all(&sql, bound).await?.iter().map(read).collect()
}

/// Materialised, since a question that locks may be asked again by PostgreSQL within a join, and take more than its limit;
/// a count, since `NOT EXISTS` may make it read all that run, not only those of the subject.
pub fn taking(link: Link<'_>, claim: &Claim<'_>, rank: Rank, limit: u64) -> (String, Vec<Bound>) {
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM tasks AS open \
         WHERE state = 'waiting' AND rank = $1 AND due_at <= $2 AND 0 = (SELECT COUNT(*) FROM tasks AS busy \
         WHERE busy.state = 'processing' AND busy.mount = open.mount AND busy.kind = open.kind \
         AND busy.subject = open.subject) ORDER BY due_at, id LIMIT $3 {}) \
         UPDATE tasks SET state = 'processing', tries = tries + 1, begun_at = $2, holder = $4, held_until = $5 \
         FROM picked WHERE tasks.id = picked.id AND tasks.state = 'waiting' RETURNING {COLUMNS}",
        link.skip_locked()
    );
    (sql, values![rank.number(), claim.now, limit, claim.node, claim.until])
}

/// Claims tasks whose leases are over. They stay as they are: nothing can have taken their place meanwhile.
async fn take_over(link: Link<'_>, claim: &Claim<'_>, attempts: u64) -> Result<Vec<Task>, Error> {
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM tasks AS open WHERE state = 'processing' AND held_until < $1 \
         AND tries < $2 AND NOT is_cancelled ORDER BY held_until, id LIMIT $3 {}) \
         UPDATE tasks SET tries = tries + 1, begun_at = $1, holder = $4, held_until = $5 \
         FROM picked WHERE tasks.id = picked.id AND tasks.state = 'processing' AND tasks.held_until < $1 \
         RETURNING {COLUMNS}",
        link.skip_locked()
    );
    let bound = values![claim.now, attempts, claim.limit, claim.node, claim.until];
    link.all(&sql, bound).await?.iter().map(read).collect()
}

/// Ends tasks whose leases are over, and which are wanted no more, or were tried often enough.
async fn give_up(note: &Note, now: SystemTime, attempts: u64) -> Result<(), Error> {
    let link = note.link();
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM tasks AS open WHERE state = 'processing' AND held_until < $1 \
         AND (tries >= $2 OR is_cancelled) ORDER BY held_until, id LIMIT $3 {}) \
         UPDATE tasks SET state = CASE WHEN is_cancelled THEN 'cancelled' ELSE 'timed out' END, ended_at = $1, \
         error = CASE WHEN is_cancelled THEN error ELSE $4 END, holder = NULL, held_until = NULL \
         FROM picked WHERE tasks.id = picked.id AND tasks.state = 'processing' AND tasks.held_until < $1 \
         RETURNING tasks.id, tasks.lines, tasks.written, tasks.is_cancelled",
        link.skip_locked()
    );
    let error = "whoever tried it went away each time";
    for row in link.all(&sql, values![now, attempts, PAGE, error]).await? {
        let (id, length, is_cancelled): (TaskId, _, bool) = (row.get(0)?, read_length(&row, 1)?, row.get(3)?);
        let last = line(now, Mark::Failed, if is_cancelled { "cancelled" } else { error });
        let (lines, length) = fit(now, length, &[last], true);
        journal::append(link, &id, &lines, length).await?;
    }
    Ok(())
}

/// Renews the hold on tasks, and returns which of them are held, in which try, and whether they are wanted no more.
pub async fn renew(
    database: &Database,
    node: &str,
    ids: &[&str],
    (now, until): (SystemTime, SystemTime),
) -> Result<HashMap<TaskId, (u64, bool)>, Error> {
    let note = database.note().await?;
    let link = note.link();
    let sql = "INSERT INTO workers (node, seen_at) VALUES ($1, $2) ON CONFLICT (node) DO UPDATE SET seen_at = $2";
    link.run(sql, values![node, now]).await?;
    let mut renewed = HashMap::new();
    if !ids.is_empty() {
        let sql = format!(
            "WITH mine AS MATERIALIZED (SELECT id FROM tasks AS open WHERE state = 'processing' AND holder = $1 \
             AND id IN ({}) ORDER BY id {}) UPDATE tasks SET held_until = $2 FROM mine WHERE tasks.id = mine.id \
             RETURNING tasks.id, tasks.tries, tasks.is_cancelled",
            places(3, ids.len()),
            link.for_update()
        );
        let mut bound = values![node, until];
        bound.extend(ids.iter().flat_map(|id| values![*id]));
        for row in link.all(&sql, bound).await? {
            renewed.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
        }
    }
    note.commit().await?;
    Ok(renewed)
}

// === impl Due ===

impl Due {
    pub fn has_any(self) -> bool {
        self.waiting || self.abandoned
    }
}

/// Forgets a node.
pub async fn forget(database: &Database, node: &str) -> Result<(), Error> {
    let note = database.note().await?;
    note.link().run("DELETE FROM workers WHERE node = $1", values![node]).await?;
    note.commit().await
}
