//! Clients that mean harm: what they may take of the server is bounded, and who means none is served as ever.

mod limits;
mod multitudes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::heliostat::{Builder, Heliostat};
use crate::support::http::Ask;
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

/// Longest wait for what the server does by itself, its own limits being some seconds.
const SOON: Duration = Duration::from_secs(30);
const AUDIT: &str = "/npm/-/npm/v1/security/advisories/bulk";

struct World {
    upstream: FakeUpstream,
    heliostat: Heliostat,
}

impl World {
    async fn start(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let upstream = FakeUpstream::start();
        upstream.answer_with(Arc::new(|seen| Some(echo(seen))));
        let builder = Heliostat::builder()
            .dialect("files", &upstream.url(), "name = \"tree\"\nmethods = [\"GET\", \"HEAD\", \"POST\"]", "")
            .npm(&upstream.url(), "");
        let heliostat = configure(builder).start().await;
        Self { upstream, heliostat }
    }

    /// Asks for what is kept, what must be fetched, what is passed on with a body, and what is answered by one: all of
    /// it is answered rightly, each on a connection of its own.
    async fn is_unharmed(&self, round: usize) {
        let (fetched, passed) = (format!("/files/tree/fetched-{round}"), format!("/files/tree/passed-{round}"));
        let asks =
            [Ask::get("/files/tree/kept"), Ask::get(&fetched), Ask::post(&passed, "hello"), Ask::post(AUDIT, "{}")];
        let answers = join_all(asks.iter().map(|ask| self.heliostat.ask(ask))).await;
        let expected = ["GET /kept ", &format!("GET /fetched-{round} "), &format!("POST /passed-{round} hello"), "{}"];
        for (answer, expected) in answers.iter().zip(expected) {
            assert!(answer.is(expected.as_bytes()), "{}, not {expected}", answer.summary());
        }
    }

    /// Waits until no more files are open than `before`, and some for connections that are kept.
    async fn lets_go(&self, before: usize) {
        const KEPT: usize = 24;
        let start = Instant::now();
        while self.heliostat.open_files() > before + KEPT {
            assert!(start.elapsed() < SOON, "{} files are open, {before} were", self.heliostat.open_files());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fails if more memory is held, now or at the worst time, than this over what was at `before`.
    fn has_grown_by_less_than(&self, bytes: u64, before: u64) {
        let (now, peak) = self.heliostat.memory();
        println!("memory: {before} bytes before, {now} now, {peak} at the peak");
        assert!(peak < before + bytes, "{before} bytes before, {now} now, {peak} at the peak");
    }
}

/// Says what was asked.
fn echo(seen: &Seen) -> Resource {
    if seen.path.starts_with("/-/") {
        return Resource::new("application/json", "{}");
    }
    let text = format!("{} {} {}", seen.method, seen.target, String::from_utf8_lossy(&seen.body));
    Resource::new("text/plain", text).cache_control("max-age=3600")
}
