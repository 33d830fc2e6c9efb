//! The servers that are compared: each is configured and started by its own file, and asked through the same [`Peer`].

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixtures;
use crate::origin::Origin;
use crate::process::{Memory, Process};
use crate::wire;

pub mod heliostat;
pub mod nginx;
mod varnish;
mod verdaccio;

/// Longest time from the start of a peer to its first answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Which server, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Nginx,
    Varnish,
    Verdaccio,
    Heliostat,
}

/// One running server.
pub struct Peer {
    pub kind: Kind,
    pub address: SocketAddr,
    pub process: Process,
}

/// What every peer needs in order to start.
pub struct Site<'a> {
    pub origin: &'a Origin,
    /// Configuration, data and logs of this run.
    pub work: &'a Path,
    /// Where verdaccio is installed.
    pub tools: &'a Path,
}

// === impl Kind ===

impl Kind {
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Varnish, Self::Verdaccio, Self::Heliostat];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Varnish => "varnish",
            Self::Verdaccio => "verdaccio",
            Self::Heliostat => "heliostat",
        }
    }

    /// Starts a server with an empty cache and waits for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self, site: &Site<'_>) -> Result<Peer> {
        let directory = site.fresh_directory(self.as_str())?;
        let peer = match self {
            Self::Nginx => nginx::start(site, &directory),
            Self::Varnish => varnish::start(site, &directory),
            Self::Verdaccio => verdaccio::start(site, &directory),
            Self::Heliostat => heliostat::start(site, &directory, &heliostat::Settings::default()),
        };
        peer.with_context(|| format!("{self} does not start"))
    }

    /// Returns the path of a document; `twin` names its stand-in.
    pub fn document_path(self, name: &str, twin: &str) -> String {
        match self {
            Self::Nginx | Self::Varnish => format!("/twin/{twin}"),
            Self::Verdaccio => format!("/{name}"),
            Self::Heliostat => format!("{}/{name}", heliostat::MOUNT),
        }
    }

    pub fn tarball_path(self, name: &str) -> String {
        let mount = if self == Self::Heliostat { heliostat::MOUNT } else { "" };
        format!("{mount}{}", fixtures::tarball_path(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

// === impl Peer ===

impl Peer {
    /// Waits until `path` gets any answer below 500.
    fn ready(kind: Kind, address: SocketAddr, mut process: Process, path: &str) -> Result<Self> {
        let answers = || wire::send(address, "GET", path, &[], b"").is_ok_and(|answer| answer.status < 500);
        process.wait_until(START_LIMIT, answers)?;
        Ok(Self { kind, address, process })
    }

    pub fn memory(&self) -> Memory {
        self.process.memory()
    }
}

// === impl Site ===

impl Site<'_> {
    /// Returns an empty directory of this run.
    ///
    /// # Errors
    /// The file system's.
    pub fn fresh_directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("emptying {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }
}
