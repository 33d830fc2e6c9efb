//! Packages that are brought up to their upstreams, by whoever runs tasks. Source: contract npm §12.

mod dependencies;
mod following;
mod killing;
mod sharing;
mod versions;

use std::time::{Duration, Instant};

use crate::support::beside::command;
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::packages::Package;
use crate::support::registry::FakeRegistry;

/// How long is waited for what is to come, whenever that is: machines are slow.
const SOON: Duration = Duration::from_secs(30);

/// A registry, and a node that mirrors it at `/npm`.
struct Bench {
    registry: FakeRegistry,
    heliostat: Heliostat,
}

impl Bench {
    async fn start(mount: &str) -> Self {
        Self::start_with(mount, |builder| builder).await
    }

    async fn start_with(mount: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let registry = FakeRegistry::start();
        let builder = patient(Heliostat::builder()).npm(registry.url(), mount);
        Self { heliostat: change(builder).start().await, registry }
    }

    /// Brings packages up to their upstream, and waits; returns whether all went well, and what was said.
    fn sync(&self, arguments: &[&str]) -> (bool, String) {
        command(&self.heliostat, "sync", arguments)
    }

    /// As [`Self::sync`], which must go well.
    fn sync_well(&self, arguments: &[&str]) -> String {
        let (well, said) = self.sync(arguments);
        assert!(well, "{said}\n{}", self.heliostat.said());
        said
    }

    /// Asks for packages, and does not wait; returns the names of the tasks.
    fn ask(&self, arguments: &[&str]) -> Vec<String> {
        let said = self.sync_well(&[&["--detach"], arguments].concat());
        said.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    }

    fn tasks(&self, arguments: &[&str]) -> String {
        let (well, said) = command(&self.heliostat, "tasks", arguments);
        assert!(well, "{said}");
        said
    }

    /// Returns the log of the task of a package that was made last.
    fn log_of(&self, package: &str) -> String {
        let listed = self.tasks(&["list", "--package", package]);
        let id = listed.split('\t').next().expect("a task");
        self.tasks(&["log", id])
    }

    /// Waits until a line of the list says this.
    async fn await_task(&self, words: &str) {
        let start = Instant::now();
        while !self.tasks(&["list"]).contains(words) {
            assert!(start.elapsed() < SOON, "no {words:?} in\n{}", self.tasks(&["list"]));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Counts how often a tarball was asked for upstream.
    fn asked(&self, package: &Package, version: &str) -> usize {
        self.registry.upstream.count(&package.tarball_path(package.release(version)))
    }

    /// Counts the versions of a package that are served as they are.
    async fn served(&self, package: &Package) -> usize {
        let mut count = 0;
        for release in &package.releases {
            let answer = self.heliostat.get(&tarball(package, &release.version)).await;
            count += usize::from(answer.status == 200 && answer.is(&release.tarball));
        }
        count
    }
}

/// Has tasks that fail tried again at once.
fn patient(builder: Builder) -> Builder {
    builder.set("sync", "pause", "\"100ms\"")
}

/// Waits long for an upstream that says nothing.
fn slow(builder: Builder) -> Builder {
    builder.set("fetch", "first_byte_timeout", "\"5s\"")
}

/// Returns the path of a tarball at the mirror.
fn tarball(package: &Package, version: &str) -> String {
    format!("/npm/{}/-/{}-{version}.tgz", package.name, package.unscoped())
}
