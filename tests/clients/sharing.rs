//! Organisations, teams, access, owners and stars by real clients.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, From, Npm, Pnpm, YarnBerry, YarnClassic};
use crate::mirror::registry;
use crate::modules;
use crate::publishing::{Publisher, World};
use crate::run::{finish, run};
use crate::sandbox::Sandbox;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(120);
/// Who may do everything.
const ROOT: &str = "root";

/// Starts a registry with an account that may do everything, on each of what may hold what is written.
async fn each() -> Vec<World> {
    let mut all = World::each().await;
    for world in &mut all {
        world.crown(ROOT).await;
    }
    all
}

fn publish(publisher: &Publisher<'_>, name: &str, version: &str) -> bool {
    publisher.write(name, version);
    publisher.try_npm(&["publish"]).0
}

/// Returns what pnpm 11 says, with the credentials that npm has.
fn pnpm(publisher: &Publisher<'_>, arguments: &[&str]) -> String {
    publisher.sandbox.write("pnpm-workspace.yaml", "fetchRetries: 0\nmanagePackageManagerVersions: false\n");
    let mut pnpm = publisher.sandbox.node("pnpm11", "bin/pnpm.mjs");
    let said = run(pnpm.args(arguments), LIMIT).unwrap_or_else(|why| panic!("pnpm 11: {why}"));
    said.stdout.trim().to_owned()
}

#[tokio::test]
async fn npm_shares_a_package_with_a_team() {
    let Some(tools) = tools::ready() else { return };
    // What the one has shared would be in the way of the other.
    for npm in [|| Npm::V11, || Npm::V12] {
        for world in each().await {
            share(&world, &tools, npm).await;
        }
    }
}

async fn share(world: &World, tools: &Tools, npm: fn() -> Npm) {
    let publisher = async |user| world.publisher(tools, npm(), user).await;
    let (root, joe, ann, bob) =
        (publisher(ROOT).await, publisher("joe").await, publisher("ann").await, publisher("bob").await);
    assert!(root.npm(&["org", "set", "acme", "joe", "owner"]).contains("1 member"));
    joe.npm(&["org", "set", "acme", "ann", "developer"]);
    let members = joe.npm(&["org", "ls", "acme", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&members).expect("npm prints JSON"),
        json!({ "ann": "developer", "joe": "owner" })
    );

    assert!(!publish(&bob, "@acme/tool", "1.0.0"), "the namespace guards its names");
    assert!(publish(&joe, "@acme/tool", "1.0.0"));
    joe.npm(&["team", "create", "acme:core"]);
    joe.npm(&["team", "add", "acme:core", "ann"]);
    assert_eq!(joe.npm(&["team", "ls", "acme:core", "--parseable"]), "ann");
    assert_eq!(joe.npm(&["team", "ls", "acme", "--parseable"]), "acme:core\nacme:developers");

    joe.npm(&["access", "grant", "read-only", "acme:core", "@acme/tool"]);
    assert_eq!(joe.npm(&["access", "get", "status", "@acme/tool"]), "@acme/tool: private");
    assert_eq!(joe.npm(&["access", "list", "packages", "acme:core"]), "@acme/tool: read-only");
    assert_eq!(joe.npm(&["access", "list", "packages", "acme"]), "@acme/tool: read-write");
    assert_eq!(joe.npm(&["access", "list", "packages", "joe"]), "@acme/tool: read-write");
    assert_eq!(joe.npm(&["access", "list", "collaborators", "@acme/tool"]), "ann: read-only\njoe: read-write");
    assert_eq!(ann.npm(&["view", "@acme/tool", "version"]), "1.0.0");
    assert!(bob.try_npm(&["view", "@acme/tool", "version"]).1.stderr.contains("E404"));
    assert!(!publish(&ann, "@acme/tool", "1.1.0"), "the team only reads");
    joe.npm(&["access", "grant", "read-write", "acme:core", "@acme/tool"]);
    assert!(publish(&ann, "@acme/tool", "1.1.0"));

    assert!(!joe.try_npm(&["team", "destroy", "acme:core"]).0, "everybody would see the package");
    joe.npm(&["access", "revoke", "acme:core", "@acme/tool"]);
    assert_eq!(bob.npm(&["view", "@acme/tool", "version"]), "1.1.0");
    joe.npm(&["team", "rm", "acme:core", "ann"]);
    joe.npm(&["team", "destroy", "acme:core"]);
    assert_eq!(joe.npm(&["team", "ls", "acme", "--parseable"]), "acme:developers");
    joe.npm(&["org", "rm", "acme", "ann"]);
    assert!(!joe.npm(&["org", "ls", "acme"]).contains("ann"));
}

