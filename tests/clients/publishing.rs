//! Publishing to Heliostat by real clients, and installing what was published: no upstream takes part.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, From, Npm, Pnpm, YarnBerry, YarnClassic};
use crate::mirror::registry;
use crate::modules::{self, NameAndVersion};
use crate::run::{Said, finish, run};
use crate::sandbox::Sandbox;
use crate::support::backends::Backends;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::random::Random;
use crate::support::registry::FakeRegistry;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(120);
/// What a mount says that is a registry for names of ours alone.
const OWN: &str = "own = [\"@acme/*\"]";
pub const PASSWORD: &str = "a long password";

/// A registry of our own, behind which is an upstream that has nothing unless it is given something.
pub struct World {
    pub registry: FakeRegistry,
    pub heliostat: Heliostat,
    /// PostgreSQL and an object store; `None`: SQLite and a directory. Stopped after the process.
    backends: Option<Backends>,
}

/// npm, logged in, in a project that is to be published.
pub struct Publisher<'a> {
    pub npm: Npm,
    pub sandbox: Sandbox,
    node: &'a Heliostat,
}

#[tokio::test]
async fn npm_publishes_and_every_client_installs_it() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        publish_and_install(&tools, &world).await;
    }
}

async fn publish_and_install(tools: &Tools, world: &World) {
    let joe = world.publisher(tools, Npm::V11, "joe").await;
    joe.write("@acme/tool", "1.0.0");
    assert!(joe.npm(&["publish"]).contains("+ @acme/tool@1.0.0"));
    joe.write("@acme/tool", "1.1.0");
    joe.npm(&["publish", "--tag", "beta"]);
    assert_eq!(joe.npm(&["dist-tag", "ls", "@acme/tool"]), "beta: 1.1.0\nlatest: 1.0.0");

    let clients: [&dyn Client; 6] = [&Npm::V11, &Npm::V12, &Pnpm::V10, &Pnpm::V11, &YarnClassic, &YarnBerry];
    for client in clients {
        let installed = world.install(tools, client, "@acme/tool", "latest");
        assert!(installed.contains(&("@acme/tool".to_owned(), "1.0.0".to_owned())), "{}: {installed:?}", client.name());
    }
    assert!(
        !world.registry.upstream.all_seen().iter().any(|seen| seen.path.contains("acme")),
        "upstream was asked for ours"
    );
}

#[tokio::test]
async fn npm_publishes_a_name_of_ours_without_a_scope() {
    let Some(tools) = tools::ready() else { return };
    let clients: [&dyn Client; 4] = [&Npm::V12, &Pnpm::V11, &YarnClassic, &YarnBerry];
    for world in World::each_with("own = [\"acme-*\"]").await {
        for npm in [Npm::V11, Npm::V12] {
            let name = format!("acme-{}", npm.alias);
            let joe = world.publisher(&tools, npm, "joe").await;
            for version in ["1.0.0", "1.1.0"] {
                joe.write(&name, version);
                assert!(joe.npm(&["publish"]).contains(&format!("+ {name}@{version}")));
            }
            joe.npm(&["deprecate", &format!("{name}@1.0.0"), "too old"]);
            joe.npm(&["unpublish", &format!("{name}@1.0.0")]);
            for client in clients {
                let installed = world.install(&tools, client, &name, "latest");
                assert!(installed.contains(&(name.clone(), "1.1.0".to_owned())), "{}: {installed:?}", client.name());
            }
        }
        assert!(
            !world.registry.upstream.all_seen().iter().any(|seen| seen.path.contains("acme")),
            "upstream was asked for ours"
        );
    }
}

#[tokio::test]
async fn npm_edits_what_it_has_published() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for npm in [Npm::V11, Npm::V12] {
            edit(&world, &tools, npm).await;
        }
    }
}

async fn edit(world: &World, tools: &Tools, npm: Npm) {
    let name = format!("@acme/{}", npm.alias);
    let joe = world.publisher(tools, npm, "joe").await;
    assert_eq!(joe.npm(&["whoami"]), "joe");
    for version in ["1.0.0", "1.1.0"] {
        joe.write(&name, version);
        joe.npm(&["publish"]);
    }
    joe.npm(&["dist-tag", "add", &format!("{name}@1.0.0"), "old"]);
    joe.npm(&["deprecate", &format!("{name}@1.0.0"), "too old"]);
    assert_eq!(joe.npm(&["view", &format!("{name}@old"), "deprecated"]), "too old");
    joe.npm(&["deprecate", &format!("{name}@1.0.0"), ""]);
    assert_eq!(joe.npm(&["view", &format!("{name}@old"), "deprecated"]), "");

    world.register("ann").await;
    joe.npm(&["owner", "add", "ann", &name]);
    assert!(joe.npm(&["owner", "ls", &name]).contains("ann <ann@host.example>"));
    joe.npm(&["owner", "rm", "ann", &name]);

    joe.npm(&["unpublish", &format!("{name}@1.0.0")]);
    let left = joe.npm(&["view", &name, "versions", "--json"]);
    assert!(left.contains("\"1.1.0\"") && !left.contains("1.0.0"), "{}: {left}", joe.npm.name);
    joe.write(&name, "1.0.0");
    let (done, said) = joe.try_npm(&["publish", "--tag", "again"]);
    assert!(!done, "a version that was removed was published again: {said:?}");
    joe.npm(&["unpublish", "--force", &name]);
    assert!(!joe.try_npm(&["view", &name]).0);
}

