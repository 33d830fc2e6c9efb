//! What must hold before anything of niso's is kept, as proofs that the engine runs.

use std::sync::Arc;

use http::HeaderValue;

use super::name::{PackageName, Version};
use super::proofs;
use super::wire::{self, Limits, Row};
use crate::base::digest::Digest;
use crate::mirror::verify::{Content, Evidence, Proof, Statement};
use crate::registries::replies::entity_tag;

/// A list must parse. Nothing but its shape can be proved: it carries no digest (contract niso §8).
pub struct IsList;

/// A list of versions must parse, and be of its package.
pub struct IsVersions(pub PackageName);

/// A list of tags must parse.
pub struct IsTags;

/// An archive must be whole, hold what its own sums say, and be of its package and version.
pub struct IsArchive(pub PackageName, pub Version);

/// An archive that nobody vouches for, known before a byte of it is asked for.
struct Unvouched;

/// The proofs of one archive or chunk, and the entity tag it is served under.
pub struct Vouched {
    pub proofs: Vec<Proof>,
    pub etag: Option<HeaderValue>,
}

impl Content for IsList {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        wire::parse_list(&evidence.bytes()?).map(|_| "list".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsVersions {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        wire::parse_versions(&evidence.bytes()?, &self.0)
            .map(|_| "versions".to_owned())
            .map_err(|error| error.to_string())
    }
}

impl Content for IsTags {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        wire::parse_tags(&evidence.bytes()?).map(|_| "tags".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsArchive {
    fn kind(&self) -> &'static str {
        "archive"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let Self(name, version) = self;
        let checked = proofs::check_archive(evidence.reader(), name, version, &Limits::default());
        let told = |archive: wire::Archive| if archive.has_sums { "archive, sums" } else { "archive" };
        checked.map(|archive| told(archive).to_owned()).map_err(|error| error.to_string())
    }
}

impl Statement for Unvouched {
    fn kind(&self) -> &'static str {
        "digest"
    }

    fn hold(&self) -> Result<String, String> {
        Err(proofs::Error::NoChecksum.to_string())
    }
}

/// Collects what vouches for an archive: its length and digest, and its own sums. Source: contract niso §8.
pub fn vouch(name: &PackageName, row: &Row<'_>) -> Vouched {
    let Ok(digest) = proofs::promised(row) else {
        return Vouched { proofs: vec![Proof::Statement(Arc::new(Unvouched))], etag: None };
    };
    let mut vouched = vouch_chunk(&digest);
    vouched.proofs.extend(row.size.map(Proof::Length));
    vouched.proofs.push(Proof::Content(Arc::new(IsArchive(name.clone(), row.version.clone()))));
    vouched
}

/// A chunk is vouched for by its own name. Source: contract niso §5.
pub fn vouch_chunk(hash: &Digest) -> Vouched {
    Vouched { proofs: vec![Proof::Digest(proofs::integrity(hash))], etag: etag(hash) }
}

/// A strong entity tag: `"sha256-<hex>"`. Source: contract niso §3.
fn etag(digest: &Digest) -> Option<HeaderValue> {
    entity_tag(format_args!("sha256-{digest}"))
}
