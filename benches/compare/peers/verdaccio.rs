//! verdaccio as it comes, with the origin as its one uplink.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Kind, Peer, Site};
use crate::install;
use crate::process::{Process, SERVER_CORE, free_address};

/// Starts verdaccio with an empty storage.
///
/// # Errors
/// When it does not start.
pub fn start(site: &Site<'_>, directory: &Path) -> Result<Peer> {
    let address = free_address()?;
    let file = directory.join("config.yaml");
    fs::write(&file, configuration(&site.origin.url()))?;
    let mut command = Command::new("node");
    command.arg(install::verdaccio_program(site.tools)).arg("--config").arg(&file);
    command.arg("--listen").arg(format!("http://{address}")).current_dir(directory);
    let process = Process::start("verdaccio", SERVER_CORE, &command, site.work)?;
    Peer::ready(Kind::Verdaccio, address, process, "/-/ping")
}

fn configuration(origin: &str) -> String {
    format!(
        "storage: ./storage\nweb:\n  enable: false\nauth:\n  htpasswd:\n    file: ./htpasswd\nuplinks:\n  origin:\n    \
         url: {origin}/\n    maxage: 60m\n    timeout: 60s\npackages:\n  '**':\n    access: $all\n    publish: $authenticated\n    proxy: origin\nlog:\n  \
         type: stdout\n  format: json\n  level: error\n"
    )
}
