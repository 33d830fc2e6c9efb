//! How much clients may ask of us at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limits of the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once, of all clients.
    pub in_flight: usize,
    /// Memory that a reply from disk may hold, in bytes.
    pub stream_buffer_bytes: usize,
}

/// Counts the requests that are being answered.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// The right to be answered; dropping it gives it back.
#[derive(Debug)]
pub struct Ticket(Arc<InFlight>);

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
