//! Builds every part from the configuration once and mounts it: the only part that knows them all.

use std::sync::Arc;

use anyhow::Context;

use crate::base::clock::Clock;
use crate::config::{self, Config};
use crate::front::forwarded::Proxies;
use crate::front::limits::{Limits, Pace};
use crate::front::patience::Patience;
use crate::front::server::{Front, Hooks, Settings};
use crate::front::tls::Tls;
use crate::mirror::store::Store;
use crate::registries;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;
use crate::web::screen;

mod firsts;
mod hooks;
mod overlay;
mod parts;
mod reload;
mod sync;

pub use self::firsts::{carry, drop_accepted};
pub use self::overlay::open_overlay;
pub use self::sync::work;

use self::parts::Parts;
use self::reload::Reload;
use self::sync::Sync;

/// The cache of a data directory; its version is that of the stored forms.
const CACHE: &str = "cache/v1";

/// Where a process that is replaced meets its successor.
const UPGRADE_SOCKET: &str = "upgrade.sock";

/// Serves until told to stop.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn serve(source: config::Source, upgrade: bool) -> anyhow::Result<()> {
    let config = config::load(&source)?;
    // Whoever drops it last writes what is still to be written: here, after all else has ended.
    let log = Arc::new(log::start(&log_settings(&config.log))?);
    let parts = Arc::new(Parts::build(&config)?);
    let tls = tls(&config)?;
    parts.mount(&config)?;
    let front = front(&parts, &config, tls.clone(), upgrade);
    let sync = Sync::start(&parts, &config)?;
    sync.iter().for_each(|sync| sync.follow(&parts, &config));
    let ended = front.run(hooks(&config, Reload { source, log: Arc::clone(&log), tls, parts: Arc::clone(&parts) }));
    sync.into_iter().for_each(Sync::stop);
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
    let max_pinned_bytes = config.sync.max_pinned_bytes.unwrap_or(config.store.max_pinned_bytes);
    let settings = config::Store { max_pinned_bytes, ..config.store.clone() };
    Store::open(&directory, settings, Clock::default(), Arc::clone(metrics))
        .with_context(|| format!("cannot open the store in {}", directory.display()))
}

fn tls(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = config.listen.tls.as_ref();
    let tls = files.map(|files| Tls::load(&files.certificate, &files.key)).transpose();
    Ok(tls.context("cannot show the certificate")?.map(Arc::new))
}

fn front(parts: &Parts, config: &Config, tls: Option<Arc<Tls>>, upgrade: bool) -> Front {
    let settings = Settings {
        listen: config.addresses().copied().collect(),
        tls,
        threads: config.listen.threads,
        limits: limits(&config.limits),
        proxies: Proxies(config.listen.trusted_proxies.clone()),
        via: parts.pseudonym.clone(),
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

fn hooks(config: &Config, reload: Reload) -> Hooks {
    let parts = &reload.parts;
    let (store, overlay) = (parts.mirror.store().clone(), Arc::clone(&parts.overlay));
    let (screen, dispatcher) = (screen::Screen::of(config), hooks::dispatcher(parts, config));
    Hooks {
        on_ready: Box::new(move |addresses| screen.print(addresses)),
        on_reload: Arc::new(move || reload.run()),
        background: vec![
            Box::pin(firsts::follow(store.clone(), Arc::clone(&overlay))),
            Box::pin(async move { store.background().await }),
            Box::pin(overlay::tally(Arc::clone(&overlay))),
            Box::pin(dispatcher.run()),
            Box::pin(overlay::tidy(overlay, config.sync.keep)),
        ],
    }
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