#[tokio::test]
async fn what_is_restricted_is_installed_by_who_may_see_it() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        let joe = world.publisher(&tools, Npm::V11, "joe").await;
        joe.write("@acme/secret", "1.0.0");
        joe.npm(&["publish", "--access", "restricted"]);
        assert_eq!(joe.npm(&["access", "get", "status", "@acme/secret"]), "@acme/secret: private");
        assert_eq!(joe.npm(&["access", "set", "status=public", "@acme/secret"]), "@acme/secret: public");
        assert!(installs(&world, &tools, &Npm::V11, None));
        assert_eq!(joe.npm(&["access", "set", "status=private", "@acme/secret"]), "@acme/secret: private");
        let token = world.register("joe").await;
        let stranger = world.register("ann").await;
        let clients: [&dyn Client; 5] = [&Npm::V11, &Npm::V12, &Pnpm::V11, &YarnClassic, &YarnBerry];
        for client in clients {
            assert!(installs(&world, &tools, client, Some(&token)), "{}", client.name());
            assert!(!installs(&world, &tools, client, Some(&stranger)), "{}", client.name());
            assert!(!installs(&world, &tools, client, None), "{}", client.name());
        }
    }
}

/// Tells whether a client without anything cached installs the package.
fn installs(world: &World, tools: &Tools, client: &dyn Client, token: Option<&str>) -> bool {
    let manifest =
        json!({ "name": "user", "version": "1.0.0", "private": true, "dependencies": { "@acme/secret": "1.0.0" } });
    let sandbox = Sandbox::new(tools, &registry(&world.heliostat), &manifest.to_string());
    client.configure(&sandbox);
    let mut install = client.install(&sandbox, From::Manifest);
    if let Some(token) = token {
        let place = sandbox.registry.trim_start_matches("http:").to_owned();
        sandbox.write_home(
            ".npmrc",
            &format!("registry={}\n{place}:_authToken={token}\nfetch-retries=0\n", sandbox.registry),
        );
        install.env("YARN_NPM_AUTH_TOKEN", token);
    }
    install.env("YARN_NPM_MINIMAL_AGE_GATE", "0");
    let (done, said) = finish(&mut install, LIMIT).unwrap_or_else(|why| panic!("{}: {why}", client.name()));
    let installed =
        done && modules::installed(&sandbox.project()).contains(&("@acme/secret".to_owned(), "1.0.0".to_owned()));
    assert_eq!(done, installed, "{}: {said:?}", client.name());
    done
}

#[tokio::test]
async fn clients_star_packages_and_list_them() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        let joe = world.publisher(&tools, Npm::V11, "joe").await;
        for name in ["@acme/one", "@acme/two"] {
            assert!(publish(&joe, name, "1.0.0"));
        }
        // npm 12 has no such commands.
        joe.npm(&["star", "@acme/one"]);
        pnpm(&joe, &["star", "@acme/two"]);
        assert_eq!(joe.npm(&["stars"]), "@acme/one\n@acme/two");
        assert_eq!(pnpm(&joe, &["stars"]), "@acme/one\n@acme/two");
        assert_eq!(pnpm(&joe, &["stars", "joe"]), "@acme/one\n@acme/two");
        joe.npm(&["unstar", "@acme/two"]);
        pnpm(&joe, &["unstar", "@acme/one"]);
        assert_eq!(pnpm(&joe, &["stars"]), "");
    }
}

#[tokio::test]
async fn pnpm_shares_packages() {
    let Some(tools) = tools::ready() else { return };
    for world in each().await {
        let joe = world.publisher(&tools, Npm::V11, "joe").await;
        assert!(publish(&joe, "@acme/tool", "1.0.0"));
        world.register("ann").await;
        pnpm(&joe, &["owner", "add", "@acme/tool", "ann"]);
        assert_eq!(pnpm(&joe, &["owner", "ls", "@acme/tool"]), "ann <ann@host.example>\njoe <joe@host.example>");
        pnpm(&joe, &["owner", "rm", "@acme/tool", "ann"]);
        assert_eq!(
            pnpm(&joe, &["access", "list", "collaborators", "@acme/tool"]),
            "joe <joe@host.example>: read-write"
        );
        assert_eq!(pnpm(&joe, &["access", "list", "packages"]), "@acme/tool: read-write");
        pnpm(&joe, &["access", "set", "status=private", "@acme/tool"]);
        assert!(pnpm(&joe, &["access", "get", "status", "@acme/tool"]).ends_with("access: restricted"));
    }
}
