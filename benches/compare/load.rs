//! A load generator for bodies: keep-alive connections on one core that throw bytes away in the kernel.
//!
//! wrk copies and parses every byte, so that for large bodies it, not the server, is what is measured. Here only the
//! heads are read; bodies are dropped by `MSG_TRUNC` (tcp(7)) and counted. Every body must have the expected status and
//! length; the first body of some connections is read in full and hashed before the clock starts.
//!
//! It runs as a process of its own: the bench binary again, with a [`Plan`] as its argument, printing an [`Outcome`].

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::net::{RecvFlags, recv};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::process::{LOAD_CORE, Process};
use crate::wire::{hex, read_head};

/// The argument that makes the bench binary a load generator; the plan follows it.
pub const ROLE: &str = "--as-load";

/// Bytes thrown away by one call at most. None of them are touched.
const DISCARD_STEP: usize = 4 << 20;
/// Longest silence of a server.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the load runs before the clock starts.
const WARM_UP: Duration = Duration::from_millis(300);

/// What is asked, how often, and what must come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Values of `Range` taken in turn; empty asks for the whole body.
    pub ranges: Vec<String>,
    pub connections: usize,
    /// Seconds of the measured time; 0 sends one request a connection, all at once.
    pub seconds: f64,
    pub status: u16,
    pub length: u64,
    /// How many connections hash their first body.
    pub hashed: usize,
}

/// What came. Times in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub seconds: f64,
    /// Bytes of bodies, those of unfinished ones too.
    pub bytes: u64,
    /// Whole bodies.
    pub bodies: u64,
    pub median: u64,
    pub p99: u64,
    pub slowest: u64,
    /// SHA-256 of the hashed bodies, without repetition.
    pub digests: Vec<String>,
}

/// Runs a plan in a process of its own on the load's core.
///
/// # Errors
/// Any connection's first fault: a wrong status or length, a cut, a silence.
pub fn run(plan: &Plan, work: &Path) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ROLE).arg(serde_json::to_string(plan)?);
    let (process, output) = Process::start_piped("load", LOAD_CORE, &command, work)?;
    let text = io::read_to_string(output)?;
    drop(process);
    serde_json::from_str(&text).with_context(|| {
        let log = std::fs::read_to_string(work.join("load.log")).unwrap_or_default();
        format!("the load on {} failed: {log}", plan.path)
    })
}

/// Runs the plan given as text in this process and prints the outcome.
///
/// # Errors
/// Those of [`run`].
pub fn serve(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    raise_file_limit(plan.connections as u64 + 64)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(generate(plan))?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// What all connections share.
struct Shared {
    plan: Plan,
    requests: Vec<Vec<u8>>,
    start: Barrier,
    bytes: AtomicU64,
    bodies: AtomicU64,
    over: AtomicBool,
}

/// One keep-alive connection.
struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    /// Never touched by anyone: the kernel only looks at its length.
    nowhere: Vec<u8>,
}

async fn generate(plan: Plan) -> Result<Outcome> {
    let connections = plan.connections;
    let shared = Arc::new(Shared {
        requests: requests(&plan),
        start: Barrier::new(connections + 1),
        bytes: AtomicU64::new(0),
        bodies: AtomicU64::new(0),
        over: AtomicBool::new(false),
        plan,
    });
    let mut tasks = JoinSet::new();
    for index in 0..connections {
        tasks.spawn(drive(index, shared.clone()));
    }
    let counted = tokio::select! {
        counted = count(&shared) => counted,
        fault = first_fault(&mut tasks) => return Err(fault),
    };
    let mut outcome = counted;
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (digest, mut taken) = done??;
        times.append(&mut taken);
        outcome.digests.extend(digest);
    }
    if shared.plan.seconds == 0.0 {
        outcome.bytes = shared.bytes.load(Ordering::Relaxed);
        outcome.bodies = shared.bodies.load(Ordering::Relaxed);
    }
    summarise(&mut outcome, times);
    Ok(outcome)
}

/// Waits for the start, and measures between the end of the warm-up and the end of the time.
async fn count(shared: &Shared) -> Outcome {
    shared.start.wait().await;
    if shared.plan.seconds == 0.0 {
        return Outcome::default();
    }
    tokio::time::sleep(WARM_UP).await;
    let (start, bytes, bodies) =
        (Instant::now(), shared.bytes.load(Ordering::Relaxed), shared.bodies.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs_f64(shared.plan.seconds)).await;
    let outcome = Outcome {
        seconds: start.elapsed().as_secs_f64(),
        bytes: shared.bytes.load(Ordering::Relaxed) - bytes,
        bodies: shared.bodies.load(Ordering::Relaxed) - bodies,
        ..Outcome::default()
    };
    shared.over.store(true, Ordering::Relaxed);
    outcome
}

/// Returns when a connection fails; those that end well are kept waiting for by the caller.
async fn first_fault(tasks: &mut JoinSet<Result<(Option<String>, Vec<u64>)>>) -> anyhow::Error {
    match tasks.join_next().await {
        Some(Ok(Err(fault))) => fault,
        Some(Err(fault)) => fault.into(),
        // Before the time is over no connection ends well, and there is always one.
        Some(Ok(Ok(_))) | None => anyhow::anyhow!("a connection ended before its time"),
    }
}

