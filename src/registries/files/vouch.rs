//! What must hold before anything of a tree is kept, as proofs that the engine runs.

use super::proofs::{Sum, check_sums};
use crate::mirror::verify::Proof;
use crate::registries::replies::entity_tag;
use crate::registries::shelf::Vouched;

/// A checksum file must be one.
pub fn sums() -> Vec<Proof> {
    vec![Proof::bytes("checksums", "checksums", check_sums)]
}

/// A file must have the sum that a checksum file lists.
pub fn file(sum: &Sum) -> Vouched {
    Vouched { proofs: vec![Proof::Digest(sum.promise.clone().into())], etag: entity_tag(sum.as_str()) }
}
