//! Several nodes on one database.

use std::collections::BTreeSet;

use super::{SOON, patient, slow};
use crate::support::backends::Backends;
use crate::support::beside::command;
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::registry::FakeRegistry;

const PACKAGES: usize = 40;

/// Two nodes in front of one registry.
struct Pair {
    registry: FakeRegistry,
    nodes: [Heliostat; 2],
    _backends: Backends,
}

impl Pair {
    async fn start() -> Option<Self> {
        let (registry, backends) = (FakeRegistry::start(), Backends::start()?);
        let node = async || backends.behind(slow(patient(Heliostat::builder()))).npm(registry.url(), "").start().await;
        Some(Self { nodes: [node().await, node().await], registry, _backends: backends })
    }

    fn tasks(&self, node: usize, arguments: &[&str]) -> String {
        let (well, said) = command(&self.nodes[node], "tasks", arguments);
        assert!(well, "{said}");
        said
    }

    async fn await_all(&self, node: usize, count: usize) {
        let start = std::time::Instant::now();
        while self.tasks(node, &["list", "--state", "success", "--limit", "1000"]).lines().count() < count {
            assert!(start.elapsed() < SOON * 2, "{}", self.tasks(node, &["list", "--limit", "1000"]));
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

/// Returns the nodes that have run the tasks of these names.
fn workers(pair: &Pair, node: usize, ids: &[String]) -> BTreeSet<String> {
    let of = |id: &String| {
        let log = pair.tasks(node, &["log", id]);
        let worker = |line: &str| line.split("worker: ").nth(1)?.split(',').next().map(str::to_owned);
        log.lines().filter_map(worker).collect::<Vec<_>>()
    };
    ids.iter().flat_map(of).collect()
}

fn ask(pair: &Pair, names: &[String]) -> Vec<String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (well, said) = command(&pair.nodes[0], "sync", &[&["--detach"], names.as_slice()].concat());
    assert!(well, "{said}");
    said.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn two_nodes_share_the_work_and_do_nothing_twice() {
    let Some(pair) = Pair::start().await else { return };
    let packages: Vec<_> = (0..PACKAGES).map(|number| pair.registry.publish_plain(&format!("p{number}"))).collect();
    let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
    let ids = ask(&pair, &names);
    pair.await_all(0, PACKAGES).await;
    for package in &packages {
        let asked = pair.registry.upstream.count(&package.tarball_path(package.release("1.0.0")));
        assert_eq!(asked, 1, "{}", package.name);
    }
    assert_eq!(workers(&pair, 1, &ids).len(), 2, "each has done some");
}

#[tokio::test]
async fn what_a_dead_node_had_begun_is_taken_over() {
    let Some(mut pair) = Pair::start().await else { return };
    let package = pair.registry.publish_plain("left");
    pair.registry.upstream.fail("/left", Fault::StallBeforeHead);
    let ids = ask(&pair, &["left".to_owned()]);
    let start = std::time::Instant::now();
    let holder = loop {
        if let Some(worker) = workers(&pair, 0, &ids).into_iter().next() {
            break worker;
        }
        assert!(start.elapsed() < SOON, "nobody has begun");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let is_first = pair.nodes[0].said().contains(&holder);
    let (dead, alive) = if is_first { (0, 1) } else { (1, 0) };
    pair.nodes[dead].kill();
    pair.registry.upstream.heal("/left");
    pair.await_all(alive, 1).await;
    let all = workers(&pair, alive, &ids);
    assert!(all.len() == 2 && all.contains(&holder), "{all:?}");
    let answer = pair.nodes[alive].get("/npm/left/-/left-1.0.0.tgz").await;
    assert!(answer.status == 200 && answer.is(&package.release("1.0.0").tarball), "{}", answer.summary());
}
