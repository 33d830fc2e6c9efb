//! Keeps mounts in step with their upstreams: tasks are claimed, run, and what came of them is written down.
//!
//! A task is a row of the overlay ([`overlay::tasks`]): whoever wants a package brought up to its upstream makes one, and any
//! node's [`Worker`] claims it. What a task does is the dialect's ([`crate::registries::replica`]), by the same engine and
//! the same proofs as a client's request. Contract npm §12.
//!
//! Nothing that a run does is lost with it: what it fetched is kept already, and what it found out is written down in one
//! transaction with its end. So a run that is cut off is begun anew, here or on another node, and finds most of its work
//! done.

mod binaries;
pub mod follow;
mod journal;
mod run;
pub mod schedule;
mod shift;
pub mod survey;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use self::follow::InSteps;
use self::shift::Shift;
use crate::base::clock::Clock;
use crate::mirror::store::Store;
use crate::overlay::tasks::{Patience, Renewal};
use crate::overlay::{self, Overlay};
use crate::registries::binaries::depot::Catalogue;
use crate::registries::replica::Replicas;

/// How often leases are renewed, lines are written down, and it is looked whether there is something to do.
const RENEW: Duration = Duration::from_secs(5);
const FLUSH: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_secs(1);

/// Runs tasks. One a process.
pub struct Worker {
    pub overlay: Arc<Overlay>,
    pub replicas: Replicas,
    pub store: Store,
    pub in_steps: InSteps,
    /// Mirrors of binaries.
    pub binaries: Arc<ArcSwap<Catalogue>>,
    /// A name that no other process has.
    pub node: String,
    pub settings: Settings,
    /// Held while an artifact is fetched: all runs share them.
    pub turns: Semaphore,
    pub clock: Clock,
}

/// How much is done at once, and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Tasks that run at once.
    pub tasks: usize,
    pub patience: Patience,
    /// After so long without a line and without a byte, a try is over.
    pub silence: Duration,
    /// How long a try may take at most.
    pub timeout: Duration,
    /// How many names, each time in other words, a task may lead to by dependencies.
    pub max_dependencies: u64,
}

// === impl Worker ===

impl Worker {
    /// Goes on until it is told to stop, and then gives back what it has not done.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut shift = Shift::default();
        while !*stop.borrow() {
            if let Err(error) = self.round(&mut shift, &mut stop).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "tasks are looked for later");
                tokio::time::sleep(IDLE).await;
            }
        }
        shift.give_back(&self).await;
        if let Err(error) = self.overlay.leave_tasks(&self.node).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "others take this node for one that runs tasks");
        }
    }

    /// Renews what it holds, begins what is to be done now, and waits until there may be more.
    async fn round(
        self: &Arc<Self>,
        shift: &mut Shift,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), overlay::Error> {
        self.renew(shift).await?;
        shift.write_logs(&self.overlay).await?;
        shift.reap(self).await;
        let free = self.settings.tasks - shift.len();
        if free > 0 {
            for task in self.overlay.claim_tasks(&self.node, free, &self.settings.patience).await? {
                shift.begin(self, task);
            }
        }
        let (has_room, pause) = (shift.len() < self.settings.tasks, if shift.len() == 0 { IDLE } else { FLUSH });
        tokio::select! {
            ended = shift.end_of_one() => shift.end(self, ended).await,
            () = self.overlay.task_made(), if has_room => {}
            () = self.overlay.task_cancelled() => shift.renewed_at = None,
            () = tokio::time::sleep(pause) => {}
            () = told_to_stop(stop) => {}
        }
        Ok(())
    }

    /// Says now and then that it is alive, and hears which of its tasks are no longer its own.
    async fn renew(self: &Arc<Self>, shift: &mut Shift) -> Result<(), overlay::Error> {
        if shift.renewed_at.is_some_and(|at| at.elapsed() < RENEW) {
            return Ok(());
        }
        let asked_at = Instant::now();
        for (id, renewal) in self.overlay.renew_tasks(&self.node, &shift.held(), &self.settings.patience).await? {
            match renewal {
                Renewal::Held => {}
                Renewal::Lost => shift.drop_run(&id),
                Renewal::Cancelled => shift.cancel(self, &id).await,
            }
        }
        shift.renewed_at = Some(asked_at);
        Ok(())
    }
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // Whoever would tell it is gone: it is told so by that.
    let _ = stop.wait_for(|stop| *stop).await;
}
