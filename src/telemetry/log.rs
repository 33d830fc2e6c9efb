//! The log: for people on a terminal, JSON lines otherwise. Its filter can be changed while the server runs.
//!
//! Field names, the same everywhere: `mount`, `action`, `cache`, `status`, `bytes`, `ms`, `peer`, `request_id`, `method`,
//! `path`, `key`, `host`, `kind`, `error`. Messages are fixed text.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::sink::{self, Sink, Writer};

/// pingora reports every client that hangs up, and every second of waiting for another process, as an error. What
/// matters of that we log ourselves.
const QUIET: [&str; 3] = ["pingora_core=warn", "pingora_core::server::transfer_fd=off", "pingora_proxy=off"];

/// How to log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tracing directives, such as `info,heliostat::mirror=debug`.
    pub filter: String,
    pub format: Format,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// [`Format::Human`] on a terminal, [`Format::Json`] otherwise.
    #[default]
    Auto,
    Human,
    Json,
}

/// The running log. Dropping it writes what is still to be written.
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    _writer: Writer,
}

/// Why the log could not be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log filter cannot be read")]
    Filter(#[from] ParseError),
    #[error("the log has no thread to write with")]
    Thread(#[source] io::Error),
    #[error("another log is running in this process")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
    #[error("the log has ended")]
    Ended(#[from] reload::Error),
}

/// Starts logging to standard output, for the whole process.
///
/// # Errors
/// [`Error::Filter`]: the directives are malformed. [`Error::Taken`]: called twice.
pub fn start(settings: &Settings) -> Result<Log, Error> {
    let (filter, handle) = reload::Layer::new(parse_filter(&settings.filter)?);
    let (sink, writer) = sink::start(io::stdout()).map_err(Error::Thread)?;
    tracing_subscriber::registry().with(filter).with(lines(settings.format, sink)).try_init()?;
    Ok(Log { filter: handle, _writer: writer })
}

/// Reads tracing directives.
///
/// # Errors
/// [`Error::Filter`]: they are malformed.
pub fn parse_filter(directives: &str) -> Result<EnvFilter, Error> {
    let mut filter = EnvFilter::try_new(directives)?;
    for quiet in QUIET.into_iter().filter(|_| !directives.contains("pingora")) {
        filter = filter.add_directive(quiet.parse()?);
    }
    Ok(filter)
}

fn lines<S>(format: Format, sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let human = match format {
        Format::Auto => io::stdout().is_terminal(),
        Format::Human => true,
        Format::Json => false,
    };
    let layer = fmt::layer().with_writer(sink);
    if human {
        return layer.with_ansi(io::stdout().is_terminal()).boxed();
    }
    layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
}

// === impl Log ===

impl Log {
    /// Changes what is logged from now on.
    ///
    /// # Errors
    /// [`Error::Filter`]: the directives are malformed; the old ones stay.
    pub fn set_filter(&self, directives: &str) -> Result<(), Error> {
        Ok(self.filter.reload(parse_filter(directives)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pingora_is_quiet_unless_it_is_asked() {
        let printed = |directives| parse_filter(directives).unwrap().to_string();
        assert!(printed("info").contains("pingora_proxy=off"));
        assert_eq!(printed("pingora_proxy=debug"), "pingora_proxy=debug");
    }

    #[test]
    fn a_malformed_filter_is_refused() {
        assert!(matches!(parse_filter("heliostat=loud"), Err(Error::Filter(_))));
    }
}
