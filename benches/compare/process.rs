//! Child processes: started on a core, stopped for certain, and what /proc tells of them.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// The core that servers run on.
pub const SERVER_CORE: usize = 0;
/// The core that load, origin and the bench itself run on.
pub const LOAD_CORE: usize = 1;

/// How long a process may take to stop when asked, before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clock ticks a second in /proc: 100 on every Linux. Source: proc_pid_stat(5), times(2).
const TICKS: f64 = 100.0;

/// Time between two looks of a [`Watch`].
const WATCH_STEP: Duration = Duration::from_millis(50);

/// Every process that runs now, for the signal handler.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A child that is stopped when dropped.
pub struct Process {
    name: String,
    child: Child,
}

/// Memory of a process and its descendants, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub anonymous: u64,
    /// Highest `resident` since [`Process::reset_peak`], summed over the processes.
    pub peak: u64,
}

/// Looks at a process and its descendants every now and then, from another thread.
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

/// What a [`Watch`] saw.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Highest anonymous memory, in bytes.
    pub anonymous: u64,
    looks: Vec<Look>,
}

/// One look, in times since the start of something.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    /// CPU time that the process and its descendants have used.
    used: Duration,
    /// Time that the servers' core was idle.
    idle: Duration,
}

/// Shares of the servers' core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// The watched process and its descendants.
    pub used: f64,
    /// Nobody.
    pub idle: f64,
}

/// Stops everything that runs and leaves: on SIGINT, on SIGTERM, and when the whole run takes longer than `limit`.
///
/// # Errors
/// When the handlers cannot be set up.
pub fn stop_all_on_signals(limit: Duration) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut terminate = {
        let _context = runtime.enter();
        signal(SignalKind::terminate())?
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        let status = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => 143,
                _ = tokio::signal::ctrl_c() => 130,
                () = tokio::time::sleep(limit) => {
                    eprintln!("the run takes longer than {limit:?} and is stopped");
                    1
                }
            }
        });
        stop_all();
        std::process::exit(status);
    })?;
    Ok(())
}

fn stop_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // Workers are listed before their parents end: nobody could find them afterwards.
    let all: Vec<u32> = running.iter().flat_map(|&pid| family_of(pid)).collect();
    running.iter().for_each(|&pid| send_signal(pid, Signal::TERM));
    let start = Instant::now();
    while all.iter().any(|&pid| is_alive(pid)) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    kill_rest(&all);
}

/// Kills those of our processes that still run.
fn kill_rest(pids: &[u32]) {
    pids.iter().filter(|&&pid| is_alive(pid)).for_each(|&pid| send_signal(pid, Signal::KILL));
}

/// Returns an address on the loopback that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or fails; the message holds its standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns a command that runs `command` on one core.
pub fn pinned(core: usize, command: &Command) -> Command {
    let mut outer = Command::new("taskset");
    outer.arg("-c").arg(core.to_string()).arg(command.get_program()).args(command.get_args());
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

fn send_signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // It may have ended by itself meanwhile, which is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

fn is_alive(pid: u32) -> bool {
    // A zombie is dead: only its parent does not know yet.
    stat_fields(pid).is_some_and(|fields| fields[0] != "Z")
}

/// Returns the fields of /proc/PID/stat from the state on. Source: proc_pid_stat(5).
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold anything but ends at the last parenthesis.
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

fn status_bytes(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Returns the CPU time of some processes. Source: proc_pid_stat(5), utime and stime.
fn cpu_of(pids: &[u32]) -> Duration {
    let ticks = |pid: &u32| {
        let fields = stat_fields(*pid)?;
        Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
    };
    Duration::from_secs_f64(pids.iter().filter_map(ticks).sum::<u64>() as f64 / TICKS)
}

/// Returns how long a core was idle, waiting for disks included. Source: proc_stat(5).
fn core_idle(core: usize) -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")));
    let ticks = line.unwrap_or_default().split(' ').skip(3).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_secs_f64(ticks.sum::<u64>() as f64 / TICKS)
}

fn family_of(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&pid) = family.get(next) {
        family.extend(children_of(pid));
        next += 1;
    }
    family
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| stat_fields(pid).is_some_and(|fields| fields[1] == parent.to_string())).collect()
}

