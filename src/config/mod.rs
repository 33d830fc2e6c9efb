//! The configuration: a file, then the environment, then flags, the later over the earlier.
//!
//! [`load`] reads all three into one tree (`tree.rs`), walks it section by section (`section.rs`) and gives back either a
//! [`Config`] that is right in every key, or every mistake there is. Each part of the server takes its own section.
//! `config/heliostat.toml` documents every key.

mod accounts;
mod binaries;
mod credentials;
mod dialect;
mod fetch;
mod files;
mod hex;
mod hooks;
mod limits;
mod listen;
mod log;
mod mount;
mod overlay;
mod print;
mod restart;
mod schedule;
mod section;
mod store;
mod sync;
mod tree;
mod upstream;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use self::accounts::{Accounts, Registration};
pub use self::binaries::{Binary, Form};
pub use self::credentials::Credentials;
pub use self::dialect::{Dialect, Downloads, Nessemble, NewNames, Niso, Npm, Signatures};
pub use self::fetch::Fetch;
pub use self::files::{Files, Redirects};
pub use self::hex::{Hex, PublicKey};
pub use self::hooks::Hooks;
pub use self::limits::Limits;
pub use self::listen::{Listen, Tls};
pub use self::log::{Log, LogFormat};
pub use self::mount::Mount;
pub use self::overlay::{Overlay, S3};
pub use self::schedule::{Schedule, What};
pub use self::section::{Mistake, Mistakes};
pub use self::store::Store;
pub use self::sync::{InStep, Mode, Sync, Who};
pub use self::tree::Origin;
pub use self::upstream::{ChangesType, Upstream};
pub use self::values::parse_duration;

use self::print::Printer;
use self::section::Section;
use self::tree::{Node, Value};
use crate::base::fs;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: Listen,
    /// Where everything is kept. Made when it is missing.
    pub data: PathBuf,
    /// Whether upstreams are never asked.
    pub offline: bool,
    pub log: Log,
    pub store: Store,
    pub fetch: Fetch,
    pub limits: Limits,
    pub overlay: Overlay,
    pub accounts: Accounts,
    pub hooks: Hooks,
    pub sync: Sync,
    /// Never empty; names and paths are unique.
    pub mounts: Vec<Mount>,
    /// Their names are unique, and each is of a mount that is there.
    pub schedules: Vec<Schedule>,
    /// Their names are unique, and the mounts that they name are there.
    pub binaries: Vec<Binary>,
}

/// Where a configuration comes from. Kept, it can be loaded again.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file; `None`: the one that `HELIOSTAT_CONFIG` names, else none at all.
    pub file: Option<PathBuf>,
    pub flags: Flags,
}

/// What the command line says over everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Addresses as they were typed; empty: not given.
    pub listen: Vec<String>,
    pub data: Option<PathBuf>,
    pub offline: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the configuration has {}", print_mistakes(.0))]
    Mistaken(Mistakes),
}

const DEFAULT_DATA: &str = "./heliostat-data";

/// Reads the file, the environment and the flags.
///
/// # Errors
/// [`Error::Unreadable`]: the file cannot be read. [`Error::Mistaken`]: all mistakes there are; no secret is among them.
pub fn load(source: &Source) -> Result<Config, Error> {
    let environment = environment();
    let file = match source.file_in(&environment) {
        Some(path) => match fs::read_to_string(&path) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(source) => return Err(Error::Unreadable { path, source }),
        },
        None => None,
    };
    let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    parse(file, &environment, &source.flags).map_err(Error::Mistaken)
}

/// Returns the variables of this process; what is not UTF-8 in them is replaced, and then fails where it is read.
#[expect(clippy::disallowed_methods, reason = "this is the door that the ban sends everybody to")]
pub fn environment() -> BTreeMap<String, String> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect()
}

