//! May a stored response answer this request, now.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::mirror::fresh::{Demand, Lifetimes, Verdict};
use crate::mirror::resource::Rules;

/// A stored response, as far as its reuse goes.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    pub status: StatusCode,
    pub validated_at: SystemTime,
    pub lifetimes: Lifetimes,
    /// Whether it was fetched to be there when upstream is not.
    pub pinned: bool,
}

// === impl Stored ===

impl Stored {
    /// Judges by what upstream, the client and the mount say.
    ///
    /// Source: RFC 9111 §4, §4.2.4, §5.2.1; RFC 5861 §3.
    pub fn judge(&self, rules: &Rules, demand: &Demand, now: SystemTime) -> Verdict {
        if demand.newest || demand.max_age.is_some_and(|limit| self.age(now) > limit) {
            return Verdict::Stale;
        }
        let (since, lifetime) = (self.since(now), self.lifetime(rules));
        if since < lifetime && since.saturating_add(demand.min_fresh) <= lifetime {
            return Verdict::Fresh;
        }
        if self.lifetimes.never_stale || !demand.min_fresh.is_zero() {
            return Verdict::Stale;
        }
        let late = self.staleness(rules, now);
        let grace = rules.stale_while_revalidate.max(self.lifetimes.stale_while_revalidate);
        match demand.max_stale {
            Some(limit) if late <= limit => Verdict::Accepted,
            // Zero is "none at all", not "for no time".
            _ if !grace.is_zero() && late < grace && self.is_good() => Verdict::FreshEnough,
            _ => Verdict::Stale,
        }
    }

    /// Tells whether it may be served though it is stale, because upstream cannot be asked. What is pinned may be for ever:
    /// there the operator's word stands against upstream's.
    ///
    /// Source: RFC 9111 §4.2.4 (unless upstream forbids it), §5.2.2.2; RFC 5861 §4.
    pub fn may_be_served_stale(&self, rules: &Rules, now: SystemTime) -> bool {
        let grace = rules.stale_if_error.max(self.lifetimes.stale_if_error);
        let is_allowed = self.pinned || !self.lifetimes.never_stale && self.staleness(rules, now) < grace;
        is_allowed && self.is_good()
    }

    /// Returns how old it is. Source: RFC 9111 §4.2.3.
    pub fn age(&self, now: SystemTime) -> Duration {
        self.lifetimes.age.saturating_add(self.since(now))
    }

    /// Returns for how long it has been stale.
    fn staleness(&self, rules: &Rules, now: SystemTime) -> Duration {
        self.since(now).saturating_sub(self.lifetime(rules)).saturating_add(self.lifetimes.overdue)
    }

    /// Returns how long it was fresh when it arrived: what upstream says, within what the mount sets. Of an absence that
    /// upstream says nothing of, the mount's guess is taken; of all else, none.
    fn lifetime(&self, rules: &Rules) -> Duration {
        let silent = match self.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => rules.negative_ttl,
            _ => Duration::ZERO,
        };
        self.lifetimes.fresh.unwrap_or(silent).clamp(rules.min_ttl.min(rules.max_ttl), rules.max_ttl)
    }

    fn since(&self, now: SystemTime) -> Duration {
        now.duration_since(self.validated_at).unwrap_or_default()
    }

    /// A stale error helps nobody.
    fn is_good(&self) -> bool {
        !self.status.is_client_error() && !self.status.is_server_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn rules() -> Rules {
        Rules {
            min_ttl: secs(0),
            max_ttl: secs(1000),
            negative_ttl: secs(60),
            stale_while_revalidate: secs(0),
            stale_if_error: secs(50),
        }
    }

    fn stored(fresh: Option<u64>) -> Stored {
        let lifetimes = Lifetimes { fresh: fresh.map(secs), ..Lifetimes::default() };
        let validated_at = SystemTime::UNIX_EPOCH + secs(5000);
        Stored { status: StatusCode::OK, validated_at, lifetimes, pinned: false }
    }

    fn after(stored: Stored, seconds: u64, demand: Demand) -> Verdict {
        stored.judge(&rules(), &demand, stored.validated_at + secs(seconds))
    }

    #[test]
    fn it_is_fresh_for_as_long_as_upstream_says() {
        assert_eq!(after(stored(Some(10)), 9, Demand::default()), Verdict::Fresh);
        assert_eq!(after(stored(Some(10)), 10, Demand::default()), Verdict::Stale);
        assert_eq!(after(stored(Some(9999)), 1000, Demand::default()), Verdict::Stale);
        assert_eq!(after(stored(None), 0, Demand::default()), Verdict::Stale);
    }

    #[test]
    fn a_client_may_ask_for_less_or_more_than_fresh() {
        let limit = |seconds| Demand { max_age: Some(secs(seconds)), ..Demand::default() };
        let ahead = |seconds| Demand { min_fresh: secs(seconds), ..Demand::default() };
        let lenient = |seconds| Demand { max_stale: Some(secs(seconds)), ..Demand::default() };
        for (seconds, demand, expected) in [
            (5, limit(5), Verdict::Fresh),
            (6, limit(5), Verdict::Stale),
            (1, limit(0), Verdict::Stale),
            (5, ahead(5), Verdict::Fresh),
            (6, ahead(5), Verdict::Stale),
            (12, lenient(2), Verdict::Accepted),
            (13, lenient(2), Verdict::Stale),
            (0, Demand { newest: true, ..Demand::default() }, Verdict::Stale),
        ] {
            assert_eq!(after(stored(Some(10)), seconds, demand), expected, "{seconds} {demand:?}");
        }
        let mut strict = stored(Some(10));
        strict.lifetimes.never_stale = true;
        assert_eq!(after(strict, 11, lenient(100)), Verdict::Stale);
    }

    #[test]
    fn what_was_old_on_arrival_has_been_stale_for_longer() {
        let mut old = stored(Some(0));
        old.lifetimes.overdue = secs(30);
        let lenient = Demand { max_stale: Some(secs(30)), ..Demand::default() };
        assert_eq!(after(old, 0, lenient), Verdict::Accepted);
        assert_eq!(after(old, 1, lenient), Verdict::Stale);
    }

    #[test]
    fn an_absence_is_guessed_to_last() {
        let absent = Stored { status: StatusCode::NOT_FOUND, ..stored(None) };
        assert_eq!(after(absent, 59, Demand::default()), Verdict::Fresh);
        assert_eq!(after(absent, 60, Demand::default()), Verdict::Stale);
        assert!(!absent.may_be_served_stale(&rules(), absent.validated_at + secs(61)));
    }

    #[test]
    fn stale_is_served_on_errors_unless_upstream_forbids() {
        let at = |stored: Stored, seconds| stored.may_be_served_stale(&rules(), stored.validated_at + secs(seconds));
        assert!(at(stored(Some(10)), 59) && !at(stored(Some(10)), 60));
        let mut strict = stored(Some(10));
        strict.lifetimes.never_stale = true;
        assert!(!at(strict, 11));
        assert!(at(Stored { pinned: true, ..strict }, 1 << 30));
        assert!(!at(Stored { pinned: true, status: StatusCode::NOT_FOUND, ..strict }, 11));
    }

    #[test]
    fn a_short_while_stale_is_served_while_upstream_is_asked() {
        let mut graced = stored(Some(10));
        graced.lifetimes.stale_while_revalidate = secs(5);
        assert_eq!(after(graced, 14, Demand::default()), Verdict::FreshEnough);
        assert_eq!(after(graced, 15, Demand::default()), Verdict::Stale);
    }
}