#[tokio::test]
async fn npm_finds_what_it_has_published() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for npm in [Npm::V11, Npm::V12] {
            let name = format!("@acme/{}-found", npm.alias);
            let joe = world.publisher(&tools, npm, "joe").await;
            joe.write(&name, "1.0.0");
            joe.npm(&["publish"]);
            let found = joe.npm(&["search", &name, "--json"]);
            let found: Vec<Value> = serde_json::from_str(&found).expect("npm prints JSON");
            assert_eq!((&found[0]["name"], &found[0]["version"]), (&json!(name), &json!("1.0.0")), "{}", joe.npm.name);
            let shown = joe.npm(&["search", "maintainer:joe made"]);
            assert!(shown.contains(&name) && shown.contains("made for a test"), "{}: {shown}", joe.npm.name);
        }
        assert!(
            !world.registry.upstream.all_seen().iter().any(|seen| seen.target.contains("found")),
            "upstream was asked for ours"
        );
    }
}

#[tokio::test]
async fn npm_publishes_fifty_megabytes() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        let joe = world.publisher(&tools, Npm::V11, "joe").await;
        joe.write("@acme/large", "1.0.0");
        // Nothing that could be compressed.
        let bytes = Random::new(7).bytes(50 << 20);
        std::fs::write(joe.sandbox.project().join("large.bin"), &bytes).expect("a project can be written");
        assert!(joe.npm(&["publish"]).contains("+ @acme/large@1.0.0"));
        let manifest = json!({ "name": "user", "version": "1.0.0", "dependencies": { "@acme/large": "1.0.0" } });
        let sandbox = Sandbox::new(&tools, &registry(&world.heliostat), &manifest.to_string());
        Npm::V11.configure(&sandbox);
        run(&mut Npm::V11.install(&sandbox, From::Manifest), LIMIT).unwrap_or_else(|why| panic!("{why}"));
        let installed = sandbox.project().join("node_modules/@acme/large/large.bin");
        assert!(std::fs::read(installed).expect("it is installed") == bytes, "other bytes were installed");
    }
}

#[tokio::test]
async fn npm_may_do_no_more_than_its_token() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        let joe = world.publisher(&tools, Npm::V11, "joe").await;
        joe.write("@acme/theirs", "1.0.0");
        joe.npm(&["publish"]);
        let ann = world.publisher(&tools, Npm::V11, "ann").await;
        ann.write("@acme/theirs", "1.0.1");
        let (done, said) = ann.try_npm(&["publish"]);
        assert!(!done && said.stderr.contains("ann is no owner of @acme/theirs"), "{said:?}");
        ann.write("left-pad", "9.0.0");
        let (done, said) = ann.try_npm(&["publish"]);
        assert!(!done && said.stderr.contains("not among the names"), "{said:?}");
        joe.npm(&["logout"]);
        joe.write("@acme/theirs", "1.0.2");
        assert!(!joe.try_npm(&["publish"]).0);
    }
}

// === impl World ===

impl World {
    /// Starts one on each of what may hold what is written.
    pub async fn each() -> Vec<Self> {
        Self::each_with(OWN).await
    }

    /// As [`Self::each`], with these lines for the mount.
    pub async fn each_with(mount: &str) -> Vec<Self> {
        let mut all = vec![Self::start_on(None, mount).await];
        if let Some(backends) = Backends::start() {
            all.push(Self::start_on(Some(backends), mount).await);
        }
        all
    }

    async fn start_on(backends: Option<Backends>, mount: &str) -> Self {
        let registry = FakeRegistry::start();
        let heliostat = start_node(&registry, backends.as_ref(), mount).await;
        Self { registry, heliostat, backends }
    }

    /// Starts another node on what this one shares; `None` where it shares nothing.
    pub async fn another(&self) -> Option<Heliostat> {
        let backends = self.backends.as_ref()?;
        Some(start_node(&self.registry, Some(backends), OWN).await)
    }

