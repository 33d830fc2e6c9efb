//! A home, a cache and a project folder for one run of one client: a new sandbox is a client with nothing cached.
//!
//! The environment is built from nothing, so that no configuration of the machine or of whoever runs the tests leaks in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::project;
use crate::tools::Tools;

/// Holds the folders and the registry of one run; the folders go when it is dropped.
pub struct Sandbox {
    root: TempDir,
    tools: Tools,
    /// The registry's URL, with a slash at the end: clients differ in whether they add one.
    pub registry: String,
}

impl Sandbox {
    /// Makes empty folders and a project with `manifest`.
    pub fn new(tools: &Tools, registry: &str, manifest: &str) -> Self {
        let root = TempDir::new().expect("a temporary folder can be made");
        let sandbox = Self { root, tools: tools.clone(), registry: registry.to_owned() };
        for folder in [sandbox.home(), sandbox.cache(), sandbox.project()] {
            fs::create_dir(folder).expect("a folder can be made in an empty one");
        }
        sandbox.write("package.json", manifest);
        sandbox
    }

    /// Makes a sandbox with the project of [`project`].
    pub fn with_project(tools: &Tools, registry: &str) -> Self {
        Self::new(tools, registry, project::MANIFEST)
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    pub fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// Writes a file of the project.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.project().join(file), text).expect("the project folder is ours");
    }

    /// Writes a file of the user's home.
    pub fn write_home(&self, file: &str, text: &str) {
        fs::write(self.home().join(file), text).expect("the home is ours");
    }

    /// Reads a file of the project.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Returns a command that runs a script of a tool's package on Node 24.
    pub fn node(&self, alias: &str, script: &str) -> Command {
        let mut command = self.program(&self.tools.node());
        command.arg(self.tools.package(alias).join(script));
        command
    }

    /// Returns a command that runs a native program of a tool's package.
    pub fn native(&self, alias: &str, program: &str) -> Command {
        self.program(&self.tools.package(alias).join(program))
    }

    fn program(&self, program: &Path) -> Command {
        let node = self.tools.node();
        let node_folder = node.parent().expect("node lies in a folder").display();
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.project());
        command.env("PATH", format!("{node_folder}:/usr/local/bin:/usr/bin:/bin"));
        command.env("HOME", self.home()).env("TMPDIR", self.root.path()).env("LANG", "C.UTF-8");
        command.env("XDG_CACHE_HOME", self.cache()).env("COREPACK_ENABLE_PROJECT_SPEC", "0");
        command
    }
}
