//! The body of a document: taken whole, uncompressed, proved off the async threads.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;

use super::error::Error;
use super::fetch::Response;
use super::resource::Resource;
use super::spool::Spool;
use super::store::Store;
use super::verify::{self, Evidence};
use crate::base::digest::Hashed;

/// A document that is proved and not written yet.
pub struct Settled {
    pub body: Bytes,
    pub hashed: Hashed,
    pub proved: Vec<String>,
}

/// Tells whether a body is compressed; `None` when it is so in a way that nobody asked for.
pub fn is_gzip(content_encoding: Option<&str>) -> Option<bool> {
    match content_encoding.map(str::trim) {
        None | Some("" | "identity") => Some(false),
        Some(coding) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => Some(true),
        Some(_) => None,
    }
}

/// Takes a document's body as it comes over the wire, at most `limit` bytes of it.
///
/// # Errors
/// As [`Response::chunk`]; [`Error::TooLarge`], [`Error::Store`].
pub async fn download<'a>(store: &'a Store, mut response: Response, limit: u64) -> Result<Spool<'a>, Error> {
    let mut spool = Spool::new(store);
    while let Some(bytes) = response.chunk().await? {
        spool.write_all(&bytes).map_err(Error::disk)?;
        if spool.length() > limit {
            return Err(Error::TooLarge { limit });
        }
    }
    Ok(spool)
}

/// Uncompresses and proves a document, with the headers that are kept beside it. Blocks; holds it once in memory.
///
/// # Errors
/// [`Error::Unproven`], [`Error::TooLarge`], [`Error::Store`].
pub fn settle(want: &Resource, headers: Option<&HeaderMap>, raw: Bytes, gzip: bool) -> Result<Settled, Error> {
    let body = if gzip { uncompress(&raw, want.max_bytes)? } else { raw };
    let mut proved = verify::content(&want.proofs, &Evidence::of(&body).beside(headers))?;
    let mut hasher = verify::hasher(&want.proofs);
    hasher.update(&body);
    let hashed = hasher.finish();
    proved.extend(verify::hashed(&want.proofs, &hashed)?);
    Ok(Settled { body, hashed, proved })
}

/// Uncompresses at most `limit` bytes: a small body may hide a very large one. Blocks.
///
/// # Errors
/// [`Error::TooLarge`]; [`Error::Unproven`]: it is no gzip, or is cut short.
pub fn uncompress(raw: &[u8], limit: u64) -> Result<Bytes, Error> {
    let mut body = Vec::with_capacity(raw.len().saturating_mul(4).min(limit as usize));
    MultiGzDecoder::new(raw).take(limit + 1).read_to_end(&mut body).map_err(broken)?;
    if body.len() as u64 > limit {
        return Err(Error::TooLarge { limit });
    }
    Ok(body.into())
}

fn broken(error: io::Error) -> Error {
    verify::Broken { kind: "document", detail: format!("it cannot be uncompressed: {error}") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_the_coding_that_was_asked_for_is_taken() {
        assert_eq!(is_gzip(None), Some(false));
        assert_eq!(is_gzip(Some("identity")), Some(false));
        assert_eq!(is_gzip(Some("GZIP")), Some(true));
        assert_eq!(is_gzip(Some("br")), None);
        assert_eq!(is_gzip(Some("gzip, gzip")), None);
    }

    #[test]
    fn a_small_body_that_hides_a_large_one_is_refused() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert_eq!(uncompress(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        assert!(matches!(uncompress(&bomb, (1 << 20) - 1), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn a_broken_or_short_stream_is_unproven() {
        let whole = gzip(b"some document");
        assert!(matches!(uncompress(&whole[..whole.len() - 4], 100), Err(Error::Unproven(_))));
        assert!(matches!(uncompress(b"<html>", 100), Err(Error::Unproven(_))));
    }
}
