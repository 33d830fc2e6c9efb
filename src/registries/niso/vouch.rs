//! What must hold before anything of niso's is kept, as proofs that the engine runs.

use super::name::{PackageName, Version};
use super::proofs;
use super::wire::{self, Limits, Row};
use crate::base::chain::Chain;
use crate::base::digest::Digest;
use crate::mirror::verify::{Evidence, Proof};
use crate::registries::replies::entity_tag;
use crate::registries::shelf::Vouched;

/// A list must parse. Nothing but its shape can be proved: it carries no digest (contract niso §8).
pub fn list() -> Vec<Proof> {
    vec![Proof::bytes("document", "list", |body| wire::parse_list(body).map(drop))]
}

/// A list of versions must parse, and be of its package.
pub fn versions(name: &PackageName) -> Vec<Proof> {
    let name = name.clone();
    vec![Proof::bytes("document", "versions", move |body| wire::parse_versions(body, &name).map(drop))]
}

/// A list of tags must parse.
pub fn tags() -> Vec<Proof> {
    vec![Proof::bytes("document", "tags", |body| wire::parse_tags(body).map(drop))]
}

/// An archive must have the length and the digest that its row names, be whole, hold what its own sums say, and be of its
/// package and version. One that nobody vouches for is refused before a byte of it is asked for. Source: contract niso
/// §8.
pub fn archive(name: &PackageName, row: &Row<'_>) -> Vouched {
    let digest = match proofs::promised(row) {
        Ok(digest) => digest,
        Err(error) => {
            return Vouched { proofs: vec![Proof::judged("digest", Err(Chain(&error).to_string()))], etag: None };
        }
    };
    let (name, version) = (name.clone(), row.version.clone());
    let mut vouched = chunk(&digest);
    vouched.proofs.extend(row.size.map(Proof::Length));
    vouched.proofs.push(Proof::content("archive", move |evidence| check_archive(evidence, &name, &version)));
    vouched
}

/// A chunk is vouched for by its own name. Source: contract niso §5.
pub fn chunk(hash: &Digest) -> Vouched {
    // Source: contract niso §3.
    Vouched { proofs: vec![Proof::Digest(proofs::integrity(hash))], etag: entity_tag(format_args!("sha256-{hash}")) }
}

fn check_archive(evidence: &Evidence<'_>, name: &PackageName, version: &Version) -> Result<String, String> {
    let checked = proofs::check_archive(evidence.reader(), name, version, &Limits::default());
    let told = |archive: wire::Archive| if archive.has_sums { "archive, sums" } else { "archive" };
    checked.map(|archive| told(archive).to_owned()).map_err(|error| Chain(&error).to_string())
}
