//! What a mirror of binaries is read through: trees of files, and documents of packages. Other mounts have them; which ones,
//! is said once all are open.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use url::Url;

use crate::base::http::{Body, Reply};
use crate::mirror::fresh::Demand;
use crate::registries::bodies;
use crate::registries::failure::{Cause, Error, of_mirror};

/// Listings are no longer than this, in bytes.
const MAX_LISTING: usize = 32 << 20;

/// A tree of files, served by the rules of its mount: its upstream, its proofs, its limits, its blocks.
#[async_trait]
pub trait Tree: Send + Sync {
    /// Returns the URL of its root at upstream, which ends in a slash.
    fn root(&self) -> &Url;

    /// Returns how long a file may be, in bytes.
    fn longest_file(&self) -> u64;

    /// Answers with what stands at a place, which is percent-encoded and has no slash at its start, as a client of the tree
    /// is answered: by upstream's own status.
    ///
    /// # Errors
    /// [`Error`].
    async fn open(&self, place: &str, query: &str, demand: &Demand) -> Result<Reply, Error>;
}

/// Documents of packages, as upstream has them.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Returns the document of a package.
    ///
    /// # Errors
    /// [`Error::NotFound`], or why it cannot be had.
    async fn document(&self, package: &str, demand: &Demand) -> Result<Bytes, Error>;
}

/// Reads a listing into memory; `None` where there is none.
///
/// # Errors
/// [`Error`]: it cannot be had, or is none.
pub async fn read(tree: &dyn Tree, place: &str, query: &str, demand: &Demand) -> Result<Option<Bytes>, Error> {
    let reply = match tree.open(place, query, demand).await {
        Err(Error::NotFound { .. } | Error::Gone { .. }) => return Ok(None),
        opened => opened?,
    };
    match reply.status {
        StatusCode::OK if !reply.headers.contains_key(CONTENT_ENCODING) => read_body(reply.body, place).await.map(Some),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        _ => Err(unusable(place, None)),
    }
}

async fn read_body(body: Body, place: &str) -> Result<Bytes, Error> {
    let too_long = || unusable(place, None);
    if body.length().is_some_and(|length| length > MAX_LISTING as u64) {
        return Err(too_long());
    }
    // What may not be kept anywhere comes as a stream, and never is a file.
    let Body::Stream(mut source) = body else {
        return bodies::read(body).await.map_err(|error| Error::Internal(Arc::new(error)));
    };
    let mut bytes = Vec::new();
    while let Some(piece) = source.next().await {
        bytes.extend_from_slice(&piece.map_err(|cut| of_mirror(bodies::told(&cut), place))?);
        if bytes.len() > MAX_LISTING {
            return Err(too_long());
        }
    }
    Ok(bytes.into())
}

/// Receives a body to its end, tells of each piece how long it is, and returns how long all of it was, in bytes. What is
/// kept of it is kept then.
///
/// # Errors
/// Why it did not come.
pub async fn receive(body: Body, place: &str, tell: impl Fn(u64)) -> Result<u64, Error> {
    let Body::Stream(mut source) = body else { return Ok(body.length().unwrap_or_default()) };
    let mut length = 0;
    while let Some(piece) = source.next().await {
        let piece = piece.map_err(|cut| of_mirror(bodies::told(&cut), place))?;
        tell(piece.len() as u64);
        length += piece.len() as u64;
    }
    Ok(length)
}

/// Tells that upstream answers with what is none.
pub fn unusable(place: &str, cause: Option<Cause>) -> Error {
    Error::BadGateway { what: format!("the listing {place}"), cause }
}
