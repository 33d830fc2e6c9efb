//! Hooks: who hears of what, from which node, and how often it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Stage, actor, user};
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::error::Error;
use crate::overlay::hooks::dispatch::{Delivery, MAX_WAITING, Patience, TRIES};
use crate::overlay::hooks::{About, Hook, NewHook};
use crate::overlay::packages::samples::RELEASE;
use crate::overlay::packages::{Change, Edit, EventKind, NewRelease, When};
use crate::overlay::users::UserId;

const PATIENCE: Patience = Patience { limit: Duration::from_secs(10), pause: Duration::from_secs(15) };

async fn hook(node: &Overlay, user: UserId, about: About, name: &str) -> Result<Hook, Error> {
    let secret = Secret::new("hunter2");
    let (mount, endpoint) = ("npm", format!("https://host.example/{}/{name}", about.as_str()));
    let new = NewHook { mount, user, about, name, endpoint: &endpoint, secret: &secret, limit: 3 };
    node.add_hook(new, &actor()).await
}

async fn publish(node: &Overlay, package: &str, version: &str, owner: UserId) {
    let edits = [Edit::Publish(NewRelease { version, ..RELEASE }), Edit::Own { user: owner, level: "full" }];
    let change = Change { mount: "npm", package, expected: None, by_owner: None, verb: "test", edits: &edits };
    node.change_package(&change, &actor()).await.unwrap();
}

async fn claim(node: &Overlay) -> Vec<Delivery> {
    node.claim_deliveries(PATIENCE, &[], 10).await.unwrap()
}

/// Tells everything that there is to tell, in the order in which it can be.
async fn tell_all(node: &Overlay) -> Vec<Delivery> {
    let mut told = Vec::new();
    loop {
        let claimed = claim(node).await;
        if claimed.is_empty() {
            return told;
        }
        for delivery in &claimed {
            node.settle_delivery(delivery, Some(200), PATIENCE).await.unwrap();
        }
        told.extend(claimed);
    }
}

pub async fn a_hook_is_kept_with_its_secret_sealed(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "jim").await);
    let made = hook(&node, joe.id, About::Package, "@a/x").await.unwrap();
    assert_eq!((made.user_name.as_str(), made.name.as_str(), made.last), ("joe", "@a/x", None));
    assert_eq!(node.hook_secret(made.id).await.unwrap().reveal(), "hunter2");
    let sealed = crate::overlay::db::hooks::sealed(stage.open().await.link(), made.id).await.unwrap().unwrap();
    assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
    let edited = node.edit_hook(made.id, "https://other.example/", &Secret::new("other"), &actor()).await.unwrap();
    assert_eq!((edited.endpoint.as_str(), edited.created_at), ("https://other.example/", made.created_at));
    assert_eq!(node.hook_secret(made.id).await.unwrap().reveal(), "other");
    hook(&node, joe.id, About::Scope, "@a").await.unwrap();
    hook(&node, joe.id, About::Owner, "jim").await.unwrap();
    assert!(matches!(hook(&node, joe.id, About::Owner, "joe").await, Err(Error::TooManyHooks { limit: 3 })));
    hook(&node, jim.id, About::Owner, "joe").await.unwrap();
    assert_eq!(node.hooks("npm", joe.id).await.unwrap().len(), 3);
    assert_eq!(node.hooks("other", joe.id).await.unwrap(), []);
    node.remove_hook(made.id, &actor()).await.unwrap();
    assert_eq!(node.hook(made.id).await.unwrap(), None);
    assert!(matches!(node.remove_hook(made.id, &actor()).await, Err(Error::Absent { .. })));
    assert!(matches!(node.edit_hook(made.id, "", &Secret::new("x"), &actor()).await, Err(Error::Absent { .. })));
}

