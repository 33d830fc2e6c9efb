//! rebar3 against a Hex mirror: cold, with its upstream gone, against corrupt bytes, and by both of its settings.
//!
//! It is the distribution's, at whatever version that has. The repositories are made by the tests, since rebar3 can be told
//! their keys (contract hex §4.2); all of its own checks are on.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::mirror::go_offline;
use crate::run::{Said, finish, run};
use crate::support::heliostat::Heliostat;
use crate::support::hex::{FakeHex, Key, Package, PinnedKey, Release};
use crate::support::resource::Resource;
use crate::tools;

const LIMIT: Duration = Duration::from_secs(120);

/// How rebar3 is pointed at a mirror.
#[derive(Clone, Copy, Debug)]
enum Setting {
    /// `HEX_CDN`, which alone says where `hexpm` is.
    Environment,
    /// A repository of another name in the project's file, with its URL.
    Entry(&'static str),
}

/// A project that needs `made_top`, with a home and a cache of its own: rebar3 has nothing when it starts.
struct Project {
    root: TempDir,
    mirror: String,
    setting: Setting,
}

/// A repository with an application and what it needs, and a mirror of it.
struct World {
    fake: FakeHex,
    heliostat: Heliostat,
    /// The process reads it again when it is started again.
    _key: PinnedKey,
}

#[tokio::test]
async fn rebar_3_installs_cold_warm_and_offline() {
    if !is_there() {
        return;
    }
    let mut world = World::start("hexpm").await;
    let cold = world.project(Setting::Environment);
    cold.compile();
    let lock = cold.read("rebar.lock");
    for (name, release) in [("made_top", made_top()), ("made_leaf", made_leaf())] {
        for sum in [&release.inner, &release.outer] {
            let sum: String = sum.iter().map(|byte| format!("{byte:02X}")).collect();
            assert!(lock.contains(&format!("<<\"{name}\">>, <<\"{sum}\">>")), "{name}: {lock}");
        }
        let tarball = format!("/tarballs/{name}-{}.tar", release.version);
        assert_eq!(world.fake.upstream.count(&tarball), 1, "{tarball}");
    }
    world.project(Setting::Environment).compile();
    assert_eq!(world.fake.upstream.count("/tarballs/made_top-1.0.0.tar"), 1, "a warm mirror asked for a tarball");
    assert!(!world.fake.upstream.all_seen().iter().any(|seen| seen.path.contains("//")));

    go_offline(&mut world.heliostat).await;
    world.project(Setting::Environment).compile();
    let locked = world.project(Setting::Environment);
    locked.write("rebar.lock", &lock);
    locked.compile();
    assert_eq!(locked.read("rebar.lock"), lock);
}

#[tokio::test]
async fn rebar_3_installs_what_is_held_when_its_upstream_is_gone() {
    if !is_there() {
        return;
    }
    let World { fake, heliostat, _key } = World::start("hexpm").await;
    Project::new(&heliostat, Setting::Environment).compile();
    drop(fake);
    Project::new(&heliostat, Setting::Environment).compile();
}

#[tokio::test]
async fn rebar_3_takes_a_mirror_of_a_repository_beside_hexpm() {
    if !is_there() {
        return;
    }
    let world = World::start("acme").await;
    world.project(Setting::Entry("acme")).compile();
    assert_eq!(world.fake.upstream.count("/tarballs/made_leaf-1.0.1.tar"), 1);
}

#[tokio::test]
async fn a_corrupt_tarball_reaches_no_rebar_3_and_is_installed_once_it_is_mended() {
    if !is_there() {
        return;
    }
    let world = World::start("hexpm").await;
    let right = world.fake.upstream.resource("/tarballs/made_leaf-1.0.1.tar").expect("what was published");
    let mut body = right.body.to_vec();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    world.fake.upstream.put("/tarballs/made_leaf-1.0.1.tar", Resource { body: body.into(), ..right.clone() });
    let project = world.project(Setting::Environment);
    let (installed, said) = project.try_to_compile();
    assert!(!installed, "{said:?}");
    // rebar3 has one sentence for all that fails: what went wrong, the mirror tells its operator.
    assert!(said.stdout.contains("Failed to fetch and copy dep") && said.stdout.contains("made_leaf"), "{said:?}");
    assert!(!project.has("_build/default/lib/made_leaf"));
    let incidents = world.heliostat.incidents(Some("made_leaf")).await;
    assert!(incidents.iter().any(|incident| incident["kind"] == "digest"), "{incidents:?}");

    world.fake.upstream.put("/tarballs/made_leaf-1.0.1.tar", right);
    project.compile();
}

fn made_top() -> Release {
    Release::in_erlang("made_top", "1.0.0", &[("made_leaf", "~> 1.0")])
}

fn made_leaf() -> Release {
    Release::in_erlang("made_leaf", "1.0.1", &[])
}

/// Tells whether this machine has rebar3; says so if it has not.
fn is_there() -> bool {
    let version = run(Command::new("rebar3").arg("version"), LIMIT).map(drop);
    tools::or_skipped(&version.map_err(|why| format!("rebar3 cannot be run: {why}"))).is_some()
}

// === impl World ===

impl World {
    async fn start(repository: &str) -> Self {
        let fake = FakeHex::start_as(repository, Key::repository());
        fake.publish(&Package::new("made_top").with(made_top()));
        fake.publish(&Package::new("made_leaf").with(Release::in_erlang("made_leaf", "1.0.0", &[])).with(made_leaf()));
        let key = PinnedKey::of(fake.key());
        let lines = format!("repository = \"{repository}\"\n{}", key.line());
        let heliostat = Heliostat::builder().dialect("hex", &fake.upstream.url(), &lines, "").start().await;
        Self { fake, heliostat, _key: key }
    }