    /// Makes an account that may do everything.
    pub async fn crown(&mut self, name: &str) {
        self.register(name).await;
        // Nobody registers under an admin's name, so it becomes one after that.
        self.heliostat.stop();
        self.heliostat.reconfigure(|builder| builder.set("accounts", "admins", &format!("[{name:?}]")));
        self.heliostat.start().await;
    }

    /// Has a client with nothing cached install a package; returns all that is installed then.
    pub fn install(&self, tools: &Tools, client: &dyn Client, name: &str, wanted: &str) -> BTreeSet<NameAndVersion> {
        install_from(&self.heliostat, tools, client, &json!({ name: wanted }))
    }

    /// Makes an account, or logs in, as `npm adduser --auth-type=legacy` does; returns the token. Source: contract npm §8.2.
    pub async fn register(&self, name: &str) -> String {
        let target = format!("/npm/-/user/org.couchdb.user:{name}");
        let body = json!({
            "_id": format!("org.couchdb.user:{name}"), "name": name, "password": PASSWORD,
            "email": format!("{name}@host.example"), "type": "user", "roles": [],
        });
        let body = body.to_string();
        let ask = Ask::new("PUT", &target).header("content-length", &body.len().to_string()).body(body);
        let answer = self.heliostat.ask(&ask).await;
        assert_eq!(answer.status, 201, "{}", answer.summary());
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    pub async fn publisher(&self, tools: &Tools, npm: Npm, user: &str) -> Publisher<'_> {
        let token = self.register(user).await;
        Publisher::new(&self.heliostat, tools, npm, &token)
    }
}

// === impl Publisher ===

impl<'a> Publisher<'a> {
    /// Sets npm up at a node, for who has a token.
    pub fn new(node: &'a Heliostat, tools: &Tools, npm: Npm, token: &str) -> Self {
        let sandbox = Sandbox::new(tools, &registry(node), "{}");
        let place = sandbox.registry.trim_start_matches("http:").to_owned();
        let settings = format!("registry={}\n{place}:_authToken={token}\nfetch-retries=0\n", sandbox.registry);
        sandbox.write_home(".npmrc", &settings);
        Self { npm, sandbox, node }
    }

    pub fn write(&self, name: &str, version: &str) {
        let manifest =
            json!({ "name": name, "version": version, "description": "made for a test", "main": "index.js" });
        self.sandbox.write("package.json", &manifest.to_string());
        self.sandbox.write("index.js", "module.exports = 42\n");
        self.sandbox.write("README.md", "# made for a test\n");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut npm = self.npm.command(&self.sandbox);
        npm.args(arguments);
        npm
    }

    pub fn npm(&self, arguments: &[&str]) -> String {
        self.run(&mut self.command(arguments))
    }

    /// Runs a command that must end well; returns what it prints.
    pub fn run(&self, command: &mut Command) -> String {
        let said = run(command, LIMIT);
        let said = said.unwrap_or_else(|why| panic!("{}: {why}\n{}", self.npm.name, self.node.said()));
        said.stdout.trim().to_owned()
    }

    pub fn try_npm(&self, arguments: &[&str]) -> (bool, Said) {
        finish(&mut self.command(arguments), LIMIT).unwrap_or_else(|why| panic!("{}: {why}", self.npm.name))
    }
}

/// Starts a node at which everybody may publish.
async fn start_node(registry: &FakeRegistry, backends: Option<&Backends>, mount: &str) -> Heliostat {
    let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
    // Who hears of what is written listens on loopback.
    let builder = builder.set("hooks", "allow_private", "true");
    let builder = backends.iter().fold(builder, |builder, backends| backends.behind(builder));
    builder.npm(registry.url(), mount).start().await
}

/// Has a client with nothing cached install what a project needs; returns all that is installed then.
pub fn install_from(
    node: &Heliostat,
    tools: &Tools,
    client: &dyn Client,
    dependencies: &Value,
) -> BTreeSet<NameAndVersion> {
    let manifest = json!({ "name": "user", "version": "1.0.0", "private": true, "dependencies": dependencies });
    let sandbox = Sandbox::new(tools, &registry(node), &manifest.to_string());
    client.configure(&sandbox);
    let mut install = client.install(&sandbox, From::Manifest);
    // Yarn 4 takes nothing that is younger than some days, unless it is told to.
    install.env("YARN_NPM_MINIMAL_AGE_GATE", "0");
    run(&mut install, LIMIT).unwrap_or_else(|why| panic!("{}: {why}", client.name()));
    modules::installed(&sandbox.project())
}
