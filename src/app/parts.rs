//! The parts that live as long as the process, and the mounts that are built of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::firsts::InOverlay;
use super::{carry, check, hooks, install_crypto, open_overlay, open_store, overlay};
use crate::base::clock::Clock;
use crate::base::fs;
use crate::base::http::Handler;
use crate::base::roots::Roots;
use crate::config::{self, Config};
use crate::front::mounts::{Mount, Mounts};
use crate::hooks::Bases;
use crate::mirror::store::{Incident, Store};
use crate::mirror::{Fetch, Mirror, via};
use crate::overlay::Overlay;
use crate::overlay::tasks::Patience;
use crate::registries::binaries::depot::{Catalogue, Sources};
use crate::registries::gate::Gate;
use crate::registries::replica::Replicas;
use crate::registries::{self, Opened, Opening, Place, Upstreams};
use crate::sync::follow::InSteps;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;
use crate::web::tasks::{self, Synced, Tasks};
use crate::web::{Guide, Incidents, Web};

/// How long a stop takes at most, all in all.
const STOP: Duration = Duration::from_millis(4_800);

/// A store has at least this long to close.
const LEAST_TO_CLOSE: Duration = Duration::from_millis(500);

/// The parts that live as long as the process; the mounts are built of them anew at each reload.
pub struct Parts {
    /// What the process was started with.
    pub started: Config,
    pub mirror: Mirror,
    pub overlay: Arc<Overlay>,
    /// Drives the overlay's connections, which outlive the threads that serve.
    runtime: Runtime,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub mounts: Arc<ArcSwap<Mounts>>,
    /// What hooks are told of as being there.
    pub bases: Bases,
    /// What brings their packages up to their upstreams.
    pub replicas: Replicas,
    /// What of them follows its upstream.
    pub in_steps: InSteps,
    /// Mirrors of binaries, which are read through mounts.
    pub binaries: Arc<ArcSwap<Catalogue>>,
    /// Whom we believe.
    pub roots: Roots,
    /// Our name in `Via`.
    pub pseudonym: String,
}

impl Parts {
    /// Builds them; nothing is mounted yet.
    ///
    /// # Errors
    /// Whatever is missing, or in use.
    pub fn build(config: &Config) -> anyhow::Result<Self> {
        install_crypto();
        fs::create_dir_all(&config.data).with_context(|| format!("cannot make {}", config.data.display()))?;
        let metrics = Arc::new(Metrics::new()?);
        let store = open_store(config, &metrics)?;
        let pseudonym = pseudonym(&config.data, &store)?;
        let runtime = overlay::runtime()?;
        let overlay = Arc::new(runtime.block_on(open_overlay(config))?);
        runtime.block_on(carry(&store, &overlay)).context("cannot carry what was first seen to the overlay")?;
        let roots = Roots::load(&config.fetch.extra_roots).context("cannot use fetch.ca_file")?;
        let fetch = Fetch::new(config.fetch.clone(), &roots, via(&pseudonym)?, Clock::default(), Arc::clone(&metrics))
            .context("cannot build the client of upstreams")?;
        let firsts = Arc::new(InOverlay(Arc::clone(&overlay)));
        let mirror = Mirror::new(store, fetch, firsts, Clock::default(), Arc::clone(&metrics));
        let health = Arc::new(Health::default());
        mirror.store().report_to(Arc::clone(&health));
        Ok(Self {
            started: config.clone(),
            mirror,
            overlay,
            runtime,
            metrics,
            health,
            mounts: Arc::default(),
            bases: Arc::default(),
            replicas: Arc::default(),
            in_steps: Arc::default(),
            binaries: Arc::default(),
            roots,
            pseudonym,
        })
    }

    /// Builds all mounts and swaps them in at once.
    ///
    /// # Errors
    /// The first mount that cannot be opened, and why.
    pub fn mount(&self, config: &Config) -> anyhow::Result<()> {
        check(config)?;
        let (mut mounts, mut replicas, mut sources) = (Vec::new(), HashMap::new(), Sources::default());
        for mount in &config.mounts {
            let Opened { handler, replica, tree, documents } = self.registry(config, mount);
            mounts.push(self.place(config, mount, handler));
            replicas.extend(replica.map(|replica| (mount.name.clone(), replica)));
            sources.trees.extend(tree.map(|tree| (mount.name.clone(), tree)));
            sources.documents.extend(documents.map(|documents| (mount.name.clone(), documents)));
        }
        mounts.push(self.own(config));
        self.mirror.fetch().set_offline(config.offline);
        let reserved = self.started.mounts.iter().flat_map(ports).collect();
        self.mounts.store(Arc::new(Mounts::new(mounts, reserved)));
        self.bases.store(Arc::new(hooks::bases(config)));
        self.replicas.store(Arc::new(replicas));
        let in_steps = config.mounts.iter().map(|mount| (mount.name.clone(), mount.in_step.clone()));
        self.in_steps.store(Arc::new(in_steps.collect()));
        self.binaries.store(Arc::new(Catalogue::new(&config.binaries, &sources)));
        Ok(())
    }

