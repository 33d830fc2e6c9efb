//! The rows of tasks.

pub mod claim;
pub mod conclude;
pub mod family;
pub mod journal;

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use super::sql::{Bound, Link, Row, places, rows, values};
use super::{Database, plain};
use crate::base::clock::millis;
use crate::base::digest::hex;
use crate::overlay::error::Error;
use crate::overlay::tasks::journal::{Length, first_lines, fit};
use crate::overlay::tasks::{Cause, Kind, Order, Queue, Rank, State, Task, TaskFilter, TaskId, TaskResult, Wish};

/// What one subject is found by, in the order in which rows are locked.
pub type Key<'a> = (&'a str, Kind, &'a str);

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "tasks.id, tasks.mount, tasks.kind, tasks.subject, tasks.wish, tasks.root, tasks.depth, \
                       tasks.cause, tasks.asked_by, tasks.rank, tasks.state, tasks.tries, tasks.made_at, tasks.due_at, \
                       tasks.begun_at, tasks.ended_at, tasks.is_cancelled, tasks.lines, tasks.received, tasks.error, \
                       tasks.successor";

/// How many columns [`read`] takes.
const WIDTH: usize = 21;

/// Tasks that one statement makes.
const AT_ONCE: usize = 100;

/// How often a task may have gone on as another.
const LONGEST_CHAIN: usize = 32;

/// A task that may be made.
struct Draft<'a> {
    id: TaskId,
    key: Key<'a>,
    order: &'a Order<'a>,
    lines: Vec<String>,
    length: Length,
}

/// Makes tasks, or joins those that wait, in the order of their keys; returns the id of each, and whether it is new.
pub async fn put(
    link: Link<'_>,
    now: SystemTime,
    orders: &BTreeMap<Key<'_>, Order<'_>>,
) -> Result<Vec<(TaskId, bool)>, Error> {
    let drafts: Vec<_> = orders.iter().map(|(key, order)| Draft::new(now, *key, order)).collect();
    let mut made = Vec::with_capacity(drafts.len());
    for some in drafts.chunks(AT_ONCE) {
        let mut held = insert(link, now, some).await?;
        let mut new = Vec::new();
        for draft in some {
            let (id, wish): (TaskId, Wish) = held.remove(&draft.key).ok_or(Error::Row("a task is missing"))?;
            let is_new = id == draft.id;
            if is_new {
                new.push(draft);
            } else {
                join(link, &id, &wish, &draft.order.wish).await?;
            }
            made.push((id, is_new));
        }
        begin_logs(link, &new).await?;
    }
    Ok(made)
}

/// Writes rows; where one waits already, that is locked, and comes no later. Returns the id and the wish of each.
async fn insert<'a>(
    link: Link<'_>,
    now: SystemTime,
    drafts: &[Draft<'a>],
) -> Result<HashMap<Key<'a>, (TaskId, Wish)>, Error> {
    let columns = "id, mount, kind, subject, wish, root, depth, cause, asked_by, rank, state, tries, made_at, due_at, \
                   is_cancelled, lines, written, received";
    let sql = format!(
        "INSERT INTO tasks ({columns}) VALUES {} ON CONFLICT (mount, kind, subject) WHERE state = 'waiting' \
         DO UPDATE SET rank = CASE WHEN excluded.rank < tasks.rank THEN excluded.rank ELSE tasks.rank END, \
         due_at = CASE WHEN excluded.rank = 0 AND excluded.due_at < tasks.due_at THEN excluded.due_at \
         ELSE tasks.due_at END RETURNING mount, kind, subject, id, wish",
        rows(drafts.len(), 18)
    );
    let mut bound = Vec::new();
    for Draft { id, key: (mount, kind, subject), order, length, .. } in drafts {
        bound.extend(values![id.as_str(), *mount, kind.as_str(), *subject, print_wish(&order.wish)?.as_slice()]);
        bound.extend(values![order.root.unwrap_or(id), order.depth, order.cause.as_str(), order.asked_by]);
        bound.extend(values![order.rank.number(), State::Waiting.as_str(), 0_u64, now, now]);
        bound.extend(values![false, length.lines, length.bytes, 0_u64]);
    }
    let keys: HashMap<Key<'_>, Key<'a>> = drafts.iter().map(|draft| (draft.key, draft.key)).collect();
    let mut held = HashMap::new();
    for row in link.all(&sql, bound).await? {
        let (mount, kind, subject): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let kind = Kind::parse(&kind).ok_or(Error::Row("a kind of task"))?;
        let key = keys.get(&(mount.as_str(), kind, subject.as_str())).ok_or(Error::Row("a task of another name"))?;
        held.insert(*key, (row.get(3)?, read_wish(&row, 4)?));
    }
    Ok(held)
}

