//! A body that may not be kept: handed on piece by piece, as fast as its one client takes it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::base::fs::{Slice, Temp};
use crate::base::http::{Cut, Source};
use crate::mirror::Error;
use crate::mirror::fetch::Response;

/// A body is gathered in memory up to this length, for a client that cannot do without knowing it, in bytes.
const GATHERED: u64 = 16 * 1024 * 1024;

/// The answer that is read from.
pub struct Passing(Response);

impl Passing {
    /// A client that reads slowly must not keep others from the host.
    pub fn new(mut response: Response) -> Self {
        response.give_up_place();
        Self(response)
    }

    /// Takes the whole body. Never to disk: it may not be stored there (RFC 9111 §5.2.2.5).
    async fn gather(mut self) -> Result<Slice, Error> {
        let temp = Temp::in_memory().map_err(Error::disk)?;
        let mut length = 0;
        while let Some(bytes) = self.0.chunk().await? {
            length += bytes.len() as u64;
            if length > GATHERED {
                return Err(Error::TooLarge { limit: GATHERED });
            }
            temp.write_all(&bytes).map_err(Error::disk)?;
        }
        Ok(temp.slice(length))
    }
}

#[async_trait]
impl Source for Passing {
    fn length(&self) -> Option<u64> {
        self.0.length()
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        self.0.chunk().await.map_err(|error| Cut(Arc::new(error))).transpose()
    }

    fn may_settle(&self) -> bool {
        false
    }

    async fn whole(self: Box<Self>) -> Result<Slice, Cut> {
        self.gather().await.map_err(|error| Cut(Arc::new(error)))
    }
}
