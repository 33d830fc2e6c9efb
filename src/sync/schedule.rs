//! Makes tasks at set times: once over all nodes, and once for all the times that nobody was there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::survey::{ALL, KNOWN, LISTED};
use crate::config::{Schedule, What};
use crate::overlay::tasks::{Cause, Kind, NewTask, Rank, Wish};
use crate::overlay::{self, Overlay};

/// How long is slept at most: the machine's clock may be set.
const LONGEST: Duration = Duration::from_secs(30);

/// Fires schedules. One a process.
pub struct Planner {
    pub overlay: Arc<Overlay>,
    pub schedules: Vec<Schedule>,
}

impl Planner {
    /// Goes on for ever.
    pub async fn run(self) {
        if self.schedules.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let mut next = self.overlay.now() + LONGEST;
            for schedule in &self.schedules {
                match self.fire(schedule).await {
                    Ok(Some(due)) => next = next.min(due),
                    Ok(None) => {}
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(schedule = schedule.name, error, "a schedule is fired later");
                    }
                }
            }
            tokio::time::sleep(next.duration_since(self.overlay.now()).unwrap_or_default().max(Duration::from_secs(1)))
                .await;
        }
    }

    /// Fires a schedule if its time has come, and returns when it comes next.
    async fn fire(&self, schedule: &Schedule) -> Result<Option<SystemTime>, overlay::Error> {
        let (now, last) = (self.overlay.now(), self.overlay.last_fired(&schedule.name).await?);
        let Some(due) = schedule.cron.next_after(last) else { return Ok(None) };
        if due > now {
            return Ok(Some(due));
        }
        // What was missed meanwhile is made up for once.
        if let Some(made) = self.overlay.fire_schedule(&schedule.name, now, tasks(schedule)).await? {
            tracing::info!(schedule = schedule.name, tasks = made.len(), "a schedule was fired");
        }
        Ok(schedule.cron.next_after(now))
    }
}

/// Returns what a schedule asks for: packages by their names, or one look at all that is meant.
fn tasks(schedule: &Schedule) -> Vec<NewTask<'_>> {
    let task = |kind, subject| NewTask {
        mount: &schedule.mount,
        kind,
        subject,
        wish: Wish { all: kind == Kind::Package, skip_dependencies: true, ..Wish::default() },
        cause: Cause::Schedule,
        rank: Rank::Planned,
        parent: None,
    };
    match schedule.what {
        What::Known => vec![task(Kind::List, KNOWN)],
        What::Listed => vec![task(Kind::List, LISTED)],
        What::All => vec![task(Kind::List, ALL)],
        What::Repair => vec![task(Kind::Repair, "")],
        What::Packages => schedule.packages.iter().map(|name| task(Kind::Package, name.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cron::Cron;

    #[test]
    fn a_schedule_asks_for_packages_or_for_a_look_at_all() {
        let of = |what, packages: &[&str]| {
            let (name, mount, cron) = ("x".to_owned(), "npm".to_owned(), Cron::parse("* * * * *").unwrap());
            let packages = packages.iter().map(|name| (*name).to_owned()).collect();
            let schedule = Schedule { name, cron, mount, what, packages };
            let told = |task: &NewTask<'_>| (task.kind, task.subject.to_owned(), task.wish.all);
            tasks(&schedule).iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(of(What::Known, &[]), [(Kind::List, "known".to_owned(), false)]);
        assert_eq!(of(What::Repair, &[]), [(Kind::Repair, String::new(), false)]);
        let package = |name: &str| (Kind::Package, name.to_owned(), true);
        assert_eq!(of(What::Packages, &["a", "b"]), [package("a"), package("b")]);
    }
}
