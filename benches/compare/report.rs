//! From samples to medians, from medians to ratios, from ratios to the Markdown table that README shows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::options::Options;
use crate::peers::Kind;

const BEGIN: &str = "<!-- compare:begin -->";
const END: &str = "<!-- compare:end -->";

/// One line of the table: what was measured, of whom, and what it should be.
pub struct Figure {
    pub workload: String,
    pub measured: &'static str,
    pub unit: Unit,
    pub values: BTreeMap<Kind, f64>,
    pub target: Target,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    /// Given in bytes a second, written in MB/s.
    Throughput,
    /// Given in seconds, written in ms.
    Milliseconds,
    Seconds,
    /// Given in bytes, written in MiB.
    Mebibytes,
    Count,
    /// A ratio.
    Times,
}

/// What a figure of ours should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// For information only.
    None,
    /// At least so many times the rival's figure.
    AtLeast(Kind, f64),
    /// At least so many times another figure of ours.
    AtLeastOf {
        what: &'static str,
        base: f64,
        times: f64,
    },
    /// At most so many times the rival's figure.
    AtMost(Kind, f64),
    /// At most this, in the unit that values are given in.
    Below(f64),
    Exactly(f64),
}

/// Samples of one quantity, a list for each server.
#[derive(Default)]
pub struct Samples(BTreeMap<Kind, Vec<f64>>);

/// Everything that will be printed.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

// === impl Samples ===

impl Samples {
    pub fn add(&mut self, kind: Kind, value: f64) {
        self.0.entry(kind).or_default().push(value);
    }

    pub fn medians(&self) -> BTreeMap<Kind, f64> {
        self.fold(|sorted| {
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
        })
    }

    /// Returns the worst of each server: what a bound must be held against.
    pub fn largest(&self) -> BTreeMap<Kind, f64> {
        self.fold(|sorted| sorted[sorted.len() - 1])
    }

    fn fold(&self, pick: impl Fn(&[f64]) -> f64) -> BTreeMap<Kind, f64> {
        let picked = self.0.iter().map(|(kind, values)| {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            (*kind, pick(&sorted))
        });
        picked.collect()
    }
}

// === impl Figure ===

impl Figure {
    /// Returns our figure over the rival's, where both were measured.
    fn ratio(&self) -> Option<f64> {
        let theirs = match self.target {
            Target::AtLeast(rival, _) | Target::AtMost(rival, _) => *self.values.get(&rival)?,
            Target::AtLeastOf { base, .. } => base,
            Target::None | Target::Below(_) | Target::Exactly(_) => *self.values.get(&Kind::Nginx)?,
        };
        let ours = *self.values.get(&Kind::Heliostat)?;
        (theirs > 0.0).then_some(ours / theirs)
    }

    fn is_met(&self) -> Option<bool> {
        let ours = *self.values.get(&Kind::Heliostat)?;
        match self.target {
            Target::None => None,
            Target::AtLeast(_, times) | Target::AtLeastOf { times, .. } => Some(self.ratio()? >= times),
            Target::AtMost(_, times) => Some(self.ratio()? <= times),
            Target::Below(bound) => Some(ours <= bound),
            Target::Exactly(value) => Some(ours == value),
        }
    }

    fn print(&self) -> String {
        let cell = |kind: Kind| self.values.get(&kind).map_or_else(|| "–".to_owned(), |value| self.unit.print(*value));
        let ratio = match self.unit {
            Unit::Mebibytes | Unit::Count | Unit::Times => None,
            _ => self.ratio(),
        };
        let met = match self.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {met} |",
            self.workload,
            self.measured,
            cell(Kind::Nginx),
            cell(Kind::Varnish),
            cell(Kind::Verdaccio),
            cell(Kind::Heliostat),
            ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}×")),
            self.target.print(self.unit),
        )
    }
}

// === impl Unit ===

impl Unit {
    fn print(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Throughput => format!("{:.0} MB/s", value / 1e6),
            Self::Milliseconds => format!("{:.2} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
            Self::Count => format!("{value:.0}"),
            Self::Times => format!("{value:.2}×"),
        }
    }
}

// === impl Target ===

impl Target {
    fn print(self, unit: Unit) -> String {
        match self {
            Self::None => String::new(),
            Self::AtLeast(rival, times) => format!("≥ {times:.1}× {rival}"),
            Self::AtLeastOf { what, base, times } => format!("≥ {times:.2}× {what} ({})", unit.print(base)),
            Self::AtMost(rival, times) => format!("≤ {times:.2}× {rival}"),
            Self::Below(bound) => format!("≤ {}", unit.print(bound)),
            Self::Exactly(value) => unit.print(value),
        }
    }
}

// === impl Report ===

impl Report {
    pub fn add(&mut self, figure: Figure) {
        eprintln!("{}", figure.print());
        self.figures.push(figure);
    }

    pub fn note(&mut self, text: String) {
        eprintln!("note: {text}");
        self.notes.push(text);
    }

    /// Returns the table with the line that names machine, versions and command.
    pub fn print(&self, options: &Options, versions: &str) -> String {
        let mut text = String::from(
            "| workload | measured | nginx | Varnish | verdaccio | Heliostat | ratio | target | met |\n\
             |---|---|---:|---:|---:|---:|---:|---|---|\n",
        );
        for figure in &self.figures {
            text.push_str(&figure.print());
            text.push('\n');
        }
        let dashes = if options.text.is_empty() { "" } else { " -- " };
        write!(
            text,
            "\n{}; {versions}. Server on one core, load on another, loopback; {} interleaved rounds of {} s, medians \
             (memory: the worst round); hits from warm caches, bodies identical. Made by `cargo bench --bench compare{dashes}{}`.\n",
            machine(),
            options.rounds,
            options.seconds,
            options.text
        )
        .expect("a String takes everything");
        for note in &self.notes {
            text.push_str(&format!("- {note}\n"));
        }
        text
    }
}

/// Puts `table` between the markers of a README.
///
/// # Errors
/// When the file or a marker is missing: the file is then left as it was.
pub fn write_readme(path: &Path, table: &str) -> Result<()> {
    let (before, after) = around_markers(path)?;
    fs::write(path, format!("{before}{BEGIN}\n{table}{END}{after}"))?;
    Ok(())
}

/// Returns what stands before and after the markers of a README.
///
/// # Errors
/// When the file or a marker is missing.
pub fn around_markers(path: &Path) -> Result<(String, String)> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{} has no {BEGIN}", path.display()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{} has no {END}", path.display()))?;
    Ok((before.to_owned(), after.to_owned()))
}

/// Returns date, number of cores, processor and kernel.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().map(|output| output.stdout).unwrap_or_default();
    format!(
        "{}: {cores} cores of {}, Linux {}",
        String::from_utf8_lossy(&date).trim(),
        model.map_or("an unnamed processor", |(_, name)| name),
        kernel.trim()
    )
}
