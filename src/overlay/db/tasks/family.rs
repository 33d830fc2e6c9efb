//! The rows of tasks that belong together.

use std::collections::BTreeMap;

use crate::overlay::db::sql::{Bind, Link, Row, places};
use crate::overlay::error::Error;
use crate::overlay::tasks::family::Member;
use crate::overlay::tasks::{State, TaskId};

/// How many one statement asks for.
const AT_ONCE: usize = 500;

/// Lists tasks, those that they go on as, and all that have them as their roots. What went on as another is left out.
pub async fn list(link: Link<'_>, ids: &[TaskId]) -> Result<Vec<Member>, Error> {
    let mut found: BTreeMap<TaskId, Member> = BTreeMap::new();
    let mut ids = ids.to_vec();
    while !ids.is_empty() {
        let mut further = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let places = places(1, some.len());
            let sql = format!(
                "SELECT id, mount, subject, state, received, error, successor FROM tasks WHERE id IN ({places}) \
                 UNION SELECT id, mount, subject, state, received, error, successor FROM tasks WHERE root IN ({places})"
            );
            let bound = some.iter().map(|id| id.as_str().bind()).collect();
            for row in link.all(&sql, bound).await? {
                match row.find::<TaskId>(6)? {
                    Some(successor) => further.push(successor),
                    None => drop(found.insert(row.get(0)?, read(&row)?)),
                }
            }
        }
        further.retain(|id| !found.contains_key(id));
        ids = further;
    }
    Ok(found.into_values().collect())
}

fn read(row: &Row) -> Result<Member, Error> {
    Ok(Member {
        id: row.get(0)?,
        mount: row.get(1)?,
        subject: row.get(2)?,
        state: State::parse(&row.get::<String>(3)?).ok_or(Error::Row("a task's state"))?,
        received: row.get(4)?,
        error: row.find(5)?,
    })
}
