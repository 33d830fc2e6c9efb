//! Reads the configuration again while the server runs.

use std::sync::Arc;

use super::parts::Parts;
use crate::config;
use crate::front::tls::Tls;
use crate::telemetry::log;

/// What a reload changes, and from what.
pub struct Reload {
    pub source: config::Source,
    pub log: Arc<log::Log>,
    /// What clients are shown; none where plain HTTP is spoken.
    pub tls: Option<Arc<Tls>>,
    pub parts: Arc<Parts>,
}

impl Reload {
    /// Reads the configuration again and takes over what may change while running: mounts, log filter, offline, and
    /// what the files of the certificate hold. What does not is told each time, until the restart that it needs.
    pub fn run(&self) {
        let reloaded = config::load(&self.source).map_err(anyhow::Error::from).and_then(|config| {
            self.parts.mount(&config)?;
            self.log.set_filter(&config.log.filter)?;
            let changed = self.parts.started.needs_restart(&config);
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
}
