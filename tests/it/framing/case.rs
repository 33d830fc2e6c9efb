//! A request on the wire, the rule that it keeps or breaks, and what may become of it.

/// What every body of the corpus says, where it has one that can be read.
pub const PAYLOAD: &str = r#"{"a":["1"]}"#;

/// What must never be answered: it lies where only a reader that mistakes the end of the request finds it.
pub const SMUGGLED: &str = "GET /files/tree/smuggled HTTP/1.1\r\nHost: mirror.example\r\n\r\n";

/// What may become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// It is plain: it is answered rightly.
    Answer,
    /// It is ambiguous or broken: it is refused, or the connection closed, and what follows is not read.
    Refuse,
    /// A server may do either.
    Both,
}

/// Where a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Answered from what is kept.
    Kept,
    /// Passed on to the upstream with its body.
    Passed,
    /// Its body is read whole before it is answered.
    Read,
}

/// One request of the corpus.
#[derive(Clone, Debug)]
pub struct Case {
    /// `9112 6.3`, for one.
    pub section: &'static str,
    pub what: String,
    pub route: Route,
    pub bytes: Vec<u8>,
    /// The body that an upstream may see, if any.
    pub body: &'static str,
    pub may: May,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Kept, Self::Passed, Self::Read];

    pub fn method(self) -> &'static str {
        match self {
            Self::Kept => "GET",
            Self::Passed | Self::Read => "POST",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Kept => "/files/tree/kept",
            Self::Passed => "/files/tree/passed",
            Self::Read => "/npm/-/npm/v1/security/advisories/bulk",
        }
    }
}

impl Case {
    /// A request with a plain start, these further lines, each with its end, and what follows the head.
    pub fn framed(section: &'static str, route: Route, lines: &str, rest: &str, may: May) -> Self {
        let start = format!("{} {} HTTP/1.1\r\nHost: mirror.example\r\n", route.method(), route.path());
        let bytes = format!("{start}{lines}\r\n{rest}").into_bytes();
        Self { section, what: what(lines, rest), route, bytes, body: PAYLOAD, may }
    }

    /// Any bytes.
    pub fn raw(section: &'static str, bytes: impl Into<Vec<u8>>, may: May) -> Self {
        let bytes = bytes.into();
        let what = format!("{}", bytes[..bytes.len().min(160)].escape_ascii());
        Self { section, what, route: Route::Kept, bytes, body: "", may }
    }
}

fn what(lines: &str, rest: &str) -> String {
    let short = |text: &str| text.chars().take(100).flat_map(char::escape_debug).collect::<String>();
    format!("{} | {}", short(lines), short(rest))
}
