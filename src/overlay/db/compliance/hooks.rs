//! Hooks: who hears of what, from which node, and how often it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Stage, actor, user};
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::error::Error;
use crate::overlay::hooks::dispatch::{Delivery, Patience};
use crate::overlay::hooks::{About, Hook, NewHook};
use crate::overlay::packages::{Change, Edit, EventKind, NewRelease, Replaces};
use crate::overlay::users::UserId;

const PATIENCE: Patience = Patience { limit: Duration::from_secs(10), pause: Duration::from_secs(15) };

async fn hook(node: &Overlay, user: UserId, about: About, name: &str) -> Result<Hook, Error> {
    let secret = Secret::new("hunter2");
    let (mount, endpoint) = ("npm", "https://host.example/x");
    node.add_hook(NewHook { mount, user, about, name, endpoint, secret: &secret, limit: 3 }, &actor()).await
}

async fn publish(node: &Overlay, package: &str, version: &str, owner: UserId) {
    let release = NewRelease {
        version,
        variant: "",
        manifest: b"{}",
        publisher: None,
        files: Vec::new(),
        replaces: Replaces::Nothing,
    };
    let edits = [Edit::Publish(release), Edit::Own { user: owner, level: "full" }];
    let change = Change { mount: "npm", package, expected: None, by_owner: None, verb: "test", edits: &edits };
    node.change_package(&change, &actor()).await.unwrap();
}

async fn claim(node: &Overlay) -> Vec<Delivery> {
    node.claim_deliveries(PATIENCE, 10).await.unwrap()
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
    publish(&node, "y", "1.0.0", joe.id).await;
    assert!(node.lease_dispatch("one").await.unwrap());
    let head = node.heads().await.unwrap().changes;
    assert_eq!(node.fan_out("one").await.unwrap(), head);
    assert_eq!(node.fan_out("one").await.unwrap(), head, "nothing is told twice");
    let told: BTreeSet<(u64, String, String)> = claim(&node)
        .await
        .into_iter()
        .filter(|delivery| delivery.event.kind == EventKind::VersionAdded)
        .map(|delivery| (delivery.hook, delivery.event.package, delivery.event.version.unwrap()))
        .collect();
    let expected = [(about.id, "@a/x", "2.0.0"), (scope.id, "@a/x", "2.0.0"), (scope.id, "@a/y", "1.0.0")]
        .into_iter()
        .chain([(owner.id, "@a/x", "2.0.0"), (owner.id, "@a/y", "1.0.0"), (owner.id, "y", "1.0.0")]);
    assert_eq!(told, expected.map(|(hook, name, version)| (hook, name.to_owned(), version.to_owned())).collect());
    node.remove_hook(scope.id, &actor()).await.unwrap();
    stage.clock.advance(Duration::from_secs(60));
    assert!(claim(&node).await.iter().all(|delivery| delivery.hook != scope.id), "who is gone is told of nothing");
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
    for (tries, pause) in [(1, 15), (2, 60), (3, 600)] {
        let claimed = claim(&node).await;
        assert!(claimed.len() >= 2 && claimed.iter().all(|delivery| delivery.tries == tries), "{claimed:?}");
        for (delivery, status) in claimed.iter().zip([None, Some(500), Some(302)].into_iter().cycle()) {
            node.settle_delivery(delivery, status, PATIENCE).await.unwrap();
            assert_eq!((last().await.status, last().await.is_delivered), (status, false));
        }
        stage.clock.advance(Duration::from_secs(pause - 1));
        assert_eq!(claim(&node).await, [], "not before its time");
        stage.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(node.next_delivery().await.unwrap(), None, "it was tried often enough");
    publish(&node, "x", "2.0.0", joe.id).await;
    node.lease_dispatch("one").await.unwrap();
    node.fan_out("one").await.unwrap();
    let claimed = claim(&node).await;
    node.settle_delivery(&claimed[0], Some(204), PATIENCE).await.unwrap();
    assert_eq!((last().await.status, last().await.is_delivered, last().await.at), (Some(204), true, stage.clock.now()));
    stage.clock.advance(Duration::from_secs(60));
    assert_eq!(claim(&node).await.len(), claimed.len() - 1, "what was delivered is over; what nobody settled is not");
}
