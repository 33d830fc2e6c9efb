//! Lists: what is shown of many packages, and who waits for more of them.

use std::time::{Duration, Instant, SystemTime};

use super::{Stage, actor, user};
use crate::overlay::Overlay;
use crate::overlay::blocks::{ALL_VERSIONS, NewBlock};
use crate::overlay::packages::{Census, Change, Edit, EventKind, NewRelease, Replaces, Span, Summary, When};
use crate::overlay::users::UserId;

async fn change(node: &Overlay, package: &str, edits: &[Edit<'_>]) {
    let change = Change { mount: "npm", package, expected: None, by_owner: None, verb: "test", edits };
    node.change_package(&change, &actor()).await.unwrap();
}

async fn publish(node: &Overlay, package: &str, version: &str, publisher: UserId) {
    let release = NewRelease {
        version,
        variant: "",
        manifest: version.as_bytes(),
        publisher: Some(publisher),
        files: Vec::new(),
        replaces: Replaces::Nothing,
    };
    let tag = Edit::Tag { tag: "latest", version, when: When::Always };
    change(node, package, &[Edit::Publish(release), tag, Edit::Own { user: publisher, level: "full" }]).await;
}

fn names(summaries: &[Summary]) -> Vec<&str> {
    summaries.iter().map(|summary| summary.name.as_str()).collect()
}

pub async fn packages_are_listed_as_a_tag_shows_them(stage: Stage) {
    let (node, later) = filled(&stage).await;
    let list = async |span| node.summaries("npm", "latest", span).await.unwrap();
    let all = list(Span::After { name: "", limit: 10 }).await;
    assert_eq!(names(&all), ["@a/x", "b"], "what has no version left is not listed");
    let [_, held] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((held.version.as_str(), held.manifest.as_slice(), held.published_at), ("2.0.0", &b"2.0.0"[..], later));
    assert_eq!(held.publisher.as_ref().map(|author| author.name.as_str()), Some("Jim"));
    assert_eq!(
        held.tags.iter().map(|(tag, at)| format!("{tag} {at}")).collect::<Vec<_>>(),
        ["latest 2.0.0", "old 1.0.0"]
    );
    assert_eq!(held.owners.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(), ["Jim", "joe"]);
    assert_eq!(names(&list(Span::After { name: "@a/x", limit: 1 }).await), ["b"]);
    assert_eq!(names(&list(Span::Changed { since: later, after: "", limit: 10 }).await), ["b"]);
    assert_eq!(list(Span::Those(&["b", "absent", "a", "@a/x"])).await, all);
    assert_eq!(names(&list(Span::Those(&["b"])).await), ["b"]);
    assert!(list(Span::Those(&[])).await.is_empty());
    assert_eq!((names(&list(Span::One("@a/x")).await), list(Span::One("a")).await.len()), (vec!["@a/x"], 0));
    for is_listed in [false, false, true] {
        node.set_listed("npm", "@a/x", is_listed, &actor()).await.unwrap();
        assert_eq!(list(Span::One("@a/x")).await[0].is_listed, is_listed);
        assert!(list(Span::One("b")).await[0].is_listed);
    }
    assert!(node.set_listed("npm", "absent", false, &actor()).await.is_err());
    assert_eq!(node.summaries("hex", "latest", Span::One("b")).await.unwrap(), []);
}

/// Three packages, of which one gets another version ten seconds later, and one loses its only one.
async fn filled(stage: &Stage) -> (Overlay, SystemTime) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "Jim").await);
    for name in ["b", "@a/x", "a"] {
        publish(&node, name, "1.0.0", joe.id).await;
    }
    stage.clock.advance(Duration::from_secs(10));
    publish(&node, "b", "2.0.0", jim.id).await;
    change(&node, "b", &[Edit::Tag { tag: "old", version: "1.0.0", when: When::Always }]).await;
    change(&node, "a", &[Edit::UnpublishAll]).await;
    (node, stage.clock.now())
}

