//! Whether the store works, told to whoever must know.
//!
//! A read or a write that fails says that it does not. Then everything is tried each second ([`super::house`]), and only that
//! says that it works again: one write that goes well says little of another, and perhaps nobody asks for any. A disk
//! without room is no fault: what comes is served through, and kept again when there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::IntGauge;

use super::error::Error;
use crate::telemetry::health::Health;

/// What the store was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    Write,
}

/// How the store fares.
pub(super) struct Fitness {
    unreadable: AtomicBool,
    unwritable: AtomicBool,
    health: OnceLock<Arc<Health>>,
    gauge: IntGauge,
}

// === impl Fitness ===

impl Fitness {
    /// `gauge` is 1 while the store fails.
    pub(super) fn new(gauge: IntGauge) -> Self {
        Self { unreadable: AtomicBool::default(), unwritable: AtomicBool::default(), health: OnceLock::new(), gauge }
    }

    /// Has `health` told from now on.
    pub(super) fn report_to(&self, health: Arc<Health>) {
        // Who was told first is told on: a store has one process, and that one health.
        let health = self.health.get_or_init(|| health);
        health.set_store_open(true);
        self.tell(health);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.unreadable.load(Ordering::Relaxed) || self.unwritable.load(Ordering::Relaxed)
    }

    /// Notes that something could not be done, if that is the store's own fault.
    pub(super) fn failed(&self, deed: Deed, error: &Error) {
        if error.is_fault() && !self.flag(deed).swap(true, Ordering::Relaxed) {
            tracing::error!(?deed, error = error as &dyn std::error::Error, "the store fails");
            self.changed();
        }
    }

    /// Notes that everything can be done again.
    pub(super) fn recovered(&self, deed: Deed) {
        if self.flag(deed).swap(false, Ordering::Relaxed) {
            tracing::info!(?deed, "the store works again");
            self.changed();
        }
    }

    fn flag(&self, deed: Deed) -> &AtomicBool {
        match deed {
            Deed::Read => &self.unreadable,
            Deed::Write => &self.unwritable,
        }
    }

    fn changed(&self) {
        self.gauge.set(self.is_failing().into());
        if let Some(health) = self.health.get() {
            self.tell(health);
        }
    }

    fn tell(&self, health: &Health) {
        health.set_store_readable(!self.unreadable.load(Ordering::Relaxed));
        health.set_store_writable(!self.unwritable.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn fitness() -> (Fitness, Arc<Health>) {
        let (fitness, health) = (Fitness::new(IntGauge::new("failing", "help").unwrap()), Arc::new(Health::default()));
        health.set_listening();
        fitness.report_to(Arc::clone(&health));
        (fitness, health)
    }

    #[test]
    fn a_store_that_fails_is_told_until_it_works_again() {
        let (fitness, health) = fitness();
        assert!(health.obstacles().is_empty() && !fitness.is_failing());
        let broken = || Error::from(io::Error::other("broken"));
        fitness.failed(Deed::Write, &broken());
        fitness.failed(Deed::Write, &Error::Closed);
        assert_eq!((health.obstacles(), fitness.gauge.get()), (vec!["the store cannot be written"], 1));
        fitness.failed(Deed::Read, &Error::from(rusqlite::Error::InvalidQuery));
        fitness.recovered(Deed::Write);
        assert_eq!((health.obstacles(), fitness.gauge.get()), (vec!["the store cannot be read"], 1));
        fitness.recovered(Deed::Read);
        assert!(health.obstacles().is_empty() && fitness.gauge.get() == 0);
    }

    #[test]
    fn what_a_sound_store_answers_is_no_failure() {
        let (fitness, health) = fitness();
        let full = Error::from(io::Error::from(io::ErrorKind::StorageFull));
        for error in [full, Error::Broken("a".into())] {
            fitness.failed(Deed::Write, &error);
        }
        assert!(health.obstacles().is_empty());
    }

    #[test]
    fn who_comes_to_ask_late_is_told_too() {
        let fitness = Fitness::new(IntGauge::new("failing", "help").unwrap());
        fitness.failed(Deed::Read, &Error::Closed);
        let health = Arc::new(Health::default());
        fitness.report_to(Arc::clone(&health));
        assert!(health.obstacles().contains(&"the store cannot be read"));
    }
}
