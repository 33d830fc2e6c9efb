//! Every client installs the project through Heliostat from the real registry: cold, warm, from its lockfile, offline.

use std::time::{Duration, Instant};

use crate::client::{Bun, Client, From, Npm, Pnpm, YarnBerry, YarnClassic};
use crate::lockfile::Locked;
use crate::mirror::{self, registry, tarballs_fetched};
use crate::modules::{self, NameAndVersion};
use crate::project::PACKAGES_AT_LEAST;
use crate::run::run;
use crate::sandbox::Sandbox;
use crate::support::heliostat::Heliostat;
use crate::tools::{self, Tools};

const CLIENT_LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn npm_11_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&Npm::V11).await;
}

#[tokio::test]
async fn npm_12_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&Npm::V12).await;
}

#[tokio::test]
async fn pnpm_10_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&Pnpm::V10).await;
}

#[tokio::test]
async fn pnpm_11_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&Pnpm::V11).await;
}

#[tokio::test]
async fn yarn_1_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&YarnClassic).await;
}

#[tokio::test]
async fn yarn_4_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&YarnBerry).await;
}

#[tokio::test]
async fn bun_installs_cold_warm_and_offline() {
    installs_cold_warm_and_offline(&Bun).await;
}

#[tokio::test]
async fn npm_view_shows_the_mirrors_own_tarball_url() {
    let Some(tools) = tools::ready() else { return };
    let mirror = mirror::start().await;
    for npm in [Npm::V11, Npm::V12] {
        let sandbox = Sandbox::with_project(&tools, &registry(&mirror));
        npm.configure(&sandbox);
        let mut view = npm.command(&sandbox);
        let said = run(view.args(["view", "@isaacs/cliui@8.0.2", "dist.tarball"]), CLIENT_LIMIT);
        let said = said.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(said.stdout.trim(), format!("{}@isaacs/cliui/-/cliui-8.0.2.tgz", registry(&mirror)), "{}", npm.name);
    }
}

/// Runs one client through all states of the mirror; its own cache and home are empty each time.
async fn installs_cold_warm_and_offline(client: &dyn Client) {
    let Some(tools) = tools::ready() else { return };
    let mut mirror = mirror::start().await;
    let cold = install("cold", client, &tools, &mirror, From::Manifest);
    let fetched = tarballs_fetched(&mirror).await;
    assert!(fetched as usize >= PACKAGES_AT_LEAST, "{}: only {fetched} tarballs came from upstream", client.name());

    let warm = install("warm", client, &tools, &mirror, From::Manifest);
    let locked = install("locked", client, &tools, &mirror, From::Lockfile(&cold.lockfile));
    assert_eq!(
        tarballs_fetched(&mirror).await,
        fetched,
        "{}: a warm mirror asked upstream for tarballs",
        client.name()
    );

    mirror::go_offline(&mut mirror).await;
    let offline = install("offline", client, &tools, &mirror, From::Manifest);
    let offline_locked = install("offline, locked", client, &tools, &mirror, From::Lockfile(&cold.lockfile));
    for later in [warm, locked, offline, offline_locked] {
        assert_eq!(later.packages, cold.packages, "{}: another choice than cold", client.name());
        assert_eq!(later.lockfile, cold.lockfile, "{}: another lockfile than cold", client.name());
    }
}

/// Says what one install left behind.
struct Installed {
    packages: Vec<Locked>,
    lockfile: String,
}

fn install(state: &str, client: &dyn Client, tools: &Tools, mirror: &Heliostat, from: From<'_>) -> Installed {
    let what = format!("{}, {state}", client.name());
    let sandbox = Sandbox::with_project(tools, &registry(mirror));
    client.configure(&sandbox);
    if let From::Lockfile(text) = from {
        sandbox.write(client.lockfile(), text);
    }
    let start = Instant::now();
    let mut command = client.install(&sandbox, from);
    run(&mut command, CLIENT_LIMIT).unwrap_or_else(|why| panic!("{what}: {why}"));
    let lockfile = sandbox.read(client.lockfile());
    let mut packages = client.locked(&lockfile);
    packages.sort();
    check_locked(&what, client, &packages, &registry(mirror));
    let distinct = check_installed(&what, &packages, &sandbox);
    println!("{what}: {distinct} packages in {:.1} s", start.elapsed().as_secs_f64());
    Installed { packages, lockfile }
}

/// Checks that every package is locked to a digest, and that no URL of another origin slipped in.
fn check_locked(what: &str, client: &dyn Client, packages: &[Locked], registry: &str) {
    for package in packages {
        assert!(package.integrity.is_some(), "{what}: no integrity for {package:?}");
        assert!(package.url.is_some() == client.locks_urls(), "{what}: {package:?}");
        assert!(package.url.iter().all(|url| url.starts_with(registry)), "{what}: a foreign URL for {package:?}");
    }
}

/// Checks that exactly the locked packages lie on disk, and returns how many different ones.
fn check_installed(what: &str, packages: &[Locked], sandbox: &Sandbox) -> usize {
    let wanted = packages.iter().map(|package| (package.name.clone(), package.version.clone()));
    let wanted: std::collections::BTreeSet<NameAndVersion> = wanted.collect();
    let installed = modules::installed(&sandbox.project());
    assert_eq!(installed, wanted, "{what}: another set on disk than in the lockfile");
    assert!(installed.len() >= PACKAGES_AT_LEAST, "{what}: only {} packages", installed.len());
    installed.len()
}
