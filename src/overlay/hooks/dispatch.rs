//! Who is told of what, and when: the feed is read from a cursor of its own, each event becomes a delivery for every hook
//! that hears of it, and each delivery is tried until it is done or was tried often enough.
//!
//! One node at a time does this, by a lease that it renews; when it stops, another takes over where the cursor stands. A
//! delivery is claimed before it is sent, so that no two nodes send it, also where a lease ran out meanwhile. A node that
//! dies between sending and writing that down leaves a delivery that is sent again.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::{About, HookId, Last};
use crate::overlay::Overlay;
use crate::overlay::db::hooks as rows;
use crate::overlay::error::Error;
use crate::overlay::packages::Event;

/// How often a delivery is tried.
pub const TRIES: u64 = 3;

/// How much of the feed is read at once.
const PAGE: u64 = 200;

/// How long a node has the lease.
const LEASE: Duration = Duration::from_secs(15);

/// A try at telling a hook of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub hook: HookId,
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
            let events = rows::events(self.db.link(), read_to, PAGE).await?;
            let Some(last) = events.last().map(|event| event.number) else { return Ok(read_to.max(head)) };
            let mut due = Vec::new();
            for event in &events {
                let owners = rows::owners(self.db.link(), &event.mount, &event.package).await?;
                let mut hooks = BTreeSet::new();
                for (about, name) in heard_by(&event.package, &owners) {
                    hooks.extend(rows::about(self.db.link(), &event.mount, (about, &name), event.number).await?);
                }
                due.extend(hooks.into_iter().map(|hook| (hook, event.number)));
            }
            if !rows::advance(&self.db, node, (read_to, last), &due, self.clock.now()).await? {
                // Another node has taken over.
                return Ok(read_to);
            }
        }
    }

    /// Claims at most `limit` deliveries that are due: nobody else tries them before this one has had its time.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_deliveries(&self, patience: Patience, limit: u64) -> Result<Vec<Delivery>, Error> {
        let now = self.clock.now();
        rows::claim(&self.db, now, now + patience.limit + patience.pause, limit).await
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

/// Lists what a hook must be about to hear of a package.
fn heard_by(package: &str, owners: &[String]) -> Vec<(About, String)> {
    let scope = package.split_once('/').map(|(scope, _)| scope).filter(|scope| scope.starts_with('@'));
    let mut heard = vec![(About::Package, package.to_owned())];
    heard.extend(scope.map(|scope| (About::Scope, scope.to_owned())));
    heard.extend(owners.iter().map(|owner| (About::Owner, owner.clone())));
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let pause = Duration::from_secs(15);
        assert_eq!(next(1, pause), Next::After(pause));
        assert_eq!(next(2, pause), Next::After(pause * 4));
        assert_eq!((next(3, pause), next(9, pause)), (Next::GiveUp, Next::GiveUp));
    }

    #[test]
    fn a_package_is_heard_of_by_its_name_its_scope_and_its_owners() {
        let joe = ["joe".to_owned()];
        let heard =
            |package| heard_by(package, &joe).into_iter().map(|(about, name)| format!("{} {name}", about.as_str()));
        assert_eq!(heard("@acme/x").collect::<Vec<_>>(), ["package @acme/x", "scope @acme", "owner joe"]);
        assert_eq!(heard("x").collect::<Vec<_>>(), ["package x", "owner joe"]);
    }
}
