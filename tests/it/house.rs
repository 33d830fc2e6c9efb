//! The command line and the configuration, as a user meets them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::heliostat::{Heliostat, free_address};

/// What a command said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command to its end, in a directory of its own, in an environment that holds these variables only.
fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(variables.iter().copied().collect::<BTreeMap<_, _>>())
        .stdin(Stdio::null())
        .output()
        .expect("the binary can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs `heliostat check` on a configuration file with this text.
fn check(text: &str, variables: &[(&str, &str)]) -> Said {
    let directory = with_file(text);
    run(directory.path(), &["check", "--config", "h.toml"], variables)
}

fn with_file(text: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("h.toml"), text).expect("a temporary directory can be written");
    directory
}

#[test]
fn check_lists_every_mistake_at_once() {
    let text = "listen = \"nowhere\"\ncolour = \"red\"\n[fetch]\nconnect_timeout = \"soon\"\nretries = 3\n\
                [[mount]]\npath = \"npm\"\n[[mount.upstream]]\nurl = \"ftp://registry.example\"\nscopes = [\"acme\"]\n";
    let said = check(text, &[("HELIOSTAT_STORE__MAX_BYTES", "much"), ("HELIOSTAT_STOR__MAX_BYTES", "1GiB")]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.out, "");
    for expected in [
        "the configuration has 9 mistakes:",
        "listen[0] (h.toml:1): must be an address and port",
        "colour (h.toml:2): unknown key",
        "fetch.connect_timeout (h.toml:4): must be a duration",
        "fetch.retries (h.toml:5): unknown key",
        "mount[0].path (h.toml:7): must start with \"/\"",
        "mount[0].upstream[0].url (h.toml:9): must be an http or https URL",
        "mount[0].upstream[0].scopes[0] (h.toml:10): must be a scope",
        "store.max_bytes (HELIOSTAT_STORE__MAX_BYTES): must be a size",
        "stor (HELIOSTAT_STOR__MAX_BYTES): unknown key",
    ] {
        assert!(said.err.contains(expected), "missing: {expected}\n{}", said.err);
    }
}

