//! The rows of the table: what each asks, of whom, and what the answer should be.

use anyhow::Result;

use crate::options::Options;
use crate::peers::{Kind, Peer, Site};
use crate::report::Report;

mod changed;
mod herd;
mod hits;
mod npm_ci;
mod registry;
mod start;
mod subject;

/// Where the rows run.
pub struct Arena<'a> {
    pub options: &'a Options,
    pub site: Site<'a>,
    /// In the order in which they take turns.
    pub peers: Vec<Peer>,
    pub report: Report,
}

/// One row, or a few that are measured together.
pub struct Row {
    pub name: &'static str,
    /// Only runs when it is named, since it takes long or needs a network.
    pub explicit: bool,
    pub run: fn(&mut Arena<'_>) -> Result<()>,
}

/// Every row, in the order of the table.
pub const ALL: [Row; 21] = [
    Row { name: "doc-1k", explicit: false, run: hits::small_document },
    Row { name: "abbr-60k", explicit: false, run: hits::medium_document },
    Row { name: "pack-10m", explicit: false, run: hits::large_document },
    Row { name: "pack-10m-304", explicit: false, run: hits::large_document_unchanged },
    Row { name: "pack-27m", explicit: false, run: hits::huge_document },
    Row { name: "pack-27m-304", explicit: false, run: hits::huge_document_unchanged },
    Row { name: "pack-changed", explicit: false, run: changed::run },
    Row { name: "tar-50k", explicit: false, run: hits::small_tarball },
    Row { name: "tar-100m", explicit: false, run: hits::large_tarball },
    Row { name: "tar-100m-ranges", explicit: false, run: hits::large_tarball_ranges },
    Row { name: "hex-package", explicit: false, run: hits::hex_package },
    Row { name: "hex-tarball", explicit: false, run: hits::hex_tarball },
    Row { name: "file-2k", explicit: false, run: hits::small_file },
    Row { name: "file-10m", explicit: false, run: hits::large_file },
    Row { name: "file-10m-304", explicit: false, run: hits::large_file_unchanged },
    Row { name: "token", explicit: false, run: registry::token },
    Row { name: "publish", explicit: false, run: registry::publish },
    Row { name: "publish-hits", explicit: false, run: registry::hits_while_publishing },
    Row { name: "herd", explicit: false, run: herd::run },
    Row { name: "start", explicit: false, run: start::run },
    Row { name: "npm-ci", explicit: true, run: npm_ci::run_row },
];

// === impl Arena ===

impl Arena<'_> {
    /// Tells whether a server takes part.
    pub fn has(&self, kind: Kind) -> bool {
        self.peers.iter().any(|peer| peer.kind == kind)
    }

    pub fn peer(&self, kind: Kind) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.kind == kind)
    }
}
