//! Crashes: whatever moment the process dies at, nothing that is kept is wrong or half there, and it starts again soon.
//!
//! It dies by itself at each named step of a commit, and it is killed hundreds of times at random moments: under load,
//! while it starts and while it stops. Tables of both are printed.

mod killing;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;

use crate::support::audit::{Audit, Auditor};
use crate::support::heliostat::Heliostat;
use crate::support::packages::{Package, Release};
use crate::support::registry::FakeRegistry;

/// What names the step to die at.
const VARIABLE: &str = "HELIOSTAT_TEST_ABORT_AT";
/// The steps of a commit, in their order.
const STEPS: [&str; 6] = ["reserved", "temp_written", "proved", "content_in_place", "row_written", "committed"];
/// The steps of those that forms go through: they are not fetched.
const STEPS_OF_FORMS: [&str; 3] = ["content_in_place", "row_written", "committed"];
/// Source: signal(7).
const SIGABRT: i32 = 6;
/// A start takes at most 1 s; only this fails a test, since the machine may have other things to do.
const START: Duration = Duration::from_secs(5);

/// What is being kept when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Document,
    /// What is made of a document that is kept already.
    Forms,
    Tarball,
}

/// A process that dies, its upstream, and what it mirrors.
struct Scene {
    registry: FakeRegistry,
    heliostat: Heliostat,
    package: Package,
}

impl Scene {
    /// Brings a process to where the next thing it keeps is the subject, and to die at a step of that.
    async fn start(subject: Subject, step: &str) -> Self {
        let registry = FakeRegistry::start();
        let first = Release::new("0.9.0").size(5_000);
        let package = Package::new("dying").with(first).with(Release::new("1.0.0").size(100_000));
        registry.publish(&package);
        let first_step = match subject {
            Subject::Document => step,
            Subject::Forms => "committed",
            Subject::Tarball => "",
        };
        let heliostat = Heliostat::builder().npm(registry.url(), "").environment(VARIABLE, first_step).start().await;
        let mut scene = Self { registry, heliostat, package };
        match subject {
            Subject::Document => return scene,
            Subject::Forms => scene.die(Subject::Document).await,
            Subject::Tarball => scene.warm().await,
        }
        scene.start_again(step).await;
        scene
    }

    /// Has everything kept but the tarball of 1.0.0, also what is made of the document to find tarballs.
    async fn warm(&mut self) {
        for (path, right) in [self.document(), self.tarball("0.9.0")] {
            assert!(self.heliostat.get(&path).await.is(&right), "{path}");
        }
        self.heliostat.stop();
    }

    async fn start_again(&mut self, step: &str) {
        self.heliostat.reconfigure(|builder| builder.environment(VARIABLE, step));
        self.heliostat.start().await;
    }

    /// Asks for the subject, and waits until the process is dead of it.
    async fn die(&mut self, subject: Subject) {
        let (path, right) = match subject {
            Subject::Document | Subject::Forms => self.document(),
            Subject::Tarball => self.tarball("1.0.0"),
        };
        let answer = self.heliostat.get(&path).await;
        assert!(answer.is(&right) || !answer.completed(), "{}", answer.summary());
        let status = self.heliostat.wait(Duration::from_secs(10)).expect("the step is reached");
        assert_eq!(status.signal(), Some(SIGABRT), "{status:?}");
    }

    /// Tells whether it is written down what the tarball of 1.0.0 was when it was first seen.
    fn is_remembered(&self) -> bool {
        let overlay = Connection::open(self.heliostat.data().join("overlay/overlay.sqlite")).expect("an overlay");
        let sql = "SELECT count(*) FROM first_seen WHERE release = 'npm/dying@1.0.0'";
        overlay.query_row(sql, [], |row| row.get::<_, u32>(0)).expect("a number") == 1
    }

    fn tarball(&self, version: &str) -> (String, Bytes) {
        let release = self.package.release(version);
        (format!("/npm{}", self.package.tarball_path(release)), release.tarball.clone())
    }

    fn document(&self) -> (String, Bytes) {
        (format!("/npm/{}", self.package.name), document(&self.registry, self.heliostat.address(), &self.package))
    }

    /// Holds what the dead process left against what must be: first as it was found, then after everything was asked
    /// for again.
    async fn judge(&self) -> (Audit, Audit) {
        let mut auditor = Auditor::new(&self.heliostat.data());
        let found = auditor.look();
        assert_eq!(auditor.runs().len(), 1, "temporary files of the dead run are left");
        for _ in 0..2 {
            for (path, right) in [self.document(), self.tarball("1.0.0"), self.tarball("0.9.0")] {
                let answer = self.heliostat.get(&path).await;
                assert!(answer.is(&right), "{path}: {}", answer.summary());
            }
        }
        (found, settled(&mut auditor).await)
    }
}

/// Looks until every file is known: the last answer is whole a moment before its row is written.
async fn settled(auditor: &mut Auditor) -> Audit {
    let begun = Instant::now();
    auditor.forget();
    loop {
        let found = auditor.look();
        if found.orphans.is_empty() || begun.elapsed() > Duration::from_secs(5) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the full document as the mirror serves it.
fn document(registry: &FakeRegistry, mirror: SocketAddr, package: &Package) -> Bytes {
    let ours = format!("\"tarball\":\"http://{mirror}/npm/");
    let theirs = format!("\"tarball\":\"{}/", registry.url());
    registry.document(package).replace(&theirs, &ours).into()
}

/// Lets a process die once, and returns the line that tells of it.
async fn die_once(subject: Subject, step: &str) -> String {
    let mut scene = Scene::start(subject, step).await;
    scene.die(subject).await;
    if subject == Subject::Tarball {
        let is_kept = STEPS_OF_FORMS.contains(&step);
        assert_eq!(scene.is_remembered(), is_kept, "its digest is written down before it is kept: {step}");
    }
    scene.start_again("").await;
    let start = scene.heliostat.ready_after;
    assert!(start < START, "{start:?} until ready");
    let (found, after) = scene.judge().await;
    assert_eq!((found.wrong, after.wrong), (Vec::<String>::new(), Vec::new()), "{subject:?} at {step}");
    assert_eq!(after.orphans, Vec::<String>::new(), "{subject:?} at {step}: known when it is fetched again");
    scene.heliostat.stop();
    let counts = format!("{:>8}{:>9}{:>9}", found.files, found.orphans.len(), found.entries);
    format!("{:<10}{step:<18}{counts}{:>13}\n", format!("{subject:?}"), start.as_millis())
}

#[tokio::test]
async fn a_process_that_dies_at_any_step_of_a_commit_leaves_nothing_wrong() {
    let head = "subject   step                 files  orphans  entries  ready in ms";
    let mut table = format!("\ndeath at each step of a commit: what the next run found\n{head}\n");
    for subject in [Subject::Document, Subject::Forms, Subject::Tarball] {
        let steps = if subject == Subject::Forms { STEPS_OF_FORMS.as_slice() } else { &STEPS };
        for step in steps {
            let _ = write!(table, "{}", die_once(subject, step).await);
        }
    }
    print(&table);
}

/// Prints past the test harness, which would swallow it when all is well.
fn print(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).expect("standard error can be written");
}