async fn drive(index: usize, shared: Arc<Shared>) -> Result<(Option<String>, Vec<u64>)> {
    let once = shared.plan.seconds == 0.0;
    let hashes = index < shared.plan.hashed;
    let mut connection = Connection::open(shared.clone()).await?;
    let mut digest = None;
    if hashes && !once {
        digest = Some(connection.exchange_hashed(index).await?);
    }
    shared.start.wait().await;
    let mut times = Vec::new();
    let mut turn = index;
    loop {
        let start = Instant::now();
        if hashes && once {
            digest = Some(connection.exchange_hashed(turn).await?);
            shared.bodies.fetch_add(1, Ordering::Relaxed);
            shared.bytes.fetch_add(shared.plan.length, Ordering::Relaxed);
        } else {
            connection.exchange(turn).await?;
        }
        times.push(start.elapsed().as_micros() as u64);
        if once || shared.over.load(Ordering::Relaxed) {
            return Ok((digest, times));
        }
        turn += 1;
    }
}

fn requests(plan: &Plan) -> Vec<Vec<u8>> {
    let mut head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", plan.path, plan.address);
    for (name, value) in &plan.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if plan.ranges.is_empty() {
        return vec![format!("{head}\r\n").into_bytes()];
    }
    plan.ranges.iter().map(|range| format!("{head}Range: {range}\r\n\r\n").into_bytes()).collect()
}

fn summarise(outcome: &mut Outcome, mut times: Vec<u64>) {
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len() - 1)).copied();
    if times.is_empty() {
        return;
    }
    outcome.median = at(0.5).unwrap_or_default();
    outcome.p99 = at(0.99).unwrap_or_default();
    outcome.slowest = at(1.0).unwrap_or_default();
    outcome.digests.sort();
    outcome.digests.dedup();
}

fn raise_file_limit(wanted: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let held = getrlimit(Resource::Nofile);
    if held.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: held.maximum })
            .with_context(|| format!("{wanted} files may not be open at once"))?;
    }
    Ok(())
}

// === impl Connection ===

impl Connection {
    async fn open(shared: Arc<Shared>) -> Result<Self> {
        let stream = TcpStream::connect(shared.plan.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, shared, nowhere: vec![0; DISCARD_STEP] })
    }

    /// Sends one request and throws the body away.
    async fn exchange(&mut self, turn: usize) -> Result<()> {
        let mut first = [0; 2048];
        let (_, begun) = self.ask(turn, &mut first).await?;
        let mut left = self.shared.plan.length - begun.len() as u64;
        self.shared.bytes.fetch_add(begun.len() as u64, Ordering::Relaxed);
        while left > 0 {
            let thrown = tokio::time::timeout(SILENCE, self.discard(left)).await.context("silence")?? as u64;
            self.shared.bytes.fetch_add(thrown, Ordering::Relaxed);
            left -= thrown;
        }
        self.shared.bodies.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sends one request and returns the SHA-256 of the body.
    async fn exchange_hashed(&mut self, turn: usize) -> Result<String> {
        let mut first = [0; 2048];
        let (_, begun) = self.ask(turn, &mut first).await?;
        let mut hash = Sha256::new_with_prefix(begun);
        let mut left = self.shared.plan.length - begun.len() as u64;
        let mut buffer = vec![0; 256 << 10];
        while left > 0 {
            let limit = buffer.len().min(left as usize);
            let taken =
                tokio::time::timeout(SILENCE, self.stream.read(&mut buffer[..limit])).await.context("silence")??;
            if taken == 0 {
                bail!("cut {left} bytes before the end");
            }
            hash.update(&buffer[..taken]);
            left -= taken as u64;
        }
        Ok(hex(&hash.finalize()))
    }

    /// Sends one request and reads its head; returns the head's length and what of the body came with it.
    async fn ask<'a>(&mut self, turn: usize, first: &'a mut [u8; 2048]) -> Result<(usize, &'a [u8])> {
        let shared = self.shared.clone();
        self.stream.write_all(&shared.requests[turn % shared.requests.len()]).await?;
        let mut held = 0;
        loop {
            let taken =
                tokio::time::timeout(SILENCE, self.stream.read(&mut first[held..])).await.context("silence")??;
            if taken == 0 {
                bail!("cut, or a head of more than {} bytes", first.len());
            }
            held += taken;
            if let Some(end) = first[..held].windows(4).position(|window| window == b"\r\n\r\n") {
                check(&first[..end + 4], &shared.plan)?;
                return Ok((end + 4, &first[end + 4..held]));
            }
        }
    }

    async fn discard(&mut self, left: u64) -> io::Result<usize> {
        let limit = self.nowhere.len().min(left as usize);
        loop {
            self.stream.readable().await?;
            let nowhere = &mut self.nowhere[..limit];
            let thrown = self.stream.try_io(Interest::READABLE, || {
                let (_, length) = recv(&self.stream, nowhere, RecvFlags::TRUNC)?;
                Ok(length)
            });
            match thrown {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

fn check(head: &[u8], plan: &Plan) -> Result<()> {
    let head = read_head(&mut &head[..])?.context("an empty head")?;
    let status = head.first.split(' ').nth(1).unwrap_or_default();
    if status != plan.status.to_string() {
        bail!("{} instead of {}", head.first, plan.status);
    }
    if plan.length > 0 && head.length() != Some(plan.length) {
        bail!("a length of {:?} instead of {}", head.length(), plan.length);
    }
    Ok(())
}
