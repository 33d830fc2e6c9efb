//! Finds the registry that npm itself uses on this machine, so that a mirror without configuration mirrors the right one.
//!
//! Asked in this order, and the first good answer is taken: the environment (`NPM_CONFIG_REGISTRY`), the user's npmrc,
//! the global npmrc, an installed npm, and in the end Yarn's public alias. An answer that leads back to this server is
//! passed over, since whoever uses the mirror has pointed npm at it. Credentials are never taken over from npm: those
//! for an upstream come from our own configuration only.

mod npmrc;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use url::{Host, Url};

use self::npmrc::{expand, find_setting};
use crate::base::fs;
use crate::base::secret::SafeUrl;
use crate::config::{self, Listen, Mount, Upstream};

/// The registry found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Ends in `/`; holds no user, query or fragment.
    pub url: SafeUrl,
    pub origin: Origin,
    /// The answers before it that were of no use.
    pub passed_over: Vec<(Origin, Flaw)>,
}

/// Who named a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A variable of this name.
    Environment(String),
    UserNpmrc(PathBuf),
    GlobalNpmrc(PathBuf),
    Npm,
    YarnAlias,
}

/// Why an answer is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no http or https URL.
    NoUrl,
    /// It leads back to this server.
    Ourselves,
}

/// What npm's own answer is to leave out, because it was asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    UserNpmrc,
    BothNpmrcs,
}

/// Everything that [`decide`] looks at.
pub struct Sources<'a> {
    pub environment: &'a BTreeMap<String, String>,
    /// The files and what they hold; `None` when they cannot be read.
    pub user_npmrc: Option<(PathBuf, String)>,
    pub global_npmrc: Option<(PathBuf, String)>,
    /// Asks an installed npm; `None` when there is none, or it gives no answer.
    pub ask_npm: &'a dyn Fn(Without) -> Option<String>,
}

/// The alias that Yarn's documentation gives for npm's public registry.
const YARN_ALIAS: &str = "https://registry.yarnpkg.com/";

/// npm's settings in the environment, in any case.
const REGISTRY: &str = "npm_config_registry";
const USER_CONFIG: &str = "npm_config_userconfig";
const GLOBAL_CONFIG: &str = "npm_config_globalconfig";
const PREFIX: &str = "npm_config_prefix";

/// Longest wait for npm's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// npm answers with one line.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Returns the upstream of a mount that names none: the registry found, without credentials. Blocks like [`discover`].
pub fn upstream(listen: &Listen, mount: &Mount) -> Upstream {
    let found = discover(listen, mount);
    tracing::info!(mount = mount.name, url = %found.url, origin = %found.origin, "npm registry found");
    found.into_upstream()
}

/// Finds the registry for a mount that names none. Blocks, for as long as an installed npm takes to answer, and at most
/// 20 s.
pub fn discover(listen: &Listen, mount: &Mount) -> Found {
    let environment = config::environment();
    let user_npmrc = load(user_npmrc_path(&environment));
    let user_text = user_npmrc.as_ref().map_or("", |(_, text)| text);
    let global_npmrc = load(global_npmrc_path(&environment, user_text));
    let ask_npm = |without| ask_npm(npm(), &environment, without, PATIENCE);
    let sources = Sources { environment: &environment, user_npmrc, global_npmrc, ask_npm: &ask_npm };
    let found = decide(&sources, &|url| mount.leads_here(listen, url, &is_local));
    for (origin, flaw) in &found.passed_over {
        tracing::info!(mount = mount.name, %origin, %flaw, "npm registry setting passed over");
    }
    found
}

/// Chooses the registry. `is_ours` tells whether a URL leads back to this server.
pub fn decide(sources: &Sources<'_>, is_ours: &dyn Fn(&Url) -> bool) -> Found {
    let mut passed_over = Vec::new();
    let mut judge = |origin: Origin, answer: String| match parse_registry(&answer) {
        None => {
            passed_over.push((origin, Flaw::NoUrl));
            None
        }
        Some(url) if is_ours(&url) => {
            passed_over.push((origin, Flaw::Ourselves));
            None
        }
        Some(url) => Some((url, origin)),
    };
    let written = sources.written().into_iter().find_map(|(origin, answer)| judge(origin, answer));
    let asked = || [Without::UserNpmrc, Without::BothNpmrcs].into_iter().map(sources.ask_npm);
    // The second question is only put when the first one's answer is ourselves: then the global npmrc said so.
    let chosen = written.or_else(|| asked().map_while(|answer| answer).find_map(|answer| judge(Origin::Npm, answer)));
    let (url, origin) = chosen.unwrap_or_else(|| {
        let url = Url::parse(YARN_ALIAS).expect("the alias is a URL");
        (url, Origin::YarnAlias)
    });
    Found { url: url.into(), origin, passed_over }
}

// === impl Sources ===

impl Sources<'_> {
    /// Returns what is written down, first what npm itself would look at first.
    fn written(&self) -> Vec<(Origin, String)> {
        let variables = find_variable(self.environment, REGISTRY)
            .map(|(name, value)| (Origin::Environment(name.to_owned()), expand(value, self.environment)));
        let file = |file: &Option<(PathBuf, String)>, origin: fn(PathBuf) -> Origin| {
            let (path, text) = file.as_ref()?;
            Some((origin(path.clone()), find_setting(text, "registry", self.environment)?))
        };
        let user = file(&self.user_npmrc, Origin::UserNpmrc);
        let global = file(&self.global_npmrc, Origin::GlobalNpmrc);
        variables.into_iter().chain(user).chain(global).collect()
    }
}

