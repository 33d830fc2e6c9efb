//! `heliostat serve`: runs the server.

use std::path::PathBuf;

use clap::Args;

use super::ConfigFile;
use crate::app;
use crate::config::{Flags, Source};

/// Run the server
///
/// SIGTERM and SIGINT stop it in good order, SIGHUP reads the configuration again.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Address to listen on; several: repeat it [default: 127.0.0.1:4870]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// Where everything is kept [default: ./heliostat-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Never ask an upstream: serve what is there
    #[arg(long)]
    offline: bool,
    /// Take over from the server that runs on the same data, without losing a request
    #[arg(long)]
    upgrade: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { file, listen, data, offline, upgrade } = arguments;
    let source = Source { file: file.config, flags: Flags { listen, data, offline } };
    app::serve(source, upgrade)
}
