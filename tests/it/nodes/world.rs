//! Nodes that keep what is written in one place, and how long it takes until all of them know.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::npm::acme::publication;
use crate::npm::register;
use crate::support::backends::Backends;
use crate::support::heliostat::{Heliostat, files_below};
use crate::support::http::{Answer, Ask};
use crate::support::registry::FakeRegistry;

/// How long is waited for what is to come, whenever that is: machines are slow.
pub const SOON: Duration = Duration::from_secs(10);
/// Within what time a node sees what another has written.
pub const PROMISED: Duration = Duration::from_secs(1);

/// Nodes in front of one registry, and somebody who publishes at them.
pub struct World {
    pub registry: FakeRegistry,
    pub nodes: Vec<Heliostat>,
    /// What two nodes share; `None`: SQLite and a directory, of one node. Stopped after the nodes.
    backends: Option<Backends>,
    pub token: String,
}

impl World {
    /// Starts one over each of what may hold what is written.
    pub async fn each() -> Vec<Self> {
        let mut all = vec![Self::alone().await];
        all.extend(Self::start().await);
        all
    }

    /// Starts one node, on SQLite and a directory.
    pub async fn alone() -> Self {
        Self::start_on(None).await
    }

    /// Starts two nodes, on one PostgreSQL and one object store.
    pub async fn start() -> Option<Self> {
        Some(Self::start_on(Some(Backends::start()?)).await)
    }

    async fn start_on(backends: Option<Backends>) -> Self {
        let registry = FakeRegistry::start();
        let node = async || {
            let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
            let builder = backends.iter().fold(builder, |builder, backends| backends.behind(builder));
            builder.npm(registry.url(), "own = [\"@acme/*\"]\nallow_private_registries = true").start().await
        };
        let mut nodes = vec![node().await];
        if backends.is_some() {
            nodes.push(node().await);
        }
        let token = register(&nodes[0], "joe").await;
        Self { registry, nodes, backends, token }
    }

    pub fn pair(&self) -> (&Heliostat, &Heliostat) {
        (&self.nodes[0], &self.nodes[1])
    }

    pub fn stop_database(&mut self) {
        self.backends.as_mut().expect("it is shared").stop_database();
    }

    /// Counts the files of published bytes.
    pub fn count_blobs(&self) -> usize {
        let files = match &self.backends {
            Some(backends) => files_below(backends.bucket()),
            None => files_below(&self.nodes[0].data().join("overlay/blobs")),
        };
        files.len()
    }

    pub async fn send(&self, node: usize, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(&self.token, node, (method, path), body).await
    }

    pub async fn send_with(&self, token: &str, node: usize, (method, path): (&str, &str), body: &Value) -> Answer {
        let body = body.to_string();
        let ask = Ask::new(method, path).header("authorization", &format!("Bearer {token}"));
        self.nodes[node].ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    /// Publishes a version of `@acme/tool`.
    pub async fn publish(&self, node: usize, version: &str) -> Answer {
        self.send(node, "PUT", "/npm/@acme%2ftool", &publication("@acme/tool", version)).await
    }

    pub async fn whoami(&self, node: usize) -> u16 {
        self.send(node, "GET", "/npm/-/whoami", &json!({})).await.status
    }
}

/// Asks until an answer is as it is to be; returns how long that took.
pub async fn soon(what: &str, node: &Heliostat, path: &str, is_so: impl Fn(&Answer) -> bool) -> Duration {
    until(what, async || node.get(path).await, is_so).await
}

pub async fn until(what: &str, ask: impl AsyncFn() -> Answer, is_so: impl Fn(&Answer) -> bool) -> Duration {
    let start = Instant::now();
    loop {
        let answer = ask().await;
        if is_so(&answer) {
            return start.elapsed();
        }
        assert!(start.elapsed() < SOON, "never so: {what}: {}", answer.summary());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
