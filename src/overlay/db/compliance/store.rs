//! An S3-compatible server for one test, on a free port, in a temporary directory, gone with the test. Knows nothing of the
//! house: the tests of the whole program start it too.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::free_port;

const PROGRAM: &str = "s3s-fs";
/// The access key, and the secret one.
pub const KEYS: (&str, &str) = ("tester", "hunter2hunter2");

/// A running server. Stopped when it is dropped.
pub struct Store {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Store {
    /// Starts a server.
    ///
    /// # Errors
    /// Why there is none.
    pub fn start() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port()?;
        let mut serve = Command::new(find_program()?);
        serve.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        serve.args(["--access-key", KEYS.0, "--secret-key", KEYS.1]).arg(directory.path());
        let process = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut store = Self { process: process.map_err(|error| error.to_string())?, port, directory };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(store);
            }
            if let Ok(Some(status)) = store.process.try_wait() {
                return Err(format!("{PROGRAM} has ended: {status}"));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Err(format!("{PROGRAM} does not answer"))
    }

    /// Makes a bucket. Returns where its files lie.
    pub fn bucket(&self, name: &str) -> PathBuf {
        let files = self.directory.path().join(name);
        fs::create_dir(&files).expect("a bucket is made once");
        files
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the program: on the path, or where `tests/run` installs it.
fn find_program() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    // <target>/debug/deps/<test>
    places.extend(test.ancestors().nth(3).map(|target| target.join("ci-tools/bin")));
    let found = places.into_iter().map(|place| place.join(PROGRAM)).find(|program| program.is_file());
    found.ok_or_else(|| format!("there is no {PROGRAM} (tests/run installs it)"))
}
