//! niso's documents as bytes. Upstreams of two generations are read, one form is printed, and members that nobody here
//! knows pass through as they stand (contract niso §3, §8).
//!
//! | document | read | printed |
//! |---|---|---|
//! | list of packages | array, or `{"packages": […]}` with `latest` | array of `name`, `latest_version`, … |
//! | versions | array, or `{"versions": […]}` with `sha256` | array of `name`, `version`, `arch`, `size`, `checksum`, … |
//! | tags | array, or `{"tags": […]}` | array of `tag`, `version`, always with `latest` |
//! | archive | `manifest.toml`, `checksums.sha256` | never: served as it came |
//! | chunks | never: cut here | `{"name", …, "chunks": [{"hash", "offset", "size"}]}` |

use std::str::Utf8Error;

mod archive;
mod chunks;
mod list;
mod manifest;
mod tags;
mod versions;

pub use archive::{Archive, Limits, open};
pub use chunks::{Chunk, Whole, cut, print_chunks};
pub use list::{List, Package, parse_list, print_list};
pub use manifest::{Manifest, parse_manifest};
pub use tags::{Tags, parse_tags, print_tags};
pub use versions::{Row, Versions, parse_versions, print_versions};

use crate::registries::members::Repeated;
use crate::registries::untar;

/// Why bytes are not what they are to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the document is no JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("the document is no list of {0}, or one without end")]
    NotList(&'static str),
    #[error("the document is of another package, {found:?}")]
    WrongName { found: String },
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("{version} for {arch} is there twice, with different checksums")]
    Ambiguous { version: String, arch: String },
    #[error(transparent)]
    Archive(#[from] untar::Error),
    #[error("the archive is not compressed with zstd")]
    NotZstd,
    #[error("the archive cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    #[error("the archive has no {0}")]
    Missing(&'static str),
    #[error("manifest.toml is no UTF-8")]
    NotText(#[source] Utf8Error),
    /// In the words of its parser; where, it would show in a text that we did not write.
    #[error("manifest.toml cannot be read: {0}")]
    Manifest(String),
    #[error("checksums.sha256 cannot be read at line {line}")]
    Checksums { line: usize },
    #[error("{path} is not as checksums.sha256 says")]
    Mismatch { path: String },
    #[error("the archive could not be cut into chunks")]
    Cut(#[source] std::io::Error),
}

#[cfg(test)]
mod tests;
