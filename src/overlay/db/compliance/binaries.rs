//! What mirrors of binaries hold.

use std::time::Duration;

use super::Stage;
use crate::overlay::Overlay;
use crate::overlay::binaries::{Directory, Entry, Since, Visit};

const MIRROR: &str = "node";

fn at(path: &str) -> Directory<'_> {
    Directory { mirror: MIRROR, path }
}

fn file(name: &str, date: &str) -> Entry {
    let (name, date, place) = (name.to_owned(), date.to_owned(), format!("dist/{name}"));
    Entry { name, is_directory: false, size: None, date, place, is_certain: true }
}

fn directory(name: &str) -> Entry {
    Entry { is_directory: true, ..file(name, "") }
}

/// Returns the names that a directory holds.
async fn names(node: &Overlay, path: &str) -> Vec<String> {
    node.binaries(at(path), None).await.unwrap().into_iter().map(|held| held.entry.name).collect()
}

pub async fn a_directory_is_what_it_was_last_found_to_hold(stage: Stage) {
    let (node, other) = (stage.node().await, stage.node().await);
    assert_eq!(node.binary_visit(at("")).await.unwrap(), None);
    node.note_binaries(at(""), &[directory("v2"), file("index.json", "2024")]).await.unwrap();
    let first = stage.clock.now();
    assert_eq!(names(&other, "").await, ["index.json", "v2"]);
    stage.clock.advance(Duration::from_secs(60));
    // More than one statement holds.
    let many: Vec<Entry> = (0..1_200).map(|number| file(&format!("f{number:04}"), "2024")).collect();
    node.note_binaries(at(""), &[&many[..], &[file("index.json", "2024")]].concat()).await.unwrap();
    assert_eq!(names(&other, "").await.len(), 1_201);
    assert_eq!(
        other.binary_visit(at("")).await.unwrap(),
        Some(Visit { listed_at: stage.clock.now(), walked_at: None })
    );
    let held = async |name: &str| other.binary(at(""), name).await.unwrap();
    let [old, new] = [held("index.json").await.unwrap(), held("f1199").await.unwrap()];
    assert_eq!((old.modified_at, new.modified_at), (first, stage.clock.now()), "nothing new was seen of one of them");
    assert_eq!(held("v2").await, None);
    node.note_walk(at("")).await.unwrap();
    stage.clock.advance(Duration::from_secs(60));
    node.note_all_binaries(MIRROR, &[(String::new(), vec![directory("v2")]), ("v2/".to_owned(), vec![])])
        .await
        .unwrap();
    let seen = other.binary_visit(at("")).await.unwrap().unwrap();
    assert_eq!(
        (seen.listed_at, seen.walked_at),
        (stage.clock.now(), Some(stage.clock.now() - Duration::from_secs(60)))
    );
    assert_eq!(other.binary_visit(at("v2/")).await.unwrap().unwrap().walked_at, None);
    // Another mirror's, and another directory's, are others.
    let others = [Directory { mirror: "nodes", path: "" }, at("v3/")];
    for other_place in others {
        assert_eq!(node.binary_visit(other_place).await.unwrap(), None);
    }
    node.note_binaries(at(""), &[]).await.unwrap();
    assert_eq!(names(&other, "").await, [""; 0]);
}

pub async fn what_is_gone_goes_with_all_below_it(stage: Stage) {
    let node = stage.node().await;
    node.note_binaries(at(""), &[directory("v1"), directory("v10"), directory("v1.")]).await.unwrap();
    for path in ["v1/", "v1/x/", "v10/", "v1./"] {
        node.note_binaries(at(path), &[file("a", "")]).await.unwrap();
    }
    node.note_binaries(at(""), &[directory("v10"), directory("v1.")]).await.unwrap();
    for (path, is_listed) in [("v1/", false), ("v1/x/", false), ("v10/", true), ("v1./", true)] {
        assert_eq!(names(&node, path).await.len(), usize::from(is_listed), "{path}");
        assert_eq!(node.binary_visit(at(path)).await.unwrap().is_some(), is_listed, "{path}");
    }
}

pub async fn what_was_found_out_stays_known(stage: Stage) {
    let node = stage.node().await;
    let guess = Entry { is_certain: false, ..file("a", "2024") };
    node.note_binaries(at(""), std::slice::from_ref(&guess)).await.unwrap();
    node.note_binary(at(""), "a", 7).await.unwrap();
    node.note_binary(at(""), "b", 7).await.unwrap();
    let known = async || node.binary(at(""), "a").await.unwrap().map(|held| (held.entry.is_certain, held.entry.size));
    assert_eq!((known().await, names(&node, "").await.len()), (Some((true, Some(7))), 1));
    let seen = stage.clock.now();
    stage.clock.advance(Duration::from_secs(60));
    node.note_binaries(at(""), std::slice::from_ref(&guess)).await.unwrap();
    node.note_binary(at(""), "a", 7).await.unwrap();
    assert_eq!(known().await, Some((true, Some(7))));
    assert_eq!(node.binary(at(""), "a").await.unwrap().unwrap().modified_at, seen);
    node.note_binaries(at(""), &[Entry { date: "2025".to_owned(), ..guess }]).await.unwrap();
    assert_eq!(known().await, Some((false, None)));
}

pub async fn a_part_of_a_directory_goes_by_dates_then_names(stage: Stage) {
    let node = stage.node().await;
    let entries = [file("c", "2024"), file("b", "2025"), file("a", "2025"), file("d", ""), file("B", "2025")];
    node.note_binaries(at(""), &entries).await.unwrap();
    for (date, limit, expected) in [
        ("", 10, &["d", "c", "B", "a", "b"][..]),
        ("", 2, &["d", "c"]),
        ("2024", 10, &["c", "B", "a", "b"]),
        ("2025", 1, &["B"]),
        ("2026", 10, &[]),
    ] {
        let part = node.binaries(at(""), Some(Since { date, limit })).await.unwrap();
        let names: Vec<_> = part.iter().map(|held| held.entry.name.as_str()).collect();
        assert_eq!(names, expected, "{date} {limit}");
    }
}

pub async fn a_directory_that_two_nodes_list_at_once_is_one_of_theirs(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let listings: [Vec<Entry>; 2] =
        ["x", "y"].map(|start| (0..50).map(|number| file(&format!("{start}{number}"), "2024")).collect());
    for _ in 0..5 {
        let [one, other] = [0, 1].map(|number| nodes[number].note_binaries(at(""), &listings[number]));
        let (one, other) = tokio::join!(one, other);
        one.and(other).unwrap();
        let held = names(&nodes[0], "").await;
        let starts: std::collections::BTreeSet<_> = held.iter().map(|name| &name[..1]).collect();
        assert_eq!((held.len(), starts.len()), (50, 1), "{held:?}");
    }
}
