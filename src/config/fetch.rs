//! How upstreams are asked: patience, retries, how many at once.

use std::path::PathBuf;
use std::time::Duration;

use super::print::Printer;
use super::section::Section;
use crate::base::secret::SafeUrl;

/// `[fetch]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub connect_timeout: Duration,
    /// Longest silence within a body.
    pub idle_timeout: Duration,
    /// Longest wait for the head of a reply.
    pub first_byte_timeout: Duration,
    /// Tries of one request, the first one included.
    pub attempts: u32,
    pub connections_per_host: usize,
    /// An HTTP proxy for every upstream request. We speak plain HTTP to it; within a tunnel TLS is spoken to upstreams.
    pub proxy: Option<SafeUrl>,
    /// A PEM file of further roots.
    pub ca_file: Option<PathBuf>,
    /// What `ca_file` held when the configuration was loaded.
    pub extra_roots: Vec<u8>,
    /// Failures in a row that open a host's breaker.
    pub breaker_failures: u32,
    /// The breaker's first pause; it doubles up to `breaker_pause_max`.
    pub breaker_pause: Duration,
    pub breaker_pause_max: Duration,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            first_byte_timeout: Duration::from_secs(6),
            attempts: 4,
            connections_per_host: 32,
            proxy: None,
            ca_file: None,
            extra_roots: Vec::new(),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(1),
            breaker_pause_max: Duration::from_secs(60),
        }
    }
}

impl Fetch {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let mut read = Self {
            connect_timeout: section.positive("connect_timeout", default.connect_timeout),
            idle_timeout: section.positive("idle_timeout", default.idle_timeout),
            first_byte_timeout: section.positive("first_byte_timeout", default.first_byte_timeout),
            attempts: section.positive("attempts", default.attempts),
            connections_per_host: section.positive("connections_per_host", default.connections_per_host),
            proxy: section.value("proxy", default.proxy),
            ca_file: section.value("ca_file", default.ca_file),
            extra_roots: Vec::new(),
            breaker_failures: section.positive("breaker_failures", default.breaker_failures),
            breaker_pause: section.positive("breaker_pause", default.breaker_pause),
            breaker_pause_max: section.positive("breaker_pause_max", default.breaker_pause_max),
        };
        section.check_order(("breaker_pause", read.breaker_pause), ("breaker_pause_max", read.breaker_pause_max));
        if read.proxy.as_ref().is_some_and(|proxy| proxy.as_url().scheme() != "http") {
            section.complain("proxy", "must be an http URL: proxies are not spoken to over TLS");
        }
        if let Some(file) = &read.ca_file {
            read.extra_roots = section.load_pem("ca_file", file, "CERTIFICATE");
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            connect_timeout,
            idle_timeout,
            first_byte_timeout,
            attempts,
            connections_per_host,
            proxy,
            ca_file,
            extra_roots: _,
            breaker_failures,
            breaker_pause,
            breaker_pause_max,
        } = self;
        out.section("[fetch]");
        out.key("connect_timeout", connect_timeout);
        out.key("idle_timeout", idle_timeout);
        out.key("first_byte_timeout", first_byte_timeout);
        out.key("attempts", attempts);
        out.key("connections_per_host", connections_per_host);
        out.key("proxy", proxy);
        out.key("ca_file", ca_file);
        out.key("breaker_failures", breaker_failures);
        out.key("breaker_pause", breaker_pause);
        out.key("breaker_pause_max", breaker_pause_max);
    }
}
