//! Documents that are no upstream's but ours: kept like theirs, in the forms that clients ask for, so that a hit is a hit.
//! The cache may be deleted at any time: they are printed again from what was published.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::Error;
use super::fresh::Lifetimes;
use super::prepare::{Keys, Shape};
use super::room::Room;
use super::store::{Draft, Entry, Http};
use super::{Engine, Mirror, Prepared};
use crate::base::digest::Hasher;
use crate::base::http::CacheState;

/// A state is what it is, for as long as anybody asks for it.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

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

    /// Returns a document in the forms that `shape` makes of it; where this state of it is not kept, it is `printed`.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Broken`].
    pub async fn own(&self, own: Own<'_>, shape: &Arc<dyn Shape>, printed: Bytes) -> Result<Prepared, Error> {
        let (document, cache) = match self.0.find(own.key).await {
            Some(document) => (document, CacheState::Hit),
            None => (self.0.keep_own(own, printed).await?, CacheState::Miss),
        };
        let forms = self.0.forms_of(&document, shape).await?;
        Ok(prepared(document, forms, cache))
    }
}

impl Engine {
    async fn keep_own(&self, own: Own<'_>, printed: Bytes) -> Result<Arc<Entry>, Error> {
        let mut room = Room::make(&self.store, Some(printed.len() as u64)).await?;
        let write = move || {
            let mut hasher = Hasher::new(None);
            hasher.update(&printed);
            room.write(&printed, 0).map(|_| (room, hasher.finish()))
        };
        let (room, hashed) = tokio::task::spawn_blocking(write).await.map_err(|_| Error::Died)??;
        let now = self.clock.now();
        let draft = Draft {
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
            release: None,
            keep_first_seen: false,
        };
        room.keep(&self.store, draft, &hashed).await
    }
}

fn prepared(document: Arc<Entry>, forms: Arc<Entry>, cache: CacheState) -> Prepared {
    Prepared { document, forms, cache, age: Duration::ZERO, remaining: Duration::ZERO, is_own: true }
}
