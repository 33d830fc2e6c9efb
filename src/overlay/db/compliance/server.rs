//! A PostgreSQL server for one test: on a free port, in a temporary directory, gone with the test. Knows nothing of the
//! house: the tests of the whole program start it too.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where Debian's packages put the programs, a directory a version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The account that Debian's package makes: the programs refuse to run as root.
const ACCOUNT: &str = "postgres";

/// A running server. Stopped when it is dropped.
pub struct Server {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Server {
    /// Starts a server, whose own settings are as bad for us as they may be.
    ///
    /// # Errors
    /// Why there is none.
    pub fn start() -> Result<Self, String> {
        let programs = find_programs()?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let owner = owner_of(directory.path())?;
        let data = directory.path().join("data");
        let mut initialise = owner.command(&programs.join("initdb"));
        initialise.args(["--username=heliostat", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        // A language in whose order names are not those of their bytes.
        initialise.args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en", "-D"]).arg(&data);
        let done = initialise.output().map_err(|error| format!("initdb: {error}"))?;
        if !done.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&done.stderr)));
        }
        let mut why = String::new();
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            let port = free_port()?;
            let log = fs::File::create(directory.path().join("log")).map_err(|error| error.to_string())?;
            let mut serve = owner.command(&programs.join("postgres"));
            serve.arg("-D").arg(&data).arg("-k").arg(directory.path()).arg("-p").arg(port.to_string());
            serve.args(["-c", "listen_addresses=127.0.0.1", "-c", "synchronous_commit=off"]);
            // No test takes the power away, and a slow disk would have all of them wait.
            serve.args(["-c", "fsync=off"]);
            let process = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
            let mut process = process.map_err(|error| format!("postgres: {error}"))?;
            if listens(&mut process, &data) {
                return Ok(Self { process, port, directory });
            }
            why = fs::read_to_string(directory.path().join("log")).unwrap_or_default();
            let _ = process.kill();
            let _ = process.wait();
        }
        Err(format!("postgres does not start: {why}"))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://heliostat@127.0.0.1:{}/{database}?sslmode=disable", self.port())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown: it ends its sessions, and waits for none. Source: PostgreSQL's manual, section 19.5.
        if let Some(pid) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process(pid, Signal::INT);
        }
        for _ in 0..200 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As whom the programs are run: ourselves, or Debian's account where we are root.
struct Owner(Option<(u32, u32)>);

impl Owner {
    fn command(&self, program: &Path) -> Command {
        match self.0 {
            None => Command::new(program),
            Some((user, group)) => {
                // Replaces itself by the program, so that what we stop is the server.
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
        }
    }
}

/// Waits until a server takes connections; `false`: it has ended, or takes too long.
fn listens(process: &mut Child, data: &Path) -> bool {
    // Its last line says how far it is. Source: PostgreSQL's manual, section 73.1.
    let is_ready = || {
        let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        state.lines().nth(7).is_some_and(|line| line.trim() == "ready")
    };
    for _ in 0..600 {
        if matches!(process.try_wait(), Ok(Some(_)) | Err(_)) {
            return false;
        }
        if is_ready() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Hands a directory over to whom the programs are run as.
fn owner_of(directory: &Path) -> Result<Owner, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Owner(None));
    }
    let number = |flag: &str| -> Result<u32, String> {
        let mut answer = String::new();
        let asked = Command::new("id").args([flag, ACCOUNT]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut asked = asked.map_err(|error| format!("id: {error}"))?;
        asked.stdout.take().map(|mut out| out.read_to_string(&mut answer));
        asked.wait().map_err(|error| format!("id: {error}"))?;
        answer.trim().parse().map_err(|_| format!("there is no account {ACCOUNT}"))
    };
    let (user, group) = (number("-u")?, number("-g")?);
    chown(directory, Some(user), Some(group)).map_err(|error| error.to_string())?;
    Ok(Owner(Some((user, group))))
}

/// Returns the directory of the programs, the newest version's.
fn find_programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let found = versions.map(|entry| entry.path().join("bin")).filter(|path| path.join("postgres").is_file());
    let number = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    found.max_by_key(number).ok_or_else(|| format!("there is none below {DEBIAN} (deploy/needs --tests installs it)"))
}

/// Returns a port that was free a moment ago.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
