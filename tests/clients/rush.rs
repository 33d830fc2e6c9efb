//! Many npm processes that publish one package at the same moment: over one node, and over two that share what is written.

use std::collections::BTreeMap;
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Npm;
use crate::publishing::{Publisher, World, install_from};
use crate::run::run;
use crate::support::heliostat::Heliostat;
use crate::tools::{self, Tools};

const PACKAGE: &str = "@acme/tool";
const PUBLISHERS: usize = 50;
/// Longest that one of them may take, while all the others do the same.
const LIMIT: Duration = Duration::from_secs(300);
/// Longest wait until a node knows what was published at another.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn fifty_npms_publish_one_package_at_once_and_nothing_is_lost() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        let another = world.another().await;
        let nodes: Vec<&Heliostat> = iter::once(&world.heliostat).chain(&another).collect();
        let token = world.register("joe").await;
        let tags = tags();
        let publisher = nodes.iter().copied().cycle().zip(&tags).map(|(node, (tag, version))| {
            let publisher = Publisher::new(node, &tools, Npm::V11, &token);
            publisher.write(PACKAGE, version);
            (publisher, tag)
        });
        publish_at_once(&publisher.collect::<Vec<_>>());
        for node in nodes {
            assert_all(node, &tools, &tags).await;
        }
    }
}

/// Returns the versions that are published, each under a tag of its own: npm moves `latest` to no version that is lower.
fn tags() -> BTreeMap<String, String> {
    (0..PUBLISHERS).map(|number| (format!("tag-{number}"), format!("1.{number}.0"))).collect()
}

/// Starts all of them, and fails unless each ends well.
fn publish_at_once(publishers: &[(Publisher<'_>, &String)]) {
    let failed: Vec<String> = thread::scope(|scope| {
        let publish = |(publisher, tag): &(Publisher<'_>, &String)| {
            let mut command = publisher.command(&["publish", "--tag", tag]);
            scope.spawn(move || run(&mut command, LIMIT).err())
        };
        let all: Vec<_> = publishers.iter().map(publish).collect();
        all.into_iter().filter_map(|one| one.join().expect("a thread that waits does not panic")).collect()
    });
    assert!(failed.is_empty(), "{} of {PUBLISHERS} failed: {}", failed.len(), failed.join("\n"));
}

/// Fails unless a node knows all that was published, soon, and npm installs all of it from there.
async fn assert_all(node: &Heliostat, tools: &Tools, tags: &BTreeMap<String, String>) {
    let start = Instant::now();
    let is_missing = |document: &Value| {
        let is_there = |(tag, version): (&String, &String)| {
            document["versions"][version].is_object() && document["dist-tags"][tag] == **version
        };
        !tags.iter().all(is_there)
    };
    while is_missing(&node.get(&format!("/npm/{PACKAGE}")).await.json()) {
        assert!(start.elapsed() < SOON, "versions or tags were lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let aliases = tags.iter().map(|(tag, version)| (tag.clone(), json!(format!("npm:{PACKAGE}@{version}"))));
    let installed = install_from(node, tools, &Npm::V11, &Value::Object(aliases.collect()));
    let published = tags.values().map(|version| (PACKAGE.to_owned(), version.clone())).collect();
    assert_eq!(installed, published);
}
