//! wrk, for small replies: one thread, closed loop, with its latency distribution.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::load::{Outcome, Plan};
use crate::process::{LOAD_CORE, pinned, run};

/// Runs a plan with wrk. Lengths are not looked at; statuses are: below 400 all is well for wrk.
///
/// # Errors
/// When wrk fails or reports an error.
pub fn generate(plan: &Plan, _work: &Path) -> Result<Outcome> {
    let mut command = Command::new("wrk");
    // wrk takes whole seconds only.
    let seconds = plan.seconds.ceil().max(1.0);
    command.args(["--threads", "1", "--latency", "--timeout", "10s"]);
    command.arg("--connections").arg(plan.connections.to_string()).arg("--duration").arg(format!("{seconds}s"));
    for (name, value) in &plan.headers {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    command.arg(format!("http://{}{}", plan.address, plan.path));
    let text = run(&mut pinned(LOAD_CORE, &command))?;
    let outcome = parse(&text).with_context(|| format!("wrk printed:\n{text}"))?;
    // 304 counts as an error for nobody, but a wrong length shows in the bytes that came.
    if plan.status == 200 && outcome.bytes < outcome.bodies * plan.length {
        bail!("{} bytes for {} bodies of {}", outcome.bytes, outcome.bodies, plan.length);
    }
    Ok(outcome)
}

fn parse(text: &str) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Socket errors") || line.starts_with("Non-2xx") {
            bail!("{line}");
        } else if let Some((count, rest)) = line.split_once(" requests in ") {
            let (time, rest) = rest.split_once(", ").context("no time")?;
            outcome.bodies = count.parse()?;
            outcome.seconds = microseconds(time)? as f64 / 1e6;
            outcome.bytes = bytes(rest.strip_suffix(" read").context("no size")?)?;
        } else if let Some(rest) = line.strip_prefix("50%") {
            outcome.median = microseconds(rest.trim())?;
        } else if let Some(rest) = line.strip_prefix("99%") {
            outcome.p99 = microseconds(rest.trim())?;
        }
    }
    if outcome.bodies == 0 {
        bail!("no request was answered");
    }
    Ok(outcome)
}

fn microseconds(text: &str) -> Result<u64> {
    let (number, scale) = split_unit(text, &[("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)])?;
    Ok((number * scale) as u64)
}

fn bytes(text: &str) -> Result<u64> {
    let scales = [("KB", 1024.0), ("MB", 1024.0 * 1024.0), ("GB", 1024.0 * 1024.0 * 1024.0), ("B", 1.0)];
    let (number, scale) = split_unit(text, &scales)?;
    // Two digits are printed: half a percent more than that at most was read.
    Ok((number * scale * 1.005) as u64)
}

fn split_unit(text: &str, scales: &[(&str, f64)]) -> Result<(f64, f64)> {
    let found = scales.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?.parse::<f64>().ok()?, *scale)));
    found.with_context(|| format!("{text} has no known unit"))
}
