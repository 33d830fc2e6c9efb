//! `heliostat block`, `unblock`, `blocks`: what is not served, and why.

use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::{Place, check_mount, print_time, spelled, with_overlay};
use crate::base::clock::Clock;
use crate::config::{self, Dialect};
use crate::overlay::audit::Actor;
use crate::overlay::blocks::{ALL_VERSIONS, Block, NewBlock};
use crate::registries::blocks::names_versions;

/// Serve a package, or some versions of it, no longer
///
/// Takes effect within a second, on every node and every route: what is kept is withheld too. Again
/// with the same versions, the reason and the end are replaced. May be used while the server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    what: What,
    /// Why: clients are told
    #[arg(long)]
    reason: String,
    /// End by itself after this time, such as 12h or 30d
    #[arg(long = "for", value_name = "TIME", value_parser = config::parse_duration)]
    duration: Option<Duration>,
}

/// Serve again what was blocked
///
/// May be used while the server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Unblock {
    #[command(flatten)]
    what: What,
}

/// List what is blocked, by whom and why
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
    /// Name of the mount; of all, if there is none
    mount: Option<String>,
}

#[derive(Args)]
struct What {
    #[command(flatten)]
    place: Place,
    /// Name of the mount, such as npm
    mount: String,
    /// Name of the package, such as left-pad; of many, with * for any run of characters: @evil/*
    package: String,
    /// Which versions, such as "<1.3.0" or "1.2.3 || 2.x"
    #[arg(default_value = ALL_VERSIONS)]
    versions: String,
}

pub fn block(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { what: What { place, mount, package, versions }, reason, duration } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let has_versions =
        config.mounts.iter().any(|known| known.name == *mount && !matches!(known.dialect, Dialect::Files(_)));
    if !names_versions(versions) || !has_versions && versions != ALL_VERSIONS {
        bail!("{versions:?} names no versions of {mount}: a range such as \"<1.3.0\" does, and * for all");
    }
    let package = &spelled(&config, mount, package);
    let expires_at = duration.map(|duration| Clock::default().now() + duration);
    let new = NewBlock { mount, package, versions, reason, expires_at };
    with_overlay(&config, async |overlay| Ok(overlay.block(new, &Actor::operator(None)).await?))?;
    println!("{} is blocked", name(package, versions));
    Ok(())
}

pub fn unblock(arguments: &Unblock) -> anyhow::Result<()> {
    let What { place, mount, package, versions } = &arguments.what;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let (package, actor) = (&spelled(&config, mount, package), Actor::operator(None));
    if !with_overlay(&config, async |overlay| Ok(overlay.unblock(mount, package, versions, &actor).await?))? {
        bail!("no block of {} is there; `heliostat blocks {mount}` lists them", name(package, versions));
    }
    println!("{} is no longer blocked", name(package, versions));
    Ok(())
}

pub fn list(arguments: &List) -> anyhow::Result<()> {
    let List { place, mount } = arguments;
    let config = place.load()?;
    let blocks = with_overlay(&config, async |overlay| Ok(overlay.blocks(mount.as_deref()).await?))?;
    let now = Clock::default().now();
    for block in blocks.iter().filter(|block| block.expires_at.is_none_or(|end| end > now)) {
        println!("{}", line(block));
    }
    Ok(())
}

fn line(block: &Block) -> String {
    let Block { mount, package, versions, reason, operator, created_at, expires_at, .. } = block;
    let end = expires_at.map(|end| format!(" until {}", print_time(end))).unwrap_or_default();
    format!("{mount}\t{}\t{}{end} by {operator}: {reason}", name(package, versions), print_time(*created_at))
}

fn name(package: &str, versions: &str) -> String {
    if versions == ALL_VERSIONS { package.to_owned() } else { format!("{package} {versions}") }
}
