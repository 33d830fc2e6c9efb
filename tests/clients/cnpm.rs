//! cnpm: npm's commands with a file of settings of their own, and another program to install, npminstall, which knows no
//! tokens of that file but a name and a password. What it syncs, it asks for by a name and a password in a form of its own.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::dialogue::Dialogue;
use crate::mirror::registry;
use crate::publishing::{PASSWORD, World};
use crate::run::{Said, finish, run};
use crate::sandbox::Sandbox;
use crate::support::packages::{Package, Release};
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(120);

/// cnpm with a home of its own, in a project.
struct Cnpm(Sandbox);

/// Starts registries of our own before an upstream that is full of what npminstall asks for, on each of what may hold what
/// is written.
async fn each() -> Vec<World> {
    let all = World::each().await;
    for world in &all {
        // Asked for before anything is installed; what its registry has not, npminstall asks others for.
        for (name, more) in [
            ("binary-mirror-config", json!({ "mirrors": { "china": { "ENVS": {} } } })),
            ("bug-versions", json!({ "config": { "bug-versions": { "left": { "1.1.0": { "version": "1.0.0" } } } } })),
        ] {
            let more = more.to_string();
            let more = format!(",{}", &more[1..more.len() - 1]);
            world.registry.publish(&Package::new(name).with(Release { more, ..Release::new("1.0.0") }));
        }
        world.registry.publish(&Package::with_versions("left", &["1.0.0", "1.1.0"]));
    }
    all
}

impl Cnpm {
    /// Returns a client that knows its registry, and has further lines in its file of settings, each below the place of
    /// the registry.
    fn new(world: &World, tools: &Tools, settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new(tools, &registry(&world.heliostat), "{}");
        let place = sandbox.registry.trim_start_matches("http:").to_owned();
        let mut text = format!("registry={}\nfetch-retries=0\n", sandbox.registry);
        for (key, value) in settings {
            text.push_str(&format!("{place}:{key}={value}\n"));
        }
        sandbox.write_home(".cnpmrc", &text);
        Self(sandbox)
    }

    /// Makes an account as cnpm does, and returns a client that is logged in.
    async fn member(world: &World, tools: &Tools, name: &str) -> Self {
        let cnpm = Self::new(world, tools, &[]);
        let mut made = cnpm.dialogue(&["adduser", "--auth-type=legacy"]);
        made.answer("sername:", name).await;
        made.answer("assword:", PASSWORD).await;
        made.answer("public", &format!("{name}@host.example")).await;
        made.end().await.unwrap_or_else(|why| panic!("{why}"));
        cnpm
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut cnpm = self.0.node("cnpm", "bin/cnpm.js");
        cnpm.env("npm_config_cache", self.0.cache());
        // Beside the binary it runs on, npm would look for a global configuration of the machine.
        cnpm.env("npm_config_globalconfig", self.0.home().join("global-npmrc"));
        // Of nothing that is built are the sources fetched from where it would fetch them.
        cnpm.args(arguments).arg("--disturl=none");
        cnpm
    }

    fn dialogue(&self, arguments: &[&str]) -> Dialogue {
        Dialogue::start(&mut self.command(arguments), &self.0.home())
    }

    fn cnpm(&self, arguments: &[&str]) -> String {
        let said = run(&mut self.command(arguments), LIMIT).unwrap_or_else(|why| panic!("{why}"));
        said.stdout.trim().to_owned()
    }

