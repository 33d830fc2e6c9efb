//! `heliostat accept`: takes a release's new bytes for good.

use clap::Args;

use super::{Place, check_mount, with_store};

/// Accept that the bytes of a release have changed
///
/// The digest of every release is held to from the day it was first seen; other bytes under the
/// same version are refused and listed as an incident. This forgets the digest: the next one that
/// is proved is held to instead.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Name of the mount, such as npm
    mount: String,
    /// The release, such as left-pad@1.3.0
    #[arg(value_name = "PACKAGE@VERSION", value_parser = parse_release)]
    release: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, mount, release } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let key = format!("{mount}/{release}");
    if !with_store(&config, |store| async move { Ok(store.accept(&key).await?) })? {
        anyhow::bail!("no digest of {release} is remembered for {mount}");
    }
    println!("the next digest of {release} that is proved will be held to");
    Ok(())
}

fn parse_release(text: &str) -> Result<String, String> {
    match text.rsplit_once('@') {
        Some((package, version)) if !package.is_empty() && !version.is_empty() => Ok(text.to_owned()),
        _ => Err("must be a package and a version, such as left-pad@1.3.0".to_owned()),
    }
}
