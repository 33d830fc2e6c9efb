//! Webhooks on their way out: what is due is printed by the dialect, signed, and posted to whoever wants to be told.
//!
//! The overlay says what is due and what comes next ([`overlay::hooks::dispatch`]); this loop takes the lease, prints, and
//! sends, a few at a time, by the client of upstreams and within its egress rules. Nothing is read of an answer but its
//! status, and no redirect is followed. Contract npm §15.

mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::mirror::Mirror;
use crate::mirror::egress::Reach;
use crate::overlay::hooks::Hook;
use crate::overlay::hooks::dispatch::{Delivery, Patience};
use crate::overlay::{self, Overlay};
use crate::registries::npm::hooks::heralds;

/// Deliveries that are on their way at once.
const AT_ONCE: u64 = 8;

/// How often it is looked whether there is something to do at all, and whether another node has stopped doing it.
const IDLE: Duration = Duration::from_secs(1);
const RENEW: Duration = Duration::from_secs(5);

const SIGNATURE: HeaderName = HeaderName::from_static("x-npm-signature");

/// Tells hooks of what has happened. One a process.
pub struct Dispatcher {
    pub overlay: Arc<Overlay>,
    pub mirror: Mirror,
    /// A name that no other node has.
    pub node: String,
    pub patience: Patience,
    /// Whether endpoints may be neighbours.
    pub reach: Reach,
    /// Where clients reach the mounts whose hooks are told of, without a slash at the end.
    pub bases: HashMap<String, String>,
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
}

impl Dispatcher {
    /// Goes on for ever.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "hooks are told later");
                tokio::time::sleep(RENEW).await;
            }
        }
    }

    /// Does what is to be done now, and waits until there may be more.
    async fn round(&self) -> Result<(), overlay::Error> {
        if !self.overlay.has_hooks().await? {
            tokio::time::sleep(IDLE).await;
            return Ok(());
        }
        if !self.overlay.lease_dispatch(&self.node).await? {
            tokio::time::sleep(RENEW).await;
            return Ok(());
        }
        let read_to = self.overlay.fan_out(&self.node).await?;
        let claimed = self.overlay.claim_deliveries(self.patience, AT_ONCE).await?;
        if !claimed.is_empty() {
            let sent = join_all(claimed.iter().map(|delivery| self.deliver(delivery))).await;
            return sent.into_iter().collect();
        }
        let due = self.overlay.next_delivery().await?;
        let left = due.map(|due| due.duration_since(self.overlay.now()).unwrap_or_default());
        self.overlay.wait_for_changes(read_to, Instant::now() + left.unwrap_or(RENEW).min(RENEW)).await.map(drop)
    }

    /// Tries one delivery, and writes down how that went.
    async fn deliver(&self, delivery: &Delivery) -> Result<(), overlay::Error> {
        let Some(hook) = self.overlay.hook(delivery.hook).await? else { return Ok(()) };
        let status = match self.send(&hook, delivery).await {
            Ok(status) => status.map(u64::from),
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
        let Some(base) = self.bases.get(&hook.mount) else { return Ok(None) };
        let Some(body) = heralds::print(&self.overlay, hook, &delivery.event, base).await? else { return Ok(None) };
        let secret = self.overlay.hook_secret(hook.id).await?;
        let headers = headers(&sign::sign(&secret, &body));
        let url: Url = hook.endpoint.parse()?;
        let sent = self.mirror.fetch().deliver(&url, self.reach, (headers, Bytes::from(body)), self.patience.limit);
        Ok(Some(sent.await?.as_u16()))
    }
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Digits and letters are header text.
    headers.extend(HeaderValue::try_from(signature).ok().map(|signature| (SIGNATURE, signature)));
    headers
}
