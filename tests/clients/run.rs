//! Runs a program within a time limit and keeps what it said.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// Says what a program that ended well wrote.
#[derive(Debug)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end, at most `limit` long; standard input is empty.
///
/// # Errors
/// The command, how it ended, and all it wrote, when it cannot start, fails, or is still running at the limit (it is
/// killed then).
pub fn run(command: &mut Command, limit: Duration) -> Result<Said, String> {
    let (success, said) = finish(command, limit)?;
    if success { Ok(said) } else { Err(format!("{command:?} failed\n{}\n{}", said.stdout, said.stderr)) }
}

/// Runs `command` like [`run`], but tells success from failure instead of calling failure an error.
///
/// # Errors
/// When it cannot start or is still running at the limit.
pub fn finish(command: &mut Command, limit: Duration) -> Result<(bool, Said), String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?} does not start: {error}"))?;
    // Both pipes are drained while it runs: a full pipe would stop it.
    let stdout = drain(child.stdout.take().expect("standard output was piped"));
    let stderr = drain(child.stderr.take().expect("standard error was piped"));
    let ended = wait(&mut child, limit);
    let said = Said { stdout: text(stdout), stderr: text(stderr) };
    match ended {
        Some(success) => Ok((success, said)),
        None => Err(format!("{command:?} took over {limit:?}\n{}\n{}", said.stdout, said.stderr)),
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<bool> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("a child of ours can be waited for") {
            return Some(status.success());
        }
        thread::sleep(POLL);
    }
    child.kill().expect("a child of ours can be killed");
    child.wait().expect("a killed child ends");
    None
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

fn text(reader: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().expect("the reader does not panic")).into_owned()
}
