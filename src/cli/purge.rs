//! `heliostat purge`: forgets what is kept of a package.

use clap::Args;

use super::{Place, check_mount, with_store};

/// Forget what is kept of a package, so that it is fetched again
///
/// The first digest of each release stays remembered. May be used while the server runs.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Name of the mount, such as npm
    mount: String,
    /// Name of the package, such as left-pad or @acme/tool
    package: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, mount, package } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let purged = with_store(&config, |store| async move { Ok(store.purge_package(mount, package).await?) })?;
    println!("{purged} entries of {package} removed from {mount}");
    Ok(())
}
