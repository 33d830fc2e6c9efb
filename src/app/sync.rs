//! Builds what runs tasks: on threads of its own, which give way to those that serve.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::parts::Parts;
use crate::base::clock::Clock;
use crate::base::threads;
use crate::config::{self, Config};
use crate::overlay::Overlay;
use crate::overlay::tasks::Patience;
use crate::sync::follow::Follower;
use crate::sync::schedule::Planner;
use crate::sync::{Settings, Worker};

/// How long it takes at most to give back what is not done.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// How long it takes at most to begin, and how often it is looked.
const BEGIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);

/// Tasks that are run by this process.
pub struct Sync {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

// === impl Sync ===

impl Sync {
    /// Begins to run tasks; `None` where the configuration leaves them to others.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub fn start(parts: &Parts, config: &Config) -> anyhow::Result<Option<Self>> {
        if config.sync.tasks == 0 {
            return Ok(None);
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Whoever serves clients goes first.
        builder.worker_threads(2).thread_name("sync").on_thread_start(threads::give_way).enable_all();
        let runtime = builder.build().context("cannot start a thread")?;
        let (stop, stopped) = watch::channel(false);
        let worker = worker(parts, &config.sync);
        tracing::info!(node = worker.node, tasks = config.sync.tasks, "tasks are run here");
        let worker = runtime.spawn(Arc::new(worker).run(stopped));
        Ok(Some(Self { runtime, stop, worker }))
    }

    /// Begins to follow upstreams, and to do what is to be done at set times.
    pub fn follow(&self, parts: &Parts, config: &Config) {
        let follower = Follower {
            overlay: Arc::clone(&parts.overlay),
            store: parts.mirror.store().clone(),
            replicas: Arc::clone(&parts.replicas),
            in_steps: Arc::clone(&parts.in_steps),
            node: node(),
            patience: Patience::of(&config.sync),
            poll: config.sync.poll,
        };
        self.runtime.spawn(Arc::new(follower).run());
        let planner = Planner { overlay: Arc::clone(&parts.overlay), schedules: config.schedules.clone() };
        self.runtime.spawn(planner.run());
    }

    /// Gives back what is not done.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.runtime.block_on(async { timeout(GIVE_BACK, self.worker).await }).is_err() {
            tracing::warn!("tasks were not given back in time: they are taken over");
        }
        // What waits for the disk is not waited for any longer.
        self.runtime.shutdown_background();
    }
}

/// Runs tasks for as long as something is done, where no server does.
///
/// # Errors
/// Whatever keeps the parts from being built, or what is done itself.
pub fn work<T>(config: &Config, act: impl AsyncFnOnce(&Overlay) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let parts = Parts::build(config)?;
    parts.mount(config)?;
    let mut settings = config.clone();
    settings.sync.tasks = settings.sync.tasks.max(1);
    let sync = Sync::start(&parts, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = parts.mirror.store().clone();
    let done = runtime.block_on(async {
        tokio::select! {
            done = async { begun(&parts.overlay).await?; act(&parts.overlay).await } => done,
            () = async { store.background().await } => anyhow::bail!("the store has ended"),
        }
    });
    sync.into_iter().for_each(Sync::stop);
    parts.close();
    done
}

/// Waits until others can see that tasks are run here.
async fn begun(overlay: &Overlay) -> anyhow::Result<()> {
    for _ in 0..BEGIN.as_millis() / PAUSE.as_millis() {
        if overlay.queue().await?.workers > 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("the overlay cannot be written")
}

fn worker(parts: &Parts, sync: &config::Sync) -> Worker {
    Worker {
        overlay: Arc::clone(&parts.overlay),
        replicas: Arc::clone(&parts.replicas),
        binaries: Arc::clone(&parts.binaries),
        node: node(),
        settings: Settings {
            tasks: sync.tasks,
            patience: Patience::of(sync),
            silence: sync.silence,
            timeout: sync.timeout,
            max_dependencies: sync.max_dependencies.into(),
        },
        turns: Semaphore::new(sync.artifacts),
        store: parts.mirror.store().clone(),
        in_steps: Arc::clone(&parts.in_steps),
        clock: Clock::default(),
    }
}

/// Draws a name that no other process has.
fn node() -> String {
    format!("{:016x}", rand::random::<u64>())
}