    fn project(&self, setting: Setting) -> Project {
        Project::new(&self.heliostat, setting)
    }
}

// === impl Project ===

impl Project {
    fn new(heliostat: &Heliostat, setting: Setting) -> Self {
        let root = TempDir::new().expect("a temporary folder can be made");
        let project = Self { root, mirror: format!("{}/hex", heliostat.url()), setting };
        for folder in ["home", "src"] {
            std::fs::create_dir(project.root.path().join(folder)).expect("a folder can be made in an empty one");
        }
        project.write("src/project.app.src", "{application, project, [{vsn, \"0\"}, {applications, [made_top]}]}.\n");
        project.write("rebar.config", &project.settings());
        project
    }

    /// Prints the project's file. `replace`: it asks each repository in turn, and no other than ours is asked from here.
    ///
    /// Source: contract hex §4.2.
    fn settings(&self) -> String {
        let (pem, mirror) = (Key::repository().to_pem(), &self.mirror);
        let (name, url) = match self.setting {
            Setting::Environment => ("hexpm", String::new()),
            Setting::Entry(name) => (name, format!(", repo_url => <<\"{mirror}\">>")),
        };
        let repository = format!("#{{name => <<\"{name}\">>, repo_public_key => <<\"{pem}\">>{url}}}");
        format!("{{deps, [{{made_top, \"1.0.0\"}}]}}.\n{{hex, [{{repos, replace, [{repository}]}}]}}.\n")
    }

    fn compile(&self) {
        let (installed, said) = self.try_to_compile();
        assert!(installed, "{:?}: {}\n{}", self.setting, said.stdout, said.stderr);
        for name in ["made_top", "made_leaf"] {
            let built = format!("_build/default/lib/{name}/ebin/{name}.beam");
            assert!(self.has(&built), "{:?}: {built}: {}", self.setting, said.stdout);
        }
    }

    fn try_to_compile(&self) -> (bool, Said) {
        let home = self.root.path().join("home");
        let mut rebar3 = Command::new("rebar3");
        rebar3.arg("compile").env_clear().current_dir(self.root.path()).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        rebar3.env("HOME", &home).env("REBAR_CACHE_DIR", home.join("cache")).env("LANG", "C.UTF-8");
        if let Setting::Environment = self.setting {
            rebar3.env("HEX_CDN", &self.mirror);
        }
        finish(&mut rebar3, LIMIT).expect("rebar3 ends")
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.root.path().join(file), text).expect("the project is ours");
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.root.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn has(&self, file: &str) -> bool {
        self.root.path().join(file).exists()
    }
}
