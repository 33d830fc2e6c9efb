//! What the registry at hand may lack, on one that has everything the contract knows: signatures, search, audit, age.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Client, From, Npm, Pnpm, YarnBerry};
use crate::mirror::{go_offline, registry};
use crate::modules;
use crate::run::{Said, finish, run};
use crate::sandbox::Sandbox;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::packages::{Package, Release, Signing};
use crate::support::registry::FakeRegistry;
use crate::support::signing::Key;
use crate::support::tarball;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(120);
const BOTH: [Npm; 2] = [Npm::V11, Npm::V12];

/// Answers npm's question for a Sigstore TUF target as TUF does for any host it does not know, without the network.
///
/// `npm audit signatures` asks there for the keys of the registry's host first; only then the registry. No mirror on
/// 127.0.0.1 is known there. Source: contract npm §6.2.
const WITHOUT_TUF: &str = r#"
const Module = require('node:module');
const load = Module._load;
const unknown = () => { throw Object.assign(new Error('no such target'), { code: 'TUF_FIND_TARGET_ERROR' }); };
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  const initTUF = async () => ({ getTarget: async () => unknown() });
  return request === '@sigstore/tuf' ? { ...loaded, initTUF } : loaded;
};
"#;

#[tokio::test]
async fn npm_audit_signatures_verifies_every_package_online_and_offline() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    upstream.retire(&Key::from_seed("a retired key").expiring("2020-01-01T00:00:00.000Z"));
    publish_family(&upstream, Signing::Right);
    let mut mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let (verified, said) = audit_signatures(&tools, &npm, &mirror, &family());
        assert!(
            verified && said.stdout.contains("3 packages have verified registry signatures"),
            "{}: {said:?}",
            npm.name
        );
    }
    assert!(upstream.upstream.count("/-/npm/v1/keys") > 0, "npm's keys came from elsewhere");
    go_offline(&mut mirror).await;
    let (verified, said) = audit_signatures(&tools, &Npm::V12, &mirror, &family());
    assert!(verified && said.stdout.contains("3 packages have verified registry signatures"), "offline: {said:?}");
}

#[tokio::test]
async fn npm_audit_signatures_verifies_what_is_published_here_beside_what_is_mirrored() {
    let Some(tools) = tools::ready() else { return };
    let wanted = json!({"@family/parent": "1.0.0", "@acme/tool": "1.0.0"});
    for (mount, is_signed) in [("own = [\"@acme/*\"]", true), ("own = [\"@acme/*\"]\nsign = false", false)] {
        let upstream = FakeRegistry::start();
        publish_family(&upstream, Signing::Right);
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let mirror = builder.npm(upstream.url(), mount).start().await;
        publish_ours(&mirror, "@acme/tool").await;
        for npm in BOTH {
            let (verified, said) = audit_signatures(&tools, &npm, &mirror, &wanted);
            let expected = if is_signed {
                "4 packages have verified registry signatures"
            } else {
                "1 package has a missing registry signature"
            };
            assert!(verified == is_signed && said.stdout.contains(expected), "{}: {said:?}", npm.name);
        }
    }
}

#[tokio::test]
async fn npm_audit_signatures_still_finds_a_missing_signature() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    publish_family(&upstream, Signing::Missing);
    let mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let (verified, said) = audit_signatures(&tools, &npm, &mirror, &family());
        assert!(!verified && said.stdout.contains("missing registry signature"), "{}: {said:?}", npm.name);
    }
}

#[tokio::test]
async fn a_package_with_a_wrong_signature_is_installed_by_no_npm() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    publish_family(&upstream, Signing::Wrong);
    let mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let sandbox = sandbox(&tools, &npm, &mirror, &json!({"@family/parent": "1.0.0"}));
        let (installed, said) = finish(&mut npm.install(&sandbox, From::Manifest), LIMIT).expect("npm ends");
        assert!(!installed, "{}: {said:?}", npm.name);
        assert!(!sandbox.project().join("node_modules/child").exists(), "{}", npm.name);
    }
    let kinds: Vec<_> = mirror.incidents(Some("child")).await.iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["signature", "signature"], "one for each npm");
}

#[tokio::test]
async fn npm_search_finds_what_upstream_finds() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    ["lens-one", "lens-two", "other"].iter().for_each(|name| drop(upstream.publish_plain(name)));
    let mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let sandbox = sandbox(&tools, &npm, &mirror, &json!({}));
        let found = ask(&npm, &sandbox, &["search", "lens", "--json"]);
        let found = found.as_array().expect("npm prints a list").iter().map(|hit| hit["name"].clone());
        assert_eq!(found.collect::<Vec<_>>(), ["lens-one", "lens-two"], "{}", npm.name);
    }
}