pub async fn whoever_is_meant_hears_once_of_what_comes_after(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    publish(&node, "@a/x", "1.0.0", joe.id).await;
    assert!(!node.has_hooks().await.unwrap());
    let about = hook(&node, joe.id, About::Package, "@a/x").await.unwrap();
    let scope = hook(&node, joe.id, About::Scope, "@a").await.unwrap();
    let owner = hook(&node, joe.id, About::Owner, "joe").await.unwrap();
    assert!(node.has_hooks().await.unwrap());
    publish(&node, "@a/x", "2.0.0", joe.id).await;
    publish(&node, "@a/y", "1.0.0", joe.id).await;
    publish(&node, "@a0/y", "1.0.0", user(&node, "jim").await.id).await;
    publish(&node, "y", "1.0.0", joe.id).await;
    assert!(node.lease_dispatch("one").await.unwrap());
    let head = node.heads().await.unwrap().changes;
    assert_eq!(node.fan_out("one").await.unwrap(), head);
    assert_eq!(node.fan_out("one").await.unwrap(), head, "nothing is told twice");
    let told = tell_all(&node).await;
    for hook in [about.id, scope.id, owner.id] {
        let numbers: Vec<u64> = told.iter().filter(|one| one.hook == hook).map(|one| one.event.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "a hook hears of everything in order: {numbers:?}");
    }
    let told: BTreeSet<(u64, String, String)> = told
        .into_iter()
        .filter(|delivery| delivery.event.kind == EventKind::VersionAdded)
        .map(|delivery| (delivery.hook, delivery.event.package, delivery.event.version.unwrap()))
        .collect();
    let expected = [(about.id, "@a/x", "2.0.0"), (scope.id, "@a/x", "2.0.0"), (scope.id, "@a/y", "1.0.0")]
        .into_iter()
        .chain([(owner.id, "@a/x", "2.0.0"), (owner.id, "@a/y", "1.0.0"), (owner.id, "y", "1.0.0")]);
    assert_eq!(told, expected.map(|(hook, name, version)| (hook, name.to_owned(), version.to_owned())).collect());
    publish(&node, "@a/z", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    node.remove_hook(scope.id, &actor()).await.unwrap();
    assert!(tell_all(&node).await.iter().all(|delivery| delivery.hook != scope.id), "who is gone is told of nothing");
}

pub async fn who_is_an_owner_no_longer_hears_of_that(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "Joe").await, user(&node, "jim").await);
    hook(&node, joe.id, About::Owner, "jOE").await.unwrap();
    publish(&node, "x", "1.0.0", jim.id).await;
    publish(&node, "x", "1.1.0", joe.id).await;
    let edits = [Edit::Disown { user: joe.id }];
    let change = Change { mount: "npm", package: "x", expected: None, by_owner: None, verb: "test", edits: &edits };
    // Told of before it is fanned out: by then there is no such owner.
    node.change_package(&change, &actor()).await.unwrap();
    publish(&node, "x", "1.2.0", jim.id).await;
    assert!(node.lease_dispatch("one").await.unwrap());
    node.fan_out("one").await.unwrap();
    let told: Vec<EventKind> = tell_all(&node).await.into_iter().map(|delivery| delivery.event.kind).collect();
    assert_eq!(told, [EventKind::OwnerRemoved { user: joe.id }]);
    publish(&node, "y", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    let told: Vec<EventKind> = tell_all(&node).await.into_iter().map(|delivery| delivery.event.kind).collect();
    assert_eq!(told, [EventKind::VersionAdded, EventKind::OwnerAdded { user: joe.id }], "its name in any case");
}

pub async fn the_first_hook_begins_at_the_end_of_the_feed(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let read_to = async || crate::overlay::db::hooks::read_to(stage.open().await.link()).await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    let first = hook(&node, joe.id, About::Package, "x").await.unwrap();
    let begun = node.heads().await.unwrap().changes;
    assert_eq!(read_to().await, begun, "what was before is not read");
    publish(&node, "x", "2.0.0", joe.id).await;
    hook(&node, joe.id, About::Owner, "joe").await.unwrap();
    assert_eq!(read_to().await, begun, "what the first is to hear of is not passed over");
    node.lease_dispatch("one").await.unwrap();
    node.fan_out("one").await.unwrap();
    let told = tell_all(&node).await;
    assert!(!told.is_empty() && told.iter().all(|delivery| delivery.hook == first.id), "{told:?}");
}

pub async fn a_hook_that_does_not_answer_holds_up_itself_alone(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "jim").await);
    let (slow, quick) = (
        hook(&node, joe.id, About::Package, "x").await.unwrap(),
        hook(&node, jim.id, About::Owner, "joe").await.unwrap(),
    );
    node.lease_dispatch("one").await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    let mut told = 0;
    let (stuck, first): (Vec<_>, Vec<_>) = claim(&node).await.into_iter().partition(|one| one.hook == slow.id);
    let mut next = first;
    assert_eq!((stuck.len(), next.len()), (1, 1), "each is told one thing at a time");
    while let [delivery] = next.as_slice() {
        assert_eq!(delivery.hook, quick.id);
        node.settle_delivery(delivery, Some(200), PATIENCE).await.unwrap();
        told += 1;
        next = node.claim_deliveries(PATIENCE, &[&stuck[0]], 10).await.unwrap();
    }
    assert!(next.is_empty() && told >= 2, "{next:?}");
    node.settle_delivery(&stuck[0], Some(500), PATIENCE).await.unwrap();
    assert_eq!(claim(&node).await, [], "what comes later waits for what is tried again");
}

