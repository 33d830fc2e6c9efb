//! Whom hooks may tell, and how patiently.

use std::time::Duration;

use super::print::Printer;
use super::section::Section;

/// `[hooks]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Whether endpoints may be at loopback, link-local and private addresses.
    pub allow_private: bool,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// How long is waited after the first failure; four times as long after the second, which is the last but one.
    pub retry_pause: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { allow_private: false, timeout: Duration::from_secs(10), retry_pause: Duration::from_secs(15) }
    }
}

impl Hooks {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            allow_private: section.value("allow_private", default.allow_private),
            timeout: section.positive("timeout", default.timeout),
            retry_pause: section.positive("retry_pause", default.retry_pause),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { allow_private, timeout, retry_pause } = self;
        out.section("[hooks]");
        out.key("allow_private", allow_private);
        out.key("timeout", timeout);
        out.key("retry_pause", retry_pause);
    }
}
