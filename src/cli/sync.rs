//! `heliostat sync`: brings packages up to their upstreams, and pins what it fetches.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::progress::{Sum, follow};
use super::{Place, check_mount, spelled, with_overlay};
use crate::app;
use crate::base::fs;
use crate::config::Config;
use crate::overlay::audit::Actor;
use crate::overlay::tasks::{Enqueued, Patience, Wish};
use crate::registries::{lockfiles, wishes};

/// Bring packages up to their upstreams, and keep what is fetched for good
///
/// Of a package that is named alone, every version is fetched; of left-pad@1.3.0 or left-pad@^1, what
/// that says; of a lockfile, what it has. A running server does it, or any other on the same database;
/// where none runs, this command does it itself. It may be stopped: what was asked for is done all the
/// same, as soon as a server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Packages, such as left-pad, @acme/tool@2.1.0 or jason@1.4.4
    #[arg(required_unless_present = "lockfile")]
    packages: Vec<String>,
    /// All that a lockfile has: of npm, pnpm, yarn, mix or rebar3
    #[arg(long, value_name = "FILE", conflicts_with = "packages")]
    lockfile: Option<PathBuf>,
    /// Name of the mount [default: npm, or the one of the lockfile's kind]
    #[arg(long)]
    mount: Option<String>,
    /// And whatever these need, in the versions that clients choose
    #[arg(long)]
    deps: bool,
    /// Ask for it, and do not wait until it is done
    #[arg(long)]
    detach: bool,
}

/// What is wanted, and of which mount.
struct Asked {
    mount: String,
    wishes: Vec<(String, Wish)>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.place.load()?;
    let asked = match &arguments.lockfile {
        Some(path) => read_lockfile(&config, path, arguments)?,
        None => read_packages(&config, arguments)?,
    };
    let tasks = enqueue(&config, &asked)?;
    if arguments.detach {
        tasks.iter().for_each(|task| println!("{}\t{}", task.id, task.subject));
        return Ok(());
    }
    wait(&config, &tasks)?.judge()
}

fn read_packages(config: &Config, arguments: &Arguments) -> anyhow::Result<Asked> {
    let mount = arguments.mount.clone().unwrap_or_else(|| "npm".to_owned());
    check_mount(config, &mount)?;
    let read = |text: &String| wishes::read(text, !arguments.deps);
    let wishes = arguments.packages.iter().map(read);
    let wishes = wishes.map(|(name, wish)| (spelled(config, &mount, &name), wish)).collect();
    Ok(Asked { mount, wishes })
}

fn read_lockfile(config: &Config, path: &Path, arguments: &Arguments) -> anyhow::Result<Asked> {
    let place = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", place()))?;
    let lockfile = lockfiles::read(&text).with_context(|| format!("cannot use {}", place()))?;
    let dialect = lockfile.kind.dialect();
    let mut fitting = config.mounts.iter().filter(|mount| mount.dialect.as_str() == dialect);
    let mount = match (&arguments.mount, fitting.next(), fitting.next()) {
        (Some(name), ..) => name.clone(),
        (None, Some(mount), None) => mount.name.clone(),
        (None, None, _) => bail!("{} is of {dialect}, of which there is no mount", place()),
        (None, Some(_), Some(_)) => bail!("there are several mounts of {dialect}: name one by --mount"),
    };
    check_mount(config, &mount)?;
    if !config.mounts.iter().any(|known| known.name == mount && known.dialect.as_str() == dialect) {
        bail!("{} is of {dialect}, and {mount} is not", place());
    }
    let wishes = wishes::of_lockfile(lockfile, !arguments.deps);
    if wishes.is_empty() { bail!("{} has no packages of a registry", place()) } else { Ok(Asked { mount, wishes }) }
}

fn enqueue(config: &Config, Asked { mount, wishes }: &Asked) -> anyhow::Result<Vec<Enqueued>> {
    let new = wishes.iter().map(|(subject, wish)| wishes::order(mount, subject, wish)).collect();
    let (patience, operator) = (Patience::of(&config.sync), Actor::operator(None));
    with_overlay(config, async |overlay| Ok(overlay.enqueue(new, &patience, &operator).await?))
}

/// Waits for tasks; where no server runs that could do them, this process does.
fn wait(config: &Config, tasks: &[Enqueued]) -> anyhow::Result<Sum> {
    if let Some(sum) = with_overlay(config, async |overlay| follow(overlay, tasks).await)? {
        return Ok(sum);
    }
    eprintln!("no server runs on {}: this command works itself", config.data.display());
    let sum = app::work(config, async |overlay| follow(overlay, tasks).await)?;
    sum.context("no tasks can be run")
}