#[tokio::test]
async fn npm_outdated_tells_the_wanted_and_the_latest_version() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    upstream.publish(&aging());
    let mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let sandbox = sandbox(&tools, &npm, &mirror, &json!({"aging": "1.0.0"}));
        install(&npm, &sandbox);
        sandbox.write("package.json", &manifest(&json!({"aging": "^1.0.0"})));
        let outdated = &ask(&npm, &sandbox, &["outdated", "--json"])["aging"];
        assert_eq!(outdated["current"], "1.0.0", "{}", npm.name);
        assert_eq!(outdated["wanted"], "1.1.0", "{}", npm.name);
        assert_eq!(outdated["latest"], "2.0.0", "{}", npm.name);
    }
}

#[tokio::test]
async fn npm_view_shows_tags_and_times() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    upstream.publish(&aging());
    let mirror = in_front_of(&upstream).await;
    let sandbox = sandbox(&tools, &Npm::V11, &mirror, &json!({}));
    let shown = ask(&Npm::V11, &sandbox, &["view", "aging", "dist-tags", "time", "--json"]);
    assert_eq!(shown["dist-tags"], json!({"legacy": "1.1.0", "latest": "2.0.0"}));
    assert_eq!(shown["time"]["1.1.0"], "2024-01-02T00:00:00.000Z");
}

#[tokio::test]
async fn npm_audit_reports_what_upstream_advises() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    publish_family(&upstream, Signing::Right);
    upstream.advise("child");
    let mirror = in_front_of(&upstream).await;
    for npm in BOTH {
        let sandbox = sandbox(&tools, &npm, &mirror, &json!({"@family/parent": "1.0.0"}));
        install(&npm, &sandbox);
        let report = ask(&npm, &sandbox, &["audit", "--json"]);
        assert_eq!(report["vulnerabilities"]["child"]["severity"], "high", "{}: {report}", npm.name);
    }
}

#[tokio::test]
async fn every_client_with_an_age_limit_chooses_a_release_that_is_old_enough() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    upstream.publish(&aging());
    let mirror = in_front_of(&upstream).await;
    let wanted = json!({"aging": "^1.0.0"});
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_110_400);
    let minutes = noon.elapsed().expect("2024 is over").as_secs() / 60;

    for npm in BOTH {
        let sandbox = sandbox(&tools, &npm, &mirror, &wanted);
        let mut command = npm.install(&sandbox, From::Manifest);
        check_old_enough(npm.name, &sandbox, command.arg("--before=2024-01-01T12:00:00.000Z"));
    }
    for pnpm in [Pnpm::V10, Pnpm::V11] {
        let sandbox = sandbox(&tools, &pnpm, &mirror, &wanted);
        let settings = format!("{}minimumReleaseAge: {minutes}\n", sandbox.read("pnpm-workspace.yaml"));
        sandbox.write("pnpm-workspace.yaml", &settings);
        check_old_enough(pnpm.name, &sandbox, &mut pnpm.install(&sandbox, From::Manifest));
    }
    let sandbox = sandbox(&tools, &YarnBerry, &mirror, &wanted);
    let mut yarn = YarnBerry.install(&sandbox, From::Manifest);
    check_old_enough("yarn 4", &sandbox, yarn.env("YARN_NPM_MINIMAL_AGE_GATE", minutes.to_string()));
}

#[tokio::test]
async fn corepack_takes_a_package_manager_whose_signature_holds_and_no_other() {
    let Some(tools) = tools::ready() else { return };
    let upstream = FakeRegistry::start();
    upstream.publish(&package_manager());
    let mirror = in_front_of(&upstream).await;
    let sandbox = Sandbox::new(&tools, &registry(&mirror), &manifest(&json!({})));
    let corepack = |arguments: &[&str], key: &Key| {
        let mut corepack = sandbox.node("corepack", "dist/corepack.js");
        corepack.args(arguments).env("COREPACK_HOME", sandbox.cache()).env("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0");
        corepack.env("COREPACK_NPM_REGISTRY", registry(&mirror).trim_end_matches('/'));
        corepack.env("COREPACK_INTEGRITY_KEYS", json!({"npm": [key.entry()]}).to_string());
        finish(&mut corepack, LIMIT).expect("corepack ends")
    };
    let (taken, said) = corepack(&["pnpm@9.0.1", "--version"], &Key::from_seed("some other key"));
    assert!(!taken, "{said:?}");
    let (taken, said) = corepack(&["pnpm@9.0.1", "--version"], upstream.key());
    assert!(taken && said.stdout.trim() == "this is pnpm@9.0.1", "{said:?}");
    let (taken, said) = corepack(&["pnpm@latest", "--version"], upstream.key());
    assert!(taken && said.stdout.trim() == "this is pnpm@9.0.2", "{said:?}");
}

/// Starts Heliostat in front of the fake registry.
async fn in_front_of(upstream: &FakeRegistry) -> Heliostat {
    Heliostat::builder().npm(upstream.url(), "").start().await
}