    /// Builds one registry.
    fn registry(&self, config: &Config, mount: &config::Mount) -> Opened {
        registries::of(&mount.dialect).open(Opening {
            mirror: self.mirror.clone(),
            mount,
            upstreams: Upstreams::find(mount, &config.listen),
            max_request_bytes: config.limits.request_body_bytes,
            overlay: Arc::clone(&self.overlay),
            accounts: &config.accounts,
            allow_private_hooks: self.started.hooks.allow_private,
            sync: &self.started.sync,
            binaries: Arc::clone(&self.binaries),
        })
    }

    fn place(&self, config: &Config, mount: &config::Mount, handler: Arc<dyn Handler>) -> Mount {
        let public_url = mount.public_base(&config.listen);
        Mount {
            name: mount.name.clone(),
            path: mount.path.clone(),
            host: mount.host.clone(),
            ports: ports(mount).collect(),
            public_url: public_url.map(|url| url.as_url().as_str().trim_end_matches('/').to_owned()),
            handler,
            limited: true,
            tally: self.metrics.tally(mount.name.clone()),
        }
    }

    /// Builds what the server answers by itself: pages, metrics, health, its own API.
    fn own(&self, config: &Config) -> Mount {
        let web = Web {
            guides: config.mounts.iter().map(|mount| guide(config, mount)).collect(),
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
            incidents: Arc::new(Listed(self.mirror.store().clone())),
            tasks: Arc::new(self.tasks(config)),
        };
        Mount {
            name: "heliostat".to_owned(),
            path: String::new(),
            host: None,
            ports: Vec::new(),
            public_url: None,
            handler: Arc::new(web),
            limited: false,
            tally: self.metrics.tally("heliostat"),
        }
    }

    /// Builds what tells of tasks, and takes them.
    fn tasks(&self, config: &Config) -> Tasks {
        let synced = |mount: &config::Mount| Synced {
            name: mount.name.clone(),
            dialect: mount.dialect.as_str(),
            who: mount.in_step.who,
        };
        Tasks {
            gate: Gate::of_server(Arc::clone(&self.overlay), &config.accounts),
            mounts: config.mounts.iter().map(synced).collect(),
            replicas: Arc::clone(&self.replicas),
            patience: Patience::of(&self.started.sync),
            waiting: Semaphore::new(tasks::MAX_WAITING),
        }
    }

    /// Leaves the store clean, so that the next start need not doubt it, if the disk is quick enough for that.
    pub fn close(&self) {
        if let Err(error) = self.close_store() {
            tracing::error!(error = format!("{error:#}"), "the store was not closed cleanly");
        }
        if let Err(error) = self.close_overlay() {
            tracing::error!(error = format!("{error:#}"), "the overlay was not closed cleanly");
        }
    }

    /// What was acknowledged is on the disk long since.
    fn close_overlay(&self) -> anyhow::Result<()> {
        let closed = self.runtime.block_on(async { timeout(LEAST_TO_CLOSE, self.overlay.close()).await });
        Ok(closed.context("the database is too slow for a stop in time")??)
    }

    fn close_store(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let spent = self.health.stopping_since().map_or(Duration::ZERO, |since| since.elapsed());
        let left = STOP.saturating_sub(spent).max(LEAST_TO_CLOSE);
        let store = self.mirror.store().clone();
        let closed = runtime.block_on(async move { timeout(left, store.close()).await });
        // What waits for the disk is not waited for any longer.
        runtime.shutdown_background();
        Ok(closed.context("the disk is too slow for a stop in time")??)
    }
}

fn ports(mount: &config::Mount) -> impl Iterator<Item = u16> {
    mount.listen.iter().map(SocketAddr::port)
}

/// Tells the users of a mount what to set.
fn guide(config: &Config, mount: &config::Mount) -> Guide {
    let public = mount.public_base(&config.listen);
    // The page fills the URL in.
    let place = Place { url: "{url}", plain_host: None };
    Guide {
        title: mount.name.clone(),
        url: public.map_or_else(|| mount.path.clone(), |url| url.as_url().as_str().trim_end_matches('/').to_owned()),
        lines: registries::of(&mount.dialect).set_up(&place).into_iter().map(|set_up| set_up.line).collect(),
    }
}

/// Shows the store's incidents.
struct Listed(Store);

#[async_trait]
impl Incidents for Listed {
    async fn newest(&self, limit: usize) -> Vec<serde_json::Value> {
        match self.0.incidents(limit).await {
            Ok(incidents) => incidents.iter().map(print_incident).collect(),
            Err(error) => {
                tracing::error!(%error, "incidents cannot be listed");
                Vec::new()
            }
        }
    }
}

fn print_incident(incident: &Incident) -> serde_json::Value {
    serde_json::json!({
        "at": OffsetDateTime::from(incident.at).format(&Rfc3339).unwrap_or_default(),
        "mount": incident.mount,
        "key": incident.key,
        "package": incident.package,
        "kind": incident.kind,
        "detail": incident.detail,
    })
}

/// Returns our name in `Via`: drawn once for a data directory, so that a loop is noticed across restarts and nodes.
fn pseudonym(data: &Path, store: &Store) -> anyhow::Result<String> {
    let path = data.join("pseudonym");
    if let Ok(name) = fs::read_to_string(&path)
        && name.starts_with("heliostat-")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Ok(name);
    }
    let name = format!("heliostat-{:08x}", rand::random::<u32>());
    let temp = store.temp()?;
    temp.write_all(name.as_bytes())?;
    temp.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(name)
}
