//! Compares Heliostat with nginx, Varnish and verdaccio on this machine, in one run:
//!
//! ```text
//! cargo bench --bench compare [-- --rows a,b --peers a,b --rounds 5 --quick --write-readme]
//! ```
//!
//! It installs what is missing, starts an origin (`origin`) and the servers (`peers`), lets them take turns at each row
//! (`rows`), and prints medians, ratios and memory as a Markdown table (`report`). Servers are pinned to one core, the
//! load (`load`, `wrk`) to another. Documents are fetched from Heliostat first and given to the origin as *twins*, so
//! that the caches that pass bytes on hold the very bytes that Heliostat serves; hashes are checked on a sample.
//! Everything that is started is stopped, on errors, panics and signals too (`process`).

#![expect(clippy::disallowed_methods, reason = "the bench is no part of the house, and runs programs of all kinds")]

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

mod fixtures;
mod install;
mod load;
mod options;
mod origin;
mod peers;
mod process;
mod publishing;
mod report;
mod rows;
#[path = "../../src/overlay/db/compliance/server.rs"]
mod server;
mod trees;
mod wire;
mod wrk;

use options::Options;
use origin::Origin;
use peers::Site;
use report::Report;
use rows::Arena;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    match first.as_deref() {
        Some(origin::ROLE) => origin::serve(),
        Some(publishing::ROLE) => publishing::serve(&arguments.next().context("publishers without a plan")?),
        Some(load::ROLE) => load::serve(&arguments.next().context("a load without a plan")?),
        _ => compare(&Options::parse(first.into_iter().chain(arguments))?),
    }
}

fn compare(options: &Options) -> Result<()> {
    check_rows(options)?;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    if options.write_readme {
        // Before ten minutes of measuring, not after.
        report::around_markers(&readme)?;
    }
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("two cores are needed: one for the server, one for the load");
    }
    process::stop_all_on_signals(options.limit())?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare");
    let (work, tools) = (scratch.join("work"), scratch.join("tools"));
    fs::create_dir_all(&work)?;
    install::everything(options, &tools)?;
    let table = measure(options, &work, &tools)?;
    println!("{table}");
    if options.write_readme {
        report::write_readme(&readme, &table)?;
    }
    // Some gigabytes. After a failure they stay, for their logs.
    fs::remove_dir_all(&work).with_context(|| format!("emptying {}", work.display()))
}

/// Starts all servers, runs the rows and returns the table.
fn measure(options: &Options, work: &Path, tools: &Path) -> Result<String> {
    let origin = Origin::start(work)?;
    let site = Site { origin: &origin, work, tools };
    let peers = options.peers.iter().map(|kind| kind.start(&site)).collect::<Result<_>>()?;
    let mut arena = Arena { options, site, peers, report: Report::default() };
    for row in rows::ALL.iter().filter(|row| options.wants(row.name, row.explicit)) {
        eprintln!("== {}", row.name);
        (row.run)(&mut arena).with_context(|| format!("row {}", row.name))?;
    }
    Ok(arena.report.print(options, &install::versions(&options.peers, tools)))
}

/// Refuses names of rows that do not exist, and tells those that do.
fn check_rows(options: &Options) -> Result<()> {
    let known: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
    match options.rows.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("no row is called {name}; there are: {}", known.join(", ")),
        None => Ok(()),
    }
}