/// Writes what a task that waits, and is locked, is to fetch for one more.
async fn join(link: Link<'_>, id: &str, held: &Wish, other: &Wish) -> Result<(), Error> {
    let joined = held.join(other);
    if joined == *held {
        return Ok(());
    }
    let sql = "UPDATE tasks SET wish = $2 WHERE id = $1";
    link.run(sql, values![id, print_wish(&joined)?.as_slice()]).await.map(drop)
}

async fn begin_logs(link: Link<'_>, new: &[&Draft<'_>]) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let sql = format!("INSERT INTO task_logs (task, first, text) VALUES {}", rows(new.len(), 3));
    let bound = new.iter().flat_map(|draft| values![draft.id.as_str(), 0_u64, draft.lines.join("\n").as_str()]);
    link.run(&sql, bound.collect()).await.map(drop)
}

/// Returns a name that nobody can guess, and that comes after those of the milliseconds before.
fn draw_id(now: SystemTime) -> TaskId {
    let random: [u8; 6] = rand::random();
    format!("{:012x}{}", millis(now) & 0xffff_ffff_ffff, hex(&random))
}

pub async fn find(link: Link<'_>, id: &str) -> Result<Option<Task>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE id = $1");
    link.first(&sql, values![id]).await?.map(|row| read(&row)).transpose()
}

/// Finds a task, and those as which it goes on, in that order.
pub async fn chain(link: Link<'_>, id: &str) -> Result<Vec<Task>, Error> {
    let (mut chain, mut next): (Vec<Task>, _) = (Vec::new(), Some(id.to_owned()));
    while let Some(id) = next.take().filter(|_| chain.len() < LONGEST_CHAIN) {
        let Some(task) = find(link, &id).await? else { break };
        next.clone_from(&task.successor);
        chain.push(task);
    }
    Ok(chain)
}

pub async fn list(link: Link<'_>, filter: &TaskFilter<'_>, limit: u64) -> Result<Vec<Task>, Error> {
    let TaskFilter { mount, subject, state, root, before } = filter;
    let conditions = [
        ("mount =", *mount),
        ("subject =", *subject),
        ("state =", state.map(State::as_str)),
        ("root =", *root),
        ("id <", *before),
    ];
    let (mut sql, mut bound) = (format!("SELECT {COLUMNS} FROM tasks"), Vec::new());
    for (condition, value) in conditions.iter().filter_map(|(condition, value)| Some((condition, (*value)?))) {
        let word = if bound.is_empty() { "WHERE" } else { "AND" };
        bound.extend(values![value]);
        sql += &format!(" {word} {condition} ${}", bound.len());
    }
    bound.extend(values![limit]);
    sql += &format!(" ORDER BY id DESC LIMIT ${}", bound.len());
    link.all(&sql, bound).await?.iter().map(read).collect()
}

pub async fn results(link: Link<'_>, task: &str) -> Result<Vec<TaskResult>, Error> {
    let sql = "SELECT version, outcome, detail FROM task_results WHERE task = $1 ORDER BY version";
    let read = |row: &Row| Ok(TaskResult { version: row.get(0)?, outcome: row.get(1)?, detail: row.find(2)? });
    link.all(sql, values![task]).await?.iter().map(read).collect()
}

/// Counts the tasks that wait, up to a limit.
pub async fn count_waiting(link: Link<'_>, limit: u64) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE state = 'waiting' LIMIT $1) AS page";
    count(link, sql, values![limit]).await
}

/// Tells what waits and runs; nodes count that were seen since.
pub async fn queue(link: Link<'_>, since: SystemTime) -> Result<Queue, Error> {
    let sql = "SELECT COUNT(*), MIN(made_at) FROM tasks WHERE state = 'waiting'";
    let row = link.first(sql, values![]).await?.ok_or(Error::Row("a count is missing"))?;
    let (waiting, oldest) = (row.get(0)?, row.find(1)?);
    let processing = count(link, "SELECT COUNT(*) FROM tasks WHERE state = 'processing'", values![]).await?;
    let workers = count(link, "SELECT COUNT(*) FROM workers WHERE seen_at >= $1", values![since]).await?;
    Ok(Queue { waiting, processing, oldest, workers })
}

async fn count(link: Link<'_>, sql: &str, bound: Vec<Bound>) -> Result<u64, Error> {
    link.first(sql, bound).await?.ok_or(Error::Row("a count is missing"))?.get(0)
}

