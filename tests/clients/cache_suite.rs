//! The public suite of tests for HTTP caches against a mount of files.
//!
//! `cache_suite/` has what the suite lacks: a server that keeps to the loopback interface, and its own rules for what a
//! result means, without a browser. The package brings what other caches were found to do, to be compared with.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::mirror::patient;
use crate::run::run;
use crate::support::heliostat::Heliostat;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(180);

/// Requirements of the suite that are not met, and why. Each starts so.
const DEVIATIONS: [(&str, &str); 9] = [
    (
        "age-parse-",
        "of several ages the first counts, and what is no age is ignored: RFC 9111 §5.1, newer than the suite",
    ),
    ("stale-close-", "an error of ours is no stored response, which the suite takes it for"),
    ("headers-store-Content-Location", "links into the tree lead through the mirror"),
    ("304-etag-update-response-Content-Location", "as above"),
    ("headers-store-Set-Cookie", "cookies of the origin are not ours to set"),
    ("304-etag-update-response-Set-Cookie", "as above"),
    ("304-etag-update-response-ETag", "a 304 for what is not held is asked again, whole: RFC 9111 §4.3.4"),
    ("other-", "clients' credentials never go upstream, so no response depends on them; Date is the time of the reply"),
    ("surrogate-", "Surrogate-Control is of no standard"),
];

/// The caches that the mission names, by their results in the package.
const OTHERS: [&str; 3] = ["nginx", "varnish", "trafficserver"];

/// What the suite makes of one test.
#[derive(Debug, Deserialize)]
struct Judged(Kind, Verdict, String);

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Required,
    Optimal,
    Check,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Passed,
    Failed,
    Unsettled,
    Depends,
}

/// Results of one cache, by the names of the tests.
type Results = BTreeMap<String, Judged>;

/// The suite's own server, which is stopped when this is dropped.
struct Origin {
    server: Child,
    url: String,
}

#[tokio::test]
async fn the_public_suite_finds_no_requirement_unmet_but_those_we_stand_by() {
    let Some(tools) = tools::ready() else { return };
    let folder = TempDir::new().expect("a temporary folder can be made");
    let origin = Origin::start(&tools, folder.path());
    let heliostat = in_front_of(&origin).await;
    // Its tests wait by the clock; on a busy machine one may come too late.
    let runs = [0, 1].map(|number| ask(&tools, &heliostat, &folder.path().join(format!("{number}.json"))));
    let others = OTHERS.map(|name| tools.package("cache-suite").join(format!("results/{name}.json")));
    let mut judged = judge(&tools, runs.iter().chain(&others));
    let others = judged.split_off(runs.len());

    let unmet: Vec<_> = judged[0]
        .iter()
        .filter(|(name, Judged(kind, ..))| *kind == Kind::Required && !judged.iter().any(|run| is_passed(run, name)))
        .filter(|(name, _)| !DEVIATIONS.iter().any(|(start, _)| name.starts_with(start)))
        .map(|(name, Judged(_, verdict, detail))| format!("{name}: {verdict:?}: {detail}"))
        .collect();
    assert!(unmet.is_empty(), "{unmet:#?}");
    for (name, results) in OTHERS.iter().zip(&others) {
        for kind in [Kind::Required, Kind::Optimal] {
            let (ours, theirs) = (passed(&judged[0], kind).max(passed(&judged[1], kind)), passed(results, kind));
            println!("{kind:?}: {ours} are passed here, {theirs} by {name}");
            assert!(ours > theirs, "{kind:?}: {ours} are passed here, {theirs} by {name}");
        }
    }
}

/// Starts a mirror that forwards whatever the suite sends.
async fn in_front_of(origin: &Origin) -> Heliostat {
    let methods =
        "methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"DELETE\", \"OPTIONS\", \"PATCH\", \"M-SEARCH\", \"FOO\"]";
    let mount = format!("name = \"suite\"\npath = \"/suite\"\n{methods}\nrequest_headers = [\"*\"]");
    patient().dialect("files", &origin.url, &mount, "").start().await
}

/// Runs the suite's client, and returns the file that its results are in.
fn ask(tools: &Tools, heliostat: &Heliostat, results: &Path) -> PathBuf {
    let mut client = node(tools, "cli.mjs");
    client.env("npm_config_base", format!("{}/suite", heliostat.url())).env("npm_package_config_id", "");
    let said = run(&mut client, LIMIT).expect("the suite's client ends well");
    std::fs::write(results, said.stdout).expect("the folder is ours");
    results.to_owned()
}

fn judge<'a>(tools: &Tools, results: impl Iterator<Item = &'a PathBuf>) -> Vec<Results> {
    let mut judge = Command::new(tools.node());
    judge.arg(ours("judge.mjs")).arg(tools.package("cache-suite")).args(results);
    let said = run(&mut judge, LIMIT).expect("results can be judged");
    serde_json::from_str(&said.stdout).expect("a verdict on each test")
}

fn passed(results: &Results, kind: Kind) -> usize {
    results.values().filter(|judged| judged.0 == kind && judged.1 == Verdict::Passed).count()
}

fn is_passed(results: &Results, name: &str) -> bool {
    results.get(name).is_some_and(|judged| judged.1 == Verdict::Passed)
}

/// Returns a command that runs a script of the suite as it stands.
fn node(tools: &Tools, script: &str) -> Command {
    let mut node = Command::new(tools.node());
    node.arg("--no-warnings").arg(tools.package("cache-suite").join(script)).env_remove("npm_config_id");
    node
}

fn ours(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/cache_suite").join(script)
}

// === impl Origin ===

impl Origin {
    fn start(tools: &Tools, folder: &Path) -> Self {
        let mut server = node(tools, "server/server.mjs");
        server.env("NODE_OPTIONS", format!("--import={}", ours("loopback.mjs").display()));
        server.env("npm_config_protocol", "http").env("npm_config_port", "0");
        server.env("npm_config_pidfile", folder.join("server.pid"));
        // Not our standard error: node would make it one that does not wait, and we could not write to it any more.
        server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = server.spawn().expect("node can be started");
        let (mut line, mut said) = (String::new(), BufReader::new(server.stdout.take().expect("piped")));
        said.read_line(&mut line).expect("the server says where it is");
        // It goes on saying things, and ends when nobody listens.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let url = line.trim().strip_prefix("Listening on ").map(str::to_owned);
        let origin = Self { server, url: url.unwrap_or_default() };
        assert!(origin.url.starts_with("http://127.0.0.1:"), "the suite's server says {line:?}");
        origin
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.kill().expect("our own child can be killed");
        self.server.wait().expect("a killed child ends");
    }
}
