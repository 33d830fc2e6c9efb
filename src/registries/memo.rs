//! What was worked out of something that is kept, by the digest of that. In memory, bounded; the oldest is forgotten
//! first, and worked out again when it is asked for.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::bodies;
use crate::base::digest::Digest;

/// Values that are worked out at once: each may need a whole document in memory.
const TURNS: usize = 2;

/// What is remembered.
pub struct Memo<V> {
    /// What all of it may weigh.
    most: usize,
    /// Held for a few lines only.
    known: Mutex<Known<V>>,
    turns: Arc<Semaphore>,
}

struct Known<V> {
    /// Each with its weight.
    by_digest: HashMap<Digest, (V, usize)>,
    /// The oldest first.
    order: VecDeque<Digest>,
    weight: usize,
}

impl<V: Clone> Memo<V> {
    /// Begins with nothing. All that is remembered weighs `most` at most, in whatever the weights are given in.
    pub fn new(most: usize) -> Self {
        let known = Known { by_digest: HashMap::new(), order: VecDeque::new(), weight: 0 };
        Self { most, known: Mutex::new(known), turns: Arc::new(Semaphore::new(TURNS)) }
    }

    pub fn find(&self, digest: &Digest) -> Option<V> {
        self.lock().by_digest.get(digest).map(|(value, _)| value.clone())
    }

    /// Remembers a value, unless one is known, and returns the one that is known then.
    pub fn keep(&self, digest: Digest, value: V, weight: usize) -> V {
        let mut known = self.lock();
        if let Some((known, _)) = known.by_digest.get(&digest) {
            return known.clone();
        }
        if weight <= self.most {
            known.make_room(self.most - weight);
            known.add(digest, value.clone(), weight);
        }
        value
    }

    /// Returns the value of a digest, worked out where nobody waits for it unless it is known; `work` tells its weight. Few
    /// work at once, and what several want is worked out once.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn work_out<E>(
        &self,
        digest: Digest,
        work: impl FnOnce() -> Result<(V, usize), E> + Send + 'static,
    ) -> Result<V, E>
    where
        V: Send + 'static,
        E: From<io::Error> + Send + 'static,
    {
        if let Some(known) = self.find(&digest) {
            return Ok(known);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        if let Some(known) = self.find(&digest) {
            return Ok(known);
        }
        let (value, weight) = bodies::apart(move || {
            // Whoever asked may leave; the work goes on, and so does its turn.
            let _turn = turn;
            work()
        })
        .await?;
        Ok(self.keep(digest, value, weight))
    }

    fn lock(&self) -> MutexGuard<'_, Known<V>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Known<V> {
    fn add(&mut self, digest: Digest, value: V, weight: usize) {
        self.by_digest.insert(digest, (value, weight));
        self.order.push_back(digest);
        self.weight += weight;
    }

    /// Forgets the oldest until the rest weighs `most` at most.
    fn make_room(&mut self, most: usize) {
        while self.weight > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.weight -= self.by_digest.remove(&oldest).map_or(0, |(_, weight)| weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_there_is_no_room_and_nothing_counts_twice() {
        let memo = Memo::new(10);
        let [one, two, three] = ["1", "2", "3"].map(|text| Digest::of(text.as_bytes()));
        assert_eq!(memo.keep(one, 'a', 6), 'a');
        assert_eq!(memo.keep(one, 'b', 6), 'a');
        assert_eq!(memo.find(&one), Some('a'));
        memo.keep(two, 'c', 4);
        assert_eq!((memo.find(&one), memo.find(&two)), (Some('a'), Some('c')));
        memo.keep(three, 'd', 1);
        assert_eq!([one, two, three].map(|digest| memo.find(&digest)), [None, Some('c'), Some('d')]);
    }

    #[tokio::test]
    async fn what_several_want_is_worked_out_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (memo, count) = (Arc::new(Memo::new(10)), Arc::new(AtomicUsize::new(0)));
        // As many as there are turns would all begin, had the first not ended before the second looks again.
        let ask = async |digest: &[u8]| {
            let count = Arc::clone(&count);
            let work = move || Ok::<_, io::Error>((count.fetch_add(1, Ordering::Relaxed), 1));
            memo.work_out(Digest::of(digest), work).await.unwrap()
        };
        assert_eq!((ask(b"one").await, ask(b"one").await, ask(b"two").await), (0, 0, 1));
        let failed = memo.work_out(Digest::of(b"three"), || Err(io::Error::other("no"))).await;
        assert!(failed.is_err() && memo.find(&Digest::of(b"three")).is_none());
        assert_eq!(ask(b"three").await, 2);
    }

    #[test]
    fn what_is_too_heavy_is_handed_back_and_not_remembered() {
        let (memo, [heavy, light]) = (Memo::new(10), [Digest::of(b"heavy"), Digest::of(b"light")]);
        memo.keep(light, 'a', 10);
        assert_eq!(memo.keep(heavy, 'b', 11), 'b');
        assert_eq!((memo.find(&heavy), memo.find(&light)), (None, Some('a')));
    }
}