/// Cancels a task, and what its dependencies have led to and nobody asked for; writes the last line of those that end by
/// it. Returns how many there were.
pub async fn cancel(link: Link<'_>, id: &str, now: SystemTime, last: &str) -> Result<u64, Error> {
    let meant = "(id = $1 OR root = $1 AND cause = 'dependency' AND rank > 0)";
    let lock = link.for_update();
    let flag = format!(
        "WITH meant AS MATERIALIZED (SELECT id FROM tasks AS open WHERE state = 'processing' AND {meant} \
         ORDER BY id {lock}) UPDATE tasks SET is_cancelled = TRUE FROM meant WHERE tasks.id = meant.id"
    );
    let mut running = link.run(&flag, values![id]).await?;
    let sql = format!(
        "WITH meant AS MATERIALIZED (SELECT id FROM tasks AS open WHERE state = 'waiting' AND {meant} \
         ORDER BY mount, kind, subject {lock}) UPDATE tasks SET state = 'cancelled', ended_at = $2, is_cancelled = TRUE \
         FROM meant WHERE tasks.id = meant.id AND tasks.state = 'waiting' RETURNING tasks.id, tasks.lines, tasks.written"
    );
    let ended = link.all(&sql, values![id, now]).await?;
    for row in &ended {
        let (id, length): (String, _) = (row.get(0)?, read_length(row, 1)?);
        let (lines, length) = fit(now, length, &[last.to_owned()], true);
        journal::append(link, &id, &lines, length).await?;
    }
    if running == 0 && ended.is_empty() {
        // It may have been claimed between the two.
        running = link.run(&flag, values![id]).await?;
    }
    Ok(running + ended.len() as u64)
}

/// Takes tasks away that were over before a time, the oldest first, and returns how many.
pub async fn forget(database: &Database, before: SystemTime, limit: u64) -> Result<u64, Error> {
    let sql = "SELECT id FROM tasks WHERE ended_at < $1 ORDER BY ended_at LIMIT $2";
    let rows = database.link().all(sql, values![before, limit]).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(0);
    }
    let note = database.note().await?;
    for (table, column) in [("task_logs", "task"), ("task_results", "task"), ("visits", "root"), ("tasks", "id")] {
        let sql = format!("DELETE FROM {table} WHERE {column} IN ({})", places(1, ids.len()));
        note.link().run(&sql, ids.iter().flat_map(|id| values![id.as_str()]).collect()).await?;
    }
    note.commit().await?;
    Ok(ids.len() as u64)
}

/// Forgets the nodes that were not seen since.
pub async fn forget_workers(database: &Database, since: SystemTime) -> Result<(), Error> {
    let note = database.note().await?;
    note.link().run("DELETE FROM workers WHERE seen_at < $1", values![since]).await?;
    note.commit().await
}

fn read(row: &Row) -> Result<Task, Error> {
    let (kind, cause, state): (String, String, String) = (row.get(2)?, row.get(7)?, row.get(10)?);
    Ok(Task {
        id: row.get(0)?,
        mount: row.get(1)?,
        kind: Kind::parse(&kind).ok_or(Error::Row("a kind of task"))?,
        subject: row.get(3)?,
        wish: read_wish(row, 4)?,
        root: row.get(5)?,
        depth: row.get(6)?,
        cause: Cause::parse(&cause).ok_or(Error::Row("a task's cause"))?,
        asked_by: row.get(8)?,
        rank: Rank::parse(row.get(9)?).ok_or(Error::Row("a task's rank"))?,
        state: State::parse(&state).ok_or(Error::Row("a task's state"))?,
        tries: row.get(11)?,
        made_at: row.get(12)?,
        due_at: row.get(13)?,
        begun_at: row.find(14)?,
        ended_at: row.find(15)?,
        is_cancelled: row.get(16)?,
        lines: row.get(17)?,
        received: row.get(18)?,
        error: row.find(19)?,
        successor: row.find(20)?,
    })
}

fn print_wish(wish: &Wish) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(wish).map_err(Error::failed)
}

fn read_wish(row: &Row, column: usize) -> Result<Wish, Error> {
    let wish: Vec<u8> = row.get(column)?;
    serde_json::from_slice(&wish).map_err(|_| Error::Row("a task's wish"))
}

fn read_length(row: &Row, column: usize) -> Result<Length, Error> {
    Ok(Length { lines: row.get(column)?, bytes: row.get(column + 1)? })
}

// === impl Draft ===

impl<'a> Draft<'a> {
    fn new(now: SystemTime, key: Key<'a>, order: &'a Order<'a>) -> Self {
        let (lines, length) = fit(now, Length::default(), &first_lines(now, &order.wish.tips), false);
        Self { id: draw_id(now), key, order, lines, length }
    }
}
