//! Where the chunks of archives lie that were proved. In memory, bounded; the oldest archives are forgotten first, and cut
//! again when they are asked for, as are those of former runs when a chunk is asked for that nobody knows.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::wire::Chunk;
use crate::base::digest::Digest;

/// Chunks remembered, those of 16 GiB or so.
const MAX_CHUNKS: usize = 1 << 18;

/// An archive cut into chunks.
#[derive(Debug)]
pub struct Cut {
    /// The key that the archive is kept under.
    pub archive: String,
    pub checksum: Digest,
    pub chunks: Vec<Chunk>,
}

/// The archives that were cut. Held for a few lines only.
#[derive(Default)]
pub struct ChunkPlaces(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_archive: HashMap<Digest, Arc<Cut>>,
    /// By the hash of a chunk: an archive that has it, and where.
    places: HashMap<Digest, (Arc<Cut>, usize)>,
    /// The oldest first.
    order: VecDeque<Arc<Cut>>,
    /// All chunks of all archives.
    chunks: usize,
}

// === impl ChunkPlaces ===

impl ChunkPlaces {
    /// Finds the chunks of an archive by its checksum.
    pub fn find_archive(&self, checksum: &Digest) -> Option<Arc<Cut>> {
        self.lock().by_archive.get(checksum).cloned()
    }

    /// Finds the key of an archive that has a chunk, and the bytes of it that the chunk is.
    pub fn find_chunk(&self, hash: &Digest) -> Option<(String, Range<u64>)> {
        let known = self.lock();
        let (cut, index) = known.places.get(hash)?;
        let Chunk { offset, size, .. } = cut.chunks[*index];
        Some((cut.archive.clone(), offset..offset + size))
    }

    /// Tells whether an archive more would have another forgotten.
    pub fn is_full(&self) -> bool {
        self.lock().chunks >= MAX_CHUNKS
    }

    /// Remembers an archive.
    pub fn keep(&self, cut: Cut) -> Arc<Cut> {
        let (cut, mut known) = (Arc::new(cut), self.lock());
        if let Some(known) = known.by_archive.get(&cut.checksum) {
            return Arc::clone(known);
        }
        known.add(&cut);
        while known.chunks > MAX_CHUNKS && known.order.len() > 1 {
            known.drop_oldest();
        }
        cut
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    fn add(&mut self, cut: &Arc<Cut>) {
        self.chunks += cut.chunks.len();
        self.by_archive.insert(cut.checksum, Arc::clone(cut));
        self.order.push_back(Arc::clone(cut));
        for (index, chunk) in cut.chunks.iter().enumerate() {
            self.places.insert(chunk.hash, (Arc::clone(cut), index));
        }
    }

    fn drop_oldest(&mut self) {
        let Some(cut) = self.order.pop_front() else { return };
        self.chunks -= cut.chunks.len();
        self.by_archive.remove(&cut.checksum);
        for chunk in &cut.chunks {
            // A newer archive may have the same chunk.
            if self.places.get(&chunk.hash).is_some_and(|(owner, _)| Arc::ptr_eq(owner, &cut)) {
                self.places.remove(&chunk.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an archive of chunks with these contents, a byte each.
    fn cut(name: &str, contents: &[u64]) -> Cut {
        let chunk = |(index, content): (usize, &u64)| Chunk {
            hash: Digest::of(&content.to_le_bytes()),
            offset: index as u64,
            size: 1,
        };
        let chunks = contents.iter().enumerate().map(chunk).collect();
        Cut { archive: name.to_owned(), checksum: Digest::of(name.as_bytes()), chunks }
    }

    fn hash(content: u64) -> Digest {
        Digest::of(&content.to_le_bytes())
    }

    #[test]
    fn a_chunk_is_found_in_the_newest_archive_that_has_it() {
        let places = ChunkPlaces::default();
        places.keep(cut("old", &[1, 2]));
        places.keep(cut("new", &[3, 2]));
        assert_eq!(places.find_chunk(&hash(1)), Some(("old".to_owned(), 0..1)));
        assert_eq!(places.find_chunk(&hash(2)), Some(("new".to_owned(), 1..2)));
        assert_eq!(places.find_chunk(&hash(4)), None);
        assert_eq!(places.find_archive(&Digest::of(b"old")).unwrap().chunks.len(), 2);
    }

    #[test]
    fn the_oldest_archive_is_forgotten_and_what_others_share_with_it_is_not() {
        let places = ChunkPlaces::default();
        places.keep(cut("old", &[u64::MAX, 1]));
        let many: Vec<u64> = (1..=MAX_CHUNKS as u64).collect();
        places.keep(cut("new", &many));
        assert!(places.find_archive(&Digest::of(b"old")).is_none() && places.find_chunk(&hash(u64::MAX)).is_none());
        assert_eq!(places.find_chunk(&hash(1)), Some(("new".to_owned(), 0..1)));
        assert!(places.lock().chunks == MAX_CHUNKS && places.is_full());
    }
}
