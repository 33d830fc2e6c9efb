//! The servers that a mount follows: one for every package, and those that scopes have of their own.

use std::collections::HashMap;
use std::sync::Arc;

use super::of;
use crate::base::secret::Secret;
use crate::config::{self, Credentials, Listen};
use crate::mirror::Upstream;

/// The upstreams of one mount.
#[derive(Clone)]
pub struct Upstreams {
    /// Serves what no scope claims.
    pub default: Arc<Upstream>,
    /// By scope, with its `@`; one of several scopes is there several times.
    pub scopes: HashMap<String, Arc<Upstream>>,
}

// === impl Upstreams ===

impl Upstreams {
    /// Sorts a mount's upstreams. Where none is configured for every package, the dialect's own is looked for, which may
    /// block.
    pub fn find(mount: &config::Mount, listen: &Listen) -> Self {
        let (scoped, unscoped): (Vec<_>, Vec<_>) =
            mount.upstreams.iter().partition(|upstream| !upstream.scopes.is_empty());
        let default = match unscoped.first() {
            Some(configured) => upstream(mount, configured),
            None => upstream(mount, &of(&mount.dialect).default_upstream(mount, listen)),
        };
        let scopes = scoped.into_iter().flat_map(|configured| {
            let upstream = Arc::new(upstream(mount, configured));
            configured.scopes.iter().map(move |scope| (scope.clone(), Arc::clone(&upstream)))
        });
        Self { default: Arc::new(default), scopes: scopes.collect() }
    }

    /// Returns the upstream that serves a scope, or what has none.
    pub fn of_scope(&self, scope: Option<&str>) -> &Arc<Upstream> {
        scope.and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.default)
    }
}

fn upstream(mount: &config::Mount, configured: &config::Upstream) -> Upstream {
    Upstream {
        id: Upstream::id_of(configured.url.as_url()),
        url: configured.url.as_url().clone(),
        authorization: configured.credentials.as_ref().map(authorization),
        allow_private: configured.allow_private,
        artifact_hosts: mount.artifact_hosts.clone(),
    }
}

/// Returns the value of `Authorization`. Source: RFC 6750 §2.1, RFC 7617 §2.
fn authorization(credentials: &Credentials) -> Secret {
    match credentials {
        Credentials::Raw(authorization) => authorization.clone(),
        Credentials::Token(token) => Secret::new(format!("Bearer {}", token.reveal())),
        Credentials::Basic { username, password } => {
            Secret::basic(username.reveal().as_bytes(), password.reveal().as_bytes())
        }
    }
}
