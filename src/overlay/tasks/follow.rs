//! What follows from a task: what its package needs becomes tasks, breadth first, once for each name and spec below a root.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::conclude::Conclusion;
use super::queue::put;
use super::{Cause, Enqueued, NewTask, Rank, Task, Wish};
use crate::overlay::db::sql::Link;
use crate::overlay::db::tasks::conclude as rows;
use crate::overlay::error::Error;

/// How many dependencies may lie between a task and its root.
pub const MAX_DEPTH: u64 = 64;

/// A package that another one needs, in versions that its dialect writes so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    pub package: String,
    pub spec: String,
}

/// What follows from a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub tasks: Vec<Enqueued>,
    /// Needs that were not followed, since there were too many, or the queue was full.
    pub left_out: u64,
}

/// Makes tasks of what a task needs and its root has not led to yet.
pub(super) async fn follow(
    link: Link<'_>,
    now: SystemTime,
    task: &Task,
    conclusion: &Conclusion<'_>,
    room: u64,
) -> Result<Followed, Error> {
    // What holds such a character is no name and no range of any dialect, and no database could hold it.
    let is_text = |need: &&Need| !need.package.contains('\0') && !need.spec.contains('\0');
    let needs: BTreeSet<&Need> = conclusion.needs.iter().filter(is_text).collect();
    if needs.is_empty() || rows::is_cancelled(link, &task.root).await? {
        return Ok(Followed::default());
    }
    if room == 0 || task.depth >= MAX_DEPTH {
        return Ok(Followed { tasks: Vec::new(), left_out: needs.len() as u64 });
    }
    let visited = rows::count_visits(link, &task.root).await?;
    let mut new = rows::visit(link, &task.root, &needs.into_iter().collect::<Vec<_>>()).await?;
    new.sort();
    let most = conclusion.max_dependencies.saturating_sub(visited).min(room) as usize;
    let left_out = new.len().saturating_sub(most) as u64;
    new.truncate(most);
    let wishes = wishes(new, conclusion.needs_all);
    let tasks = wishes.iter().map(|(subject, wish)| NewTask {
        mount: &task.mount,
        kind: task.kind,
        subject,
        wish: wish.clone(),
        cause: Cause::Dependency,
        rank: task.rank.max(Rank::Followed),
        parent: Some(task),
    });
    Ok(Followed { tasks: put(link, now, tasks.collect(), &task.asked_by).await?, left_out })
}

/// Returns what is wanted of each name.
fn wishes(needs: Vec<Need>, all: bool) -> BTreeMap<String, Wish> {
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    for Need { package, spec } in needs {
        let wish = wishes.entry(package).or_insert_with(|| Wish { all, ..Wish::default() });
        if !all {
            wish.ranges.insert(spec);
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_one_name_are_one_wish() {
        let need = |package: &str, spec: &str| Need { package: package.to_owned(), spec: spec.to_owned() };
        let needs = || vec![need("a", "^1"), need("b", "*"), need("a", "^2")];
        let some = wishes(needs(), false);
        assert_eq!(some["a"].ranges.iter().collect::<Vec<_>>(), ["^1", "^2"]);
        assert!(!some["a"].all && some.len() == 2);
        let all = wishes(needs(), true);
        assert_eq!(all["a"], Wish { all: true, ..Wish::default() });
    }
}
