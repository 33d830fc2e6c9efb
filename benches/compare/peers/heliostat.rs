//! Heliostat itself, built by the same cargo command, on one thread and without its access log.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Kind, Peer, Site};
use crate::process::{Process, SERVER_CORE, free_address};
use crate::trees::{self, FILES, HEX, REPOSITORY};

/// Where the npm mount is.
pub const MOUNT: &str = "/npm";

/// What the rows vary.
pub struct Settings<'a> {
    /// The base URL of the upstream; the origin's when absent, the discovered registry when empty.
    pub upstream: Option<&'a str>,
    /// Ceiling of a document's freshness, as the configuration writes it.
    pub max_ttl: &'a str,
    /// Whether `measured-*` is published here, by who makes an account.
    pub publishes: bool,
    /// Where accounts and packages lie; in files of its own when absent.
    pub database: Option<&'a str>,
}

/// Starts Heliostat on `directory`, which may hold an earlier run's data.
///
/// # Errors
/// When it does not start.
pub fn start(site: &Site<'_>, directory: &Path, settings: &Settings<'_>) -> Result<Peer> {
    let (address, process) = spawn(site, directory, settings)?;
    Peer::ready(Kind::Heliostat, address, process, "/readyz")
}

/// Starts Heliostat without waiting for it.
///
/// # Errors
/// When the process cannot be started.
pub fn spawn(site: &Site<'_>, directory: &Path, settings: &Settings<'_>) -> Result<(SocketAddr, Process)> {
    let address = free_address()?;
    let file = directory.join("heliostat.toml");
    let origin = site.origin.url();
    let npm = configuration(address, directory, settings.upstream.unwrap_or(&origin), settings);
    fs::write(&file, npm + &tree_mounts(&origin, &trees::write_public_key(directory)?))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_heliostat"));
    command.arg("serve").arg("--config").arg(&file);
    Ok((address, Process::start("heliostat", SERVER_CORE, &command, site.work)?))
}

fn configuration(address: SocketAddr, directory: &Path, upstream: &str, settings: &Settings<'_>) -> String {
    let max_ttl = settings.max_ttl;
    let own = if settings.publishes { "own = [\"measured-*\"]\n" } else { "" };
    let accounts = if settings.publishes { "[accounts]\nregistration = \"open\"\n" } else { "" };
    let database = settings.database.map(|url| format!("[overlay]\ndatabase = \"{url}\"\n")).unwrap_or_default();
    let data = directory.join("data");
    let upstream = if upstream.is_empty() {
        String::new()
    } else {
        format!("[[mount.upstream]]\nurl = \"{upstream}\"\nallow_private = true\n")
    };
    format!(
        "listen = \"{address}\"\ndata = \"{}\"\nthreads = 1\n[log]\nfilter = \"warn\"\naccess = false\n{accounts}{database}[[mount]]\ndialect = \
         \"npm\"\nname = \"npm\"\npath = \"{MOUNT}\"\nmax_ttl = \"{max_ttl}\"\n{own}{upstream}",
        data.display()
    )
}

/// The mounts of what lies at the origin under the same paths.
fn tree_mounts(origin: &str, key: &Path) -> String {
    let upstream = |path| format!("[[mount.upstream]]\nurl = \"{origin}{path}\"\nallow_private = true\n");
    format!(
        "[[mount]]\ndialect = \"hex\"\nname = \"hex\"\npath = \"{HEX}\"\nmax_ttl = \"1h\"\nrepository = \"{REPOSITORY}\"\n\
         public_key = \"{}\"\n{}[[mount]]\ndialect = \"files\"\nname = \"files\"\npath = \"{FILES}\"\n{}",
        key.display(),
        upstream(HEX),
        upstream(FILES),
    )
}

// === impl Settings ===

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { upstream: None, max_ttl: "1h", publishes: false, database: None }
    }
}
