//! How much is kept, and where.

use std::time::Duration;

use super::print::Printer;
use super::section::Section;
use super::values::Size;

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Bytes on disk beyond which the least recently used entries go.
    pub max_bytes: u64,
    /// Bytes on disk that may be pinned, so that enough is left for what is fetched as it is asked for. No key of this
    /// section.
    pub max_pinned_bytes: u64,
    /// Bytes of bodies held in memory.
    pub hot_bytes: u64,
    /// Bytes of the largest body held in memory.
    pub hot_object_bytes: u64,
    /// Days within which everything is hashed again.
    pub scrub_days: u32,
}

impl Default for Store {
    fn default() -> Self {
        let max_bytes = 20 << 30;
        Self {
            max_bytes,
            max_pinned_bytes: pinned_share(max_bytes),
            hot_bytes: 64 << 20,
            hot_object_bytes: 256 << 10,
            scrub_days: 30,
        }
    }
}

impl Store {
    /// Returns the time within which everything is hashed again.
    pub fn scrub_period(&self) -> Duration {
        Duration::from_secs(u64::from(self.scrub_days) * 86_400)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let max_bytes = section.positive("max_bytes", Size(default.max_bytes)).0;
        let read = Self {
            max_bytes,
            max_pinned_bytes: pinned_share(max_bytes),
            hot_bytes: section.value("hot_bytes", Size(default.hot_bytes)).0,
            hot_object_bytes: section.value("hot_object_bytes", Size(default.hot_object_bytes)).0,
            scrub_days: section.positive("scrub_days", default.scrub_days),
        };
        // A hot tier of nothing is a way to switch it off; one that is smaller than a single body is a slip.
        if read.hot_bytes > 0 {
            section.check_order(("hot_object_bytes", read.hot_object_bytes), ("hot_bytes", read.hot_bytes));
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { max_bytes, max_pinned_bytes: _, hot_bytes, hot_object_bytes, scrub_days } = self;
        out.section("[store]");
        out.key("max_bytes", &Size(*max_bytes));
        out.key("hot_bytes", &Size(*hot_bytes));
        out.key("hot_object_bytes", &Size(*hot_object_bytes));
        out.key("scrub_days", scrub_days);
    }
}

/// Returns how much of a store may be pinned unless somebody says otherwise: four fifths.
fn pinned_share(max_bytes: u64) -> u64 {
    max_bytes / 5 * 4
}
