//! The clients: how each is pointed at a registry, how it installs, and how its lockfile is read.
//!
//! Each is told not to try a failed request again: a mirror that needs a second try has failed the test.

use std::process::Command;

use crate::lockfile::{self, Locked};
use crate::sandbox::Sandbox;

/// Says what an install starts from.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// Only the manifest: versions are chosen, a lockfile is written.
    Manifest,
    /// A lockfile that must be followed to the letter.
    Lockfile(&'a str),
}

/// One package client at one pinned version.
pub trait Client {
    /// Returns the name and major version, for messages.
    fn name(&self) -> &'static str;

    /// Returns the lockfile's name in the project.
    fn lockfile(&self) -> &'static str;

    /// Writes the client's configuration into the sandbox's home, as its user would.
    fn configure(&self, sandbox: &Sandbox);

    /// Returns the command that installs the sandbox's project.
    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command;

    /// Lists what a lockfile's text holds.
    fn locked(&self, text: &str) -> Vec<Locked>;

    /// Tells whether the lockfile must name a URL for every package.
    fn locks_urls(&self) -> bool;
}

/// npm 11 and 12.
#[derive(Clone, Copy, Debug)]
pub struct Npm {
    pub name: &'static str,
    pub alias: &'static str,
}

/// pnpm 10 and 11.
pub struct Pnpm {
    pub name: &'static str,
    pub alias: &'static str,
    /// The program in its package: it became an ES module with 11.
    pub program: &'static str,
}

/// Yarn 1.
pub struct YarnClassic;

/// Yarn 4, told to write `node_modules` as the others do.
pub struct YarnBerry;

/// Bun's package manager.
pub struct Bun;

// === impl Npm ===

impl Npm {
    pub const V11: Self = Self { name: "npm 11", alias: "npm11" };
    pub const V12: Self = Self { name: "npm 12", alias: "npm12" };

    /// Returns npm, ready for a subcommand.
    pub fn command(&self, sandbox: &Sandbox) -> Command {
        let mut npm = sandbox.node(self.alias, "bin/npm-cli.js");
        npm.env("npm_config_cache", sandbox.cache());
        // Beside the binary it runs on, npm would look for a global configuration of the machine.
        npm.env("npm_config_globalconfig", sandbox.home().join("global-npmrc"));
        npm
    }
}

impl Client for Npm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lockfile(&self) -> &'static str {
        "package-lock.json"
    }

    fn configure(&self, sandbox: &Sandbox) {
        sandbox.write_home(".npmrc", &format!("registry={}\nfetch-retries=0\n", sandbox.registry));
    }

    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command {
        let mut npm = self.command(sandbox);
        npm.arg(match from {
            From::Manifest => "install",
            From::Lockfile(_) => "ci",
        });
        npm.arg("--ignore-scripts");
        npm
    }

    fn locked(&self, text: &str) -> Vec<Locked> {
        lockfile::npm(text)
    }

    fn locks_urls(&self) -> bool {
        true
    }
}

// === impl Pnpm ===

impl Pnpm {
    pub const V10: Self = Self { name: "pnpm 10", alias: "pnpm10", program: "bin/pnpm.cjs" };
    pub const V11: Self = Self { name: "pnpm 11", alias: "pnpm11", program: "bin/pnpm.mjs" };
}

impl Client for Pnpm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lockfile(&self) -> &'static str {
        "pnpm-lock.yaml"
    }

    fn configure(&self, sandbox: &Sandbox) {
        sandbox.write_home(".npmrc", &format!("registry={}\n", sandbox.registry));
        // The project's own file of settings: 11 reads these from nowhere else.
        sandbox.write("pnpm-workspace.yaml", "fetchRetries: 0\nmanagePackageManagerVersions: false\n");
    }

    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command {
        let mut pnpm = sandbox.node(self.alias, self.program);
        pnpm.args(["install", "--ignore-scripts", "--store-dir"]).arg(sandbox.cache().join("store"));
        if let From::Lockfile(_) = from {
            pnpm.arg("--frozen-lockfile");
        }
        pnpm
    }

    fn locked(&self, text: &str) -> Vec<Locked> {
        lockfile::pnpm(text)
    }

    fn locks_urls(&self) -> bool {
        false
    }
}

// === impl YarnClassic ===

impl Client for YarnClassic {
    fn name(&self) -> &'static str {
        "yarn 1"
    }

    fn lockfile(&self) -> &'static str {
        "yarn.lock"
    }

    fn configure(&self, sandbox: &Sandbox) {
        sandbox.write_home(".yarnrc", &format!("registry \"{}\"\n", sandbox.registry));
    }

    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command {
        let mut yarn = sandbox.node("yarn1", "bin/yarn.js");
        yarn.args(["install", "--ignore-scripts", "--non-interactive", "--cache-folder"]).arg(sandbox.cache());
        if let From::Lockfile(_) = from {
            yarn.arg("--frozen-lockfile");
        }
        yarn
    }

    fn locked(&self, text: &str) -> Vec<Locked> {
        lockfile::yarn_classic(text)
    }

    fn locks_urls(&self) -> bool {
        true
    }
}

// === impl YarnBerry ===

impl Client for YarnBerry {
    fn name(&self) -> &'static str {
        "yarn 4"
    }

    fn lockfile(&self) -> &'static str {
        "yarn.lock"
    }

    fn configure(&self, sandbox: &Sandbox) {
        let settings = "unsafeHttpWhitelist: [\"127.0.0.1\"]\nnodeLinker: node-modules\nenableScripts: false\n\
                        enableTelemetry: false\nhttpRetry: 0\n";
        sandbox.write_home(".yarnrc.yml", &format!("npmRegistryServer: \"{}\"\n{settings}", sandbox.registry));
    }

    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command {
        let mut yarn = sandbox.node("yarn4", "bin/yarn.js");
        yarn.arg("install").env("YARN_GLOBAL_FOLDER", sandbox.cache());
        match from {
            // An empty one marks the project's top: else yarn looks for it in the folders above.
            From::Manifest => sandbox.write(self.lockfile(), ""),
            From::Lockfile(_) => drop(yarn.arg("--immutable")),
        }
        yarn
    }

    fn locked(&self, text: &str) -> Vec<Locked> {
        lockfile::yarn_berry(text)
    }

    fn locks_urls(&self) -> bool {
        false
    }
}

// === impl Bun ===

impl Client for Bun {
    fn name(&self) -> &'static str {
        "bun"
    }

    fn lockfile(&self) -> &'static str {
        "bun.lock"
    }

    fn configure(&self, sandbox: &Sandbox) {
        sandbox.write_home(".bunfig.toml", &format!("[install]\nregistry = \"{}\"\n", sandbox.registry));
    }

    fn install(&self, sandbox: &Sandbox, from: From<'_>) -> Command {
        let mut bun = sandbox.native("bun", "bin/bun");
        bun.args(["install", "--ignore-scripts", "--cache-dir"]).arg(sandbox.cache());
        if let From::Lockfile(_) = from {
            bun.arg("--frozen-lockfile");
        }
        bun
    }

    fn locked(&self, text: &str) -> Vec<Locked> {
        lockfile::bun(text)
    }

    fn locks_urls(&self) -> bool {
        true
    }
}
