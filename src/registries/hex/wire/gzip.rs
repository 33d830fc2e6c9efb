//! One gzip stream, taken apart within a bound: a small body may hide a very large one.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::Error;

/// Where a stream says what else is in its header. Source: RFC 1952 §2.3.
const FLAGS: usize = 3;

/// Checks that a stream's header has none of the parts that hold text: a name, a comment, an extra field. They are signed
/// by nobody.
///
/// # Errors
/// [`Error::Flags`].
///
/// Source: RFC 1952 §2.3.1.
pub fn check_header(body: &[u8]) -> Result<(), Error> {
    if body.get(FLAGS).is_some_and(|flags| *flags != 0) { Err(Error::Flags) } else { Ok(()) }
}

/// Uncompresses exactly one stream of at most `limit` bytes.
///
/// # Errors
/// [`Error::Gzip`], [`Error::TooLong`], [`Error::Trailing`].
///
/// Source: RFC 1952 §2.2; contract hex §2.4.
pub fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let mut decoder = GzDecoder::new(body);
    let mut plain = Vec::new();
    decoder.by_ref().take(limit + 1).read_to_end(&mut plain).map_err(Error::Gzip)?;
    if plain.len() as u64 > limit {
        return Err(Error::TooLong { limit });
    }
    if decoder.into_inner().is_empty() { Ok(plain) } else { Err(Error::Trailing) }
}
