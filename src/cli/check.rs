//! `heliostat check`: lists every mistake of a configuration, or prints what is in effect.

use std::io::{Write, stdout};

use anyhow::Context;
use clap::Args;

use super::ConfigFile;
use crate::app;
use crate::config::{self, Flags, Source};

/// Check the configuration: list every mistake, or print what is in effect
///
/// File and environment are looked at. Secrets are printed as ****.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = config::load(&Source { file: arguments.file.config, flags: Flags::default() })?;
    app::check(&config)?;
    write!(stdout().lock(), "{config}").context("cannot write to the standard output")
}
