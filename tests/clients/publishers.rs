//! Publishing by clients other than npm, by a token or by name and password; another one installs what each publishes.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::client::{Client, From, Npm, Pnpm, YarnBerry, YarnClassic};
use crate::dialogue::Dialogue;
use crate::mirror::registry;
use crate::publishing::{PASSWORD, World};
use crate::run::{Said, finish, run};
use crate::sandbox::Sandbox;
use crate::support::http::Ask;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(120);

/// Has Yarn 1 believe that it speaks to somebody: it asks nothing otherwise.
const TERMINAL: &str = "process.stdout.isTTY = true;";

/// A client that publishes.
trait Publishes: Client {
    /// Writes whose it is into the sandbox's home, beside the client's configuration.
    fn authorise(&self, tools: &Tools, sandbox: &Sandbox, token: &str);

    /// Returns the command that publishes the sandbox's project.
    fn publish(&self, sandbox: &Sandbox) -> Command;

    /// Returns the command that tells whose it is, if there is one.
    fn whoami(&self, sandbox: &Sandbox) -> Option<Command>;
}

#[tokio::test]
async fn every_client_publishes_by_a_token_what_another_installs() {
    let Some(tools) = tools::ready() else { return };
    let pairs: [(&dyn Publishes, &dyn Client); 4] =
        [(&Pnpm::V10, &Npm::V11), (&Pnpm::V11, &YarnBerry), (&YarnClassic, &Pnpm::V10), (&YarnBerry, &YarnClassic)];
    for world in World::each().await {
        let token = world.register("joe").await;
        for (publisher, other) in pairs {
            publish_and_install(&world, &tools, &token, (publisher, other)).await;
        }
    }
}

async fn publish_and_install(
    world: &World,
    tools: &Tools,
    token: &str,
    (publisher, other): (&dyn Publishes, &dyn Client),
) {
    let name = format!("@acme/by-{}", publisher.name().replace(' ', "-"));
    let sandbox = project(world, tools, publisher, &name);
    let (done, said) = ends(publisher.publish(&sandbox));
    assert!(!done, "{} published without a token: {said:?}", publisher.name());
    publisher.authorise(tools, &sandbox, token);
    if let Some(mut whoami) = publisher.whoami(&sandbox) {
        let said = run(&mut whoami, LIMIT).unwrap_or_else(|why| panic!("{}: {why}", publisher.name()));
        assert!(said.stdout.contains("joe"), "{}: {said:?}", publisher.name());
    }
    let (done, said) = ends(publisher.publish(&sandbox));
    assert!(done, "{}: {said:?}\n{}", publisher.name(), world.heliostat.said());
    let manifest = world.heliostat.get(&format!("/npm/{name}/latest")).await.json();
    assert_eq!((&manifest["version"], &manifest["_npmUser"]["name"]), (&json!("1.0.0"), &json!("joe")));
    let (done, said) = ends(publisher.publish(&sandbox));
    assert!(!done, "{} published a version twice: {said:?}", publisher.name());
    let installed = world.install(tools, other, &name, "latest");
    assert!(installed.contains(&(name, "1.0.0".to_owned())), "{}: {installed:?}", other.name());
}

#[tokio::test]
async fn yarn_1_logs_in_for_one_publish_and_out_again() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        let token = world.register("joe").await;
        let before = tokens(&world, &token).await;
        let sandbox = project(&world, &tools, &YarnClassic, "@acme/classic");
        sandbox.write_home(".npmrc", &format!("registry={}\n", sandbox.registry));
        sandbox.write_home("terminal.js", TERMINAL);
        let mut publish = sandbox.node("yarn1", "bin/yarn.js");
        publish.args(["publish", "--new-version", "1.0.0", "--no-progress"]);
        publish.env("NODE_OPTIONS", format!("--require={}", sandbox.home().join("terminal.js").display()));
        // As root it would keep the name it is told in a folder of the machine's, but not where root is not what it seems.
        publish.env("FAKEROOTKEY", "1");
        let mut yarn = Dialogue::start(&mut publish, &sandbox.home());
        yarn.answer("npm username:", "joe").await;
        yarn.answer("npm email:", "joe@host.example").await;
        yarn.answer("npm password:", PASSWORD).await;
        yarn.hear("Revoked login token").await;
        yarn.hang_up();
        yarn.end().await.unwrap_or_else(|why| panic!("{why}\n{}", world.heliostat.said()));
        assert_eq!(tokens(&world, &token).await, before, "it has logged out");
        let installed = world.install(&tools, &Npm::V12, "@acme/classic", "latest");
        assert!(installed.contains(&("@acme/classic".to_owned(), "1.0.0".to_owned())), "{installed:?}");
    }
}

