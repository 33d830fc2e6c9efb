//! Builds every part from the configuration once and mounts it: the only file that knows them all.

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
use tokio::time::timeout;

use crate::base::clock::Clock;
use crate::base::fs;
use crate::base::http::Handler;
use crate::base::roots::Roots;
use crate::config::{self, Config};
use crate::front::forwarded::Proxies;
use crate::front::limits::{Limits, Pace};
use crate::front::mounts::{Mount, Mounts};
use crate::front::patience::Patience;
use crate::front::server::{Front, Hooks, Settings};
use crate::front::tls::Tls;
use crate::hooks::Bases;
use crate::mirror::store::{Incident, Store};
use crate::mirror::{Fetch, Mirror, via};
use crate::overlay::Overlay;
use crate::registries::replica::Replicas;
use crate::registries::{self, Opened, Opening, Place, Upstreams};
use crate::telemetry::health::Health;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;
use crate::web::{Guide, Incidents, Web, screen};

mod firsts;
mod hooks;
mod overlay;

pub use self::firsts::{carry, drop_accepted};
pub use self::overlay::open_overlay;

use self::firsts::InOverlay;

/// The cache of a data directory; its version is that of the stored forms.
const CACHE: &str = "cache/v1";

/// Where a process that is replaced meets its successor.
const UPGRADE_SOCKET: &str = "upgrade.sock";

/// How long a stop takes at most, all in all.
const STOP: Duration = Duration::from_millis(4_800);

/// A store has at least this long to close.
const LEAST_TO_CLOSE: Duration = Duration::from_millis(500);

/// The parts that live as long as the process; the mounts are built of them anew at each reload.
struct Parts {
    source: config::Source,
    /// What the process was started with.
    started: Config,
    mirror: Mirror,
    overlay: Arc<Overlay>,
    /// Drives the overlay's connections, which outlive the threads that serve.
    runtime: Runtime,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    log: log::Log,
    mounts: Arc<ArcSwap<Mounts>>,
    /// What hooks are told of as being there.
    bases: Bases,
    /// What brings their packages up to their upstreams.
    replicas: Replicas,
    /// Whom we believe.
    roots: Roots,
    /// What clients are shown; none where plain HTTP is spoken.
    tls: Option<Arc<Tls>>,
}

/// Serves until told to stop.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn serve(source: config::Source, upgrade: bool) -> anyhow::Result<()> {
    let config = config::load(&source)?;
    let log = log::start(&log_settings(&config.log))?;
    install_crypto();
    fs::create_dir_all(&config.data).with_context(|| format!("cannot make {}", config.data.display()))?;
    let metrics = Arc::new(Metrics::new()?);
    let store = open_store(&config, &metrics)?;
    let pseudonym = pseudonym(&config.data, &store)?;
    let runtime = overlay::runtime()?;
    let overlay = Arc::new(runtime.block_on(open_overlay(&config))?);
    runtime.block_on(carry(&store, &overlay)).context("cannot carry what was first seen to the overlay")?;
    let roots = Roots::load(&config.fetch.extra_roots).context("cannot use fetch.ca_file")?;
    let fetch = Fetch::new(config.fetch.clone(), &roots, via(&pseudonym)?, Clock::default(), Arc::clone(&metrics))
        .context("cannot build the client of upstreams")?;
    let firsts = Arc::new(InOverlay(Arc::clone(&overlay)));
    let mirror = Mirror::new(store, fetch, firsts, Clock::default(), Arc::clone(&metrics));
    let health = Arc::new(Health::default());
    mirror.store().report_to(Arc::clone(&health));
    let (tls, started) = (tls(&config)?, config.clone());
    let (mounts, bases, replicas) = Default::default();
    let parts =
        Parts { source, started, mirror, overlay, runtime, metrics, health, log, mounts, bases, replicas, roots, tls };
    let parts = Arc::new(parts);
    parts.mount(&config)?;
    let ended = front(&parts, &config, pseudonym, upgrade).run(hooks(&parts, &config));
    parts.close();
    ended.context("the server stopped")
}

/// Checks what only the registries can read of a configuration.
///
/// # Errors
/// The first mount that cannot be opened, and why.
pub fn check(config: &Config) -> anyhow::Result<()> {
    config.mounts.iter().try_for_each(|mount| {
        let checked = registries::of(&mount.dialect).check().map_err(anyhow::Error::msg);
        checked.with_context(|| format!("cannot open the mount {}", mount.name))
    })
}

