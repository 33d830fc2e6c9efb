//! Fail-points for the crash tests of publishing: the process ends, as if killed, at a named step of its first publish.
//!
//! As in the mirror's: the step is named by an environment variable, honoured in builds with debug assertions only.

#[cfg(debug_assertions)]
use std::sync::LazyLock;

/// Names the step to end at: the names of [`Step`] in `snake_case`.
#[cfg(debug_assertions)]
const VARIABLE: &str = "HELIOSTAT_TEST_ABORT_PUBLISH_AT";

#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "a test's word to a debug build is no setting")]
static WANTED: LazyLock<Option<Step>> = LazyLock::new(|| Step::parse(&std::env::var(VARIABLE).ok()?));

/// A step of a publish, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The database knows that these bytes are on their way.
    Announced,
    /// All of them are in their place, and on the disk.
    BytesInPlace,
    /// The rows and the audit line are written, in a transaction that is still open.
    RowsWritten,
    /// The transaction is over: from here on it may be acknowledged.
    Committed,
}

/// Tells that a step is done. Aborts the process if a crash test wants it to end here.
pub(super) fn reach(step: Step) {
    #[cfg(debug_assertions)]
    if *WANTED == Some(step) {
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _ = step;
}

#[cfg(debug_assertions)]
impl Step {
    const ALL: [Self; 4] = [Self::Announced, Self::BytesInPlace, Self::RowsWritten, Self::Committed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::BytesInPlace => "bytes_in_place",
            Self::RowsWritten => "rows_written",
            Self::Committed => "committed",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_by_its_name() {
        for step in Step::ALL {
            assert_eq!(Step::parse(step.as_str()), Some(step));
        }
        assert_eq!(Step::parse("Announced"), None);
    }
}
