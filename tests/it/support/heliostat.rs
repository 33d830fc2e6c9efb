//! The real process: configured by a file made for it, started, watched, stopped or killed.
//!
//! Dropping it stops it in good order and fails if it does not end well or leaves temporary files; a test that fails
//! prints what the process said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::ClientConfig;
use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Answer, Ask};
use super::tls::{Authority, Identity};

/// Longest wait for `/readyz`.
const START: Duration = Duration::from_secs(20);
/// Longest wait for an orderly stop: 5 s by promise, and some for a busy machine.
const STOP: Duration = Duration::from_secs(10);
/// Ports are taken below the range that kernels give to outgoing connections, so that nobody takes them meanwhile.
const PORTS: std::ops::Range<u32> = 18_000..32_000;

/// What a process is to be started with. Values are TOML, as in the configuration file.
#[derive(Clone)]
pub struct Builder {
    top: BTreeMap<String, String>,
    sections: BTreeMap<String, BTreeMap<String, String>>,
    mounts: Vec<String>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    data: Option<PathBuf>,
    /// How we speak to it, where not in the clear.
    tls: Option<Arc<ClientConfig>>,
}

/// A running process.
pub struct Heliostat {
    builder: Builder,
    address: SocketAddr,
    home: TempDir,
    child: Option<Child>,
    said: Arc<Mutex<String>>,
    /// From start to the first good `/readyz`.
    pub ready_after: Duration,
}

// === impl Builder ===

