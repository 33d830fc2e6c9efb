//! Brings what the comparison needs and the machine lacks: nginx, Varnish, PostgreSQL and wrk from Debian, verdaccio from npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::options::Options;
use crate::peers::Kind;
use crate::process::run;

/// Answers "may a service be started" while a package is set up; exit status 101 forbids it.
/// Source: Debian invoke-rc.d(8), policy-rc.d interface.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where Debian's package puts the programs of PostgreSQL.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// One of verdaccio's plugins asks for a tag (`node-fetch@cjs`) that registries which keep only `latest` do not have; it
/// stands for the second major version.
const VERDACCIO: &str = r#"{"private":true,"dependencies":{"verdaccio":"*"},"overrides":{"node-fetch":"^2.6.7"}}"#;

/// Sees to it that every program is there.
///
/// # Errors
/// When something is missing and cannot be installed; the message says by which command it could be.
pub fn everything(options: &Options, tools: &Path) -> Result<()> {
    let kinds = &options.peers;
    // The row of real installs holds its own nginx against Heliostat.
    let needs_nginx = kinds.contains(&Kind::Nginx) || options.wants("npm-ci", true);
    let mut wanted = vec![("wrk", "wrk"), ("taskset", "util-linux")];
    wanted.extend(needs_nginx.then_some(("nginx", "nginx")));
    wanted.extend(kinds.contains(&Kind::Varnish).then_some(("varnishd", "varnish")));
    wanted.retain(|(program, _)| find_program(program).is_none());
    let mut packages: Vec<_> = wanted.into_iter().map(|(_, package)| package).collect();
    if options.wants("publish", false) && !Path::new(POSTGRESQL).exists() {
        packages.push("postgresql");
    }
    if !packages.is_empty() {
        from_debian(&packages)?;
    }
    if kinds.contains(&Kind::Verdaccio) && !verdaccio_program(tools).exists() {
        verdaccio(tools)?;
    }
    Ok(())
}

/// Returns where verdaccio's program lies once it is installed.
pub fn verdaccio_program(tools: &Path) -> PathBuf {
    tools.join("node_modules/verdaccio/bin/verdaccio")
}

/// Returns one line with the version of every program.
pub fn versions(kinds: &[Kind], tools: &Path) -> String {
    let mut list = Vec::new();
    for kind in kinds {
        list.extend(match kind {
            Kind::Nginx => first_line(Command::new("nginx").arg("-v")),
            Kind::Varnish => first_line(Command::new("varnishd").arg("-V")),
            Kind::Verdaccio => first_line(Command::new("node").arg(verdaccio_program(tools)).arg("--version"))
                .map(|v| format!("verdaccio {v}")),
            Kind::Heliostat => first_line(Command::new(env!("CARGO_BIN_EXE_heliostat")).arg("--version")),
        });
    }
    list.join(", ")
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    // nginx and varnishd print their version on the standard error.
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().next()?.trim().replace("nginx version: ", ""))
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn from_debian(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {list}. Install them: apt-get install --no-install-recommends {list}");
    }
    eprintln!("installing from Debian: {list}");
    let _services_stay_off = ServicesOff::ensure()?;
    run(Command::new("apt-get").arg("update").arg("--quiet")).context("apt-get update")?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    run(&mut command).with_context(|| format!("installing {list}"))?;
    Ok(())
}

fn verdaccio(tools: &Path) -> Result<()> {
    if find_program("npm").is_none() {
        bail!("missing: node and npm, which verdaccio needs; or leave it out: --peers nginx,varnish,heliostat");
    }
    eprintln!("installing from npm: verdaccio");
    fs::create_dir_all(tools)?;
    fs::write(tools.join("package.json"), VERDACCIO)?;
    let mut command = Command::new("npm");
    command.current_dir(tools).args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    run(&mut command).context("installing verdaccio")?;
    Ok(())
}

/// Keeps Debian from starting what it installs, until dropped.
struct ServicesOff {
    ours: bool,
}

// === impl ServicesOff ===

impl ServicesOff {
    fn ensure() -> Result<Self> {
        if Path::new(SERVICE_POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(SERVICE_POLICY, "#!/bin/sh\nexit 101\n").context("forbidding services")?;
        run(Command::new("chmod").args(["755", SERVICE_POLICY]))?;
        Ok(Self { ours: true })
    }
}

impl Drop for ServicesOff {
    fn drop(&mut self) {
        if self.ours
            && let Err(fault) = fs::remove_file(SERVICE_POLICY)
        {
            eprintln!("remove {SERVICE_POLICY} by hand: {fault}");
        }
    }
}