// === impl Process ===

impl Process {
    /// Starts a process on one core; what it prints goes to `work/NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, core: usize, command: &Command, work: &Path) -> Result<Self> {
        let log = File::create(work.join(format!("{name}.log")))?;
        Self::spawn(name, pinned(core, command).stdout(log.try_clone()?).stderr(log))
    }

    /// Starts a process on one core and hands out its standard output.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_piped(name: &str, core: usize, command: &Command, work: &Path) -> Result<(Self, ChildStdout)> {
        let log = File::create(work.join(format!("{name}.log")))?;
        let mut process = Self::spawn(name, pinned(core, command).stdout(Stdio::piped()).stderr(log))?;
        let output = process.child.stdout.take().context("no standard output")?;
        Ok((process, output))
    }

    fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting {name}"))?;
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
        Ok(Self { name: name.to_owned(), child })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the process ends before, or `limit` is over.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<Duration> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended while starting ({status}); see its log", self.name);
            }
            if start.elapsed() > limit {
                bail!("{} is not ready after {limit:?}", self.name);
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(start.elapsed())
    }

    /// Returns the process and all its descendants.
    fn family(&self) -> Vec<u32> {
        family_of(self.child.id())
    }

    /// Returns the CPU time that the process and its descendants have used; its step is 10 ms.
    pub fn cpu(&self) -> Duration {
        cpu_of(&self.family())
    }

    /// Starts to look at the process until [`Watch::stop`].
    pub fn watch(&self) -> Watch {
        let (family, over) = (self.family(), Arc::new(AtomicBool::new(false)));
        let is_over = over.clone();
        let thread = thread::spawn(move || {
            let (start, mut watched) = (Instant::now(), Watched::default());
            while !is_over.load(Ordering::Relaxed) {
                watched.looks.push(Look { at: start.elapsed(), used: cpu_of(&family), idle: core_idle(SERVER_CORE) });
                watched.anonymous = watched.anonymous.max(family.iter().map(|&pid| status_bytes(pid, "RssAnon")).sum());
                thread::sleep(WATCH_STEP);
            }
            watched
        });
        Watch { over, thread }
    }

    pub fn memory(&self) -> Memory {
        self.family().into_iter().fold(Memory::default(), |sum, pid| Memory {
            resident: sum.resident + status_bytes(pid, "VmRSS"),
            anonymous: sum.anonymous + status_bytes(pid, "RssAnon"),
            peak: sum.peak + status_bytes(pid, "VmHWM"),
        })
    }

    /// Lets `VmHWM` start again from what is resident now. Source: proc_pid_clear_refs(5), value 5.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub fn reset_peak(&self) -> io::Result<()> {
        self.family().into_iter().try_for_each(|pid| fs::write(format!("/proc/{pid}/clear_refs"), "5"))
    }
}

// === impl Watch ===

impl Watch {
    /// Ends the watch; panics of its thread are passed on as nothing seen.
    pub fn stop(self) -> Watched {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

impl Watched {
    /// Returns who used the core in the middle half of the time.
    pub fn shares(&self) -> Shares {
        let middle = (self.looks.get(self.looks.len() / 4), self.looks.get(self.looks.len() * 3 / 4));
        let (Some(from), Some(to)) = middle else { return Shares::default() };
        let share = |part: Duration| part.as_secs_f64() / (to.at - from.at).as_secs_f64().max(f64::EPSILON);
        Shares { used: share(to.used.saturating_sub(from.used)), idle: share(to.idle.saturating_sub(from.idle)) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.child.id();
        let family = self.family();
        send_signal(pid, Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            eprintln!("{} did not stop in {PATIENCE:?} and is killed", self.name);
            kill_rest(&family);
            // It can only fail when it has been waited for already.
            let _ = self.child.wait();
        }
        // Workers whose parent did not see to them.
        kill_rest(&family[1..]);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|&running| running != pid);
    }
}
