//! What is served although upstream was not asked, or had no answer. Who brings up to date what is held asks strictly
//! ([`Demand::strict`]), and is told of the failure instead.

use std::sync::Arc;

use super::fresh::{self, Demand};
use super::resource::Resource;
use super::store::Entry;
use super::{Engine, times};

impl Engine {
    /// Returns what is held, if it may be served in place of an answer.
    pub(super) fn fallback(&self, held: Option<&Arc<Entry>>, want: &Resource, demand: &Demand) -> Option<Arc<Entry>> {
        held.filter(|held| !demand.strict && self.may_serve_stale(held, want)).cloned()
    }

    fn may_serve_stale(&self, held: &Entry, want: &Resource) -> bool {
        let times = times(held, want.kind);
        if self.fetch.is_offline() {
            return !times.absence;
        }
        fresh::may_serve_stale(&times, &want.rules, self.clock.now())
    }
}
