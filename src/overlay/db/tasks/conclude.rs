//! How tries of tasks end.

use std::time::SystemTime;

use super::{COLUMNS, WIDTH, count, plain, read, read_length};
use crate::overlay::db::sql::{Link, rows, values};
use crate::overlay::error::Error;
use crate::overlay::tasks::journal::Length;
use crate::overlay::tasks::{Held, Need, State, Task, TaskResult};

/// Rows that one statement writes.
const AT_ONCE: usize = 200;

/// Locks a task that is held, and notes what has come from upstream. `None`: it is not held any more.
pub async fn fence(link: Link<'_>, held: &Held, received: u64) -> Result<Option<(Task, Length)>, Error> {
    let sql = format!(
        "UPDATE tasks SET received = received + $4 WHERE id = $1 AND holder = $2 AND tries = $3 \
         AND state = 'processing' RETURNING {COLUMNS}, tasks.lines, tasks.written"
    );
    let bound = values![held.id.as_str(), held.node.as_str(), held.tries, received];
    let row = link.first(&sql, bound).await?;
    row.map(|row| Ok((read(&row)?, read_length(&row, WIDTH)?))).transpose()
}

/// Ends a task; with a successor, it goes on as that.
pub async fn end(
    link: Link<'_>,
    id: &str,
    now: SystemTime,
    (state, error, successor): (State, Option<&str>, Option<&str>),
) -> Result<(), Error> {
    let sql = "UPDATE tasks SET state = $2, ended_at = $3, error = $4, successor = $5, holder = NULL, held_until = NULL \
               WHERE id = $1";
    let error = error.map(plain);
    link.run(sql, values![id, state.as_str(), now, error.as_deref(), successor]).await.map(drop)
}

/// Has a task wait again, unless another one waits for the same.
pub async fn put_back(
    link: Link<'_>,
    id: &str,
    (due_at, tries): (SystemTime, u64),
    error: Option<&str>,
) -> Result<bool, Error> {
    let sql = "UPDATE tasks SET state = 'waiting', due_at = $2, tries = $3, error = $4, holder = NULL, \
               held_until = NULL WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM tasks AS twin \
               WHERE twin.state = 'waiting' AND twin.mount = tasks.mount AND twin.kind = tasks.kind \
               AND twin.subject = tasks.subject)";
    let error = error.map(plain);
    Ok(link.run(sql, values![id, due_at, tries, error.as_deref()]).await? == 1)
}

/// Writes results in place of those of earlier tries.
pub async fn save_results(link: Link<'_>, task: &str, results: &[TaskResult]) -> Result<(), Error> {
    link.run("DELETE FROM task_results WHERE task = $1", values![task]).await?;
    for some in results.chunks(AT_ONCE) {
        let sql = format!(
            "INSERT INTO task_results (task, version, outcome, detail) VALUES {} \
             ON CONFLICT (task, version) DO NOTHING",
            rows(some.len(), 4)
        );
        let mut bound = Vec::new();
        for TaskResult { version, outcome, detail } in some {
            let detail = detail.as_deref().map(plain);
            bound.extend(values![task, version.as_str(), outcome.as_str(), detail.as_deref()]);
        }
        link.run(&sql, bound).await?;
    }
    Ok(())
}

/// Tells whether a task was cancelled.
pub async fn is_cancelled(link: Link<'_>, id: &str) -> Result<bool, Error> {
    let row = link.first("SELECT is_cancelled FROM tasks WHERE id = $1", values![id]).await?;
    row.map_or(Ok(false), |row| row.get(0))
}

/// Counts what the dependencies below a root have led to.
pub async fn count_visits(link: Link<'_>, root: &str) -> Result<u64, Error> {
    count(link, "SELECT COUNT(*) FROM visits WHERE root = $1", values![root]).await
}

/// Notes where dependencies lead to, in the order in which all do, and returns what they have not led to before.
pub async fn visit(link: Link<'_>, root: &str, needs: &[&Need]) -> Result<Vec<Need>, Error> {
    let mut new = Vec::new();
    for some in needs.chunks(AT_ONCE) {
        let sql = format!(
            "INSERT INTO visits (root, subject, spec) VALUES {} ON CONFLICT DO NOTHING RETURNING subject, spec",
            rows(some.len(), 3)
        );
        let bound = some.iter().flat_map(|need| values![root, need.package.as_str(), need.spec.as_str()]);
        for row in link.all(&sql, bound.collect()).await? {
            new.push(Need { package: row.get(0)?, spec: row.get(1)? });
        }
    }
    Ok(new)
}
