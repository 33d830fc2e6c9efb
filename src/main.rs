//! Parses the command line, runs it, and turns an error into an exit code: 1 when the command failed, 2 when it was
//! not understood.

use std::process::ExitCode;

use clap::Parser;
use heliostat::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version come this way too. Where nobody reads them, there is nobody to tell.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The alternate form prints the whole chain: what failed, and why.
            eprintln!("heliostat: {error:#}");
            ExitCode::FAILURE
        }
    }
}
