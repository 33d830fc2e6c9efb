//! Looks through a mount, and makes a task of each package that is meant.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use super::follow::known;
use super::journal::Journal;
use super::run::again;
use crate::overlay;
use crate::overlay::audit::Actor;
use crate::overlay::rights::matches;
use crate::overlay::tasks::{Cause, Kind, NewTask, Rank, Task, Wish};
use crate::registries::replica::{Failure, Journal as _, Mark};

/// How many tasks are made at once, and how many names are asked for.
const PAGE: usize = 500;

/// How long is waited for room in the queue, each time.
const FULL: Duration = Duration::from_secs(5);

/// Which packages a task of kind [`Kind::List`] means, as its subject says.
pub const KNOWN: &str = "known";
pub const LISTED: &str = "listed";
pub const ALL: &str = "all";

/// Packages, and what is wanted of each.
type Wanted = BTreeMap<String, Wish>;

impl Worker {
    /// Makes a task of each package that a list means; returns how many.
    pub(super) async fn list(&self, task: &Task, journal: &Journal) -> Result<usize, Failure> {
        match task.subject.as_str() {
            KNOWN => {
                let names = known(&self.overlay, &self.store, &task.mount).await.map_err(|error| again(&error))?;
                self.make(task, journal, names.into_iter().map(|name| (name, added())).collect()).await
            }
            LISTED => self.list_listed(task, journal).await,
            _ => self.list_all(task, journal, &|_| true).await,
        }
    }

    /// Makes a task of each package of which something is pinned: what is pinned is looked at, and mended.
    pub(super) async fn repair(&self, task: &Task, journal: &Journal) -> Result<usize, Failure> {
        let mut wanted = Wanted::new();
        let mut after = (String::new(), String::new());
        loop {
            let after_pin = (after.0.as_str(), after.1.as_str());
            let page = self.overlay.pins(&task.mount, after_pin, PAGE as u64).await;
            let page = page.map_err(|error| again(&error))?;
            let Some(last) = page.last() else { break };
            after = (last.package.clone(), last.version.clone());
            for pin in page {
                let force = Wish { force: true, skip_dependencies: true, ..Wish::default() };
                let wish = wanted.entry(pin.package).or_insert(force);
                wish.versions.extend(Some(pin.version).filter(|version| !version.is_empty()));
            }
        }
        self.make(task, journal, wanted).await
    }

    /// Makes a task of each package that the mount lists: by its name, or as one of all that a pattern means.
    async fn list_listed(&self, task: &Task, journal: &Journal) -> Result<usize, Failure> {
        let in_step = self.in_steps.load().get(&task.mount).cloned().unwrap_or_default();
        let (patterns, names): (Vec<_>, Vec<_>) = in_step.names.into_iter().partition(|name| name.contains('*'));
        let named = self.make(task, journal, names.into_iter().map(|name| (name, all())).collect()).await?;
        if patterns.is_empty() {
            return Ok(named);
        }
        let is_meant = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        Ok(named + self.list_all(task, journal, &is_meant).await?)
    }

    /// Makes a task of each package that upstream lists, and that is meant.
    async fn list_all(
        &self,
        task: &Task,
        journal: &Journal,
        is_meant: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<usize, Failure> {
        let replica = self.replica(&task.mount)?;
        let (mut made, mut after) = (0, None);
        loop {
            let page = replica.names(after.as_deref()).await?;
            let meant = page.names.into_iter().filter(|name| is_meant(name));
            made += self.make(task, journal, meant.map(|name| (name, all())).collect()).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(made),
            }
        }
    }

    /// Makes tasks as there is room for them.
    async fn make(&self, task: &Task, journal: &Journal, wanted: Wanted) -> Result<usize, Failure> {
        let wanted: Vec<_> = wanted.into_iter().collect();
        for some in wanted.chunks(PAGE) {
            while !self.enqueue(task, some).await? {
                journal.line(Mark::Start, "Too many tasks wait: those of this one are made later");
                tokio::time::sleep(FULL).await;
            }
            journal.line(Mark::Dependency, &format!("{} packages, up to {}", some.len(), some[some.len() - 1].0));
        }
        Ok(wanted.len())
    }

    /// Makes tasks, and tells whether there was room for them.
    async fn enqueue(&self, task: &Task, some: &[(String, Wish)]) -> Result<bool, Failure> {
        let new = some.iter().map(|(subject, wish)| NewTask {
            mount: &task.mount,
            kind: Kind::Package,
            subject,
            wish: wish.clone(),
            cause: if task.kind == Kind::Repair { Cause::Repair } else { Cause::Schedule },
            rank: Rank::Planned,
            parent: None,
        });
        let actor = Actor::sync(&task.id);
        match self.overlay.enqueue(new.collect(), &self.settings.patience, &actor).await {
            Ok(_) => Ok(true),
            Err(overlay::Error::QueueFull { .. }) => Ok(false),
            Err(error) => Err(again(&error)),
        }
    }
}

fn all() -> Wish {
    Wish { all: true, skip_dependencies: true, ..Wish::default() }
}

fn added() -> Wish {
    Wish { added: true, skip_dependencies: true, ..Wish::default() }
}
