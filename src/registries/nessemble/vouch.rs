//! What must hold before anything of nessemble's is kept, as proofs that the engine runs.

use super::name::{Title, Version};
use super::proofs::{self, Promised};
use super::wire::{self, Package};
use crate::base::chain::Chain;
use crate::base::digest::{Algorithm, Promise};
use crate::mirror::verify::{Evidence, Proof};
use crate::registries::replies::entity_tag;
use crate::registries::shelf::Vouched;

/// A page of the list must parse. Nothing but its shape can be proved: it carries no digest (contract nessemble §7).
pub fn page() -> Vec<Proof> {
    vec![Proof::bytes("document", "list", |body| wire::parse_page(body).map(drop))]
}

/// A package's document must parse, and be of its package; of its version too, where one was asked for.
pub fn package(title: &Title, version: Option<&Version>) -> Vec<Proof> {
    let (title, version) = (title.clone(), version.cloned());
    let check = move |body: &[u8]| wire::parse_package(body, &title, version.as_ref()).map(drop);
    vec![Proof::bytes("document", "package", check)]
}

/// A part of the reference must be text.
pub fn reference() -> Vec<Proof> {
    vec![Proof::bytes("document", "text", |body| str::from_utf8(body).map(drop))]
}

/// An archive must have the digest that its document names, or where that names none, its own head; be whole, have its
/// three files, and be of its package and version. Source: contract nessemble §7.
pub fn archive(package: &Package) -> Vouched {
    let (title, version, shasum) = (package.title.clone(), package.version.clone(), package.shasum.clone());
    let promise = shasum.as_deref().and_then(|shasum| Promise::from_hex(Algorithm::Sha1, shasum).ok());
    let etag = shasum.as_ref().and_then(|shasum| entity_tag(format_args!("sha1-{shasum}")));
    let what = format!("{title} {version}");
    let mut proofs: Vec<_> = promise.map(|promise| Proof::Digest(promise.into())).into_iter().collect();
    proofs.push(Proof::content("digest", move |evidence| hear_head(evidence, shasum.as_deref(), &what)));
    let check = move |body: &[u8]| proofs::check_archive(body, &title, &version).map(drop);
    proofs.push(Proof::bytes("archive", "archive", check));
    Vouched { proofs, etag }
}

/// What the document names was hashed on the way; here the head is heard.
fn hear_head(evidence: &Evidence<'_>, shasum: Option<&str>, what: &str) -> Result<String, String> {
    let header = evidence.headers.and_then(proofs::find_integrity);
    let Promised { promise, header_differs } =
        proofs::promised(shasum, header).map_err(|error| Chain(&error).to_string())?;
    if header_differs {
        tracing::warn!(package = what, header, "X-Integrity is not of the archive that was asked for");
    }
    let told = match (shasum, header) {
        (None, _) => "x-integrity",
        (Some(_), Some(_)) if !header_differs => "shasum, x-integrity",
        (Some(_), _) => "shasum",
    };
    let held = proofs::check_digest(&evidence.bytes()?, &promise);
    held.map(|()| told.to_owned()).map_err(|error| Chain(&error).to_string())
}