#[tokio::test]
async fn yarn_4_logs_in_publishes_and_logs_out() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        world.register("joe").await;
        let sandbox = project(&world, &tools, &YarnBerry, "@acme/berry");
        let mut login = Dialogue::start(berry(&sandbox).args(["npm", "login"]), &sandbox.home());
        login.answer("Username:", "joe").await;
        login.answer("Password:", PASSWORD).await;
        login.end().await.unwrap_or_else(|why| panic!("{why}\n{}", world.heliostat.said()));
        let (done, said) = ends(YarnBerry.publish(&sandbox));
        assert!(done, "{said:?}\n{}", world.heliostat.said());
        let installed = world.install(&tools, &Pnpm::V11, "@acme/berry", "latest");
        assert!(installed.contains(&("@acme/berry".to_owned(), "1.0.0".to_owned())), "{installed:?}");
        let mut logout = berry(&sandbox);
        run(logout.args(["npm", "logout"]), LIMIT).unwrap_or_else(|why| panic!("{why}"));
        assert!(!ends(YarnBerry.whoami(&sandbox).expect("it tells")).0);
    }
}

/// Returns the project of a package that is to be published, with the client's configuration.
fn project(world: &World, tools: &Tools, client: &dyn Client, name: &str) -> Sandbox {
    let manifest = json!({ "name": name, "version": "1.0.0", "description": "made for a test", "license": "MIT" });
    let sandbox = Sandbox::new(tools, &registry(&world.heliostat), &manifest.to_string());
    client.configure(&sandbox);
    // Yarn 4 publishes nothing but a project that is installed.
    run(&mut client.install(&sandbox, From::Manifest), LIMIT).unwrap_or_else(|why| panic!("{}: {why}", client.name()));
    sandbox.write("index.js", "module.exports = 42\n");
    sandbox.write("README.md", "# made for a test\n");
    sandbox
}

fn ends(mut command: Command) -> (bool, Said) {
    finish(&mut command, LIMIT).unwrap_or_else(|why| panic!("{why}"))
}

/// Counts a user's tokens.
async fn tokens(world: &World, token: &str) -> u64 {
    let ask = Ask::get("/npm/-/npm/v1/tokens").header("authorization", &format!("Bearer {token}"));
    world.heliostat.ask(&ask).await.json()["total"].as_u64().expect("how many there are")
}

/// Writes whose it is where npm and what came after it look.
fn write_npmrc(sandbox: &Sandbox, token: &str, more: &str) {
    let place = sandbox.registry.trim_start_matches("http:");
    let settings = format!("registry={}\n{place}:_authToken={token}\n{more}", sandbox.registry);
    sandbox.write_home(".npmrc", &settings);
}

fn berry(sandbox: &Sandbox) -> Command {
    let mut yarn = sandbox.node("yarn4", "bin/yarn.js");
    yarn.env("YARN_GLOBAL_FOLDER", sandbox.cache());
    yarn
}

// === impl Pnpm ===

impl Pnpm {
    fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut pnpm = sandbox.node(self.alias, self.program);
        pnpm.args(arguments).env("npm_config_cache", sandbox.cache());
        pnpm.env("npm_config_globalconfig", sandbox.home().join("global-npmrc"));
        pnpm
    }
}

impl Publishes for Pnpm {
    fn authorise(&self, tools: &Tools, sandbox: &Sandbox, token: &str) {
        // 10 has npm do it, 11 does it itself.
        let npm = tools.package(Npm::V11.alias).join("bin/npm-cli.js");
        write_npmrc(sandbox, token, &format!("npm-path={}\n", npm.display()));
    }

    fn publish(&self, sandbox: &Sandbox) -> Command {
        self.command(sandbox, &["publish", "--no-git-checks"])
    }

    fn whoami(&self, sandbox: &Sandbox) -> Option<Command> {
        Some(self.command(sandbox, &["whoami"]))
    }
}

// === impl YarnClassic ===

impl Publishes for YarnClassic {
    fn authorise(&self, _tools: &Tools, sandbox: &Sandbox, token: &str) {
        write_npmrc(sandbox, token, "");
    }

    fn publish(&self, sandbox: &Sandbox) -> Command {
        let mut yarn = sandbox.node("yarn1", "bin/yarn.js");
        yarn.args(["publish", "--non-interactive", "--new-version", "1.0.0"]);
        yarn
    }

    fn whoami(&self, _sandbox: &Sandbox) -> Option<Command> {
        None
    }
}

// === impl YarnBerry ===

impl Publishes for YarnBerry {
    fn authorise(&self, _tools: &Tools, sandbox: &Sandbox, token: &str) {
        self.configure(sandbox);
        let file = sandbox.home().join(".yarnrc.yml");
        let settings = std::fs::read_to_string(file).expect("it was configured");
        let ours = format!("npmAuthToken: {token}\nnpmAlwaysAuth: true\n");
        sandbox.write_home(".yarnrc.yml", &format!("{settings}{ours}"));
    }

    fn publish(&self, sandbox: &Sandbox) -> Command {
        let mut yarn = berry(sandbox);
        // A scoped one is for some alone unless it is told otherwise.
        yarn.args(["npm", "publish", "--access", "public"]);
        yarn
    }

    fn whoami(&self, sandbox: &Sandbox) -> Option<Command> {
        let mut yarn = berry(sandbox);
        yarn.args(["npm", "whoami"]);
        Some(yarn)
    }
}
