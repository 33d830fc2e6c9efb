//! Alive and ready: two different questions. A process that answers at all is alive; it is ready while it listens, its
//! store is open and works, and it is not on its way out.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The facts that readiness is made of.
#[derive(Debug, Default)]
pub struct Health {
    store_open: AtomicBool,
    store_unreadable: AtomicBool,
    store_unwritable: AtomicBool,
    listening: AtomicBool,
    stopping: OnceLock<Instant>,
}

impl Health {
    /// Says whether there is a store.
    pub fn set_store_open(&self, open: bool) {
        self.store_open.store(open, Ordering::Relaxed);
    }

    /// Says whether what the store has can be had.
    pub fn set_store_readable(&self, readable: bool) {
        self.store_unreadable.store(!readable, Ordering::Relaxed);
    }

    /// Says whether the store takes anything. One that is only full does.
    pub fn set_store_writable(&self, writable: bool) {
        self.store_unwritable.store(!writable, Ordering::Relaxed);
    }

    /// Says that connections are accepted.
    pub fn set_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Says that no further connections will be accepted. There is no way back.
    pub fn set_stopping(&self) {
        self.stopping.get_or_init(Instant::now);
    }

    /// Returns when it was told to stop.
    pub fn stopping_since(&self) -> Option<Instant> {
        self.stopping.get().copied()
    }

    /// Returns why no requests should be sent here; empty when they should.
    pub fn obstacles(&self) -> Vec<&'static str> {
        [
            (!self.store_open.load(Ordering::Relaxed), "the store is not open"),
            (self.store_unreadable.load(Ordering::Relaxed), "the store cannot be read"),
            (self.store_unwritable.load(Ordering::Relaxed), "the store cannot be written"),
            (!self.listening.load(Ordering::Relaxed), "not listening yet"),
            (self.stopping.get().is_some(), "stopping"),
        ]
        .into_iter()
        .filter_map(|(applies, reason)| applies.then_some(reason))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_between_its_start_and_its_stop() {
        let health = Health::default();
        assert_eq!(health.obstacles(), ["the store is not open", "not listening yet"]);
        health.set_store_open(true);
        health.set_listening();
        assert!(health.obstacles().is_empty());
        health.set_store_readable(false);
        health.set_store_writable(false);
        assert_eq!(health.obstacles(), ["the store cannot be read", "the store cannot be written"]);
        health.set_store_readable(true);
        health.set_store_writable(true);
        assert!(health.obstacles().is_empty());
        health.set_stopping();
        assert_eq!(health.obstacles(), ["stopping"]);
    }
}
