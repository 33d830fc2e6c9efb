//! What was worked out of something that is kept, by the digest of that. In memory, bounded; the oldest is forgotten
//! first, and worked out again when it is asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::digest::Digest;

/// What is remembered. Held for a few lines only.
pub struct Memo<V> {
    /// What all of it may weigh.
    most: usize,
    known: Mutex<Known<V>>,
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
        Self { most, known: Mutex::new(known) }
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

    #[test]
    fn what_is_too_heavy_is_handed_back_and_not_remembered() {
        let (memo, [heavy, light]) = (Memo::new(10), [Digest::of(b"heavy"), Digest::of(b"light")]);
        memo.keep(light, 'a', 10);
        assert_eq!(memo.keep(heavy, 'b', 11), 'b');
        assert_eq!((memo.find(&heavy), memo.find(&light)), (None, Some('a')));
    }
}
