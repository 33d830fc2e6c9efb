//! How much one client may ask for, and the figures that every answer tells of it (contract nessemble §3). What is told
//! is what is counted here: a client that obeys the figures is never refused by this count. Where the whole server has too
//! much to do and refuses it, it is told that nothing is left.
//!
//! Two windows are counted for each address, a minute and a day; each begins with the first request in it. The figures
//! are those of the window that has less left.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::network::client_of;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * 60;

/// Addresses that are counted apart; past that, those that were silent for a minute are forgotten, in their favour.
const MAX_CLIENTS: usize = 1 << 16;

/// Stands for all addresses that there is no room for.
const STRANGERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How many requests one client may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub per_minute: u64,
    pub per_day: u64,
}

/// What an answer tells of its client's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub limit: u64,
    pub remaining: u64,
    /// When the window ends, in seconds since 1970.
    pub reset: u64,
    /// How long that is from now, in seconds.
    pub wait: u64,
}

/// Counts the requests of every client of a mount.
pub struct Meter {
    allowance: Allowance,
    /// Held for a few lines, never across an await.
    counts: Mutex<HashMap<IpAddr, Count>>,
}

/// The windows of one client.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    minute: Window,
    day: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// In seconds since 1970.
    end: u64,
    used: u64,
}

// === impl Allowance ===

impl Default for Allowance {
    /// Generous: an old client opens a connection a request, and asks two a package.
    fn default() -> Self {
        Self { per_minute: 1_000, per_day: 1_000_000 }
    }
}

// === impl Meter ===

impl Meter {
    pub fn new(allowance: Allowance) -> Self {
        Self { allowance, counts: Mutex::default() }
    }

    /// Counts one request of `peer`.
    ///
    /// # Errors
    /// The figures of the window that is used up; the request is not counted.
    pub fn enter(&self, peer: Option<IpAddr>, now: SystemTime) -> Result<Figures, Figures> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let client = peer.map_or(STRANGERS, client_of);
        let mut counts = self.lock();
        let client = make_room(&mut counts, client, now);
        counts.entry(client).or_default().enter(self.allowance, now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        // Counts are whole after every line.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns under which address a client is counted, forgetting others if need be.
fn make_room(counts: &mut HashMap<IpAddr, Count>, client: IpAddr, now: u64) -> IpAddr {
    if counts.len() < MAX_CLIENTS || counts.contains_key(&client) {
        return client;
    }
    counts.retain(|_, count| count.minute.end > now);
    if counts.len() < MAX_CLIENTS { client } else { STRANGERS }
}

// === impl Count ===

impl Count {
    fn enter(&mut self, allowance: Allowance, now: u64) -> Result<Figures, Figures> {
        self.minute.renew(now, MINUTE);
        self.day.renew(now, DAY);
        let figures = |count: &Self| {
            let minute = count.minute.figures(allowance.per_minute, now);
            let day = count.day.figures(allowance.per_day, now);
            // Of two that are used up, the one that lasts.
            if (day.remaining, minute.wait) < (minute.remaining, day.wait) { day } else { minute }
        };
        let before = figures(self);
        if before.remaining == 0 {
            return Err(before);
        }
        self.minute.used += 1;
        self.day.used += 1;
        Ok(figures(self))
    }
}

// === impl Window ===

impl Window {
    fn renew(&mut self, now: u64, length: u64) {
        // A clock that was set back must not make a window last.
        if self.end <= now || self.end > now + length {
            *self = Self { end: now + length, used: 0 };
        }
    }

    fn figures(self, limit: u64, now: u64) -> Figures {
        Figures { limit, remaining: limit.saturating_sub(self.used), reset: self.end, wait: self.end - now }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START + seconds)
    }

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_client_that_obeys_the_figures_is_never_refused() {
        let meter = Meter::new(Allowance { per_minute: 3, per_day: 100 });
        let told = |remaining, wait| Figures { limit: 3, remaining, reset: START + 60, wait };
        assert_eq!(meter.enter(peer("192.0.2.1"), at(0)), Ok(told(2, 60)));
        assert_eq!(meter.enter(peer("192.0.2.1"), at(10)), Ok(told(1, 50)));
        assert_eq!(meter.enter(peer("192.0.2.1"), at(20)), Ok(told(0, 40)));
        assert_eq!(meter.enter(peer("192.0.2.1"), at(20)), Err(told(0, 40)));
        assert_eq!(meter.enter(peer("192.0.2.1"), at(59)), Err(told(0, 1)));
        assert!(meter.enter(peer("192.0.2.1"), at(60)).is_ok_and(|figures| figures.remaining == 2));
    }

    #[test]
    fn the_figures_are_those_of_the_window_that_has_less_left() {
        let meter = Meter::new(Allowance { per_minute: 3, per_day: 4 });
        let limits =
            |seconds| meter.enter(peer("192.0.2.1"), at(seconds)).map(|figures| (figures.limit, figures.remaining));
        assert_eq!((limits(0), limits(0), limits(0)), (Ok((3, 2)), Ok((3, 1)), Ok((3, 0))));
        assert_eq!(limits(61), Ok((4, 0)));
        let refused = meter.enter(peer("192.0.2.1"), at(200)).unwrap_err();
        assert_eq!((refused.limit, refused.wait), (4, DAY - 200));
        assert_eq!(limits(DAY), Ok((3, 2)));
    }

    #[test]
    fn clients_are_counted_apart_by_what_one_customer_has() {
        let meter = Meter::new(Allowance { per_minute: 1, per_day: 10 });
        for (address, admitted) in [
            ("192.0.2.1", true),
            ("192.0.2.2", true),
            ("::ffff:192.0.2.1", false),
            ("2001:db8:0:1::1", true),
            ("2001:db8:0:1:ffff::2", false),
            ("2001:db8:0:2::1", true),
        ] {
            assert_eq!(meter.enter(peer(address), at(0)).is_ok(), admitted, "{address}");
        }
        assert!(meter.enter(None, at(0)).is_ok() && meter.enter(None, at(0)).is_err());
    }

    #[test]
    fn many_addresses_take_no_more_room_than_there_is() {
        let meter = Meter::new(Allowance { per_minute: 1, per_day: 10 });
        let address = |number: u32| Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        let most = MAX_CLIENTS as u32;
        assert!((0..most).all(|number| meter.enter(address(number), at(0)).is_ok()));
        assert!(meter.enter(address(most), at(0)).is_ok(), "a stranger comes in");
        assert!(meter.enter(address(most + 1), at(0)).is_err(), "strangers share what they have");
        assert!(meter.lock().len() <= MAX_CLIENTS + 1);
        assert!(meter.enter(address(most + 2), at(61)).is_ok());
        assert_eq!(meter.lock().len(), 1, "who was silent for a minute is forgotten");
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let meter = Meter::new(Allowance { per_minute: 1, per_day: 10 });
        assert!(meter.enter(peer("192.0.2.1"), at(2 * DAY)).is_ok());
        assert!(meter.enter(peer("192.0.2.1"), at(0)).is_ok_and(|figures| figures.wait <= 60));
    }
}
