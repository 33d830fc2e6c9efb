//! Who is told of what, and when: the feed is read from a cursor of its own, each event becomes a delivery for every hook
//! that hears of it, and each delivery is tried until it is done or was tried often enough.
//!
//! One node at a time does this, by a lease that it renews; when it stops, another takes over where the cursor stands. A
//! delivery is claimed before it is sent, so that no two nodes send it, also where a lease ran out meanwhile. A node that
//! dies between sending and writing that down leaves a delivery that is sent again.

use std::time::{Duration, SystemTime};

use super::{HookId, Last};
use crate::overlay::Overlay;
use crate::overlay::db::hooks as rows;
use crate::overlay::error::Error;
use crate::overlay::packages::Event;
use crate::overlay::users::UserId;

/// How often a delivery is tried.
pub const TRIES: u64 = 3;

/// How much a hook is still to be told of, at most: of more, the oldest is given up.
pub const MAX_WAITING: u64 = 1000;

/// Deliveries to the hooks of one user that are under way at once.
const PER_USER: usize = 4;

/// How much of the feed is read at once.
const PAGE: u64 = 200;

/// Hooks that are looked at for what is due, the longest due first.
const LOOKED_AT: u64 = 500;

/// How long a node has the lease.
const LEASE: Duration = Duration::from_secs(15);

/// A try at telling a hook of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub hook: HookId,
    /// Whose hook it is, and where it leads.
    pub user: UserId,
    pub endpoint: String,
    pub event: Event,
    /// This one included.
    pub tries: u64,
}

/// Patience with endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one may take to answer.
    pub limit: Duration,
    /// How long is waited after the first failure; four times as long after each further one.
    pub pause: Duration,
}

/// What becomes of a delivery that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    After(Duration),
    /// It was tried often enough.
    GiveUp,
}

impl Overlay {
    /// Tells whether anybody wants to be told of anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_hooks(&self) -> Result<bool, Error> {
        rows::any(self.db.link()).await
    }

    /// Takes the lease, or renews it; tells whether this node, by a name of its own, has it.
    ///
    /// # Errors
    /// The database's.
    pub async fn lease_dispatch(&self, node: &str) -> Result<bool, Error> {
        let now = self.clock.now();
        rows::lease(&self.db, node, now, now + LEASE).await
    }

    /// Makes deliveries of the next events of the feed, and returns how far it was read; for who has the lease.
    ///
    /// # Errors
    /// The database's. The cursor stays where it was.
    pub async fn fan_out(&self, node: &str) -> Result<u64, Error> {
        loop {
            let head = self.heads().await?.changes;
            let read_to = rows::read_to(self.db.link()).await?;
            let Some(last) = rows::end_of_page(self.db.link(), read_to, PAGE).await? else {
                return Ok(read_to.max(head));
            };
            let advanced = rows::advance(&self.db, node, (read_to, last), MAX_WAITING, self.clock.now()).await?;
            // Else another node has taken over.
            let Some(given_up) = advanced else { return Ok(read_to) };
            for (hook, count) in given_up {
                tracing::warn!(hook, count, "hook has too much to be told: the oldest is given up");
            }
        }
    }

    /// Claims at most `limit` deliveries that are due: nobody else tries them before this one has had its time. Of a hook it
    /// is the oldest that it was not told of yet, so that it hears of everything in order; and at no endpoint, nor of one
    /// user, is more told at once than others can spare, beside what this node has under way.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_deliveries(
        &self,
        patience: Patience,
        under_way: &[&Delivery],
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let now = self.clock.now();
        let due = rows::due(self.db.link(), now, LOOKED_AT).await?;
        // Who tried these last has died in doing so.
        let (spent, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|delivery| delivery.tries >= TRIES);
        let chosen = choose(due, under_way, limit);
        rows::claim(&self.db, chosen, &spent, (now, now + patience.limit + patience.pause)).await
    }

    /// Forgets a delivery of which nothing may be told: nobody learns from its hook that there was one.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        rows::forget(&self.db, (delivery.hook, delivery.event.number)).await
    }

    /// Writes down how a try went, and what comes next.
    ///
    /// # Errors
    /// The database's. Then it is tried again.
    pub async fn settle_delivery(
        &self,
        delivery: &Delivery,
        status: Option<u64>,
        patience: Patience,
    ) -> Result<(), Error> {
        let is_delivered = status.is_some_and(|status| (200..300).contains(&status));
        let last = Last { at: self.clock.now(), status, is_delivered };
        let again = match next(delivery.tries, patience.pause) {
            _ if is_delivered => None,
            Next::GiveUp => None,
            Next::After(pause) => Some(last.at + pause),
        };
        rows::settle(&self.db, (delivery.hook, delivery.event.number), last, again).await
    }

    /// Returns when the next delivery is due.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_delivery(&self) -> Result<Option<SystemTime>, Error> {
        rows::next_due(self.db.link()).await
    }
}