#[test]
fn check_prints_what_is_in_effect_and_no_secret() {
    let text = "[[mount]]\n[[mount.upstream]]\nurl = \"https://registry.example\"\ntoken = \"hunter2\"\n\
                [[mount.upstream]]\nurl = \"https://corp.example\"\nscopes = [\"@acme\"]\nusername = \"hunter2\"\n\
                password_env = \"ACME_PASSWORD\"\n";
    let proxy = ("HELIOSTAT_FETCH__PROXY", "http://joe:hunter2@proxy.example:3128");
    let said = check(text, &[("ACME_PASSWORD", "hunter2"), proxy]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for expected in
        ["token = \"****\"", "password = \"****\"", "proxy = \"http://****@proxy.example:3128/\"", "[fetch]"]
    {
        assert!(said.out.contains(expected), "missing: {expected}\n{}", said.out);
    }
    assert!(!said.out.contains("hunter2"), "{}", said.out);
    assert!(check(&said.out, &[]).code == Some(0), "what is printed can be used as a file:\n{}", said.out);
}

#[test]
fn a_broken_configuration_shows_no_secret_whatever_is_broken() {
    let upstream = "[[mount]]\n[[mount.upstream]]\nurl = \"https://registry.example\"\n";
    for rest in [
        "token = \"hunter2\"\nattempts = 3\n",
        "token = \"hunter2\"\npassword = \"hunter2\"\n",
        "token = [\"hunter2\"]\n",
        "token = \"hunter2\"\ntoken_env = \"hunter2\"\n",
        "token_env = \"hunter2\"\n",
        "tokn = \"hunter2\"\n",
        "token = hunter2\n",
        "token = \"hunter2\n",
        "token = \"hunter2\"\ntoken = \"hunter2\"\n",
        "username = \"joe:hunter2\"\npassword = \"hunter2\"\n",
        "token = \"hunter2\"\n[[mount.upstream]]\nurl = \"https://joe:hunter2@corp.example\"\nscopes = [\"@acme\"]\n",
        "token = \"hunter2\"\n[fetch]\nproxy = \"ftp://joe:hunter2@proxy.example\"\n",
    ] {
        let said = check(&format!("{upstream}{rest}"), &[]);
        assert_eq!(said.code, Some(1), "{rest}");
        assert!(said.err.contains("mistake"), "{}", said.err);
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{rest}\n{}", said.err);
    }
}

#[test]
fn serve_does_not_start_with_a_broken_configuration() {
    let directory = with_file("[store]\nmax_bytes = \"hunter2 bytes\"\n");
    let said = run(directory.path(), &["serve", "--config", "h.toml", "--listen", "nowhere"], &[]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("store.max_bytes (h.toml:2)") && said.err.contains("listen[0] (--listen)"),
        "{}",
        said.err
    );
    assert!(!directory.path().join("heliostat-data").exists(), "nothing is made before the configuration is right");
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "data = \"file\"\n[fetch]\nattempts = 2\nidle_timeout = \"1s\"\n";
    let said = check(text, &[("HELIOSTAT_FETCH__ATTEMPTS", "7"), ("HELIOSTAT_DATA", "environment")]);
    for expected in ["attempts = 7\n", "idle_timeout = \"1s\"\n", "data = \"environment\"\n"] {
        assert!(said.out.contains(expected), "missing: {expected}\n{}", said.out);
    }
    let directory = with_file(text);
    let said = run(directory.path(), &["check"], &[("HELIOSTAT_CONFIG", "h.toml")]);
    assert!(said.out.contains("attempts = 2\n"), "{}", said.out);
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_the_file() {
    let other = free_address().to_string();
    // The harness gives --listen and --data; it would not become ready on another address.
    let heliostat = Heliostat::builder()
        .npm("http://127.0.0.1:9", "")
        .top("listen", &format!("\"{other}\""))
        .top("data", "\"file\"")
        .environment("HELIOSTAT_LISTEN", &other)
        .environment("HELIOSTAT_DATA", "environment")
        .start()
        .await;
    assert!(heliostat.data().is_dir());
    says(&heliostat, &format!("http://{}", heliostat.address())).await;
    assert!(!heliostat.said().contains(&other), "{}", heliostat.said());
}

#[test]
fn help_tells_the_commands_and_their_defaults() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let help = |arguments: &[&str]| {
        let said = run(directory.path(), arguments, &[]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
        let longest = said.out.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(longest <= 100, "lines of {longest} characters:\n{}", said.out);
        said.out
    };
    let general = help(&["--help"]);
    for expected in ["serve", "check", "purge", "accept", "127.0.0.1:4870", "./heliostat-data", "Usage: heliostat"] {
        assert!(general.contains(expected), "missing: {expected}\n{general}");
    }
    let serve = help(&["serve", "--help"]);
    for expected in ["--config <FILE>", "--listen <ADDR:PORT>", "--data <DIR>", "--offline", "--upgrade", "SIGHUP"] {
        assert!(serve.contains(expected), "missing: {expected}\n{serve}");
    }
    for command in ["check", "purge", "accept"] {
        assert!(help(&[command, "--help"]).contains("--config <FILE>"));
    }
    assert!(help(&["purge", "--help"]).contains("--key <KEY>"));
    assert!(help(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_told_in_one_breath() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for arguments in [
        &["srve"][..],
        &["serve", "--lisen", "x"],
        &["accept", "npm", "left-pad"],
        &["purge", "npm"],
        &["purge", "npm", "left-pad", "--key", "npm@1f2e3d4c/keys"],
        &[],
    ] {
        let said = run(directory.path(), arguments, &[]);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.err.contains("--help") && said.out.is_empty(), "{}", said.err);
    }
}

#[test]
fn errors_are_one_readable_chain() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = run(directory.path(), &["check", "--config", "none.toml"], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("heliostat: cannot read the configuration file none.toml: "), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1);
}

#[test]
fn purge_and_accept_refuse_what_is_not_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = run(directory.path(), &["purge", "pnm", "left-pad"], &[]);
    assert!(said.code == Some(1) && said.err.contains("there is no mount \"pnm\"; known: npm"), "{}", said.err);
    let said = run(directory.path(), &["purge", "npm", "--key", "other@1f2e3d4c/keys"], &[]);
    assert!(said.code == Some(1) && said.err.contains("is no key of npm"), "{}", said.err);
    for arguments in [["purge", "npm", "left-pad"], ["accept", "npm", "left-pad@1.3.0"]] {
        let said = run(directory.path(), &arguments, &[]);
        assert!(said.code == Some(1) && said.err.contains("there is no data directory"), "{}", said.err);
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 0, "nothing is made");
}

#[tokio::test]
async fn purge_and_accept_work_beside_a_running_server() {
    let heliostat = Heliostat::builder().npm("http://127.0.0.1:9", "").start().await;
    let data = heliostat.data().display().to_string();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = run(directory.path(), &["purge", "--data", &data, "npm", "left-pad"], &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "0 entries of left-pad removed from npm\n"), "{}", said.err);
    let said = run(directory.path(), &["accept", "--data", &data, "npm", "left-pad@1.3.0"], &[]);
    assert!(said.err.contains("no digest of left-pad@1.3.0 is remembered for npm"), "{}", said.err);
    assert_eq!(heliostat.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_start_screen_tells_everything_a_new_user_needs() {
    let heliostat = Heliostat::builder().npm("http://127.0.0.1:9", "").start().await;
    says(&heliostat, "bun ").await;
    let (said, url) = (heliostat.said(), heliostat.url());
    for expected in [
        format!("address  {url}"),
        format!("data     {}", heliostat.data().display()),
        format!("npm at {url}/npm/ mirrors http://127.0.0.1:9/"),
        format!("npm config set registry {url}/npm/"),
        format!("pnpm config set registry {url}/npm/"),
        format!("yarn config set registry {url}/npm/"),
        format!("yarn config set --home npmRegistryServer {url}/npm/"),
        format!("export BUN_CONFIG_REGISTRY={url}/npm/"),
    ] {
        assert!(said.contains(&expected), "missing: {expected}\n{said}");
    }
}

#[tokio::test]
async fn the_registry_that_npm_is_set_to_is_found_and_we_are_not_it() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let npmrc = home.path().join("npmrc");
    std::fs::write(&npmrc, "registry=https://corp.example/npm\n").expect("a temporary directory can be written");
    let mut heliostat = Heliostat::builder()
        .environment("NPM_CONFIG_USERCONFIG", &npmrc.display().to_string())
        .environment("NPM_CONFIG_REGISTRY", "https://registry.example/")
        .start()
        .await;
    says(&heliostat, "https://registry.example/").await;

    heliostat.stop();
    let ours = format!("{}/npm/", heliostat.url());
    heliostat.reconfigure(|builder| builder.environment("NPM_CONFIG_REGISTRY", &ours));
    heliostat.start().await;
    says(&heliostat, "https://corp.example/npm/").await;
}

/// Waits until the server has said `text`: it may be ready before its words have come through the pipe.
async fn says(heliostat: &Heliostat, text: &str) {
    let begun = Instant::now();
    while !heliostat.said().contains(text) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{text} is not in\n{}", heliostat.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
