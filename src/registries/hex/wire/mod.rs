//! Registry resources and files as bytes. All pure, and nothing here trusts what it reads: every size has its bound, and
//! whether bytes are whose they claim to be is for `proofs` to say.
//!
//! A registry resource is `gzip(Signed{payload, signature})`, and the payload one of the [`messages`]. It is served as
//! it came: printing a message again would lose the fields that a later schema added (contract hex §2).

use std::io;

use bytes::Bytes;
use prost::Message;

use crate::registries::untar;

mod docs;
mod gzip;
mod installs;
pub mod messages;
mod tarball;
mod term;

pub use docs::check_docs;
pub use gzip::gunzip;
pub use installs::{Archive, Install, List, check_list, find_sum};
pub use messages::{Names, Package, Policy, Release, Signed, Versions};
pub use tarball::Tarball;
pub use term::print_error;

/// Longest package or policy, uncompressed, in bytes (contract hex §2.4).
pub const MAX_RESOURCE: u64 = 32 * 1024 * 1024;
/// Longest list of names or versions, uncompressed, in bytes (contract hex §2.4).
pub const MAX_LISTING: u64 = 256 * 1024 * 1024;

/// Most members of an archive (contract hex §3.3).
const MAX_MEMBERS: usize = 20_000;

/// Why bytes are not what they were to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it cannot be uncompressed")]
    Gzip(#[source] io::Error),
    #[error("it is longer than {limit} bytes")]
    TooLong { limit: u64 },
    #[error("the header of its compressed form holds more than it must")]
    Flags,
    #[error("something follows the compressed stream")]
    Trailing,
    #[error("it is no protobuf message of this kind")]
    Protobuf(#[source] prost::DecodeError),
    #[error("the envelope holds more than one payload and one signature")]
    Surplus,
    #[error("the envelope holds no payload")]
    NoPayload,
    #[error(transparent)]
    Archive(#[from] untar::Error),
    #[error("the archive has no {0}")]
    NoEntry(&'static str),
    #[error("{0} cannot be read")]
    BadEntry(&'static str),
    #[error("it is no list of installs")]
    NoList,
}

/// Opens a registry resource, of at most `limit` bytes uncompressed. What it holds is not proved yet.
///
/// The envelope must hold its two fields once and nothing else: of what the signature does not cover, there is nothing.
/// A payload that is not there would be counted as an empty one, whose length something else could make up.
///
/// # Errors
/// [`Error::Flags`], [`Error::Gzip`], [`Error::TooLong`], [`Error::Trailing`], [`Error::Protobuf`], [`Error::Surplus`],
/// [`Error::NoPayload`].
pub fn parse_signed(body: &[u8], limit: u64) -> Result<Signed, Error> {
    gzip::check_header(body)?;
    let plain = gunzip(body, limit)?;
    let length = plain.len();
    let signed: Signed = parse_message(plain.into())?;
    if signed.payload.is_empty() {
        return Err(Error::NoPayload);
    }
    if signed.encoded_len() == length { Ok(signed) } else { Err(Error::Surplus) }
}

/// Reads a message. Fields of later schemas are passed over.
///
/// # Errors
/// [`Error::Protobuf`].
pub fn parse_message<M: Message + Default>(bytes: Bytes) -> Result<M, Error> {
    M::decode(bytes).map_err(Error::Protobuf)
}

/// Returns how long a message is when it is written, uncompressed, in bytes.
pub fn length_of(message: &impl Message) -> usize {
    message.encoded_len()
}

#[cfg(test)]
mod tests;