impl Builder {
    /// Short waits everywhere, and a breaker that stays out of the way.
    fn new() -> Self {
        let mut builder = Self {
            top: BTreeMap::new(),
            sections: BTreeMap::new(),
            mounts: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            data: None,
            tls: None,
        };
        for (key, value) in [
            ("connect_timeout", r#""2s""#),
            ("idle_timeout", r#""1s""#),
            ("first_byte_timeout", r#""1s""#),
            ("attempts", "2"),
            ("breaker_failures", "1000000"),
            ("breaker_pause", r#""100ms""#),
        ] {
            builder = builder.set("fetch", key, value);
        }
        builder.set("log", "format", r#""json""#)
    }

    /// Sets a key of the file's top level, as `offline = true`.
    pub fn top(mut self, key: &str, value: &str) -> Self {
        self.top.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets a key of a section.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds an npm mount at `/npm` over one loopback upstream, with further lines for the mount.
    pub fn npm(self, upstream: &str, mount: &str) -> Self {
        self.npm_with(upstream, mount, "")
    }

    /// As [`Self::npm`], with further lines for the upstream.
    pub fn npm_with(self, upstream: &str, mount: &str, more: &str) -> Self {
        self.dialect("npm", upstream, mount, more)
    }

    /// Adds a dialect's mount, at its own name unless the lines for the mount give another, over one loopback upstream.
    pub fn dialect(self, dialect: &str, upstream: &str, mount: &str, more: &str) -> Self {
        let upstream = format!("[[mount.upstream]]\nurl = \"{upstream}\"\nallow_private = true\n{more}\n");
        self.mount(&format!("dialect = \"{dialect}\"\n{mount}\n{upstream}"))
    }

    /// Adds a mount, given as what follows `[[mount]]`.
    pub fn mount(mut self, text: &str) -> Self {
        self.mounts.push(text.to_owned());
        self
    }

    /// Takes all mounts away.
    pub fn without_mounts(mut self) -> Self {
        self.mounts.clear();
        self
    }

    /// Shows an identity to clients, which believe in its authority.
    pub fn tls(mut self, authority: &Authority, identity: &Identity) -> Self {
        self.tls = Some(authority.client(&["http/1.1"]));
        self.set_path("tls", "certificate", &identity.certificate).set_path("tls", "key", &identity.key)
    }

    /// Sets a key of a section to a file.
    pub fn set_path(self, section: &str, key: &str, path: &Path) -> Self {
        self.set(section, key, &format!("{:?}", path.display().to_string()))
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Uses a data directory that outlives the process, in place of one of its own.
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Prints the configuration file.
    fn print(&self) -> String {
        let mut text = String::new();
        let lines = |text: &mut String, keys: &BTreeMap<String, String>| {
            keys.iter().for_each(|(key, value)| {
                let _ = writeln!(text, "{key} = {value}");
            });
        };
        lines(&mut text, &self.top);
        for (section, keys) in &self.sections {
            let _ = writeln!(text, "[{section}]");
            lines(&mut text, keys);
        }
        for mount in &self.mounts {
            let _ = writeln!(text, "[[mount]]\n{mount}");
        }
        text
    }

    /// Starts the process and waits until it is ready.
    pub async fn start(self) -> Heliostat {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut heliostat = Heliostat {
            builder: self,
            address: free_address(),
            home,
            child: None,
            said: Arc::default(),
            ready_after: Duration::ZERO,
        };
        heliostat.start().await;
        heliostat
    }
}

// === impl Heliostat ===

impl Heliostat {
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.builder.tls.is_some() { "https" } else { "http" }, self.address)
    }

    pub fn data(&self) -> PathBuf {
        self.builder.data.clone().unwrap_or_else(|| self.home.path().join("data"))
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the process runs").id()
    }

    /// Returns what the process wrote so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.ask(&Ask::get(target)).await
    }

    pub async fn ask(&self, ask: &Ask) -> Answer {
        http::ask_over(self.address, self.builder.tls.as_ref(), ask).await
    }

    /// Starts the process again, on the same address and data.
    pub async fn start(&mut self) {
        assert!(self.child.is_none(), "the process runs already");
        let start = Instant::now();
        self.spawn();
        while self.ask(&Ask::get("/readyz").within(Duration::from_secs(2))).await.status != 200 {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("our own child"));
            assert!(ended.is_none(), "the process ended at once: {ended:?}\n{}", self.said());
            assert!(start.elapsed() < START, "the process does not get ready\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.ready_after = start.elapsed();
    }

    /// Changes what the next start uses.
    pub fn reconfigure(&mut self, change: impl FnOnce(Builder) -> Builder) {
        self.builder = change(self.builder.clone());
    }

    fn spawn(&mut self) {
        let file = self.home.path().join("heliostat.toml");
        std::fs::write(&file, self.builder.print()).expect("a temporary directory can be written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_heliostat"))
            .arg("serve")
            .args(["--config".as_ref(), file.as_os_str()])
            .args(["--listen", &self.address.to_string()])
            .args(["--data".as_ref(), self.data().as_os_str()])
            .args(&self.builder.arguments)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .envs(self.builder.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        listen(child.stdout.take().expect("piped"), self.said.clone());
        listen(child.stderr.take().expect("piped"), self.said.clone());
        self.child = Some(child);
    }

    /// Stops the process in good order and checks what it leaves.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait(STOP);
        assert!(status.is_some_and(|status| status.success()), "SIGTERM ended it with {status:?}\n{}", self.said());
        assert_eq!(self.temporary_files(), Vec::<PathBuf>::new(), "temporary files left behind");
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        assert!(self.wait(STOP).is_some(), "the process cannot be killed");
    }

    /// Stops in good order and starts again.
    pub async fn restart(&mut self) {
        self.stop();
        self.start().await;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Waits until the process has ended by itself; `None` if it does not in time.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        let child = self.child.as_mut().expect("the process runs");
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().expect("our own child") {
                self.child = None;
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Returns the resident memory now and at its peak, in bytes.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let bytes = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of proc(5)");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of proc(5)") * 1024
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    /// Returns how many files, sockets and pipes the process has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a running process").count()
    }

    /// Returns the sum of a metric over all series that have these labels. A series is a line `name{key="value"} 1.5`.
    ///
    /// Source: Prometheus text exposition format 0.0.4.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let answer = self.get("/metrics").await;
        assert!(answer.status == 200 && answer.completed(), "{}", answer.summary());
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let counts = |(series, _): &(&str, &str)| {
            series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
        };
        let text = answer.text();
        let found = text.lines().filter_map(|line| line.rsplit_once(' ')).filter(counts);
        found.map(|(_, value)| value.parse::<f64>().expect("a sample is a number")).sum()
    }

    /// Returns the incidents, newest first, of one package or of all.
    pub async fn incidents(&self, package: Option<&str>) -> Vec<Value> {
        let listed = self.get("/-/heliostat/api/v1/incidents").await.json();
        let listed = listed["incidents"].as_array().expect("a list of incidents").clone();
        listed.into_iter().filter(|incident| package.is_none_or(|name| incident["package"] == name)).collect()
    }

    /// Returns every content file by its address, the SHA-256 in hexadecimal.
    ///
    /// The tree: `DATA/cache/vN/content-v2/sha256/aa/bb/rest`, the path being the digest.
    pub fn contents(&self) -> BTreeMap<String, PathBuf> {
        let address = |file: &PathBuf| Some(file.to_str()?.split_once("/content-v2/sha256/")?.1.replace('/', ""));
        let files = files_below(&self.data().join("cache")).into_iter();
        files.filter_map(|file| Some((address(&file)?, file))).collect()
    }

    /// Returns every file below the data directory that is only there while something is written.
    pub fn temporary_files(&self) -> Vec<PathBuf> {
        let below_temporary = |file: &PathBuf| {
            let inside = file.strip_prefix(self.data()).unwrap_or(file);
            // The lock tells a run from a crash; it is no body on its way.
            let mut parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
            !inside.ends_with("lock") && parts.any(|part| part == "tmp" || part.starts_with(".tmp"))
        };
        files_below(&self.data()).into_iter().filter(below_temporary).collect()
    }
}

impl Drop for Heliostat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the process said ---\n{}", self.said());
            if let Some(mut child) = self.child.take() {
                // The test has failed already; nothing may be left running.
                let _ = child.kill();
                let _ = child.wait();
            }
        } else if self.child.is_some() {
            self.stop();
        }
    }
}

/// Keeps what a process writes, without ever letting it wait.
fn listen(pipe: impl Read + Send + 'static, said: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// Finds a loopback port nobody listens on; no two calls of this process get the same.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let span = PORTS.end - PORTS.start;
    let next = |_| {
        // Processes that run at the same time start at places far apart.
        let step = NEXT.fetch_add(1, Ordering::SeqCst).wrapping_add(std::process::id().wrapping_mul(97));
        let port = u16::try_from(PORTS.start + step % span).expect("a port");
        SocketAddr::from(([127, 0, 0, 1], port))
    };
    (0..span).map(next).find(|address| TcpListener::bind(address).is_ok()).expect("a free port")
}

/// Finds every file below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        // A directory that is gone meanwhile holds nothing.
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}
