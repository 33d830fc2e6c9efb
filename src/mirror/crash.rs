//! Fail-points for the crash tests: the process ends, as if killed, at a named step of its first commit.
//!
//! The step is named by the environment variable [`VARIABLE`] and honoured in builds with debug assertions only.

#[cfg(debug_assertions)]
use std::sync::LazyLock;

/// Names the step to end at: the names of [`Step`] in `snake_case`.
#[cfg(debug_assertions)]
const VARIABLE: &str = "HELIOSTAT_TEST_ABORT_AT";

#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "a test's word to a debug build is no setting")]
static WANTED: LazyLock<Option<Step>> = LazyLock::new(|| Step::parse(&std::env::var(VARIABLE).ok()?));

/// A step of a commit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Room was made for the body.
    Reserved,
    /// All of it is in the temporary file.
    TempWritten,
    /// Its proofs hold.
    Proved,
    /// It is where its digest says.
    ContentInPlace,
    /// The index knows it, in a transaction that is still open.
    RowWritten,
    /// The transaction is over.
    Committed,
}

/// Tells that a step is done. Aborts the process if a crash test wants it to end here.
pub(crate) fn reach(step: Step) {
    #[cfg(debug_assertions)]
    if *WANTED == Some(step) {
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _ = step;
}

#[cfg(debug_assertions)]
impl Step {
    const ALL: [Self; 6] =
        [Self::Reserved, Self::TempWritten, Self::Proved, Self::ContentInPlace, Self::RowWritten, Self::Committed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::TempWritten => "temp_written",
            Self::Proved => "proved",
            Self::ContentInPlace => "content_in_place",
            Self::RowWritten => "row_written",
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
        assert_eq!(Step::parse("Reserved"), None);
    }
}