/// Says what comes after so many failures.
pub fn next(tries: u64, pause: Duration) -> Next {
    match tries {
        0 => Next::After(pause),
        TRIES.. => Next::GiveUp,
        tries => Next::After(pause * 4_u32.saturating_pow(u32::try_from(tries - 1).unwrap_or(u32::MAX))),
    }
}

/// Chooses what is told next, of what is due, beside what is being told: so that an endpoint that does not answer holds up
/// no other, and somebody who has many of them no others than his own.
fn choose(due: Vec<Delivery>, under_way: &[&Delivery], limit: usize) -> Vec<Delivery> {
    let mut chosen: Vec<Delivery> = Vec::new();
    for delivery in due {
        let beside = || under_way.iter().copied().chain(&chosen);
        let is_busy = beside().any(|other| other.endpoint == delivery.endpoint || other.hook == delivery.hook);
        let of_user = beside().filter(|other| other.user == delivery.user).count();
        if chosen.len() < limit && !is_busy && of_user < PER_USER {
            chosen.push(delivery);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::packages::EventKind;

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let pause = Duration::from_secs(15);
        assert_eq!(next(1, pause), Next::After(pause));
        assert_eq!(next(2, pause), Next::After(pause * 4));
        assert_eq!((next(3, pause), next(9, pause)), (Next::GiveUp, Next::GiveUp));
    }

    fn due(hook: HookId, user: UserId, endpoint: &str) -> Delivery {
        let event = Event {
            number: hook,
            at: SystemTime::UNIX_EPOCH,
            mount: "npm".to_owned(),
            package: "x".to_owned(),
            kind: EventKind::PackageChanged,
            version: None,
            tag: None,
            reason: None,
        };
        Delivery { hook, user, endpoint: endpoint.to_owned(), event, tries: 0 }
    }

    fn chosen(all: &[(HookId, UserId, &str)], under_way: &[Delivery], limit: usize) -> Vec<HookId> {
        let all = all.iter().map(|(hook, user, endpoint)| due(*hook, *user, endpoint)).collect();
        let under_way: Vec<&Delivery> = under_way.iter().collect();
        choose(all, &under_way, limit).iter().map(|delivery| delivery.hook).collect()
    }

    #[test]
    fn an_endpoint_is_told_one_thing_at_a_time_and_a_user_a_few() {
        let busy = [due(1, 1, "slow"), due(2, 1, "b")];
        let all = [(1, 1, "other"), (3, 2, "slow"), (4, 1, "c"), (5, 1, "d"), (6, 1, "e"), (7, 3, "f"), (8, 4, "f")];
        assert_eq!(chosen(&all, &busy, 10), [4, 5, 7]);
        assert_eq!(chosen(&all, &busy, 2), [4, 5]);
        assert_eq!(chosen(&all, &[], 10), [1, 3, 4, 5, 6, 7]);
        assert!(chosen(&all, &[], 0).is_empty());
    }
}
