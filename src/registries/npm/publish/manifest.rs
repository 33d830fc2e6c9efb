//! Manifests of what is published here, as they are kept: the client's members as they came, but for those that are ours to
//! say. Pure. Source: contract npm §7.1, §7.2.

use serde_json::json;
use serde_json::value::RawValue;

use crate::registries::members::{Members, quote};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::publish::Publication;

/// Longest text about a package, in bytes.
const MAX_README: usize = 64 << 10;
/// Longest reason why a version is not to be used, in characters.
const MAX_REASON: usize = 10_240;

/// Members of a manifest that tell of its publish, and are ours to say whenever it is printed. Source: contract npm §7.1.
const TOLD: [&str; 4] = ["maintainers", "publish_time", "_cnpmcore_publish_time", "_source_registry_name"];

/// Returns the text about a package, of which yarn puts it beside the versions, and npm into the manifest; at most 64 KiB.
/// Source: contract npm §4.1, §7.1.
pub fn readme(publication: &Publication<'_>) -> Option<String> {
    let in_manifest = || Members::of(publication.manifest)?.take("readme").ok()?;
    let written = publication.readme.or_else(in_manifest)?;
    let text: String = serde_json::from_str(written.get()).ok()?;
    let end = (0..=MAX_README.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    Some(text[..end.unwrap_or_default()].to_owned())
}

/// Prints a manifest as it is kept: the client's members as they came, but for those that are ours to say.
pub fn print_manifest(publication: &Publication<'_>, name: &PackageName, publisher: &str) -> Result<Vec<u8>, Error> {
    let unreadable = || Error::Unprocessable("the manifest is no object".into());
    let members = Members::of(publication.manifest).ok_or_else(unreadable)?;
    let (version, tarball) = (&publication.version, &publication.tarball);
    let mut dist = json!({
        "integrity": tarball.integrity,
        "shasum": tarball.shasum,
        // Each document has its own; this is the path below the mount.
        "tarball": format!("/{name}/-/{}", name.tarball_file(version)),
        "size": tarball.bytes.len(),
        "fileCount": tarball.files,
        "unpackedSize": tarball.unpacked_bytes,
    });
    if let Some(bundle) = &publication.bundle {
        dist["attestations"] = json!({
            "url": format!("/-/npm/v1/attestations/{}@{version}", name.escaped()),
            "provenance": { "predicateType": bundle.predicate_type },
        });
    }
    let ours = ["_id", "dist", "_hasShrinkwrap", "_npmUser", "readme"];
    let mut printed = format!("{{\"_id\":{}", quote(&format!("{name}@{version}")));
    for (key, value) in members.into_iter().filter(|(key, _)| !ours.contains(&key.as_str())) {
        printed.push_str(&format!(",{}:{}", quote(&key), value.get()));
    }
    let has_shrinkwrap = tarball.has_shrinkwrap;
    printed.push_str(&format!(",\"_hasShrinkwrap\":{has_shrinkwrap},\"_npmUser\":{publisher},\"dist\":{dist}}}"));
    Ok(printed.into_bytes())
}

/// Returns a manifest with what is said of its publish, as further members; its own of these names go.
///
/// # Errors
/// The manifest is none of ours.
pub fn with_told(manifest: &[u8], told: &str) -> Result<String, Error> {
    let unreadable = |_| Error::internal("a manifest of ours that cannot be read");
    let manifest: Members<'_> = serde_json::from_slice(manifest).map_err(unreadable)?;
    let kept = manifest.into_iter().filter(|(key, _)| !TOLD.contains(&key.as_str()));
    let kept: String = kept.map(|(key, value)| format!("{}:{},", quote(&key), value.get())).collect();
    Ok(format!("{{{kept}{told}}}"))
}

/// Returns a manifest with another reason why its version is not to be used; without one, if that is empty. `None`: it says
/// so already.
///
/// # Errors
/// [`Error::Unprocessable`]: the reason is very long.
pub fn with_deprecated(manifest: &[u8], reason: &str) -> Result<Option<Vec<u8>>, Error> {
    let unreadable = |_| Error::internal("a manifest of ours that cannot be read");
    let manifest: &RawValue = serde_json::from_slice(manifest).map_err(unreadable)?;
    let members = Members::of(manifest).ok_or_else(|| Error::internal("a manifest of ours that is no object"))?;
    let held = Members::of(manifest).and_then(|mut members| members.take_text("deprecated").ok().flatten());
    if held.as_deref().unwrap_or_default() == reason {
        return Ok(None);
    }
    if reason.chars().nth(MAX_REASON).is_some() {
        let refused = format!("the reason of a deprecation has {MAX_REASON} characters at most");
        return Err(Error::Unprocessable(refused.into()));
    }
    let mut parts: Vec<String> = members
        .into_iter()
        .filter(|(key, _)| key != "deprecated")
        .map(|(key, value)| format!("{}:{}", quote(&key), value.get()))
        .collect();
    if !reason.is_empty() {
        parts.push(format!("\"deprecated\":{}", quote(reason)));
    }
    Ok(Some(format!("{{{}}}", parts.join(",")).into_bytes()))
}
