//! `heliostat sync`: brings packages up to their upstreams, and pins what it fetches.

use anyhow::Context;
use clap::Args;

use super::progress::{Sum, follow};
use super::{Place, check_mount, spelled, with_overlay};
use crate::app;
use crate::config::Config;
use crate::overlay::Overlay;
use crate::overlay::audit::Actor;
use crate::overlay::tasks::{Cause, Enqueued, Kind, NewTask, Patience, Rank, Wish};

/// Bring packages up to their upstreams, and keep what is fetched for good
///
/// Of a package that is named alone, every version is fetched; of left-pad@1.3.0 or left-pad@^1, what
/// that says. A running server does it, or any other on the same database; where none runs, this
/// command does it itself. It may be stopped: what was asked for is done all the same.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Packages, such as left-pad, @acme/tool@2.1.0 or jason@1.4.4
    #[arg(required = true)]
    packages: Vec<String>,
    /// Name of the mount
    #[arg(long, default_value = "npm")]
    mount: String,
    /// And whatever these need, in the versions that clients choose
    #[arg(long)]
    deps: bool,
    /// Ask for it, and do not wait until it is done
    #[arg(long)]
    detach: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, packages, mount, deps, detach } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    let asked: Vec<_> = packages.iter().map(|text| wish(&config, mount, text, *deps)).collect();
    let tasks = with_overlay(&config, async |overlay| enqueue(overlay, &config, mount, &asked).await)?;
    if *detach {
        tasks.iter().for_each(|task| println!("{}\t{}", task.id, task.subject));
        return Ok(());
    }
    let sum = wait(&config, &tasks)?;
    sum.judge()
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

async fn enqueue(
    overlay: &Overlay,
    config: &Config,
    mount: &str,
    asked: &[(String, Wish)],
) -> anyhow::Result<Vec<Enqueued>> {
    let new = asked.iter().map(|(subject, wish)| NewTask {
        mount,
        kind: Kind::Package,
        subject,
        wish: wish.clone(),
        cause: Cause::Asked,
        rank: Rank::Asked,
        parent: None,
    });
    Ok(overlay.enqueue(new.collect(), &Patience::of(&config.sync), &Actor::operator(None)).await?)
}

/// Reads a package, and which of its versions are wanted.
fn wish(config: &Config, mount: &str, text: &str, deps: bool) -> (String, Wish) {
    let wish = Wish { skip_dependencies: !deps, ..Wish::default() };
    // A scope starts with the sign that versions start with.
    let at = text.get(1..).and_then(|rest| rest.find('@')).map(|at| at + 1);
    let (name, spec) = at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let wish = match spec {
        "" => Wish { all: true, ..wish },
        spec if semver::Version::parse(spec).is_ok() => Wish { versions: [spec.to_owned()].into(), ..wish },
        spec => Wish { ranges: [spec.to_owned()].into(), ..wish },
    };
    (spelled(config, mount, name), wish)
}