/// Publishes `@family/parent`, which needs `child` and `@family/twin`; `child` is signed as told, the others rightly.
fn publish_family(upstream: &FakeRegistry, child: Signing) {
    let parent = Release::new("1.0.0").needs("child", "^1.0.0").needs("@family/twin", "^1.0.0");
    upstream.publish(&Package::new("@family/parent").with(parent));
    upstream.publish(&Package::new("@family/twin").with(Release::new("1.0.0")));
    upstream.publish(&Package::new("child").with(Release::new("1.0.0").signature(child)));
}

/// Publishes version 1.0.0 of a package here. Source: contract npm §7.1, §8.2.
async fn publish_ours(mirror: &Heliostat, name: &str) {
    let put = async |path: &str, token: &str, body: Value| {
        let body = body.to_string();
        let ask = Ask::new("PUT", &format!("/npm/{path}")).header("content-length", &body.len().to_string());
        let answer = mirror.ask(&ask.header("authorization", &format!("Bearer {token}")).body(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.summary());
        answer.json()["token"].as_str().unwrap_or_default().to_owned()
    };
    let joe = json!({"name": "joe", "password": "a long password", "email": "joe@host.example"});
    let token = put("-/user/org.couchdb.user:joe", "none", joe).await;
    let manifest = json!({"name": name, "version": "1.0.0"});
    let tarball = tarball::pack(&[("package.json".to_owned(), manifest.to_string().into_bytes())]);
    let body = json!({
        "_id": name, "name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": manifest},
        "_attachments": {format!("{name}-1.0.0.tgz"): {"data": STANDARD.encode(&tarball), "length": tarball.len()}},
    });
    put(&name.replace('/', "%2f"), &token, body).await;
}

/// Returns a package published on the first three days of 2024: 1.0.0, 1.1.0 and 2.0.0.
fn aging() -> Package {
    Package::with_versions("aging", &["1.0.0", "1.1.0", "2.0.0"]).tag("legacy", "1.1.0").tag("latest", "2.0.0")
}

/// Returns two versions of a `pnpm` that only says which one it is.
fn package_manager() -> Package {
    let versions = ["9.0.1", "9.0.2"].into_iter();
    versions.fold(Package::new("pnpm"), |package, version| {
        let manifest = json!({"name": "pnpm", "version": version, "bin": {"pnpm": "bin/pnpm.cjs"}}).to_string();
        let program = format!("console.log('this is pnpm@{version}');\n");
        let files = [("package.json".to_owned(), manifest.into_bytes()), ("bin/pnpm.cjs".to_owned(), program.into())];
        let release = Release { tarball: tarball::pack(&files).into(), ..Release::new(version) };
        package.with(release)
    })
}

fn manifest(dependencies: &Value) -> String {
    json!({"name": "installed-by-clients", "version": "1.0.0", "private": true, "dependencies": dependencies})
        .to_string()
}

fn sandbox(tools: &Tools, client: &dyn Client, mirror: &Heliostat, dependencies: &Value) -> Sandbox {
    let sandbox = Sandbox::new(tools, &registry(mirror), &manifest(dependencies));
    client.configure(&sandbox);
    sandbox
}

fn install(client: &dyn Client, sandbox: &Sandbox) {
    let installed = run(&mut client.install(sandbox, From::Manifest), LIMIT);
    installed.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
}

/// Runs an npm command that prints JSON; some, as `outdated`, also fail when they have something to tell.
fn ask(npm: &Npm, sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let (_, said) = finish(npm.command(sandbox).args(arguments), LIMIT).expect("npm ends");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{}: {error}: {said:?}", npm.name))
}

/// What is needed of [`publish_family`]: the other two come with it.
fn family() -> Value {
    json!({"@family/parent": "1.0.0"})
}

/// Installs what is needed and audits it; tells whether npm is content, and what it said.
fn audit_signatures(tools: &Tools, npm: &Npm, mirror: &Heliostat, dependencies: &Value) -> (bool, Said) {
    let sandbox = sandbox(tools, npm, mirror, dependencies);
    install(npm, &sandbox);
    sandbox.write_home("without-tuf.cjs", WITHOUT_TUF);
    let preload = format!("--require {}", sandbox.home().join("without-tuf.cjs").display());
    let mut audit = npm.command(&sandbox);
    finish(audit.args(["audit", "signatures"]).env("NODE_OPTIONS", preload), LIMIT).expect("npm ends")
}

/// Checks that an install of `aging` under an age limit took the release of the first day.
fn check_old_enough(client: &str, sandbox: &Sandbox, install: &mut Command) {
    run(install, LIMIT).unwrap_or_else(|why| panic!("{client}: {why}"));
    let installed = modules::installed(&sandbox.project());
    assert_eq!(installed, BTreeSet::from([("aging".to_owned(), "1.0.0".to_owned())]), "{client}");
}
