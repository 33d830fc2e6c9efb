//! Chunks: parts of archives under the hash of their bytes, cut here and served from the archive. Source: contract niso §5.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Niso;
use super::artifacts::Proved;
use super::chunk_places::Cut;
use super::documents::{Listed, Wish};
use super::error::{Error, of_mirror};
use super::sources::Sources;
use super::{proofs, replies, wire};
use crate::base::digest::Digest;
use crate::base::http::{Body, CacheState, Reply, Request};
use crate::mirror::Found;
use crate::mirror::fresh::Demand;
use crate::registries::bodies;

impl Niso {
    /// `GET /v1/packages/{name}/{version or tag}/{arch}/chunks`, cut from the archive itself. Source: contract niso §5.
    pub(super) async fn chunks(&self, request: &Request<'_>, wish: &Wish) -> Result<Reply, Error> {
        let Proved { listed, checksum, body, cache } = self.proved(wish, &Demand::of(request.headers)).await?;
        let cut = self.cut(&listed.want.key, &checksum, body).await?;
        let mut out = Vec::new();
        let Listed { version, arch, .. } = &*listed;
        let whole = wire::Whole { name: &wish.name, version, arch, checksum: &checksum };
        wire::print_chunks(&whole, &cut.chunks, &mut out)?;
        let mut reply = replies::chunks(out, &wish.spec);
        reply.note.cache = cache;
        Ok(reply)
    }

    /// `GET /v1/chunks/{hash}`: part of an archive that is kept, else upstream's. Source: contract niso §5, §8.
    pub(super) async fn chunk(&self, request: &Request<'_>, hash: &Digest) -> Result<Reply, Error> {
        if let Some(bytes) = self.own_chunk(hash).await? {
            let mut reply = replies::chunk(hash);
            reply.body = Body::Bytes(bytes);
            reply.note.cache = CacheState::Hit;
            return Ok(reply);
        }
        let found = self.mirror.artifact(&self.sources.chunk(hash)?, &Demand::of(request.headers)).await;
        let found = found.map_err(|error| of_mirror(error, &format!("chunk {hash}")))?;
        Ok(replies::with_found(replies::chunk(hash), found))
    }

    /// Finds a chunk in an archive that was cut here, if that is still kept, and still holds it.
    async fn own_chunk(&self, hash: &Digest) -> Result<Option<Bytes>, Error> {
        let place = match self.places.find_chunk(hash) {
            Some(place) => Some(place),
            None => self.cut_until_found(hash).await?,
        };
        let Some((archive, place)) = place else { return Ok(None) };
        // Of what is blocked there are no chunks. Source: contract niso §8.
        if let Some((name, version)) = Sources::read_archive_key(&archive)
            && self.blocks.of(name).await?.find(version).is_some()
        {
            return Err(Error::not_found(format!("chunk {hash}")));
        }
        let Some(found) = self.find_kept(&archive).await? else { return Ok(None) };
        if found.body.length().is_none_or(|length| length < place.end) {
            return Ok(None);
        }
        let part = found.body.slice(place);
        let bytes = bodies::read(part).await?;
        Ok((Digest::of(&bytes) == *hash).then_some(bytes))
    }

    /// Cuts archives that were kept before this process began, those that were used last first, until one has the chunk:
    /// a client may know it from a manifest of then. Each is cut once, however many chunks are asked for.
    async fn cut_until_found(&self, hash: &Digest) -> Result<Option<(String, Range<u64>)>, Error> {
        let mut uncut = self.uncut.lock().await;
        if uncut.is_none() {
            *uncut = Some(self.kept_archives().await?);
        }
        let left = uncut.get_or_insert_default();
        let mut place = self.places.find_chunk(hash);
        while place.is_none()
            && !self.places.is_full()
            && let Some(archive) = left.last()
        {
            self.cut_kept(archive).await?;
            // Only now: whoever asked may have left.
            left.pop();
            place = self.places.find_chunk(hash);
        }
        Ok(place)
    }

    async fn kept_archives(&self) -> Result<Vec<String>, Error> {
        let mut archives = Vec::new();
        for prefix in self.sources.archives() {
            archives.extend(self.mirror.store().keys_below(&prefix).await?);
        }
        Ok(archives)
    }

    /// Cuts an archive, if it is still kept. One that cannot be read has no chunks.
    async fn cut_kept(&self, archive: &str) -> Result<(), Error> {
        let Some(found) = self.find_kept(archive).await? else { return Ok(()) };
        let Some(checksum) = found.entry.as_ref().and_then(|entry| entry.digest) else { return Ok(()) };
        match self.cut(archive, &checksum, found.body).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(key = archive, error = &error as &dyn std::error::Error, "archive not cut"),
        }
        Ok(())
    }

    /// Returns the chunks of an archive that is whole and proved.
    async fn cut(&self, archive: &str, checksum: &Digest, body: Body) -> Result<Arc<Cut>, Error> {
        if let Some(cut) = self.places.find_archive(checksum) {
            return Ok(cut);
        }
        let _turn = self.turns.acquire().await;
        let promised = *checksum;
        let work = move || proofs::cut_proved(bodies::reader(body), &promised).map_err(Error::from);
        let chunks = bodies::apart(work).await?;
        Ok(self.places.keep(Cut { archive: archive.to_owned(), checksum: promised, chunks }))
    }

    async fn find_kept(&self, archive: &str) -> Result<Option<Found>, Error> {
        let found = self.mirror.find_artifact(archive).await;
        found.map_err(|error| of_mirror(error, "chunk"))
    }
}