/// Understands a configuration whose file is already read. Only the PEM files it names are looked at.
///
/// # Errors
/// All mistakes there are.
pub fn parse(
    file: Option<(&str, &str)>,
    environment: &BTreeMap<String, String>,
    flags: &Flags,
) -> Result<Config, Mistakes> {
    let mut mistakes = Mistakes::new();
    let mut tree = match file {
        Some((name, text)) => tree::parse_file(name, text, &mut mistakes),
        None => Node::empty(),
    };
    // A file that is no TOML has no keys to judge.
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    tree::merge_environment(&mut tree, environment, &mut mistakes);
    flags.merge(&mut tree);
    let config = Section::read_root(tree, environment, &mut mistakes, Config::read);
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}

fn print_mistakes(mistakes: &Mistakes) -> String {
    let lines: String = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
    match mistakes.len() {
        1 => format!("1 mistake:{lines}"),
        count => format!("{count} mistakes:{lines}"),
    }
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            data: DEFAULT_DATA.into(),
            offline: false,
            log: Log::default(),
            store: Store::default(),
            fetch: Fetch::default(),
            limits: Limits::default(),
            overlay: Overlay::default(),
            accounts: Accounts::default(),
            hooks: Hooks::default(),
            sync: Sync::default(),
            mounts: Mount::defaults(),
            schedules: Vec::new(),
            binaries: Vec::new(),
        }
    }
}

impl Config {
    /// Returns every address to listen on: the server's own, then those of single mounts.
    pub fn addresses(&self) -> impl Iterator<Item = &SocketAddr> {
        self.listen.addresses.iter().chain(self.mounts.iter().flat_map(|mount| &mount.listen))
    }

    fn read(root: &mut Section<'_>) -> Self {
        let listen = Listen::read(root);
        let mounts = Mount::read_all(root, &listen);
        Self {
            data: root.value("data", DEFAULT_DATA.into()),
            offline: root.value("offline", false),
            log: root.section("log", Log::read),
            store: root.section("store", Store::read),
            fetch: root.section("fetch", Fetch::read),
            limits: root.section("limits", Limits::read),
            overlay: root.section("overlay", Overlay::read),
            accounts: root.section("accounts", Accounts::read),
            hooks: root.section("hooks", Hooks::read),
            sync: root.section("sync", Sync::read),
            schedules: Schedule::read_all(root, &mounts),
            binaries: Binary::read_all(root, &mounts),
            mounts,
            listen,
        }
    }
}

/// Prints the whole configuration as TOML, secrets as `"****"`.
impl std::fmt::Display for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            listen,
            data,
            offline,
            log,
            store,
            fetch,
            limits,
            overlay,
            accounts,
            hooks,
            sync,
            mounts,
            schedules,
            binaries,
        } = self;
        let mut out = Printer::default();
        listen.print_keys(&mut out);
        out.key("data", data);
        out.key("offline", offline);
        listen.print_tls(&mut out);
        log.print(&mut out);
        store.print(&mut out);
        fetch.print(&mut out);
        limits.print(&mut out);
        overlay.print(&mut out);
        accounts.print(&mut out);
        hooks.print(&mut out);
        sync.print(&mut out);
        mounts.iter().for_each(|mount| mount.print(&mut out));
        schedules.iter().for_each(|schedule| schedule.print(&mut out));
        binaries.iter().for_each(|binary| binary.print(&mut out));
        formatter.write_str(&out.finish())
    }
}

// === impl Source ===

impl Source {
    fn file_in(&self, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        let named = || environment.get("HELIOSTAT_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from);
        self.file.clone().or_else(named)
    }
}

// === impl Flags ===

impl Flags {
    fn merge(&self, tree: &mut Node) {
        let Value::Table(entries) = &mut tree.value else { return };
        let mut set =
            |key: &str, flag, text: String| entries.insert(key.to_owned(), Node::text(text, Origin::Flag(flag)));
        if !self.listen.is_empty() {
            set("listen", "--listen", self.listen.join(","));
        }
        if let Some(data) = &self.data {
            set("data", "--data", data.to_string_lossy().into_owned());
        }
        if self.offline {
            set("offline", "--offline", "true".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
