//! What is logged, and in which form.

use tracing_subscriber::EnvFilter;

use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, quote, read_choice};

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Tracing directives, checked to parse.
    pub filter: String,
    pub format: LogFormat,
    /// Whether every request gets a line.
    pub access: bool,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    Human,
    Json,
}

const FORMATS: [(&str, LogFormat); 3] =
    [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto, access: true }
    }
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let filter = section.value("filter", default.filter);
        if let Err(error) = EnvFilter::builder().parse(&filter) {
            section.complain("filter", format!("must be directives such as \"info,heliostat=debug\": {error}"));
        }
        Self {
            filter,
            format: section.value("format", default.format),
            access: section.value("access", default.access),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { filter, format, access } = self;
        out.section("[log]");
        out.key("filter", filter);
        out.key("format", format);
        out.key("access", access);
    }
}

impl Setting for LogFormat {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &FORMATS)
    }

    fn print(&self) -> String {
        let (word, _) = FORMATS.iter().find(|(_, format)| format == self).expect("every format has its word");
        quote(word)
    }
}
