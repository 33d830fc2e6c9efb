//! Downloads: what all nodes have counted adds up, and nothing is counted twice.

use std::time::Duration;

use super::{Stage, actor, user};
use crate::overlay::Overlay;
use crate::overlay::db::sql::values;
use crate::overlay::downloads::{Count, Day, Of};
use crate::overlay::packages::samples::RELEASE;
use crate::overlay::packages::{Change, Edit};

pub async fn counts_of_all_nodes_add_up(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let today = nodes[0].today();
    for (number, node) in nodes.iter().enumerate() {
        for _ in 0..=number {
            node.count_download("npm", "@a/x", "1.0.0");
        }
        node.count_download("npm", "@a/x", "2.0.0");
        node.count_download("npm", "@a", "1.0.0");
        node.count_download("npm", "@a0/x", "1.0.0");
        node.count_download("other", "@a/x", "1.0.0");
    }
    let (one, other) = tokio::join!(nodes[0].save_downloads(), nodes[1].save_downloads());
    one.and(other).unwrap();
    nodes[0].save_downloads().await.unwrap();
    stage.clock.advance(Duration::from_secs(86_400));
    nodes[1].count_download("npm", "@a/x", "1.0.0");
    nodes[1].close().await.unwrap();
    let node = &nodes[0];
    let count = |day, version: &str, count| Count { day, version: version.to_owned(), count };
    let all = node.downloads("npm", "@a/x", (today, today + 1)).await.unwrap();
    assert_eq!(all, [count(today, "1.0.0", 3), count(today, "2.0.0", 2), count(today + 1, "1.0.0", 1)]);
    assert_eq!(node.downloads("npm", "@a/x", (today + 1, today + 1)).await.unwrap().len(), 1);
    assert_eq!(node.downloads("npm", "@a/y", (today, today + 1)).await.unwrap(), []);
    let sums = async |mount, of| node.all_downloads(mount, of, (today, today + 1)).await.unwrap();
    assert_eq!(sums("npm", Of::Scope("@a")).await, [(today, 5), (today + 1, 1)]);
    assert_eq!(sums("npm", Of::All).await, [(today, 9), (today + 1, 1)]);
    assert_eq!(sums("other", Of::All).await, [(today, 2)]);
}

/// What brings the tables of an older program up to date.
const SUMS: &str = include_str!("../migrations/0016_download_sums.sql");

async fn edit(node: &Overlay, edits: &[Edit<'_>]) {
    let change = Change { mount: "npm", package: "@a/x", expected: None, by_owner: None, verb: "test", edits };
    node.change_package(&change, &actor()).await.unwrap();
}

/// Publishes a package.
async fn publish(node: &Overlay) {
    let joe = user(node, "joe").await;
    edit(node, &[Edit::Publish(RELEASE), Edit::Own { user: joe.id, level: "full" }]).await;
}

async fn count(node: &Overlay, package: &str) {
    node.count_download("npm", package, "1.0.0");
    node.save_downloads().await.unwrap();
}

/// Returns the sums of a day, of all and of a scope.
async fn sums(node: &Overlay, scope: &str, day: Day) -> [u64; 2] {
    let mut sums = [0; 2];
    for (sum, of) in sums.iter_mut().zip([Of::All, Of::Scope(scope)]) {
        *sum = node.all_downloads("npm", of, (day, day)).await.unwrap().iter().map(|(_, count)| count).sum();
    }
    sums
}

pub async fn what_others_tell_is_counted_in_sums_alone(stage: Stage) {
    let node = stage.node().await;
    let today = node.today();
    for package in ["@a/x", "@a/y", "z"] {
        node.count_download_in_sums("npm", package);
    }
    node.save_downloads().await.unwrap();
    count(&node, "@a/x").await;
    node.count_download_in_sums("npm", "@a/x");
    node.save_downloads().await.unwrap();
    assert_eq!(sums(&node, "@a", today).await, [5, 4]);
    for (package, counted) in [("@a/x", 1), ("@a/y", 0), ("z", 0), ("@a/", 0), ("", 0)] {
        assert_eq!(node.downloads("npm", package, (today, today)).await.unwrap().len(), counted, "{package}");
    }
}

pub async fn versions_of_long_ago_are_added_up(stage: Stage) {
    let node = stage.node().await;
    let first = node.today();
    publish(&node).await;
    for version in ["1.0.0", "1.0.0", "2.0.0"] {
        node.count_download("npm", "@a/x", version);
    }
    count(&node, "@a/mirrored").await;
    stage.clock.advance(Duration::from_secs(86_400));
    count(&node, "@a/x").await;
    let told = async || {
        let counts = node.downloads("npm", "@a/x", (first, node.today())).await.unwrap();
        counts.into_iter().map(|count| (count.day - first, count.version, count.count)).collect::<Vec<_>>()
    };
    let (before, later) = (told().await, (1, "1.0.0".to_owned(), 1));
    assert_eq!(before.len(), 3);
    stage.clock.advance(Duration::from_secs(399 * 86_400));
    node.fold_downloads().await.unwrap();
    assert_eq!(told().await, before, "not yet");
    stage.clock.advance(Duration::from_secs(86_400));
    for _ in 0..2 {
        node.fold_downloads().await.unwrap();
        assert_eq!(told().await, [(0, String::new(), 3), later.clone()]);
    }
    assert_eq!(node.downloads("npm", "@a/mirrored", (first, first)).await.unwrap(), []);
    assert_eq!(sums(&node, "@a", first).await, [4, 4]);
    edit(&node, &[Edit::Restrict(true)]).await;
    assert_eq!(sums(&node, "@a", first).await, [1, 1], "what is added up is hidden with its package");
}

pub async fn sums_tell_of_what_everybody_sees(stage: Stage) {
    let node = stage.node().await;
    let today = node.today();
    count(&node, "@a/y").await;
    publish(&node).await;
    count(&node, "@a/x").await;
    assert_eq!(sums(&node, "@a", today).await, [2, 2]);
    for _ in 0..2 {
        edit(&node, &[Edit::Restrict(true)]).await;
        assert_eq!(sums(&node, "@a", today).await, [1, 1]);
    }
    count(&node, "@a/x").await;
    assert_eq!(sums(&node, "@a", today).await, [1, 1], "nor what is fetched while it is hidden");
    assert_eq!(node.downloads("npm", "@a/x", (today, today)).await.unwrap()[0].count, 2);
    edit(&node, &[Edit::Restrict(false)]).await;
    assert_eq!(sums(&node, "@a", today).await, [3, 3]);
    assert_eq!(sums(&node, "@b", today).await, [3, 0]);
}

pub async fn what_was_counted_before_there_were_sums_is_added_up(stage: Stage) {
    let node = stage.node().await;
    let today = node.today();
    publish(&node).await;
    edit(&node, &[Edit::Restrict(true)]).await;
    for package in ["@a/x", "@a/y", "@a/y", "z"] {
        count(&node, package).await;
    }
    assert_eq!(sums(&node, "@a", today).await, [3, 2]);
    let database = stage.open().await;
    let note = database.note().await.unwrap();
    let before = ["DROP TABLE download_sums", "CREATE INDEX downloads_by_day ON downloads (mount, day)"];
    let statements = SUMS.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    for statement in before.into_iter().chain(statements) {
        note.link().run(statement, values![]).await.unwrap();
    }
    note.commit().await.unwrap();
    assert_eq!(sums(&node, "@a", today).await, [3, 2]);
}
