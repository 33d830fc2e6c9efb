//! Builds what tells webhooks of what has happened.

use std::collections::HashMap;
use std::sync::Arc;

use super::parts::Parts;
use crate::config::{Config, Mount};
use crate::hooks::Dispatcher;
use crate::mirror::egress::Reach;
use crate::overlay::hooks::dispatch::Patience;

/// Builds the dispatcher of this process.
pub fn dispatcher(parts: &Parts, config: &Config) -> Dispatcher {
    let hooks = &config.hooks;
    Dispatcher {
        overlay: Arc::clone(&parts.overlay),
        mirror: parts.mirror.clone(),
        node: format!("{:016x}", rand::random::<u64>()),
        patience: Patience { limit: hooks.timeout, pause: hooks.retry_pause },
        reach: if hooks.allow_private { Reach::Private } else { Reach::Public },
        bases: Arc::clone(&parts.bases),
    }
}

/// Lists where clients reach each mount, by its name.
pub fn bases(config: &Config) -> HashMap<String, String> {
    config.mounts.iter().map(|mount| (mount.name.clone(), base_of(mount, config))).collect()
}

/// Returns where clients reach a mount, as far as nobody asks: by its public URL, or by the first address.
fn base_of(mount: &Mount, config: &Config) -> String {
    if let Some(url) = mount.public_base(&config.listen) {
        return url.as_url().as_str().trim_end_matches('/').to_owned();
    }
    let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
    let address = config.addresses().next();
    address.map_or_else(String::new, |address| format!("{scheme}://{address}{}", mount.path))
}