    fn try_cnpm(&self, arguments: &[&str]) -> (bool, Said) {
        finish(&mut self.command(arguments), LIMIT).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Publishes a version that needs what upstream has.
    fn publish(&self, name: &str, version: &str, more: &[&str]) -> String {
        let manifest = json!({ "name": name, "version": version, "main": "index.js", "dependencies": { "left": "*" } });
        self.0.write("package.json", &manifest.to_string());
        self.0.write("index.js", "module.exports = 42\n");
        self.cnpm(&[&["publish"], more].concat())
    }

    /// Starts a project that needs one package, and installs that by npminstall.
    fn install(&self, name: &str) -> (bool, Said) {
        let manifest = json!({ "name": "user", "version": "1.0.0", "private": true, "dependencies": { name: "*" } });
        self.0.write("package.json", &manifest.to_string());
        self.try_cnpm(&["install", "--ignore-scripts"])
    }

    fn installed(&self, name: &str) -> String {
        let manifest: Value =
            serde_json::from_str(&self.0.read(&format!("node_modules/{name}/package.json"))).expect("JSON");
        manifest["version"].as_str().expect("a version").to_owned()
    }
}

#[tokio::test]
async fn cnpm_logs_in_publishes_and_shows() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        let joe = Cnpm::member(&world, &tools, "joe").await;
        assert_eq!(joe.cnpm(&["whoami"]), "joe");
        joe.cnpm(&["logout"]);
        assert!(!joe.try_cnpm(&["whoami"]).0);
        let mut login = joe.dialogue(&["login", "--auth-type=legacy"]);
        login.answer("sername:", "joe").await;
        login.answer("assword:", PASSWORD).await;
        login.end().await.unwrap_or_else(|why| panic!("{why}"));

        assert!(joe.publish("@acme/tool", "1.0.0", &[]).contains("+ @acme/tool@1.0.0"));
        joe.publish("@acme/tool", "1.1.0", &["--tag=beta"]);
        assert_eq!(joe.cnpm(&["view", "@acme/tool", "version"]), "1.0.0");
        assert_eq!(joe.cnpm(&["dist-tag", "ls", "@acme/tool"]), "beta: 1.1.0\nlatest: 1.0.0");
        let left = joe.cnpm(&["view", "left", "versions", "--json"]);
        assert!(left.contains("1.0.0") && left.contains("1.1.0"), "{left}");
        assert!(
            !world.registry.upstream.all_seen().iter().any(|seen| seen.path.contains("acme")),
            "ours was asked for"
        );
    }
}

#[tokio::test]
async fn cnpm_has_a_package_synced_and_shows_how_that_goes() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        Cnpm::member(&world, &tools, "joe").await;
        let joe = Cnpm::new(&world, &tools, &[]);
        let said = joe.cnpm(&["sync", "left"]);
        assert!(said.contains("successed: [], failed: [\"left\"]"), "nobody in particular has it synced: {said}");
        // It reads these lines by itself, and knows no others.
        let basic = STANDARD.encode(format!("joe:{PASSWORD}"));
        joe.0.write_home(".cnpmrc", &format!("registry={}\n_auth = {basic}\n", joe.0.registry));
        let said = joe.cnpm(&["sync", "left"]);
        assert!(said.contains("successed: [\"left\"], failed: []"), "{said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("[20")).collect();
        assert!(lines.iter().any(|line| line.contains("🎉")), "{said}");
        assert!(lines.len() > 2 && lines.windows(2).all(|two| two[0] != two[1]), "each line once: {said}");
    }
}

#[tokio::test]
async fn npminstall_installs_what_is_ours_and_what_is_upstreams() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        Cnpm::member(&world, &tools, "joe").await.publish("@acme/tool", "1.0.0", &[]);
        let anybody = Cnpm::new(&world, &tools, &[]);
        let (done, said) = anybody.install("@acme/tool");
        assert!(done, "{said:?}");
        assert_eq!(anybody.installed("@acme/tool"), "1.0.0");
        let (done, said) = anybody.install("left");
        assert!(done, "{said:?}");
        assert_eq!(anybody.installed("left"), "1.0.0", "the list of versions with faults was read");
    }
}

#[tokio::test]
async fn cnpm_comes_with_its_old_credentials() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        Cnpm::member(&world, &tools, "joe").await;
        let basic = STANDARD.encode(format!("joe:{PASSWORD}"));
        let old = Cnpm::new(&world, &tools, &[("_auth", &basic)]);
        assert_eq!(old.cnpm(&["whoami"]), "joe");
        old.publish("@acme/secret", "1.0.0", &["--access=restricted"]);

        let (done, said) = Cnpm::new(&world, &tools, &[]).install("@acme/secret");
        assert!(!done, "anybody installs it: {said:?}");
        let password = STANDARD.encode(PASSWORD);
        let insider = Cnpm::new(&world, &tools, &[("username", "joe"), ("_password", &password)]);
        let (done, said) = insider.install("@acme/secret");
        assert!(done, "{said:?}");
        assert_eq!(insider.installed("@acme/secret"), "1.0.0");
    }
}