pub async fn what_there_is_can_be_counted_and_found_by_its_time(stage: Stage) {
    let (node, later) = filled(&stage).await;
    let head = node.heads().await.unwrap().changes;
    let last_release = Some(("b".to_owned(), "2.0.0".to_owned()));
    let expected =
        Census { packages: 2, emptied: 1, versions: 3, last_package: Some("@a/x".to_owned()), last_release, head };
    assert_eq!(node.census("npm").await.unwrap(), expected);
    assert_eq!(node.census("hex").await.unwrap(), Census::default());
    let end = later + Duration::from_secs(1);
    let published = async |from, after, limit| node.published("npm", (from, end), after, limit).await.unwrap();
    assert_eq!(published(later, ("", ""), 10).await, [("b".to_owned(), "2.0.0".to_owned(), later)]);
    let start = later - Duration::from_secs(10);
    assert_eq!(published(start, ("", ""), 10).await.len(), 3);
    assert_eq!(published(start, ("b", "1.0.0"), 10).await.len(), 1);
    let events = node.events_since("npm", later, 0, 100).await.unwrap();
    assert!(events.len() > 2 && events.iter().all(|event| event.at == later && event.number > 0), "{events:?}");
    assert_eq!(node.events_since("npm", later, events[0].number, 1).await.unwrap(), events[1..2]);
    for name in ["a", "b"] {
        change(&node, name, &[Edit::Restrict(true)]).await;
    }
    let Census { packages, emptied, versions, last_package, last_release, .. } = node.census("npm").await.unwrap();
    assert_eq!((packages, emptied, versions), (1, 0, 1), "of what everybody sees");
    assert_eq!((last_package.as_deref(), last_release), (Some("@a/x"), Some(("@a/x".to_owned(), "1.0.0".to_owned()))));
}

pub async fn who_waits_for_a_change_is_told_of_those_of_any_node(stage: Stage) {
    let (node, other) = (stage.node().await, stage.node().await);
    let joe = user(&node, "joe").await;
    assert!(!node.wait_for_changes(0, Instant::now()).await.unwrap());
    for writer in [&node, &other] {
        let head = writer.heads().await.unwrap().changes.max(node.heads().await.unwrap().changes);
        let until = Instant::now() + Duration::from_secs(20);
        let version = format!("1.0.{head}");
        let (told, ()) = tokio::join!(node.wait_for_changes(head, until), publish(writer, "x", &version, joe.id));
        assert!(told.unwrap());
        assert!(node.heads().await.unwrap().changes > head);
    }
}

pub async fn a_block_is_told_of_what_it_names(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    for name in ["@evil/b", "@evil/a", "@evil", "@evilly/c", "@evi/d"] {
        publish(&node, name, "1.0.0", joe.id).await;
    }
    let head = node.heads().await.unwrap().changes;
    let block = async |package, versions, reason| {
        let new = NewBlock { mount: "npm", package, versions, reason, expires_at: None };
        node.block(new, &actor()).await.unwrap();
    };
    block("@evil/*", ALL_VERSIONS, "malware").await;
    block("*/c", "<2", "old").await;
    block("not-here", "1.x", "theirs").await;
    block("nothing-*", ALL_VERSIONS, "none").await;
    assert!(node.unblock("npm", "@evil/*", ALL_VERSIONS, &actor()).await.unwrap());
    assert!(!node.unblock("npm", "@evil/*", ALL_VERSIONS, &actor()).await.unwrap());
    let told = node.events("npm", head, 99).await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|event| (event.kind, event.package.as_str(), event.version.as_deref(), event.reason.as_deref()))
        .collect();
    let blocked = EventKind::Blocked;
    assert_eq!(
        told,
        [
            (blocked, "@evil/a", Some("*"), Some("malware")),
            (blocked, "@evil/b", Some("*"), Some("malware")),
            (blocked, "@evilly/c", Some("<2"), Some("old")),
            (blocked, "not-here", Some("1.x"), Some("theirs")),
            (EventKind::Unblocked, "@evil/a", Some("*"), None),
            (EventKind::Unblocked, "@evil/b", Some("*"), None),
        ]
    );
}

pub async fn a_deprecation_is_told_with_its_reason(stage: Stage) {
    let node = stage.node().await;
    publish(&node, "x", "1.0.0", user(&node, "joe").await.id).await;
    let head = node.heads().await.unwrap().changes;
    let deprecate = |reason| Edit::Deprecate { version: "1.0.0", variant: "", manifest: b"{}", reason };
    change(&node, "x", &[deprecate(Some("old")), deprecate(None)]).await;
    let told = node.events("npm", head, 9).await.unwrap().into_iter();
    let told: Vec<_> = told.map(|event| (event.kind, event.version, event.reason)).collect();
    let version = || Some("1.0.0".to_owned());
    assert_eq!(
        told,
        [
            (EventKind::VersionDeprecated, version(), Some("old".to_owned())),
            (EventKind::VersionUndeprecated, version(), None),
        ]
    );
}