pub async fn a_hook_with_too_much_to_hear_loses_the_oldest(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let hook = hook(&node, joe.id, About::Package, "x").await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    let tag = |number: u64| format!("t{number}");
    let tags: Vec<String> = (0..MAX_WAITING).map(tag).collect();
    let edits: Vec<Edit<'_>> = tags.iter().map(|tag| Edit::Tag { tag, version: "1.0.0", when: When::Always }).collect();
    let change = Change { mount: "npm", package: "x", expected: None, by_owner: None, verb: "test", edits: &edits };
    node.change_package(&change, &actor()).await.unwrap();
    node.lease_dispatch("one").await.unwrap();
    let head = node.fan_out("one").await.unwrap();
    let last = node.hook(hook.id).await.unwrap().unwrap().last.unwrap();
    assert_eq!((last.status, last.is_delivered), (None, false), "what is lost is seen at the hook");
    let [next] = claim(&node).await.try_into().unwrap();
    assert_eq!(next.event.number, head - MAX_WAITING + 1, "the newest are still to be told");
}

pub async fn a_delivery_that_ends_its_node_is_not_tried_for_ever(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let hook = hook(&node, joe.id, About::Package, "x").await.unwrap();
    node.lease_dispatch("one").await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    let mut first = None;
    for tries in 1..=TRIES {
        let [claimed] = claim(&node).await.try_into().unwrap();
        assert_eq!(claimed.tries, tries);
        assert_eq!(*first.get_or_insert(claimed.event.number), claimed.event.number);
        stage.clock.advance(PATIENCE.limit + PATIENCE.pause);
    }
    assert_eq!(claim(&node).await, [], "it was tried often enough");
    let last = node.hook(hook.id).await.unwrap().unwrap().last.unwrap();
    assert_eq!((last.at, last.status, last.is_delivered), (stage.clock.now(), None, false));
    let [next] = claim(&node).await.try_into().unwrap();
    assert!(Some(next.event.number) > first && next.tries == 1, "{next:?}");
}

pub async fn what_is_forgotten_leaves_no_trace_at_its_hook(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let hook = hook(&node, joe.id, About::Package, "x").await.unwrap();
    node.lease_dispatch("one").await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    loop {
        let claimed = claim(&node).await;
        let [delivery] = claimed.as_slice() else { break };
        node.forget_delivery(delivery).await.unwrap();
    }
    assert_eq!(node.next_delivery().await.unwrap(), None);
    assert_eq!(node.hook(hook.id).await.unwrap().unwrap().last, None);
}

pub async fn one_node_dispatches_and_another_takes_over(stage: Stage) {
    let (one, other) = (stage.node().await, stage.node().await);
    let joe = user(&one, "joe").await;
    hook(&one, joe.id, About::Package, "x").await.unwrap();
    assert!(one.lease_dispatch("one").await.unwrap() && !other.lease_dispatch("other").await.unwrap());
    publish(&one, "x", "1.0.0", joe.id).await;
    other.fan_out("other").await.unwrap();
    assert_eq!(claim(&other).await, [], "who has no lease makes no deliveries");
    stage.clock.advance(Duration::from_secs(60));
    assert!(other.lease_dispatch("other").await.unwrap() && !one.lease_dispatch("one").await.unwrap());
    super::soon("the other node knows of it", async || {
        other.fan_out("other").await.unwrap();
        other.next_delivery().await.unwrap()
    })
    .await;
    one.fan_out("one").await.unwrap();
    let (here, there) = tokio::join!(claim(&one), claim(&other));
    let claimed = here.len() + there.len();
    assert!(claimed >= 1 && claim(&one).await.is_empty(), "each is claimed once");
    let events: BTreeSet<u64> = here.iter().chain(&there).map(|delivery| delivery.event.number).collect();
    assert_eq!(events.len(), claimed);
}

pub async fn a_delivery_is_tried_three_times(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let hook = hook(&node, joe.id, About::Package, "x").await.unwrap();
    node.lease_dispatch("one").await.unwrap();
    publish(&node, "x", "1.0.0", joe.id).await;
    node.fan_out("one").await.unwrap();
    let last = async || node.hook(hook.id).await.unwrap().unwrap().last.unwrap();
    let mut first = None;
    for (tries, pause, status) in [(1, 15, None), (2, 60, Some(500)), (3, 0, Some(302))] {
        let [delivery] = claim(&node).await.try_into().unwrap();
        assert_eq!((delivery.tries, *first.get_or_insert(delivery.event.number)), (tries, delivery.event.number));
        node.settle_delivery(&delivery, status, PATIENCE).await.unwrap();
        assert_eq!((last().await.status, last().await.is_delivered), (status, false));
        if pause > 0 {
            stage.clock.advance(Duration::from_secs(pause - 1));
            assert_eq!(claim(&node).await, [], "not before its time");
            stage.clock.advance(Duration::from_secs(1));
        }
    }
    let [next] = claim(&node).await.try_into().unwrap();
    assert!(Some(next.event.number) > first, "the first was tried often enough");
    node.settle_delivery(&next, Some(204), PATIENCE).await.unwrap();
    assert_eq!((last().await.status, last().await.is_delivered, last().await.at), (Some(204), true, stage.clock.now()));
    tell_all(&node).await;
    assert_eq!(node.next_delivery().await.unwrap(), None);
}
