//! What clients may ask of us.

use std::time::Duration;

use super::print::Printer;
use super::section::Section;
use super::values::Size;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the longest request body.
    pub request_body_bytes: u64,
    /// Bytes of memory for request bodies that are read whole, all clients together.
    pub request_bodies_bytes: u64,
    /// Bytes of the longest head of a request.
    pub request_head_bytes: u64,
    /// Headers of one request.
    pub request_headers: usize,
    /// Longest time that the head of a request takes to come.
    pub head_timeout: Duration,
    /// Longest silence within a request body.
    pub body_idle_timeout: Duration,
    /// Bytes a second that a request body must come at, in the long run.
    pub body_bytes_per_second: u32,
    /// How long a connection is kept without a request.
    pub keep_alive_timeout: Duration,
    /// Connections at once, all clients together.
    pub connections: usize,
    /// Those of one address; 0: as many as of all.
    pub connections_per_address: usize,
    /// Requests a second of one address; 0: as many as it likes.
    pub requests_per_second: u32,
    /// Requests at once, all clients together.
    pub in_flight: usize,
    /// Bytes of memory that one streaming client may hold.
    pub stream_buffer_bytes: u64,
}

/// A streaming client must be able to hold one piece of a body.
const SMALLEST_BUFFER_BYTES: u64 = 16 << 10;

/// A head of which less is taken could not hold a long name; pingora itself takes not quite as much as the most.
const HEAD_BYTES: (u64, u64) = (1 << 10, 512 << 10);

/// pingora takes no more.
const MOST_HEADERS: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body_bytes: 1 << 20,
            request_bodies_bytes: 256 << 20,
            request_head_bytes: 32 << 10,
            request_headers: 100,
            head_timeout: Duration::from_secs(15),
            body_idle_timeout: Duration::from_secs(30),
            body_bytes_per_second: 64,
            keep_alive_timeout: Duration::from_secs(60),
            connections: 10_000,
            connections_per_address: 5_000,
            requests_per_second: 0,
            in_flight: 10_000,
            stream_buffer_bytes: 256 << 10,
        }
    }
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            request_body_bytes: section.positive("request_body_bytes", Size(default.request_body_bytes)).0,
            request_bodies_bytes: section.positive("request_bodies_bytes", Size(default.request_bodies_bytes)).0,
            request_head_bytes: section.value("request_head_bytes", Size(default.request_head_bytes)).0,
            request_headers: section.positive("request_headers", default.request_headers),
            head_timeout: section.positive("head_timeout", default.head_timeout),
            body_idle_timeout: section.positive("body_idle_timeout", default.body_idle_timeout),
            body_bytes_per_second: section.positive("body_bytes_per_second", default.body_bytes_per_second),
            keep_alive_timeout: section.positive("keep_alive_timeout", default.keep_alive_timeout),
            connections: section.positive("connections", default.connections),
            connections_per_address: section.value("connections_per_address", default.connections_per_address),
            requests_per_second: section.value("requests_per_second", default.requests_per_second),
            in_flight: section.positive("in_flight", default.in_flight),
            stream_buffer_bytes: section.value("stream_buffer_bytes", Size(default.stream_buffer_bytes)).0,
        };
        read.check(section);
        read
    }

    fn check(&self, section: &mut Section<'_>) {
        if !(HEAD_BYTES.0..=HEAD_BYTES.1).contains(&self.request_head_bytes) {
            section.complain("request_head_bytes", "must be at least \"1KiB\" and at most \"512KiB\"");
        }
        if self.request_headers > MOST_HEADERS {
            section.complain("request_headers", format!("must not be more than {MOST_HEADERS}"));
        }
        if self.stream_buffer_bytes < SMALLEST_BUFFER_BYTES {
            section.complain("stream_buffer_bytes", "must be at least \"16KiB\"");
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            request_body_bytes,
            request_bodies_bytes,
            request_head_bytes,
            request_headers,
            head_timeout,
            body_idle_timeout,
            body_bytes_per_second,
            keep_alive_timeout,
            connections,
            connections_per_address,
            requests_per_second,
            in_flight,
            stream_buffer_bytes,
        } = self;
        out.section("[limits]");
        out.key("request_body_bytes", &Size(*request_body_bytes));
        out.key("request_bodies_bytes", &Size(*request_bodies_bytes));
        out.key("request_head_bytes", &Size(*request_head_bytes));
        out.key("request_headers", request_headers);
        out.key("head_timeout", head_timeout);
        out.key("body_idle_timeout", body_idle_timeout);
        out.key("body_bytes_per_second", body_bytes_per_second);
        out.key("keep_alive_timeout", keep_alive_timeout);
        out.key("connections", connections);
        out.key("connections_per_address", connections_per_address);
        out.key("requests_per_second", requests_per_second);
        out.key("in_flight", in_flight);
        out.key("stream_buffer_bytes", &Size(*stream_buffer_bytes));
    }
}
