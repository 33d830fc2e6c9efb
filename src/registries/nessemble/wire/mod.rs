//! nessemble's documents as bytes. What upstreams send is read leniently; what is printed has exactly the members that
//! the reference checks allow, in the order in which the old client finds them (contract nessemble §2, W9 to W11).
//!
//! | document | read | printed |
//! |---|---|---|
//! | page of the list | any, our own links or not | `packages`, `pagination` |
//! | search | never: the list is searched | `term`, `results` |
//! | package | `versions` under either name, author as text or object | eleven members |
//! | archive | `README.md`, `package.json`, `lib.asm` is there | never: served as it came |

use serde_json::value::RawValue;

mod archive;
mod budget;
mod list;
mod package;
mod search;

pub use archive::{Archive, MAX_ARCHIVE, open};
pub use budget::{MAX_TOKENS, Reader};
pub use list::{ListPage, Listed, merge, parse_page, print_page};
pub use package::{Links, Package, parse_package, print_package, with_shasum};
pub use search::{print_results, search};

use super::name::Version;
use crate::registries::members::{Repeated, elements};
use crate::registries::untar;

/// Why bytes are not what they are to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the document is no JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("the document is no {0}")]
    Not(&'static str),
    #[error("the document is of another package, {found:?}")]
    WrongTitle { found: String },
    #[error("the document is of another version, {found}")]
    WrongVersion { found: Version },
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("the document has no {0}")]
    Missing(&'static str),
    #[error("the shasum is no SHA-1 in hexadecimal")]
    Shasum,
    #[error("the archive cannot be uncompressed")]
    Uncompress(#[source] std::io::Error),
    #[error("the archive goes on after its end")]
    Trailing,
    #[error("the archive is longer than {MAX_ARCHIVE} bytes")]
    TooLong,
    #[error(transparent)]
    Archive(#[from] untar::Error),
    #[error("the archive has no {0}")]
    NoFile(&'static str),
    #[error("package.json cannot be read")]
    PackageJson,
}

/// Reads an array of texts; what is none is passed over.
fn texts(array: &RawValue) -> Vec<String> {
    elements(array).unwrap_or_default().into_iter().filter_map(|value| serde_json::from_str(value.get()).ok()).collect()
}

#[cfg(test)]
mod tests;
