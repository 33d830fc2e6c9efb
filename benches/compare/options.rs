//! The command line: `cargo bench --bench compare -- [options]`.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::peers::Kind;

/// What is run, and how long.
#[derive(Debug)]
pub struct Options {
    /// Names of rows; empty stands for all that are not `explicit`.
    pub rows: Vec<String>,
    pub peers: Vec<Kind>,
    pub rounds: usize,
    /// Seconds that one server is measured in one round.
    pub seconds: f64,
    pub write_readme: bool,
    /// The options as they were given, for the report.
    pub text: String,
}

pub const HELP: &str = "\
options:
  --rows a,b        only these rows (--rows list names them)
  --peers a,b       only these servers (nginx, varnish, verdaccio, heliostat)
  --rounds N        interleaved rounds (5)
  --quick           one round, half a second each: shows that everything works, measures nothing
  --write-readme    put the table between the markers of README.md";

impl Options {
    /// Reads the arguments; cargo's own `--bench` is passed over.
    ///
    /// # Errors
    /// An unknown option or a bad value.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let given: Vec<_> = arguments.filter(|argument| argument != "--bench").collect();
        let mut options = Self {
            rows: Vec::new(),
            peers: Kind::ALL.to_vec(),
            rounds: 5,
            seconds: 2.0,
            write_readme: false,
            text: given.join(" "),
        };
        let mut words = given.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--rows" => options.rows = value()?.split(',').map(str::to_owned).collect(),
                "--peers" => options.peers = value()?.split(',').map(parse_kind).collect::<Result<_>>()?,
                "--rounds" => options.rounds = value()?.parse::<usize>().context("--rounds")?.clamp(1, 50),
                "--quick" => (options.rounds, options.seconds) = (1, 0.5),
                "--write-readme" => options.write_readme = true,
                _ => bail!("unknown option {word}\n{HELP}"),
            }
        }
        Ok(options)
    }

    /// Returns the time after which the whole run is given up: twice what it should take, more with many rounds.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(20 * 60).mul_f64(self.rounds.max(5) as f64 / 5.0)
    }

    /// Tells whether a row is to run. `explicit` rows only run when named.
    pub fn wants(&self, row: &str, explicit: bool) -> bool {
        if self.rows.is_empty() { !explicit } else { self.rows.iter().any(|name| name == row) }
    }
}

fn parse_kind(name: &str) -> Result<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name).with_context(|| format!("no server is called {name}"))
}
