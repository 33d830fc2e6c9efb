//! Other processes beside a running one, on its configuration and its data: commands, and a successor.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::heliostat::Heliostat;

/// Longest wait for an orderly stop.
const STOP: Duration = Duration::from_secs(10);

/// A process that takes over from another one.
pub struct Successor {
    child: Child,
    log: PathBuf,
}

/// Returns the configuration file of a process that has a data directory of its own.
pub fn configuration(heliostat: &Heliostat) -> PathBuf {
    heliostat.data().with_file_name("heliostat.toml")
}

/// Runs a command such as `purge npm left-pad` to its end; returns whether it went well, and what it said.
pub fn command(heliostat: &Heliostat, name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .arg(name)
        .args(["--config".as_ref(), configuration(heliostat).as_os_str()])
        .args(["--data".as_ref(), heliostat.data().as_os_str()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary can be started");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Blocks something, as in `block npm left-pad`, and waits until a path that it is about is withheld.
pub async fn block(heliostat: &Heliostat, path: &str, what: &[&str]) {
    let (well, said) = command(heliostat, "block", &[what, &["--reason", "it steals secrets"]].concat());
    assert!(well, "{said}");
    let start = Instant::now();
    while heliostat.get(path).await.status != 451 {
        assert!(start.elapsed() < STOP, "{path} is still served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Successor {
    /// Starts a process that waits to be handed the listeners. Its name tells successors apart.
    pub fn start(heliostat: &Heliostat, name: &str) -> Self {
        let log = heliostat.data().with_file_name(format!("{name}.log"));
        let out = File::create(&log).expect("a temporary directory can be written");
        let err = out.try_clone().expect("a file can be shared");
        let child = Command::new(env!("CARGO_BIN_EXE_heliostat"))
            .args(["serve", "--upgrade", "--listen", &heliostat.address().to_string()])
            .args(["--config".as_ref(), configuration(heliostat).as_os_str()])
            .args(["--data".as_ref(), heliostat.data().as_os_str()])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary can be started");
        Self { child, log }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Waits until it has ended by itself; `None` if it does not in time. Blocks.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Stops it in good order. Blocks.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait(STOP);
        assert!(status.is_some_and(|status| status.success()), "SIGTERM ended it with {status:?}\n{}", self.said());
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log can be read")
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.said());
        }
        // Nothing may be left running; one that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
