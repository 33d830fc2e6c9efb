//! The tarball of a package's documentation. Nobody signs it and no checksum of it exists, so what can be asked of it is
//! that it is whole and keeps to itself. Source: contract hex §2.4, §3.3, §3.4.

use flate2::bufread::GzDecoder;

use super::{Error, MAX_MEMBERS};
use crate::registries::untar::{self, Kind, Limits, Member};

/// Longest, uncompressed, in bytes (contract hex §3.3).
const MAX_DOCS: u64 = 128 * 1024 * 1024;

/// Checks that a body is one whole gzip stream of a tar archive, within bounds, of which nothing leads out of the
/// directory it is unpacked in.
///
/// # Errors
/// [`Error::Archive`], [`Error::NoEntry`], [`Error::Trailing`].
pub fn check_docs(body: &[u8]) -> Result<(), Error> {
    let mut plain = GzDecoder::new(body);
    let mut is_empty = true;
    untar::walk(&mut plain, Limits { members: MAX_MEMBERS, unpacked_bytes: MAX_DOCS }, |member| {
        is_empty = false;
        judge(member)
    })?;
    if is_empty {
        return Err(Error::NoEntry("file"));
    }
    if plain.into_inner().is_empty() { Ok(()) } else { Err(Error::Trailing) }
}

fn judge(member: &Member<'_>) -> Result<(), untar::Error> {
    match member.kind {
        Kind::Special => Err(untar::Error::Kind("a device or a pipe")),
        Kind::Link if member.leads_out() => Err(untar::Error::refuse(format!("{} leads out of it", member.path))),
        Kind::File | Kind::Directory | Kind::Link => Ok(()),
    }
}
