//! One process for many tests: made by the first that asks, stopped when the last is done.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

/// Holds what tests share for as long as one of them uses it.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    pub async fn get(&self, make: impl AsyncFnOnce() -> T) -> Arc<T> {
        let mut held = self.0.lock().await;
        if let Some(shared) = held.upgrade() {
            return shared;
        }
        let shared = Arc::new(make().await);
        *held = Arc::downgrade(&shared);
        shared
    }
}
