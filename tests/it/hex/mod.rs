//! Hex's read side: what clients get of a repository through the mirror. Source: contract hex §1-4, 6, 7.

mod api;
mod documents;
mod elsewhere;
mod mix;
mod others;
mod private;
mod tarballs;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::support::heliostat::Heliostat;
use crate::support::hex::{FakeHex, PinnedKey};
use crate::support::http::{Answer, Ask};
use crate::support::random::hex;
use crate::support::shared::Shared;

/// A repository and a process that mirrors it at `/hex`. Tests share one, each with package names of its own.
struct World {
    fake: FakeHex,
    heliostat: Heliostat,
    /// The process reads the key again when it is started again.
    _key: PinnedKey,
}

impl World {
    async fn shared() -> Arc<Self> {
        static SHARED: Shared<World> = Shared::new();
        SHARED.get(async || Self::start("").await).await
    }

    /// Starts one with further lines for the mount.
    async fn start(mount: &str) -> Self {
        let fake = FakeHex::start();
        let key = PinnedKey::of(fake.key());
        let lines = format!("{}{mount}", key.line());
        let heliostat = Heliostat::builder().dialect("hex", &fake.upstream.url(), &lines, "").start().await;
        Self { fake, heliostat, _key: key }
    }

    /// Asks for a path below the mount.
    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let ask = Ask::get(&format!("/hex{path}"));
        self.heliostat.ask(&headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))).await
    }

    fn keeps(&self, body: &[u8]) -> bool {
        self.heliostat.contents().contains_key(&hex(&Sha256::digest(body)))
    }
}

/// Fails unless this is a whole answer of that status, and one plain line. Source: contract hex §1.1.
fn assert_refused(answer: &Answer, status: u16) {
    assert!(answer.status == status && answer.completed(), "wanted {status}: {}", answer.summary());
    let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    assert!(plain && answer.text().lines().count() == 1, "{}", answer.summary());
}
