//! One request on its way through pingora's phases: what is known of it, and where it leads.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, StatusCode};
use pingora::proxy::Session;

use super::limits::Ticket;
use super::mounts::Mount;
use super::passage::Passage;
use crate::base::http::{Note, Reply, Request};

/// One request's way through the phases.
pub struct Visit {
    /// Sixteen hexadecimal digits.
    pub id: HeaderValue,
    /// Where it comes from, behind proxies that we trust.
    pub client: Option<IpAddr>,
    /// Kept for the access line alone.
    pub started: Option<Instant>,
    pub mount: Option<Arc<Mount>>,
    pub note: Note,
    /// Boxed, since few requests have one and every request is moved about.
    pub passage: Option<Box<Passage>>,
    pub ticket: Option<Ticket>,
}

/// Where a request leads.
pub struct Place<'a> {
    pub mount: Arc<Mount>,
    /// The URL of the mount as the client sees it.
    pub base: String,
    /// Below the mount.
    pub path: &'a str,
    pub query: &'a str,
}

// === impl Place ===

impl Place<'_> {
    pub fn request<'a>(&'a self, session: &'a Session, visit: &'a Visit) -> Request<'a> {
        let header = session.req_header();
        let (method, headers, peer, id) = (&header.method, &header.headers, visit.client, visit.id());
        Request { method, path: self.path, query: self.query, headers, base: &self.base, peer, id }
    }
}

// === impl Visit ===

impl Visit {
    /// Begins the visit of that number.
    pub fn new(number: u64, started: Option<Instant>) -> Self {
        let id = print_id(number);
        Self { id, client: None, started, mount: None, note: Note::default(), passage: None, ticket: None }
    }

    pub fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    pub fn mount_name(&self) -> &str {
        self.mount.as_ref().map_or("", |mount| &mount.name)
    }
}

/// Answers in plain words where no dialect is known.
pub fn plain(status: StatusCode, reason: &str) -> Reply {
    Reply::bytes(status, "text/plain; charset=utf-8", format!("{reason}\n"))
}

fn print_id(number: u64) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let text: [u8; 16] = std::array::from_fn(|place| DIGITS[(number >> (60 - 4 * place)) as usize & 15]);
    HeaderValue::from_bytes(&text).expect("hexadecimal digits make a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_sixteen_digits() {
        assert_eq!(print_id(0), "0000000000000000");
        assert_eq!(print_id(0x0123_4567_89ab_cdef), "0123456789abcdef");
        assert_eq!(print_id(u64::MAX), "ffffffffffffffff");
    }
}
