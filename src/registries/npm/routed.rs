//! One mount with the routes that hold now: where names come from is said by the configuration, and by admins at run time.
//!
//! Whoever is answered goes by one state of the routes, from the key of what it wants to the keys that its signatures are
//! held to; when they change, here or on another node, the next request is answered by the next state. The configuration's
//! own scopes stay as they are, whatever was written since.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;

use super::Npm;
use super::error::Error;
use super::name::PackageName;
use crate::base::clock::Clock;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::base::secret::Secret;
use crate::config;
use crate::mirror::Upstream;
use crate::mirror::fresh::Demand;
use crate::overlay::upstreams::{self, Routes, Target};
use crate::registries::binaries::tree::Documents;
use crate::registries::desk::turn_away;
use crate::registries::missed::Missed;

/// A mount whose routes may change.
pub struct Routed {
    /// As the configuration has it, before any route was written.
    plain: Npm,
    mount: config::Mount,
    now: ArcSwap<State>,
}

/// The mount by one state of its routes.
struct State {
    /// `None`: nobody has asked for routes yet.
    revision: Option<u64>,
    npm: Npm,
}

// === impl Routed ===

impl Routed {
    pub fn new(plain: Npm, mount: &config::Mount) -> Self {
        let now = ArcSwap::from_pointee(State { revision: None, npm: plain.clone() });
        Self { plain, mount: mount.clone(), now }
    }

    /// Returns the mount by the routes of now.
    pub(super) async fn current(&self) -> Result<Npm, Error> {
        self.renew().await?;
        Ok(self.now.load().npm.clone())
    }

    /// Makes sure that the state is as of what is known of routes now.
    async fn renew(&self) -> Result<(), Error> {
        let overlay = self.plain.gate.overlay();
        let wanted = overlay.heads().await?.routes;
        if self.now.load().revision >= Some(wanted) {
            return Ok(());
        }
        let routes = overlay.routes().await?;
        let next = Arc::new(State { revision: Some(routes.revision()), npm: self.follow(&routes) });
        // Unless another was made since.
        self.now.rcu(|held| Arc::clone(if held.revision > next.revision { held } else { &next }));
        Ok(())
    }

    /// Returns the mount by these routes.
    fn follow(&self, routes: &Routes) -> Npm {
        let mut upstreams = (*self.plain.configured).clone();
        let named: HashMap<_, _> =
            routes.upstreams(&self.mount.name).map(|named| (named.id, Arc::new(self.upstream(named)))).collect();
        let mut own = Vec::new();
        for route in routes.scopes(&self.mount.name) {
            if self.plain.configured.scopes.contains_key(&route.scope) {
                continue;
            }
            let upstream = match route.target {
                Target::Default => continue,
                Target::Own => None,
                // Where it is gone, nobody knows who might be asked: then nobody is.
                Target::Upstream(id) => named.get(&id),
            };
            match upstream {
                Some(upstream) => drop(upstreams.scopes.insert(route.scope.clone(), Arc::clone(upstream))),
                None => own.push(format!("{}/*", route.scope)),
            }
        }
        Npm {
            sources: Arc::new(self.plain.sources.from_others(upstreams)),
            gate: Arc::new(self.plain.gate.also_keeping(own)),
            // What one upstream lacked, another may have.
            missed: Arc::new(Missed::new(Clock::default(), self.mount.negative_ttl)),
            ..self.plain.clone()
        }
    }

    fn upstream(&self, named: &upstreams::Upstream) -> Upstream {
        let bearer = |token: &Secret| Secret::new(format!("Bearer {}", token.reveal()));
        Upstream {
            // Two of one URL may be shown different things, and what one of them gave is not the other's.
            id: id_of(named),
            url: named.url.clone(),
            authorization: named.token.as_ref().map(bearer),
            allow_private: self.plain.allow_private_registries,
            artifact_hosts: self.mount.artifact_hosts.clone(),
        }
    }
}

/// Names a registry that was named at run time among all upstreams.
pub fn id_of(named: &upstreams::Upstream) -> String {
    format!("{}-{}", Upstream::id_of(&named.url), named.id)
}

#[async_trait]
impl Handler for Routed {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        match self.renew().await {
            Ok(()) => self.now.load().npm.handle(request).await,
            Err(error) => turn_away(&self.plain, &error, request).into(),
        }
    }

    async fn handle_body(&self, request: &Request<'_>, body: Bytes) -> Reply {
        match self.renew().await {
            Ok(()) => self.now.load().npm.handle_body(request, body).await,
            Err(error) => turn_away(&self.plain, &error, request),
        }
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        self.plain.refuse(refusal, request)
    }
}

#[async_trait]
impl Documents for Routed {
    async fn document(&self, package: &str, demand: &Demand) -> Result<Bytes, Error> {
        self.renew().await?;
        let name = PackageName::parse(package)?;
        let npm = self.now.load_full();
        npm.npm.upstreams_document(&name, demand).await
    }
}
