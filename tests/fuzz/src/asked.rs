//! A request as an input has it: `[METHOD ]PATH[?QUERY][\nACCEPT]`, so that seeds are lines that can be read.

use http::Method;

pub struct Asked<'a> {
    pub method: Method,
    /// Percent-encoded, below the mount.
    pub path: &'a str,
    /// Without `?`.
    pub query: &'a str,
    pub accept: Option<&'a str>,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// Reads an input; `None` for one that no client can send.
    pub fn read(input: &'a str) -> Option<Self> {
        let (line, accept) = match input.split_once('\n') {
            Some((line, accept)) => (line, Some(accept)),
            None => (input, None),
        };
        let (method, target) = match line.split_once(' ') {
            Some((method, target)) => (method.parse().ok()?, target),
            None => (Method::GET, line),
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self { method, path, query, accept })
    }

    /// The same request with another path.
    pub fn at(&self, path: &'a str) -> Self {
        Self { method: self.method.clone(), path, query: self.query, accept: self.accept }
    }
}
