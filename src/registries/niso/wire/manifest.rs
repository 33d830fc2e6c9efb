//! `manifest.toml`, as far as a registry reads it: which package and version the archive says it is.

use serde::Deserialize;

use super::Error;

/// The `[package]` table. All other tables are the client's own business. Source: contract niso §4.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub description: String,
}

#[derive(Deserialize)]
struct Document {
    package: Manifest,
}

/// Reads a manifest.
///
/// # Errors
/// [`Error::NotText`]; [`Error::Manifest`]: no TOML, no `[package]`, or one without `name` or `version`.
pub fn parse_manifest(text: &[u8]) -> Result<Manifest, Error> {
    let text = str::from_utf8(text).map_err(Error::NotText)?;
    let parsed: Result<Document, _> = toml::from_str(text);
    // The first line tells what; the others show the place, in a text that we did not write.
    parsed.map(|document| document.package).map_err(|error| Error::Manifest(error.message().to_owned()))
}
