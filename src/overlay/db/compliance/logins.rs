//! Logins by a browser.

use std::sync::Arc;
use std::time::Duration;

use super::{HERE, Stage, user};
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::error::Error;
use crate::overlay::logins::Progress;

pub async fn a_login_is_ended_once_and_told_once_on_any_node(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let (joe, ann) = (user(&nodes[0], "joe").await, user(&nodes[0], "ann").await);
    let begun = nodes[0].begin_login("npm/11\r\n\u{7}", HERE, true).await.unwrap();
    let login = nodes[1].login(&begun.page).await.unwrap().unwrap();
    assert_eq!((login.agent.as_str(), login.address.as_str(), login.is_new), ("npm/11", "192.0.2.1", true));
    assert_eq!(nodes[1].take_login(&begun.done).await.unwrap(), Some(Progress::Waiting));
    assert_eq!(nodes[1].take_login(&begun.page).await.unwrap(), None, "the page's name fetches nothing");
    assert_eq!(nodes[1].login(&begun.done).await.unwrap(), None);
    assert!(nodes[1].end_login(&begun.page, joe.id).await.unwrap());
    assert!(!nodes[0].end_login(&begun.page, ann.id).await.unwrap(), "somebody has");
    assert_eq!(nodes[0].login(&begun.page).await.unwrap(), None);
    let ask = |node: Arc<Overlay>| {
        let done = begun.done.clone();
        async move { node.take_login(&done).await.unwrap() }
    };
    let tasks: Vec<_> = (0..4).map(|index| tokio::spawn(ask(Arc::clone(&nodes[index % 2])))).collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    assert_eq!(told, [Progress::Done(joe.id)]);
}

pub async fn a_login_is_over_after_some_minutes(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let begun = node.begin_login("npm", HERE, false).await.unwrap();
    stage.clock.advance(Duration::from_secs(599));
    assert!(node.login(&begun.page).await.unwrap().is_some());
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(node.login(&begun.page).await.unwrap(), None);
    assert!(!node.end_login(&begun.page, joe.id).await.unwrap());
    assert_eq!(node.take_login(&begun.done).await.unwrap(), None);
    assert_eq!(node.take_login(&Secret::new("")).await.unwrap(), None);
}

pub async fn who_begins_many_logins_must_wait_but_for_those_that_are_ended(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    for _ in 0..200 {
        let begun = node.begin_login("npm", HERE, false).await.unwrap();
        assert!(node.end_login(&begun.page, joe.id).await.unwrap());
        assert!(!node.end_login(&begun.page, joe.id).await.unwrap(), "nor is it forgiven twice");
    }
    for _ in 0..60 {
        node.begin_login("npm", HERE, false).await.unwrap();
    }
    assert!(matches!(node.begin_login("npm", HERE, false).await, Err(Error::TooManyAttempts { .. })));
}
