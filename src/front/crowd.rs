//! How many connections and requests one client may have of us: counted by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::network::client_of;

/// Addresses whose requests are counted apart; past that, those that could ask as much as a new one are forgotten.
const MOST_CLIENTS: usize = 1 << 16;

/// Counts connections.
#[derive(Debug)]
pub struct Crowd {
    /// Connections at once, in all and of one address; 0 of one is as many as in all.
    most: usize,
    most_of_one: usize,
    /// Held for a few lines, never across an await.
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    /// Only those who have a connection.
    each: HashMap<IpAddr, usize>,
}

/// The right to be connected; dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    crowd: Arc<Crowd>,
    client: Option<IpAddr>,
}

/// Counts requests: so many a second of one address, and for once as many at a time.
#[derive(Debug)]
pub struct Rates {
    /// How long one request counts; zero: none does.
    worth: Duration,
    /// When each client will have been silent for long enough to be forgotten. Held for a few lines.
    until: Mutex<HashMap<IpAddr, Instant>>,
}

// === impl Crowd ===

impl Crowd {
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, inside: Mutex::default() }
    }

    /// Lets one more connection in, unless there are as many as may be.
    pub fn enter(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Seat> {
        let client = peer.map(client_of);
        let mut inside = self.lock();
        let of_one = client.map_or(0, |client| inside.each.get(&client).copied().unwrap_or(0));
        if inside.all >= self.most || (self.most_of_one > 0 && of_one >= self.most_of_one) {
            return None;
        }
        inside.all += 1;
        if let Some(client) = client {
            inside.each.insert(client, of_one + 1);
        }
        Some(Seat { crowd: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Counts are whole after every line.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.crowd.lock();
        inside.all -= 1;
        let Some(client) = self.client else { return };
        match inside.each.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(inside.each.remove(&client)),
        }
    }
}

// === impl Rates ===

impl Rates {
    /// Counts up to `a_second` requests a second of each client; 0 counts none.
    pub fn new(a_second: u32) -> Self {
        let worth = Duration::from_secs(1).checked_div(a_second).unwrap_or_default();
        Self { worth, until: Mutex::default() }
    }

    /// Counts one request of `peer`.
    ///
    /// # Errors
    /// How long the client has to wait; the request is not counted.
    pub fn enter(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let Some(client) = peer.map(client_of).filter(|_| !self.worth.is_zero()) else { return Ok(()) };
        // Whenever this is held, the map is whole.
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MOST_CLIENTS && !until.contains_key(&client) {
            until.retain(|_, until| *until > now);
            if until.len() >= MOST_CLIENTS {
                return Err(Duration::from_secs(1));
            }
        }
        let last = until.get(&client).map_or(now, |until| now.max(*until));
        let ahead = (last + self.worth).duration_since(now);
        match ahead.checked_sub(Duration::from_secs(1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                until.insert(client, last + self.worth);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_connection_gets_in_when_another_has_left() {
        let crowd = Arc::new(Crowd::new(3, 2));
        let first = crowd.enter(peer("192.0.2.1"));
        let second = crowd.enter(peer("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(crowd.enter(peer("192.0.2.1")).is_none(), "one address has its share");
        let third = crowd.enter(peer("192.0.2.2"));
        assert!(third.is_some());
        assert!(crowd.enter(peer("192.0.2.3")).is_none(), "all have theirs");
        drop(first);
        assert!(crowd.enter(peer("192.0.2.3")).is_some());
        drop((second, third));
        assert!(crowd.lock().each.is_empty() && crowd.lock().all == 0);
    }

    #[test]
    fn a_client_that_waits_as_it_is_told_is_let_in() {
        let rates = Rates::new(10);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(rates.enter(peer("192.0.2.1"), start), Ok(()));
        }
        let wait = rates.enter(peer("192.0.2.1"), start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(rates.enter(peer("192.0.2.2"), start), Ok(()), "another is not refused for it");
        assert_eq!(rates.enter(peer("192.0.2.1"), start + wait), Ok(()));
        assert!(rates.enter(peer("192.0.2.1"), start + wait).is_err());
    }

    #[test]
    fn who_is_not_counted_is_let_in() {
        let rates = Rates::new(0);
        assert!((0..100).all(|_| rates.enter(peer("192.0.2.1"), Instant::now()).is_ok()));
        assert_eq!(Rates::new(1).enter(None, Instant::now()), Ok(()));
    }

    #[test]
    fn those_who_have_been_silent_are_forgotten() {
        let rates = Rates::new(1);
        let start = Instant::now();
        let address = |number: usize| Some(IpAddr::from((number as u32).to_be_bytes()));
        for number in 0..MOST_CLIENTS {
            assert_eq!(rates.enter(address(number), start), Ok(()));
        }
        assert!(rates.enter(address(MOST_CLIENTS), start).is_err());
        assert_eq!(rates.enter(address(MOST_CLIENTS), start + Duration::from_secs(1)), Ok(()));
        assert_eq!(rates.until.lock().unwrap().len(), 1);
    }
}
