//! The public suite of tests for HTTP caches against a mount of files.
//!
//! `cache_suite/` has what the suite lacks: a server that keeps to the loopback interface, and its own rules for what a
//! result means, without a browser. The package brings what other caches were found to do, to be compared with.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::mirror::patient;
use crate::run::run;
use crate::support::heliostat::{Heliostat, free_address};
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(180);

/// Requirements of the suite that are not met, by the reason why: all of them, each by its name.
const DEVIATIONS: [(&str, &[&str]); 6] = [
    (
        "of several ages the first counts, and what is no age is ignored: RFC 9111 §5.1, newer than the suite",
        &[
            "age-parse-dup-0",
            "age-parse-dup-0-twoline",
            "age-parse-dup-old",
            "age-parse-float",
            "age-parse-negative",
            "age-parse-nonnumeric",
            "age-parse-numeric-parameter",
            "age-parse-parameter",
            "age-parse-prefix-twoline",
        ],
    ),
    (
        "an error of ours is no stored response, which the suite takes it for",
        &[
            "stale-close-must-revalidate",
            "stale-close-no-cache",
            "stale-close-proxy-revalidate",
            "stale-close-s-maxage=2",
        ],
    ),
    ("cookies of the origin are not ours to set", &["304-etag-update-response-Set-Cookie", "headers-store-Set-Cookie"]),
    ("a 304 for what is not held is asked again, whole: RFC 9111 §4.3.4", &["304-etag-update-response-ETag"]),
    (
        "clients' credentials never go upstream, so no response depends on them; Date is the time of the reply",
        &["other-authorization", "other-date-update"],
    ),
    (
        "Surrogate-Control is of no standard",
        &[
            "surrogate-fresh-cc-nostore",
            "surrogate-max-age-0",
            "surrogate-max-age-0-expires",
            "surrogate-max-age-age",
            "surrogate-max-age-long-cc-max-age",
            "surrogate-max-age-other-target",
            "surrogate-no-store-cc-fresh",
        ],
    ),
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
    let (_heliostat, mirror) = in_front_of(&origin).await;
    // Its tests wait by the clock; on a busy machine one may come too late.
    let runs = [0, 1].map(|number| ask(&tools, &mirror, &folder.path().join(format!("{number}.json"))));
    let others = OTHERS.map(|name| tools.package("cache-suite").join(format!("results/{name}.json")));
    let mut judged = judge(&tools, runs.iter().chain(&others));
    let others = judged.split_off(runs.len());

    let required = judged[0].iter().filter(|(_, judged)| judged.0 == Kind::Required);
    let required: BTreeMap<&str, &Judged> = required.map(|(name, judged)| (name.as_str(), judged)).collect();
    let mut unmet = required.clone();
    unmet.retain(|name, _| !judged.iter().any(|run| is_passed(run, name)));
    tell(&unmet);
    let known = deviations();
    let strange: Vec<_> = known.keys().filter(|name| !required.contains_key(*name)).collect();
    assert!(strange.is_empty(), "no requirements of the suite: {strange:?}");
    unmet.retain(|name, _| !known.contains_key(name));
    assert!(unmet.is_empty(), "unmet, and no reason is given: {:?}", unmet.keys());
    for (name, results) in OTHERS.iter().zip(&others) {
        for kind in [Kind::Required, Kind::Optimal] {
            let (ours, theirs) = (passed(&judged[0], kind).max(passed(&judged[1], kind)), passed(results, kind));
            println!("{kind:?}: {ours} are passed here, {theirs} by {name}");
            assert!(ours > theirs, "{kind:?}: {ours} are passed here, {theirs} by {name}");
        }
    }
}

#[test]
fn every_deviation_stands_once_and_the_readme_says_how_many_there_are() {
    let count: usize = DEVIATIONS.iter().map(|(_, names)| names.len()).sum();
    assert_eq!(deviations().len(), count, "one stands there twice");
    let readme: Vec<_> = include_str!("../../README.md").split_whitespace().collect();
    let readme = readme.join(" ");
    assert!(readme.contains(&format!("names the {count} requirements that are not met")), "{count}");
}

/// Returns the reason for each requirement that is not met.
fn deviations() -> BTreeMap<&'static str, &'static str> {
    DEVIATIONS.iter().flat_map(|(reason, names)| names.iter().map(|name| (*name, *reason))).collect()
}

/// Names what is not met, with the reason for each, whether the test fails or not.
fn tell(unmet: &BTreeMap<&str, &Judged>) {
    let known = deviations();
    let line = |(name, Judged(_, verdict, detail)): (&&str, &&Judged)| {
        let reason = known.get(name).copied().unwrap_or("no reason is given");
        format!("  {name}: {reason} ({verdict:?}: {detail})\n")
    };
    let table = format!("{} requirements are not met\n", unmet.len()) + &unmet.iter().map(line).collect::<String>();
    // Not by a macro: that would be shown of a test that fails only.
    std::io::stderr().write_all(table.as_bytes()).expect("standard error can be written to");
}

/// Starts a mirror that forwards whatever the suite sends, and returns its URL: its own root is the origin's, so that links
/// without a host, which the suite compares, stay as they are.
async fn in_front_of(origin: &Origin) -> (Heliostat, String) {
    let methods =
        "methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"DELETE\", \"OPTIONS\", \"PATCH\", \"M-SEARCH\", \"FOO\"]";
    let own = free_address();
    let mount = format!("name = \"suite\"\nlisten = [\"{own}\"]\n{methods}\nrequest_headers = [\"*\"]");
    (patient().dialect("files", &origin.url, &mount, "").start().await, format!("http://{own}"))
}

/// Runs the suite's client, and returns the file that its results are in.
fn ask(tools: &Tools, mirror: &str, results: &Path) -> PathBuf {
    let mut client = node(tools, "cli.mjs");
    client.env("npm_config_base", mirror).env("npm_package_config_id", "");
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
