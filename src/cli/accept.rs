//! `heliostat accept`: takes a release's new bytes for good.

use clap::Args;

use super::{Place, check_mount, with_store};
use crate::app;
use crate::mirror::store::Store;
use crate::overlay::Overlay;
use crate::overlay::audit::Actor;

/// Accept that the bytes of a release have changed
///
/// The digest of every release is held to from the day it was first seen. An upstream whose
/// document names other bytes under the same version is listed as an incident, and the first ones
/// are served on. This forgets them: the next bytes that are proved are held to instead. May be
/// used while the server runs. Of several nodes, all forget: one that was down, when it starts.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Name of the mount, such as npm
    mount: String,
    /// The release, such as left-pad@1.3.0
    #[arg(value_name = "PACKAGE@VERSION", value_parser = parse_release)]
    release: Release,
}

/// A package and its version.
#[derive(Clone)]
struct Release {
    package: String,
    version: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, mount, release } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let Release { package, version } = release;
    let known = with_store(&config, async |store| {
        let overlay = app::open_overlay(&config).await?;
        let known = forget(&store, &overlay, (mount, release)).await;
        overlay.close().await?;
        known
    })?;
    if !known {
        anyhow::bail!("no digest of {package}@{version} is remembered for {mount}");
    }
    println!("the next digest of {package}@{version} that is proved will be held to");
    Ok(())
}

/// Forgets a release, and what is kept of it here, of all upstreams that had it. `false`: nothing was ever remembered.
async fn forget(store: &Store, overlay: &Overlay, (mount, release): (&str, &Release)) -> anyhow::Result<bool> {
    app::carry(store, overlay).await?;
    let what = format!("{}@{}", release.package, release.version);
    let mut names = vec![format!("{mount}/{what}")];
    // Those of upstreams that were named at run time have these beside the mount.
    let others = overlay.firsts(&format!("{mount}:")).await?.into_iter().map(|first| first.release);
    names.extend(others.filter(|name| name.split_once('/').is_some_and(|(_, rest)| rest == what)));
    let mut known = false;
    for name in names {
        let Some(accepted) = overlay.accept(&name, &Actor::operator(None)).await? else { continue };
        known = true;
        store.forget_old_first(&name).await?;
        app::drop_accepted(store, &accepted).await?;
    }
    Ok(known)
}

fn parse_release(text: &str) -> Result<Release, String> {
    match text.rsplit_once('@') {
        Some((package, version)) if !package.is_empty() && !version.is_empty() => {
            Ok(Release { package: package.to_owned(), version: version.to_owned() })
        }
        _ => Err("must be a package and a version, such as left-pad@1.3.0".to_owned()),
    }
}
