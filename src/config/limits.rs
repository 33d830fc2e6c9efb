//! What clients may ask of us.

use super::print::Printer;
use super::section::Section;
use super::values::Size;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the longest request body.
    pub request_body_bytes: u64,
    /// Requests at once, all clients together.
    pub in_flight: usize,
    /// Bytes of memory that one streaming client may hold.
    pub stream_buffer_bytes: u64,
}

/// A streaming client must be able to hold one piece of a body.
const SMALLEST_BUFFER_BYTES: u64 = 16 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self { request_body_bytes: 1 << 20, in_flight: 10_000, stream_buffer_bytes: 256 << 10 }
    }
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            request_body_bytes: section.positive("request_body_bytes", Size(default.request_body_bytes)).0,
            in_flight: section.positive("in_flight", default.in_flight),
            stream_buffer_bytes: section.value("stream_buffer_bytes", Size(default.stream_buffer_bytes)).0,
        };
        if read.stream_buffer_bytes < SMALLEST_BUFFER_BYTES {
            section.complain("stream_buffer_bytes", "must be at least \"16KiB\"");
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { request_body_bytes, in_flight, stream_buffer_bytes } = self;
        out.section("[limits]");
        out.key("request_body_bytes", &Size(*request_body_bytes));
        out.key("in_flight", in_flight);
        out.key("stream_buffer_bytes", &Size(*stream_buffer_bytes));
    }
}