/// Opens the store of a data directory, for commands that work on it beside a running server.
///
/// # Errors
/// The store's.
pub fn open_store(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Store> {
    let directory = config.data.join(CACHE);
    Store::open(&directory, config.store.clone(), Clock::default(), Arc::clone(metrics))
        .with_context(|| format!("cannot open the store in {}", directory.display()))
}

fn tls(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = config.listen.tls.as_ref();
    let tls = files.map(|files| Tls::load(&files.certificate, &files.key)).transpose();
    Ok(tls.context("cannot show the certificate")?.map(Arc::new))
}

fn front(parts: &Parts, config: &Config, via: String, upgrade: bool) -> Front {
    let settings = Settings {
        listen: config.addresses().copied().collect(),
        tls: parts.tls.clone(),
        threads: config.listen.threads,
        limits: limits(&config.limits),
        proxies: Proxies(config.listen.trusted_proxies.clone()),
        via,
        upgrade,
        upgrade_socket: config.data.join(UPGRADE_SOCKET),
        access_log: config.log.access,
        connect_timeout: config.fetch.connect_timeout,
        roots: parts.roots.clone(),
    };
    Front {
        settings,
        mounts: Arc::clone(&parts.mounts),
        metrics: Arc::clone(&parts.metrics),
        health: Arc::clone(&parts.health),
    }
}

fn limits(config: &config::Limits) -> Limits {
    Limits {
        in_flight: config.in_flight,
        request_bodies_bytes: config.request_bodies_bytes,
        stream_buffer_bytes: config.stream_buffer_bytes as usize,
        patience: Patience {
            head: config.head_timeout,
            idle: config.keep_alive_timeout,
            head_bytes: config.request_head_bytes as usize,
        },
        headers: config.request_headers,
        body: Pace { idle: config.body_idle_timeout, bytes_per_second: config.body_bytes_per_second },
        connections: config.connections,
        connections_per_address: config.connections_per_address,
        requests_per_second: config.requests_per_second,
    }
}

fn hooks(parts: &Arc<Parts>, config: &Config) -> Hooks {
    let (reloading, store, overlay) = (Arc::clone(parts), parts.mirror.store().clone(), Arc::clone(&parts.overlay));
    let screen = screen::Screen::of(config);
    Hooks {
        on_ready: Box::new(move |addresses| screen.print(addresses)),
        on_reload: Arc::new(move || reloading.reload()),
        background: vec![
            Box::pin(firsts::follow(store.clone(), Arc::clone(&overlay))),
            Box::pin(async move { store.background().await }),
            Box::pin(overlay::tally(Arc::clone(&overlay))),
            Box::pin(hooks::dispatcher(parts, config).run()),
            Box::pin(overlay::tidy(overlay)),
        ],
    }
}

impl Parts {
    /// Builds all mounts and swaps them in at once.
    fn mount(&self, config: &Config) -> anyhow::Result<()> {
        check(config)?;
        let (mut mounts, mut replicas) = (Vec::new(), HashMap::new());
        for mount in &config.mounts {
            let Opened { handler, replica } = self.registry(config, mount);
            mounts.push(self.place(config, mount, handler));
            replicas.extend(replica.map(|replica| (mount.name.clone(), replica)));
        }
        mounts.push(self.own(config));
        self.mirror.fetch().set_offline(config.offline);
        let reserved = self.started.mounts.iter().flat_map(ports).collect();
        self.mounts.store(Arc::new(Mounts::new(mounts, reserved)));
        self.bases.store(Arc::new(hooks::bases(config)));
        self.replicas.store(Arc::new(replicas));
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

    /// Reads the configuration again and takes over what may change while running: mounts, log filter, offline, and
    /// what the files of the certificate hold. What does not is told each time, until the restart that it needs.
    fn reload(&self) {
        let reloaded = config::load(&self.source).map_err(anyhow::Error::from).and_then(|config| {
            self.mount(&config)?;
            self.log.set_filter(&config.log.filter)?;
            let changed = self.started.needs_restart(&config);
            if !changed.is_empty() {
                tracing::warn!(changed = changed.join(", "), "settings have changed that need a restart");
            }
            Ok(())
        });
        match reloaded {
            Ok(()) => tracing::info!("configuration read again: mounts, log filter and offline are taken over"),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "configuration not taken over, the old one stays")
            }
        }
        match self.tls.as_ref().map(|tls| tls.reload().map_err(anyhow::Error::from)) {
            None => {}
            Some(Ok(())) => tracing::info!("certificate read again: new connections are shown it"),
            Some(Err(error)) => {
                tracing::error!(error = format!("{error:#}"), "certificate not taken over, the old one stays")
            }
        }
    }

    /// Leaves the store clean, so that the next start need not doubt it, if the disk is quick enough for that.
    fn close(&self) {
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

fn install_crypto() {
    // A second call in one process, as tests do, finds the provider there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn log_settings(log: &config::Log) -> log::Settings {
    log::Settings {
        filter: log.filter.clone(),
        format: match log.format {
            config::LogFormat::Auto => log::Format::Auto,
            config::LogFormat::Human => log::Format::Human,
            config::LogFormat::Json => log::Format::Json,
        },
    }
}
