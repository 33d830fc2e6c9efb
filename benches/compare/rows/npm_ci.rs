//! A real `npm ci` of a project with more than a thousand packages, from the registry that npm itself is configured with.
//!
//! Warm: through Heliostat, and through nginx that holds the very bytes that Heliostat serves, since Heliostat is its
//! upstream. Cold: through Heliostat with an empty store, and with no mirror at all. npm's own cache is empty each time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Arena;
use crate::peers::{Kind, heliostat, nginx};
use crate::process::{LOAD_CORE, pinned, run};
use crate::report::{Figure, Samples, Target, Unit};

const PACKAGE: &str =
    r#"{"name":"measured","version":"1.0.0","private":true,"dependencies":{"react-scripts":"5.0.1"}}"#;
const PACKAGES: usize = 1000;
const BOUND: f64 = 1.05;
/// Cold rounds ask the registry for everything: few are enough.
const COLD_ROUNDS: usize = 2;

/// A project with its lockfile.
struct Project {
    directory: PathBuf,
    registry: String,
    lockfile: String,
}

pub fn run_row(arena: &mut Arena<'_>) -> Result<()> {
    if !arena.has(Kind::Heliostat) {
        arena.report.note("npm ci: Heliostat does not take part".to_owned());
        return Ok(());
    }
    let project = Project::resolve(arena.site.fresh_directory("npm-ci")?)?;
    let cold = cold(arena, &project)?;
    let warm = warm(arena, &project)?;
    let workload = format!("npm ci, {} packages", project.packages()?);
    let mut add = |measured, values: BTreeMap<Kind, f64>, target| {
        arena.report.add(Figure { workload: workload.clone(), measured, unit: Unit::Seconds, values, target });
    };
    add("warm", warm.medians(), Target::AtMost(Kind::Nginx, BOUND));
    add("cold", cold.ours.medians(), Target::Below(cold.direct * BOUND));
    arena.report.note(format!("npm ci without a mirror: {:.2} s", cold.direct));
    Ok(())
}

struct Cold {
    ours: Samples,
    /// Median without a mirror, in seconds.
    direct: f64,
}

fn cold(arena: &Arena<'_>, project: &Project) -> Result<Cold> {
    let (mut ours, mut direct) = (Samples::default(), Samples::default());
    for _ in 0..arena.options.rounds.min(COLD_ROUNDS) {
        direct.add(Kind::Heliostat, project.install(&project.registry)?);
        let directory = arena.site.fresh_directory("heliostat-npm")?;
        let settings = heliostat::Settings { upstream: Some(""), ..heliostat::Settings::default() };
        let peer = heliostat::start(&arena.site, &directory, &settings)?;
        ours.add(Kind::Heliostat, project.install(&format!("http://{}{}", peer.address, heliostat::MOUNT))?);
    }
    let direct = direct.medians()[&Kind::Heliostat];
    Ok(Cold { ours, direct })
}

/// Goes on with the store that the last cold round has filled.
fn warm(arena: &Arena<'_>, project: &Project) -> Result<Samples> {
    let directory = arena.site.work.join("heliostat-npm");
    let settings = heliostat::Settings { upstream: Some(""), ..heliostat::Settings::default() };
    let ours = heliostat::start(&arena.site, &directory, &settings)?;
    let before = arena.site.fresh_directory("nginx-npm")?;
    let theirs = nginx::start_before(ours.address, &before, arena.site.work)?;
    let mut samples = Samples::default();
    let places = [&theirs, &ours].map(|peer| (peer.kind, format!("http://{}{}", peer.address, heliostat::MOUNT)));
    project.install(&places[0].1)?;
    for _ in 0..arena.options.rounds {
        for (kind, base) in &places {
            samples.add(*kind, project.install(base)?);
        }
    }
    Ok(samples)
}

/// Returns npm with what all calls share; its cache is in `directory`.
fn npm(directory: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(directory).arg("--cache").arg(directory.join("cache"));
    command.args(["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--no-update-notifier"]);
    command
}

// === impl Project ===

impl Project {
    /// Lets npm choose the versions, once, from its own registry.
    fn resolve(directory: PathBuf) -> Result<Self> {
        let registry = run(Command::new("npm").args(["config", "get", "registry"]))?;
        let registry = registry.trim().trim_end_matches('/').to_owned();
        eprintln!("resolving with the registry that npm is configured with");
        fs::write(directory.join("package.json"), PACKAGE)?;
        let mut command = npm(&directory);
        // Without `resolved`, npm would ask for a document a package first, which is another workload.
        run(command.args(["install", "--package-lock-only", "--omit-lockfile-registry-resolved=false"]))?;
        let lockfile = fs::read_to_string(directory.join("package-lock.json"))?;
        let project = Self { directory, registry, lockfile };
        if project.packages()? < PACKAGES {
            bail!("the project has {} packages only", project.packages()?);
        }
        Ok(project)
    }

    fn packages(&self) -> Result<usize> {
        let lockfile: Value = serde_json::from_str(&self.lockfile)?;
        // The project itself is listed too.
        Ok(lockfile["packages"].as_object().context("a lockfile without packages")?.len() - 1)
    }

    /// Installs from `base` with nothing but the lockfile, and returns the seconds it took.
    fn install(&self, base: &str) -> Result<f64> {
        for leftover in ["node_modules", "cache"] {
            let path = self.directory.join(leftover);
            if path.exists() {
                fs::remove_dir_all(path)?;
            }
        }
        let lockfile = self.lockfile.replace(&format!("{}/", self.registry), &format!("{base}/"));
        fs::write(self.directory.join("package-lock.json"), lockfile)?;
        let mut command = npm(&self.directory);
        command.arg("ci").arg(format!("--registry={base}/"));
        let start = Instant::now();
        run(&mut pinned(LOAD_CORE, &command)).with_context(|| format!("npm ci from {base}"))?;
        Ok(start.elapsed().as_secs_f64())
    }
}