/// Finds a setting of npm's in the environment: in upper case, in lower case, then in any other. An empty one is none.
fn find_variable<'a>(environment: &'a BTreeMap<String, String>, name: &str) -> Option<(&'a str, &'a str)> {
    let upper = name.to_ascii_uppercase();
    let exact = [upper.as_str(), name].into_iter().filter_map(|name| environment.get_key_value(name));
    let mut all = exact.chain(environment.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    all.find(|(_, value)| !value.is_empty()).map(|(key, value)| (key.as_str(), value.as_str()))
}

/// Parses a registry's URL and takes off what is not for us: user, query and fragment.
fn parse_registry(answer: &str) -> Option<Url> {
    let mut url = Url::parse(answer.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

// === The files ===

fn load(path: Option<PathBuf>) -> Option<(PathBuf, String)> {
    let path = path?;
    match fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "npmrc cannot be read");
            None
        }
    }
}

/// Source: npm documentation, "Config", settings `userconfig`, `globalconfig` and `prefix`.
fn user_npmrc_path(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let home = environment.get("HOME").filter(|home| !home.is_empty()).map(Path::new);
    match find_variable(environment, USER_CONFIG) {
        Some((_, path)) => at_home(path, home),
        None => Some(home?.join(".npmrc")),
    }
}

/// Returns the global npmrc's path where a setting tells it; else only npm itself knows.
fn global_npmrc_path(environment: &BTreeMap<String, String>, user_npmrc: &str) -> Option<PathBuf> {
    let home = environment.get("HOME").map(Path::new);
    let setting = |variable, key| {
        let found = find_variable(environment, variable).map(|(_, value)| value.to_owned());
        found.or_else(|| find_setting(user_npmrc, key, environment)).and_then(|path| at_home(&path, home))
    };
    let below_prefix = || Some(setting(PREFIX, "prefix")?.join("etc").join("npmrc"));
    setting(GLOBAL_CONFIG, "globalconfig").or_else(below_prefix)
}

fn at_home(path: &str, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(rest) => Some(home?.join(rest)),
        None => Some(PathBuf::from(path)),
    }
}

// === The installed npm ===

#[expect(clippy::disallowed_methods, reason = "asking npm is the one reason to run a program")]
fn npm() -> Command {
    Command::new("npm")
}

/// Asks npm which registry it would use, from a place where no project's npmrc counts.
fn ask_npm(
    mut npm: Command,
    environment: &BTreeMap<String, String>,
    without: Without,
    patience: Duration,
) -> Option<String> {
    npm.args(["config", "get", "registry", "--global", "--no-update-notifier"]).current_dir("/");
    // Two files that do not exist; npm refuses to read the same one twice. They are variables, since npm 11 passes over
    // a flag `--globalconfig` when there is a variable too.
    let mut files = vec![(USER_CONFIG, "/nonexistent/user-npmrc")];
    if without == Without::BothNpmrcs {
        files.push((GLOBAL_CONFIG, "/nonexistent/global-npmrc"));
    }
    for (name, _) in files.iter().chain(&[(REGISTRY, "")]) {
        for spelling in environment.keys().filter(|key| key.eq_ignore_ascii_case(name)) {
            npm.env_remove(spelling);
        }
    }
    npm.envs(files);
    let answer = run(&mut npm, patience)?;
    let line = answer.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.to_owned())
}

/// Runs a program and returns what it says, or `None` when it cannot be run or does not end in time; then it is killed,
/// and what it started with it.
fn run(command: &mut Command, patience: Duration) -> Option<String> {
    let quiet = command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut child = quiet.process_group(0).spawn().ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        let read = output.take(MAX_ANSWER_BYTES).read_to_string(&mut said);
        // Nobody listens any more when it took too long.
        let _ = sender.send(read.map(|_| said));
    });
    let said = receiver.recv_timeout(patience);
    end(&mut child);
    said.ok()?.ok()
}

/// Kills whatever is left of a program's process group and waits for the program.
fn end(child: &mut Child) {
    let ended = kill_process_group(Pid::from_child(child), Signal::KILL);
    if let Err(error) = child.wait() {
        tracing::warn!(%error, kill = ?ended.err(), "npm could not be waited for");
    }
}

/// Tells whether a host is this machine: one of its addresses can be listened on.
fn is_local(host: &Host<&str>) -> bool {
    let can_listen = |address: IpAddr| TcpListener::bind((address, 0)).is_ok();
    match host {
        Host::Domain(name) => {
            (*name, 0).to_socket_addrs().is_ok_and(|mut all| all.any(|address| can_listen(address.ip())))
        }
        Host::Ipv4(address) => can_listen((*address).into()),
        Host::Ipv6(address) => can_listen((*address).into()),
    }
}

// === impl Found ===

impl Found {
    /// Returns the registry as a mount's default upstream. Whoever pointed npm at a private address means it.
    pub fn into_upstream(self) -> Upstream {
        Upstream { allow_private: self.origin != Origin::YarnAlias, ..Upstream::open(self.url) }
    }
}

// === impl Origin, Flaw ===

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => formatter.write_str(name),
            Self::UserNpmrc(path) | Self::GlobalNpmrc(path) => write!(formatter, "{}", path.display()),
            Self::Npm => formatter.write_str("npm config get registry"),
            Self::YarnAlias => formatter.write_str("yarn's public alias"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoUrl => "no http or https URL",
            Self::Ourselves => "leads back to this server",
        })
    }
}

#[cfg(test)]
mod tests;
