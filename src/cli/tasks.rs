//! `heliostat tasks`: what is to be brought up to its upstream, how that goes, and why it did not.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Place, print_time, with_overlay};
use crate::config::Config;
use crate::overlay::Overlay;
use crate::overlay::audit::Actor;
use crate::overlay::tasks::{Patience, State, Task, TaskFilter};

/// How often it is looked for new lines.
const PAUSE: Duration = Duration::from_millis(500);

/// Show, cancel and repeat tasks: packages that are brought up to their upstreams
///
/// Without a word behind it, lists them. May be used while the server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// List tasks, the latest first: when it was made, its state, its package, why it failed
    List {
        /// Name of the mount; of all, if there is none
        #[arg(long)]
        mount: Option<String>,
        /// Of one package
        #[arg(long)]
        package: Option<String>,
        /// waiting, processing, success, partial, error, "timed out" or cancelled
        #[arg(long, value_parser = parse_state)]
        state: Option<State>,
        /// How many of the latest
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Only those that were made before this one
        #[arg(long)]
        before: Option<String>,
    },
    /// Show all that is known of a task
    Show { id: String },
    /// Print the log of a task
    Log {
        id: String,
        /// Go on until it is over
        #[arg(short, long)]
        follow: bool,
    },
    /// Let a task, and what follows from it, go no further
    Cancel { id: String },
    /// Ask again for what a task that is over was to do
    Retry { id: String },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.place.load()?;
    let all = What::List { mount: None, package: None, state: None, limit: 50, before: None };
    let what = arguments.what.as_ref().unwrap_or(&all);
    with_overlay(&config, async |overlay| match what {
        What::List { mount, package, state, limit, before } => {
            let (mount, subject, before) = (mount.as_deref(), package.as_deref(), before.as_deref());
            list(overlay, &TaskFilter { mount, subject, state: *state, root: None, before }, *limit).await
        }
        What::Show { id } => show(overlay, id).await,
        What::Log { id, follow } => log(overlay, id, *follow).await,
        What::Cancel { id } => cancel(overlay, id).await,
        What::Retry { id } => retry(overlay, &config, id).await,
    })
}

async fn list(overlay: &Overlay, filter: &TaskFilter<'_>, limit: u64) -> anyhow::Result<()> {
    for task in overlay.tasks(filter, limit).await? {
        println!("{}", line(&task));
    }
    Ok(())
}

async fn show(overlay: &Overlay, id: &str) -> anyhow::Result<()> {
    let task = find(overlay, id).await?;
    println!("{}", line(&task));
    println!(
        "{} {} asked for by {}, tried {} times",
        task.kind.as_str(),
        task.cause.as_str(),
        task.asked_by,
        task.tries
    );
    for (what, at) in [("begun", task.begun_at), ("over", task.ended_at)] {
        at.into_iter().for_each(|at| println!("{what} {}", print_time(at)));
    }
    println!("{} bytes received, {} lines in its log", task.received, task.lines);
    for result in overlay.task_results(&task.id).await? {
        println!("{} {}{}", result.version, result.outcome, suffix(result.detail.as_deref()));
    }
    if task.root == task.id {
        let family = overlay.task_family(&[task.id]).await?;
        println!(
            "{} tasks in all, {} of them over",
            family.len(),
            family.iter().filter(|one| one.state.is_over()).count()
        );
    }
    Ok(())
}

async fn log(overlay: &Overlay, id: &str, follow: bool) -> anyhow::Result<()> {
    let mut from = 0;
    loop {
        // What is over by now has all its lines.
        let is_over = find(overlay, id).await?.state.is_over();
        let log = overlay.task_log(id, from).await?;
        let mut out = io::stdout().lock();
        for line in &log.lines {
            writeln!(out, "{}", plain(line))?;
        }
        out.flush()?;
        from = log.next;
        if is_over || !follow {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn cancel(overlay: &Overlay, id: &str) -> anyhow::Result<()> {
    let task = find(overlay, id).await?;
    if !overlay.cancel_task(&task.id, &Actor::operator(None)).await? {
        bail!("the task is over: {}", task.state.as_str());
    }
    println!("{}/{} goes no further", task.mount, task.subject);
    Ok(())
}

async fn retry(overlay: &Overlay, config: &Config, id: &str) -> anyhow::Result<()> {
    let task = find(overlay, id).await?;
    if !task.state.is_over() {
        bail!("the task is not over: {}", task.state.as_str());
    }
    let again = overlay.retry_task(&task.id, &Patience::of(&config.sync), &Actor::operator(None)).await?;
    println!("{}\t{}/{}", again.id, task.mount, task.subject);
    Ok(())
}

async fn find(overlay: &Overlay, id: &str) -> anyhow::Result<Task> {
    overlay.task(id).await?.with_context(|| format!("there is no task {id:?}; `heliostat tasks` lists them"))
}

fn line(task: &Task) -> String {
    let Task { id, made_at, state, mount, subject, error, .. } = task;
    plain(&format!("{id}\t{}\t{}\t{mount}/{subject}{}", print_time(*made_at), state.as_str(), suffix(error.as_deref())))
}

fn suffix(text: Option<&str>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

/// Returns a text that rings no bell.
fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() && one != '\t' { '\u{fffd}' } else { one }).collect()
}

fn parse_state(text: &str) -> Result<State, String> {
    State::parse(text)
        .ok_or_else(|| "no state: waiting, processing, success, partial, error, timed out, cancelled".to_owned())
}
