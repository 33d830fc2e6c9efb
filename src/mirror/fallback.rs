//! What is served although upstream was not asked, or had no answer.
//!
//! What is pinned was fetched to be there when upstream is not: it is served for as long as nobody answers, whatever
//! upstream once said of serving it stale, and goes on being served when upstream no longer has it. Who brings it up to
//! date asks strictly ([`Demand::strict`]), and is told.

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;

use super::error::Error;
use super::fill::Fill;
use super::fresh::{self, Demand};
use super::resource::Resource;
use super::store::Entry;
use super::{Engine, times};
use crate::base::http::CacheState;

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

    /// Tells whether upstream has said a short while ago that it no longer has what is held: it is not asked again for
    /// those who do not insist.
    pub(super) fn was_missed(&self, held: &Entry, want: &Resource, demand: &Demand) -> bool {
        let since = self.clock.now().checked_sub(want.rules.negative_ttl).unwrap_or(SystemTime::UNIX_EPOCH);
        let insists = demand.newest || demand.max_age.is_some();
        !insists && held.pinned && self.missed.is_noted(&want.key, since.max(held.validated_at))
    }
}

impl Fill {
    /// Tells whether what upstream no longer has is pinned here, perhaps since this fill began.
    pub(super) async fn is_pinned(&self, key: &str) -> bool {
        self.engine.find(key).await.is_some_and(|kept| kept.pinned && !kept.is_absence())
    }

    /// Leaves in its place what is pinned, and says to the riders what upstream does.
    pub(super) fn leave_pinned(&self, status: StatusCode) -> Error {
        tracing::warn!(key = self.want.key, status = status.as_u16(), "upstream no longer has what is pinned");
        self.engine.missed.note(&self.want.key, self.engine.clock.now());
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Error::Absent { cache: CacheState::Miss, for_good: status == StatusCode::GONE }
            }
            refusal => Error::Refused { status: refusal.as_u16() },
        }
    }
}

/// Tells whether what is held is served instead of this error.
pub(super) fn stands_in(held: &Entry, error: &Error) -> bool {
    error.is_upstreams_failure() || held.pinned && matches!(error, Error::Absent { .. } | Error::Refused { .. })
}
