//! Documents that are no upstream's but ours: kept like theirs, in the forms that clients ask for, so that a hit is a hit.
//! The cache may be deleted at any time: they are printed again from what was published.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::error::Error;
use super::fresh::Lifetimes;
use super::prepare::{Keys, Shape};
use super::room::Room;
use super::store::{Draft, Entry, Http};
use super::verify::Broken;
use super::{Engine, Mirror, Prepared};
use crate::base::digest::{Digest, Hasher};
use crate::base::http::{Body, CacheState};

/// A state is what it is, for as long as anybody asks for it.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why something of ours cannot be served.
#[derive(Debug)]
pub enum Failed<E> {
    Engine(Error),
    /// It could not be printed, or fetched from where it lies.
    Print(E),
}

/// One state of a document of ours. Its key names the state: another one has another key.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    pub key: &'a str,
    pub mount: &'a Arc<str>,
    /// What it belongs to, for purging.
    pub package: &'a str,
}

impl Mirror {
    /// Returns a document's forms if both are in memory: the hit path. Asks no disk and no database.
    pub fn find_own(&self, keys: &Keys) -> Option<Prepared> {
        let document = self.0.store.find_hot(keys.document())?;
        let forms = self.0.store.find_hot(keys.forms())?;
        (forms.source == document.digest).then(|| prepared(document, forms, CacheState::Hit))
    }

    /// Returns a document in the forms that `shape` makes of it; where this state of it is not kept, it is printed, by one
    /// of all who ask for it.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn own<E>(
        &self,
        own: Own<'_>,
        shape: &Arc<dyn Shape>,
        print: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Prepared, Failed<E>> {
        let (document, cache) = match self.0.find(own.key).await {
            Some(document) => (document, CacheState::Hit),
            None => {
                let _turn = self.0.preparing.turn(own.key).await;
                match self.0.find(own.key).await {
                    Some(document) => (document, CacheState::Hit),
                    None => {
                        let printed = print.await.map_err(Failed::Print)?;
                        (self.0.keep_own(own, printed).await?, CacheState::Miss)
                    }
                }
            }
        };
        let forms = self.0.forms_of(&document, shape).await?;
        Ok(prepared(document, forms, cache))
    }

    /// Returns published bytes that lie elsewhere; where they are not kept, they are fetched and proved, by one of all who
    /// ask for them.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn own_artifact<E>(
        &self,
        own: Own<'_>,
        digest: Digest,
        pieces: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Body, Failed<E>> {
        let held = match self.0.find(own.key).await {
            Some(held) => held,
            None => {
                let _turn = self.0.preparing.turn(own.key).await;
                match self.0.find(own.key).await {
                    Some(held) => held,
                    None => self.0.keep_own_artifact(own, digest, pieces).await?,
                }
            }
        };
        Ok(held.body().map_err(Error::from)?)
    }
}

impl Engine {
    async fn keep_own_artifact<E>(
        &self,
        own: Own<'_>,
        digest: Digest,
        pieces: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Arc<Entry>, Failed<E>> {
        let mut room = Room::make(&self.store, None).await?;
        let (mut hasher, mut written) = (Hasher::new(None), 0);
        let mut pieces = pin!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(Failed::Print)?;
            let write = move || {
                hasher.update(&piece);
                room.write(&piece, written).map(|_| (room, hasher, written + piece.len() as u64))
            };
            (room, hasher, written) = tokio::task::spawn_blocking(write).await.map_err(|_| Error::Died)??;
        }
        let hashed = hasher.finish();
        if hashed.digest != digest {
            let detail = format!("published as {digest}, found as {}", hashed.digest);
            return Err(Error::Unproven(Broken { kind: "digest", detail }).into());
        }
        Ok(room.keep(&self.store, self.draft_own(own), &hashed).await?)
    }

    async fn keep_own(&self, own: Own<'_>, printed: Bytes) -> Result<Arc<Entry>, Error> {
        let mut room = Room::make(&self.store, Some(printed.len() as u64)).await?;
        let write = move || {
            let mut hasher = Hasher::new(None);
            hasher.update(&printed);
            room.write(&printed, 0).map(|_| (room, hasher.finish()))
        };
        let (room, hashed) = tokio::task::spawn_blocking(write).await.map_err(|_| Error::Died)??;
        room.keep(&self.store, self.draft_own(own), &hashed).await
    }

    fn draft_own(&self, own: Own<'_>) -> Draft {
        let now = self.clock.now();
        Draft {
            key: own.key.into(),
            mount: Arc::clone(own.mount),
            package: own.package.into(),
            status: 200,
            http: Http { lifetimes: Lifetimes { fresh: Some(FOR_EVER), ..Lifetimes::default() }, ..Http::default() },
            stored_at: now,
            validated_at: now,
            proofs: vec!["published here".to_owned()],
            pinned: false,
            source: None,
            segments: Vec::new(),
        }
    }
}

impl<E> From<Error> for Failed<E> {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

fn prepared(document: Arc<Entry>, forms: Arc<Entry>, cache: CacheState) -> Prepared {
    Prepared { document, forms, cache, age: Duration::ZERO, remaining: Duration::ZERO, is_own: true }
}
