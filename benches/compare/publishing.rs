//! Clients that publish: each a package of its own, one version after the other, as npm sends them.
//!
//! They run as a process of their own on the load's core: the bench binary again, with a [`Plan`] as its argument, printing
//! an [`Outcome`]. Every version must be answered with 201.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::fixtures::{Noise, gzip};
use crate::process::{LOAD_CORE, Process};
use crate::wire;

/// The argument that makes the bench binary publish; the plan follows it.
pub const ROLE: &str = "--as-publisher";

/// Bytes of a tarball, about.
const LENGTH: usize = 50_000;

/// Where is published, as whom, and how much.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    /// What stands before the names of packages: the mount, and a slash.
    pub before: String,
    pub token: String,
    /// Tells the packages of this plan from those of others.
    pub round: String,
    pub clients: usize,
    pub seconds: f64,
    /// Versions a second at most, all clients together; 0: as many as are taken.
    pub pace: f64,
}

/// What was taken.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub versions: u64,
    pub seconds: f64,
    /// In microseconds.
    pub p99: u64,
}

/// Publishers at work.
pub struct Running {
    process: Process,
    output: std::process::ChildStdout,
}

/// Starts a plan in a process of its own.
///
/// # Errors
/// When it cannot be started.
pub fn start(plan: &Plan, work: &Path) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ROLE).arg(serde_json::to_string(plan)?);
    let (process, output) = Process::start_piped("publishers", LOAD_CORE, &command, work)?;
    Ok(Running { process, output })
}

/// Runs the plan given as text in this process and prints the outcome.
///
/// # Errors
/// Those of [`Running::finish`].
pub fn serve(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan).context("the plan")?;
    let (start, times) = (Instant::now(), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let publish = |client| publish_all(&plan, client, start, &times);
        let clients: Vec<_> = (0..plan.clients).map(|client| scope.spawn(move || publish(client))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("publishers do not panic"))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut times = times.into_inner().expect("publishers do not panic");
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    println!("{}", serde_json::to_string(&Outcome { versions: times.len() as u64, seconds, p99 })?);
    Ok(())
}

/// Publishes until the time is over.
fn publish_all(plan: &Plan, client: usize, start: Instant, times: &Mutex<Vec<u64>>) -> Result<()> {
    let name = format!("measured-{}-{client}", plan.round);
    let noise = Noise::named(&name).bytes(LENGTH);
    let step = Duration::from_secs_f64(if plan.pace > 0.0 { plan.clients as f64 / plan.pace } else { 0.0 });
    let mut patch = 0;
    while start.elapsed().as_secs_f64() < plan.seconds {
        let body = publication(&name, &format!("1.0.{patch}"), &noise)?.to_string();
        let began = Instant::now();
        publish(plan, &name, body.as_bytes())?;
        let time = began.elapsed();
        times.lock().expect("publishers do not panic").push(time.as_micros() as u64);
        patch += 1;
        thread::sleep((step * patch).saturating_sub(start.elapsed()));
    }
    Ok(())
}

fn publish(plan: &Plan, name: &str, body: &[u8]) -> Result<()> {
    let bearer = format!("Bearer {}", plan.token);
    let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
    let answer = wire::send(plan.address, "PUT", &format!("{}{name}", plan.before), &headers, body)?;
    if answer.status != 201 {
        bail!("{name} was answered with {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

/// Makes what npm sends.
fn publication(name: &str, version: &str, noise: &[u8]) -> Result<Value> {
    let manifest = json!({ "name": name, "version": version, "description": "made for a measurement" });
    let tarball = tarball(&manifest, noise)?;
    let file = format!("{name}-{version}.tgz");
    Ok(json!({
        "_id": name, "name": name, "dist-tags": { "latest": version }, "versions": { version: manifest }, "readme": "",
        "_attachments": { file: {
            "content_type": "application/octet-stream", "data": STANDARD.encode(&tarball), "length": tarball.len(),
        } },
    }))
}

fn tarball(manifest: &Value, noise: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, bytes) in [("package/package.json", manifest.to_string().as_bytes()), ("package/noise", noise)] {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes)?;
    }
    gzip(&tar.into_inner()?)
}

// === impl Running ===

impl Running {
    /// Waits for the end of the plan.
    ///
    /// # Errors
    /// The first version that was not taken.
    pub fn finish(self, work: &Path) -> Result<Outcome> {
        let text = io::read_to_string(self.output)?;
        drop(self.process);
        serde_json::from_str(&text).with_context(|| {
            let log = std::fs::read_to_string(work.join("publishers.log")).unwrap_or_default();
            format!("publishing failed: {log}")
        })
    }
}
