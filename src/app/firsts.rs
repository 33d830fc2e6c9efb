//! What the mirror holds releases to lies in the overlay, where no cache that is deleted takes it along and all nodes see
//! it. The two have never met: here they do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;

use crate::base::digest::Digest;
use crate::mirror::firsts::{First, Firsts, Verdict};
use crate::mirror::store::{Carried, Store};
use crate::mirror::{Error, Release};
use crate::overlay::firsts::Accepted;
use crate::overlay::{self, Overlay};

/// How often it is looked whether operators have accepted anything.
const PAUSE: Duration = Duration::from_secs(1);

/// First digests in the overlay.
pub struct InOverlay(pub Arc<Overlay>);

#[async_trait]
impl Firsts for InOverlay {
    async fn find(&self, release: &str) -> Result<Option<First>, Error> {
        Ok(self.0.first_seen(release).await.map_err(Error::unasked)?.map(as_mirrors))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<First>, Error> {
        let firsts = self.0.firsts(prefix).await.map_err(Error::unasked)?;
        Ok(firsts.into_iter().map(as_mirrors).collect())
    }

    async fn hold(&self, release: &Release, digest: Digest) -> Result<Verdict, Error> {
        match self.0.hold_first(&release.name, digest, release.testimony.as_deref()).await {
            Ok(overlay::firsts::Verdict::Held) => Ok(Verdict::Held),
            Ok(overlay::firsts::Verdict::Other(first)) => Ok(Verdict::Other(first)),
            Err(overlay::Error::Full(_)) => Ok(Verdict::Unwritten),
            Err(error) => Err(Error::unasked(error)),
        }
    }

    async fn note_rivals(&self, rivals: &[(String, Option<String>)]) -> Result<(), Error> {
        self.0.note_rivals(rivals).await.map_err(Error::unasked)
    }
}

/// Carries what an older program remembered in the store to the overlay, once.
///
/// # Errors
/// The store's or the overlay's: what was not carried is still where it was.
pub async fn carry(store: &Store, overlay: &Overlay) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = store.old_firsts(&after).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.first.release);
        let page: Vec<_> = page.into_iter().map(as_overlays).collect();
        let taken = overlay.take_firsts(&page).await?;
        tracing::info!(taken, "first digests carried from the cache to the overlay");
    }
    store.drop_old_firsts().await.context("first digests that were carried are not dropped")
}

/// Drops what is kept of releases that operators accept, wherever they say so, for as long as the process lives; at first,
/// of all that were ever accepted: some may have been while nobody was here.
pub async fn follow(store: Store, overlay: Arc<Overlay>) {
    let (mut seen, mut is_failing) = (0, false);
    loop {
        let dropped = drop_newly_accepted(&store, &overlay, &mut seen).await;
        // Said once: it may be so for a while.
        if let Err(error) = &dropped
            && !is_failing
        {
            tracing::warn!(error = format!("{error:#}"), "releases that were accepted are not dropped yet");
        }
        is_failing = dropped.is_err();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Drops what is kept of releases that were accepted since the write `seen`, and moves that on.
async fn drop_newly_accepted(store: &Store, overlay: &Overlay, seen: &mut u64) -> anyhow::Result<()> {
    let now = overlay.heads().await?.writes;
    if *seen != now {
        for accepted in overlay.accepted_since(*seen).await? {
            // Where upstream has gone back to what it had, that is kept by rights.
            let first = overlay.first_seen(&accepted.release).await?;
            if first.is_none_or(|first| first.digest != accepted.digest) {
                drop_accepted(store, &accepted).await?;
            }
        }
    }
    *seen = now;
    Ok(())
}

/// Drops what is kept of a release that an operator has accepted other bytes of.
///
/// # Errors
/// The store's.
pub async fn drop_accepted(store: &Store, accepted: &Accepted) -> anyhow::Result<()> {
    // As the dialects name them: `npm/@acme/tool@1.0.0`, `npm:0a1b2c3d-7/@acme/tool@1.0.0`.
    let parts = accepted.release.split_once('/').and_then(|(space, rest)| Some((space, rest.rsplit_once('@')?.0)));
    if let Some((namespace, package)) = parts {
        let mount = namespace.split_once(':').map_or(namespace, |(mount, _)| mount);
        store.remove_held(mount, package, accepted.digest).await?;
    }
    Ok(())
}

fn as_mirrors(first: overlay::firsts::First) -> First {
    let overlay::firsts::First { release, digest, testimony, rival, .. } = first;
    First { release, digest, testimony, rival }
}

fn as_overlays(carried: Carried) -> overlay::firsts::First {
    let Carried { first: First { release, digest, testimony, rival }, seen_at } = carried;
    overlay::firsts::First { release, digest, testimony, rival, seen_at }
}
