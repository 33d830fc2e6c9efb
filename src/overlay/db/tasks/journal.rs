//! The rows of the logs of tasks.

use std::time::SystemTime;

use super::conclude::fence;
use crate::overlay::db::Database;
use crate::overlay::db::sql::{Link, values};
use crate::overlay::error::Error;
use crate::overlay::tasks::TaskId;
use crate::overlay::tasks::journal::{Length, Lines, fit};

/// Writes lines of several tasks, and returns those that are not held any more.
pub async fn write(database: &Database, now: SystemTime, batch: &[Lines]) -> Result<Vec<TaskId>, Error> {
    let mut lost = Vec::new();
    if batch.is_empty() {
        return Ok(lost);
    }
    let note = database.note().await?;
    for Lines { held, lines, received } in batch {
        match fence(note.link(), held, *received).await? {
            Some((task, length)) => {
                let (lines, length) = fit(now, length, lines, false);
                append(note.link(), &task.id, &lines, length).await?;
            }
            None => lost.push(held.id.clone()),
        }
    }
    note.commit().await?;
    Ok(lost)
}

/// Writes lines at the end of a log that is locked, and how long it is with them.
pub async fn append(link: Link<'_>, task: &str, lines: &[String], length: Length) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let first = length.lines - lines.len() as u64;
    let sql = "INSERT INTO task_logs (task, first, text) VALUES ($1, $2, $3)";
    link.run(sql, values![task, first, lines.join("\n").as_str()]).await?;
    let sql = "UPDATE tasks SET lines = $2, written = $3 WHERE id = $1";
    link.run(sql, values![task, length.lines, length.bytes]).await.map(drop)
}

/// Reads the lines of a log from one on.
pub async fn read(link: Link<'_>, task: &str, from: u64) -> Result<Vec<String>, Error> {
    // The rows before tell how many lines they have only by where the next begins.
    let sql = "SELECT first, text FROM task_logs WHERE task = $1 AND first >= \
               (SELECT COALESCE(MAX(first), 0) FROM task_logs WHERE task = $1 AND first <= $2) ORDER BY first";
    let mut lines = Vec::new();
    for row in link.all(sql, values![task, from]).await? {
        let (first, text): (u64, String) = (row.get(0)?, row.get(1)?);
        let passed = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        lines.extend(text.split('\n').skip(passed).map(str::to_owned));
    }
    Ok(lines)
}
