//! A client that asks questions: a test waits for each, and types the answer.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A client that is running, without a terminal.
pub struct Dialogue {
    child: Child,
    output: PathBuf,
    /// How much of what it says was looked at, in bytes.
    heard: usize,
}

impl Dialogue {
    /// Starts a client; what it says goes to a file in `directory`.
    pub fn start(command: &mut Command, directory: &Path) -> Self {
        let output = directory.join("dialogue");
        let file = File::create(&output).expect("a sandbox can be written");
        let errors = file.try_clone().expect("a file can be shared");
        let child = command.stdin(Stdio::piped()).stdout(file).stderr(errors).spawn().expect("the client starts");
        Self { child, output, heard: 0 }
    }

    /// Returns all it has said.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).expect("what it said can be read")).into_owned()
    }

    /// Waits until it says something, and returns what follows that on the line.
    pub async fn hear(&mut self, wanted: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let said = self.said();
            let rest = said.get(self.heard..).unwrap_or_default();
            if let Some(at) = rest.find(wanted) {
                let line = rest[at + wanted.len()..].lines().next().unwrap_or_default().to_owned();
                self.heard += at + wanted.len();
                return line;
            }
            assert!(Instant::now() < end, "it does not say {wanted:?}:\n{said}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for a question, and types the answer.
    pub async fn answer(&mut self, question: &str, answer: &str) {
        self.hear(question).await;
        let stdin = self.child.stdin.as_mut().expect("its input is open");
        stdin.write_all(format!("{answer}\n").as_bytes()).expect("it reads");
    }

    /// Types no more: some clients wait for that before they end.
    pub fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end; returns what it has said, if it has ended well.
    pub async fn end(mut self) -> Result<String, String> {
        let end = Instant::now() + LIMIT;
        loop {
            match self.child.try_wait().expect("a child of ours can be waited for") {
                Some(status) if status.success() => return Ok(self.said()),
                Some(_) => return Err(self.said()),
                None => assert!(Instant::now() < end, "it does not end:\n{}", self.said()),
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // Nothing may be left running; one that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
