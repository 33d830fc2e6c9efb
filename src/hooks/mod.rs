//! Webhooks on their way out: what is due is printed by the dialect, signed, and posted to whoever wants to be told.
//!
//! The overlay says what is due and what comes next ([`overlay::hooks::dispatch`]); this loop takes the lease, prints, and
//! sends, a few at a time and each hook in its order, by the client of upstreams and within its egress rules. Nothing is read of an answer but its
//! status, and no redirect is followed. Contract npm §15.

mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::{Id, JoinError, JoinSet};
use url::Url;

use crate::mirror::Mirror;
use crate::mirror::egress::Reach;
use crate::overlay::hooks::Hook;
use crate::overlay::hooks::dispatch::{Delivery, Patience};
use crate::overlay::{self, Overlay};
use crate::registries::npm::hooks::heralds;

/// Deliveries that are on their way at once.
const AT_ONCE: usize = 16;

/// How often it is looked whether there is something to do at all, and whether another node has stopped doing it.
const IDLE: Duration = Duration::from_secs(1);
const RENEW: Duration = Duration::from_secs(5);

const SIGNATURE: HeaderName = HeaderName::from_static("x-npm-signature");

/// Where clients reach the mounts whose hooks are told of, by their names, without a slash at the end: as the configuration
/// has it now.
pub type Bases = Arc<ArcSwap<HashMap<String, String>>>;

/// Tells hooks of what has happened. One a process.
pub struct Dispatcher {
    pub overlay: Arc<Overlay>,
    pub mirror: Mirror,
    /// A name that no other node has.
    pub node: String,
    pub patience: Patience,
    /// Whether endpoints may be neighbours.
    pub reach: Reach,
    pub bases: Bases,
}

/// What this node is about.
#[derive(Default)]
struct Shift {
    /// When it last took the lease.
    leased_at: Option<Instant>,
    /// What is being sent, each by a task of its own.
    tasks: JoinSet<()>,
    under_way: HashMap<Id, Delivery>,
}

/// Why a delivery was not made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the overlay cannot be asked")]
    Overlay(#[from] overlay::Error),
    #[error("what is to be told cannot be printed")]
    Unprintable(#[from] crate::registries::failure::Error),
    #[error("the endpoint cannot be told")]
    Unsent(#[from] crate::mirror::Error),
    #[error("the endpoint is no URL")]
    NoUrl(#[from] url::ParseError),
    #[error("the mount is not served here")]
    NoMount,
}

impl Dispatcher {
    /// Goes on for ever.
    pub async fn run(self) {
        let (dispatcher, mut shift) = (Arc::new(self), Shift::default());
        loop {
            if let Err(error) = dispatcher.round(&mut shift).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "hooks are told later");
                tokio::time::sleep(RENEW).await;
            }
        }
    }

    /// Begins what is to be done now, and waits until there may be more. Nothing waits for what is being sent but what is
    /// to go the same way.
    async fn round(self: &Arc<Self>, shift: &mut Shift) -> Result<(), overlay::Error> {
        if !self.overlay.has_hooks().await? {
            tokio::time::sleep(IDLE).await;
            return Ok(());
        }
        if !self.has_lease(shift).await? {
            tokio::time::sleep(RENEW).await;
            return Ok(());
        }
        let read_to = self.overlay.fan_out(&self.node).await?;
        shift.reap();
        let beside: Vec<&Delivery> = shift.under_way.values().collect();
        let claimed = self.overlay.claim_deliveries(self.patience, &beside, AT_ONCE - beside.len()).await?;
        for delivery in claimed {
            shift.send(self, delivery);
        }
        let pause = self.pause(shift.tasks.is_empty()).await?;
        tokio::select! {
            Some(ended) = shift.tasks.join_next_with_id() => shift.end(ended),
            waited = self.overlay.wait_for_changes(read_to, Instant::now() + pause) => drop(waited?),
        }
        Ok(())
    }

    /// Tells whether this node has the lease, which it renews now and then: each time is a write.
    async fn has_lease(&self, shift: &mut Shift) -> Result<bool, overlay::Error> {
        if shift.leased_at.is_some_and(|at| at.elapsed() < RENEW) {
            return Ok(true);
        }
        let asked_at = Instant::now();
        let has_lease = self.overlay.lease_dispatch(&self.node).await?;
        shift.leased_at = has_lease.then_some(asked_at);
        Ok(has_lease)
    }

    /// Says how long there is nothing to do, if nothing happens. What is due already waits for what is being sent.
    async fn pause(&self, is_idle: bool) -> Result<Duration, overlay::Error> {
        let due = self.overlay.next_delivery().await?;
        let left = due.map_or(RENEW, |due| due.duration_since(self.overlay.now()).unwrap_or_default());
        Ok(if left.is_zero() && !is_idle { RENEW } else { left.min(RENEW) })
    }

    /// Tries one delivery, and writes down how that went.
    async fn deliver(&self, delivery: &Delivery) {
        if let Err(error) = self.try_to_deliver(delivery).await {
            let (hook, error) = (delivery.hook, &error as &dyn std::error::Error);
            tracing::warn!(hook, error, "how a hook was told is not written down: it is told again");
        }
    }

    async fn try_to_deliver(&self, delivery: &Delivery) -> Result<(), overlay::Error> {
        let Some(hook) = self.overlay.hook(delivery.hook).await? else { return Ok(()) };
        let status = match self.send(&hook, delivery).await {
            Ok(Some(status)) => Some(u64::from(status)),
            Ok(None) => return self.overlay.forget_delivery(delivery).await,
            Err(Error::Overlay(error)) => return Err(error),
            Err(error) => {
                let tries = delivery.tries;
                tracing::info!(hook = hook.id, tries, error = &error as &dyn std::error::Error, "hook not told");
                None
            }
        };
        self.overlay.settle_delivery(delivery, status, self.patience).await
    }

    /// Returns what the endpoint answered; `None` when there is nothing that it may be told.
    async fn send(&self, hook: &Hook, delivery: &Delivery) -> Result<Option<u16>, Error> {
        let base = self.bases.load().get(&hook.mount).cloned().ok_or(Error::NoMount)?;
        let Some(body) = heralds::print(&self.overlay, hook, &delivery.event, &base).await? else { return Ok(None) };
        let secret = self.overlay.hook_secret(hook.id).await?;
        let headers = headers(&sign::sign(&secret, &body));
        let url: Url = hook.endpoint.parse()?;
        let sent = self.mirror.fetch().deliver(&url, self.reach, (headers, Bytes::from(body)), self.patience.limit);
        Ok(Some(sent.await?.as_u16()))
    }
}

// === impl Shift ===

impl Shift {
    fn send(&mut self, dispatcher: &Arc<Dispatcher>, delivery: Delivery) {
        let (dispatcher, sent) = (Arc::clone(dispatcher), delivery.clone());
        let task = self.tasks.spawn(async move { dispatcher.deliver(&sent).await });
        self.under_way.insert(task.id(), delivery);
    }

    /// Forgets what has ended meanwhile.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.end(ended);
        }
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a hook was not told, and is told again");
                error.id()
            }
        };
        self.under_way.remove(&id);
    }
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Digits and letters are header text.
    headers.extend(HeaderValue::try_from(signature).ok().map(|signature| (SIGNATURE, signature)));
    headers
}
