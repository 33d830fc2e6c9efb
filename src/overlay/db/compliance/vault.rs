//! The key that secrets are sealed with.

use std::sync::Arc;

use super::{Key, Stage};
use crate::base::fs;
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::error::Error;

pub async fn a_node_with_another_key_does_not_start(stage: Stage) {
    stage.node().await.close().await.unwrap();
    assert!(stage.try_node().await.is_ok(), "the same file");
    let written = fs::read_to_string(&stage.directory.path().join("key")).unwrap();
    let given = |text: &str| Key::Given(Secret::new(text));
    assert!(stage.try_node_with(given(written.trim())).await.is_ok(), "the same key, configured");
    let elsewhere = stage.directory.path().join("other");
    for key in [given(&"0b".repeat(32)), given("no key"), Key::File(elsewhere.clone())] {
        let refused = stage.try_node_with(key.clone()).await.err();
        assert!(matches!(refused, Some(Error::Setting(_))), "{key:?}: {refused:?}");
    }
    assert!(!elsewhere.exists(), "no key is made that could not be the right one");
    fs::keep_private(&elsewhere, b"hunter2").unwrap();
    assert!(matches!(stage.try_node_with(Key::File(elsewhere)).await.err(), Some(Error::Setting(_))));
    assert_eq!(stage.node().await.heads().await.unwrap().writes, 0, "it is no write");
}

pub async fn nodes_that_start_at_once_take_one_key(stage: Stage) {
    let stage = Arc::new(stage);
    let start = |index: usize| {
        let stage = Arc::clone(&stage);
        let key = Key::Given(Secret::new(format!("{index:02x}").repeat(32)));
        async move { stage.try_node_with(key).await.is_ok() }
    };
    let tasks: Vec<_> = (0..4).map(|index| tokio::spawn(start(index))).collect();
    let mut started = 0;
    for task in tasks {
        started += u32::from(task.await.unwrap());
    }
    assert_eq!(started, 1);
}

pub async fn what_one_node_seals_another_opens(stage: Stage) {
    let nodes: [Overlay; 2] = [stage.node().await, stage.node().await];
    let secret = Secret::new("hunter2");
    let sealed = nodes[0].vault().seal("of joe", &secret).unwrap();
    assert_eq!(nodes[1].vault().open("of joe", &sealed).unwrap(), secret);
    assert!(nodes[1].vault().open("of jim", &sealed).is_err());
}

pub async fn a_secret_is_made_once_for_all_nodes(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let ask = |index: usize, name: &'static str| {
        let node = Arc::clone(&nodes[index % 2]);
        async move { node.secret(name, || Secret::new(format!("of {index}"))).await.unwrap() }
    };
    let tasks: Vec<_> = (0..8).map(|index| tokio::spawn(ask(index, "one"))).collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    let again = stage.node().await.secret("one", || panic!("it is there")).await.unwrap();
    assert!(told.iter().all(|secret| *secret == again));
    assert_eq!(ask(9, "other").await.reveal(), "of 9");
    assert_eq!(nodes[0].heads().await.unwrap().writes, 0, "it is no write");
}
