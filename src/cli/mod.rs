//! The command line: a file a command. Each reads its arguments and hands over; what it does is elsewhere.

mod accept;
mod audit;
mod block;
mod check;
mod progress;
mod purge;
mod serve;
mod sync;
mod tasks;
mod token;
mod user;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::app;
use crate::base::fs;
use crate::config::{self, Config, Dialect, Flags, Source};
use crate::mirror::store::Store;
use crate::overlay::Overlay;
use crate::registries::times::print_seconds;
use crate::telemetry::metrics::Metrics;

/// A caching mirror for package registries that proves every byte before it keeps it.
///
/// Without any configuration it listens on 127.0.0.1:4870, keeps its data in ./heliostat-data
/// and mirrors the npm registry that this machine's npm is set to.
#[derive(Parser)]
#[command(name = "heliostat", version, verbatim_doc_comment)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Purge(purge::Arguments),
    Accept(accept::Arguments),
    User(user::Arguments),
    Block(block::Arguments),
    Unblock(block::Unblock),
    Blocks(block::List),
    Token(token::Arguments),
    Audit(audit::Arguments),
    Sync(sync::Arguments),
    Tasks(tasks::Arguments),
}

/// Where the configuration is.
#[derive(Args)]
struct ConfigFile {
    /// Configuration file; without it $HELIOSTAT_CONFIG, else every key at its default
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// Where the configuration and the data are.
#[derive(Args)]
struct Place {
    #[command(flatten)]
    file: ConfigFile,
    /// Where everything is kept [default: ./heliostat-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

/// Runs one command.
///
/// # Errors
/// Whatever keeps it from being done.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Purge(arguments) => purge::run(&arguments),
        Command::Accept(arguments) => accept::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Block(arguments) => block::block(&arguments),
        Command::Unblock(arguments) => block::unblock(&arguments),
        Command::Blocks(arguments) => block::list(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Sync(arguments) => sync::run(&arguments),
        Command::Tasks(arguments) => tasks::run(&arguments),
    }
}

impl Place {
    fn load(&self) -> Result<Config, config::Error> {
        let flags = Flags { data: self.data.clone(), ..Flags::default() };
        config::load(&Source { file: self.file.config.clone(), flags })
    }
}

/// Does something to the overlay, beside a server that may be running on it.
fn with_overlay<T>(config: &Config, act: impl AsyncFnOnce(&Overlay) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let overlay = app::open_overlay(config).await?;
        let done = act(&overlay).await;
        overlay.close().await?;
        done
    })
}

/// Does something to the store of a data directory, beside a server that may be running on it.
fn with_store<T>(config: &Config, act: impl AsyncFnOnce(Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    // Opening a store makes one; a mistyped directory must not become an empty store.
    if fs::length(&config.data)?.is_none() {
        anyhow::bail!("there is no data directory {}", config.data.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = app::open_store(config, &Arc::new(Metrics::new()?))?;
    runtime.block_on(async {
        let done = act(store.clone()).await;
        store.close().await.context("the store was not closed cleanly")?;
        done
    })
}

/// Refuses a mount that the configuration does not have.
fn check_mount(config: &Config, name: &str) -> anyhow::Result<()> {
    let names: Vec<_> = config.mounts.iter().map(|mount| mount.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    anyhow::bail!("there is no mount {name:?}; known: {}", names.join(", "))
}

/// Returns a name as its dialect spells it when it is asked for: niso's are in lower case, places of files begin below the
/// mount.
fn spelled(config: &Config, mount: &str, package: &str) -> String {
    match config.mounts.iter().find(|known| known.name == mount).map(|mount| &mount.dialect) {
        Some(Dialect::Niso(_)) => package.to_ascii_lowercase(),
        Some(Dialect::Files(_)) => package.trim_start_matches('/').to_owned(),
        _ => package.to_owned(),
    }
}

/// Prints a time in UTC to the second. Source: RFC 3339 §5.6.
fn print_time(time: SystemTime) -> String {
    format!("{}Z", print_seconds(time.into()))
}
