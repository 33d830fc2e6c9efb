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
    let name = format!("{mount}/{package}@{version}");
    let known = with_store(&config, async |store| {
        let overlay = app::open_overlay(&config).await?;
        let known = forget(&store, &overlay, &name).await;
        overlay.close().await?;
        known
    })?;
    if !known {
        anyhow::bail!("no digest of {package}@{version} is remembered for {mount}");
    }
    println!("the next digest of {package}@{version} that is proved will be held to");
    Ok(())
}

/// Forgets a release, and what is kept of it here. `false`: nothing was ever remembered.
async fn forget(store: &Store, overlay: &Overlay, release: &str) -> anyhow::Result<bool> {
    app::carry(store, overlay).await?;
    let Some(accepted) = overlay.accept(release, &Actor::operator(None)).await? else { return Ok(false) };
    store.forget_old_first(release).await?;
    app::drop_accepted(store, &accepted).await?;
    Ok(true)
}

fn parse_release(text: &str) -> Result<Release, String> {
    match text.rsplit_once('@') {
        Some((package, version)) if !package.is_empty() && !version.is_empty() => {
            Ok(Release { package: package.to_owned(), version: version.to_owned() })
        }
        _ => Err("must be a package and a version, such as left-pad@1.3.0".to_owned()),
    }
}
