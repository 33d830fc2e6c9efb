//! Gleam's own crate against a Hex mirror.
//!
//! Gleam can be told of no mirror (contract hex §4.3), but the crate that it asks with can. `gleam-client/` is a program
//! around it, with a lockfile of its own: like the other clients it is installed, not linked, so that what it needs is no
//! dependency of ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use crate::run::{Said, finish, run};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::hex::{FakeHex, Package, PinnedKey, Release};
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;
use crate::tools;

const BUILD_LIMIT: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn gleams_crate_understands_all_that_it_asks_for() {
    let Some(client) = tools::or_skipped(built()) else { return };
    let (fake, api) = (FakeHex::start(), api());
    let heliostat = in_front_of(&fake, &api).await;
    let tarball = made().tarball.len();
    let expected = format!(
        "versions made needed\npackage hexpm made needs needed\ntarball {tarball}\nmissing true\nrelease 1.0.0 made\n"
    );
    for _ in 0..2 {
        let (is_well, said) = ask(client, &heliostat);
        assert!(is_well && said.stdout == expected, "{}\n{}", said.stdout, said.stderr);
    }
    assert_eq!(fake.upstream.count("/tarballs/made-1.0.0.tar"), 1);
}

#[tokio::test]
async fn gleams_crate_is_told_of_a_corrupt_tarball_and_gets_none() {
    let Some(client) = tools::or_skipped(built()) else { return };
    let (fake, api) = (FakeHex::start(), api());
    let heliostat = in_front_of(&fake, &api).await;
    fake.upstream.fail("/tarballs/made-1.0.0.tar", Fault::FlipBit { offset: 700, bit: 3 });
    let (is_well, said) = ask(client, &heliostat);
    assert!(!is_well && said.stderr.contains("502"), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("package hexpm made") && !said.stdout.contains("tarball"), "{}", said.stdout);
}

fn made() -> Release {
    Release::depending("made", "1.0.0", &[("needed", "~> 1.0")])
}

/// Starts an API that knows one release. Source: contract hex §8.3.
fn api() -> FakeUpstream {
    let api = FakeUpstream::start();
    let release = json!({
        "version": "1.0.0", "checksum": "00", "retirement": null,
        "requirements": {"needed": {"app": "needed", "requirement": "~> 1.0", "optional": false}},
        "meta": {"app": "made", "build_tools": ["mix"], "elixir": null},
    });
    let resource = Resource::new("application/json; charset=utf-8", release.to_string());
    api.put("/api/packages/made/releases/1.0.0", resource);
    api
}

async fn in_front_of(fake: &FakeHex, api: &FakeUpstream) -> Heliostat {
    fake.publish(&Package::new("made").with(made()));
    fake.publish_plain("needed");
    let key = PinnedKey::of(fake.key());
    let lines = format!("{}api = \"{}/api\"\n", key.line(), api.url());
    Heliostat::builder().dialect("hex", &fake.upstream.url(), &lines, "").start().await
}

fn ask(client: &Path, heliostat: &Heliostat) -> (bool, Said) {
    let (repository, api) = (format!("{}/hex", heliostat.url()), format!("{}/hex/api/", heliostat.url()));
    let mut client = Command::new(client);
    client.args([&repository, &api, "made", "1.0.0"]).env_clear();
    finish(&mut client, LIMIT).expect("the client ends")
}

/// Builds the program, once; cargo sees to it that one process at a time does.
fn built() -> &'static Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tools::folder().join("gleam-client");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/gleam-client/Cargo.toml");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir"]).arg(&folder);
        run(&mut cargo, BUILD_LIMIT).map_err(|why| format!("Gleam's crate cannot be built: {why}"))?;
        Ok(folder.join("debug/gleam-client"))
    })
}
