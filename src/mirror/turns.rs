//! One at a time, by key: what is done for one caller is found done by the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// The keys somebody is busy with.
#[derive(Default)]
pub struct Turns {
    /// Held for a few lines only, never across an await.
    busy: Mutex<HashMap<String, Weak<Turn>>>,
}

impl Turns {
    /// Waits for the turn of `key`; it ends when the guard is dropped.
    pub async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: &str) -> Arc<Turn> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = busy.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        busy.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        busy.insert(key.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_one_callers_at_a_time_and_forgotten_after() {
        let turns = Turns::default();
        let first = turns.turn("a").await;
        let other = turns.turn("b").await;
        assert!(turns.of("a").try_lock().is_err());
        drop((first, other));
        drop(turns.turn("a").await);
        drop(turns.turn("c").await);
        assert_eq!(turns.busy.lock().unwrap().len(), 1);
    }
}
