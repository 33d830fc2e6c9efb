//! How much clients may ask of us at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::patience::Patience;

/// The limits of the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once, of all clients.
    pub in_flight: usize,
    /// Memory for request bodies that are read whole, in bytes.
    pub request_bodies_bytes: u64,
    /// Memory that a reply from disk may hold, in bytes.
    pub stream_buffer_bytes: usize,
    /// Of heads.
    pub patience: Patience,
    /// Of one head.
    pub headers: usize,
    pub body: Pace,
    /// Connections at once, in all and of one address; 0 of one is as many as of all.
    pub connections: usize,
    pub connections_per_address: usize,
    /// Of one address; 0: any number.
    pub requests_per_second: u32,
}

/// How slowly a request body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Longest silence.
    pub idle: Duration,
    pub bytes_per_second: u32,
}

/// How long a body may take before its pace is looked at.
const GRACE: Duration = Duration::from_secs(30);

/// Counts the requests that are being answered.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// The right to be answered; dropping it gives it back.
#[derive(Debug)]
pub struct Ticket(Arc<InFlight>);

// === impl Pace ===

impl Pace {
    /// Tells whether a body of which this much came in this time is not to be waited for.
    pub fn is_missed(self, bytes: u64, time: Duration) -> bool {
        let due = time.saturating_sub(GRACE).as_secs().saturating_mul(self.bytes_per_second.into());
        bytes < due
    }
}

// === impl InFlight ===

impl InFlight {
    /// Lets one more request in, unless `limit` are inside already.
    pub fn enter(self: &Arc<Self>, limit: usize) -> Option<Ticket> {
        let ticket = Ticket(Arc::clone(self));
        // Counted first, so that two that come at once cannot both be the last; the drop of the ticket takes it back.
        (self.0.fetch_add(1, Ordering::Relaxed) < limit).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_trickles_is_waited_for_only_so_long() {
        let pace = Pace { idle: Duration::from_secs(1), bytes_per_second: 100 };
        for (bytes, seconds, missed) in
            [(0, 30, false), (0, 31, true), (100, 31, false), (100, 32, true), (1 << 40, 86_400, false)]
        {
            assert_eq!(pace.is_missed(bytes, Duration::from_secs(seconds)), missed, "{bytes} {seconds}");
        }
    }

    #[test]
    fn a_request_gets_in_when_another_has_left() {
        let in_flight = Arc::new(InFlight::default());
        let first = in_flight.enter(2);
        let second = in_flight.enter(2);
        assert!(first.is_some() && second.is_some());
        assert!(in_flight.enter(2).is_none());
        drop(first);
        assert!(in_flight.enter(2).is_some());
    }
}
