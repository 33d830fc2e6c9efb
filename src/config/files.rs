//! Keys of mounts that mirror a file tree.

use std::time::Duration;

use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, print_list, quote, read_choice, read_optional, text_of};

/// Keys of files mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// What clients may send, in upper case. All but GET and HEAD go to the upstream as they are.
    pub methods: Vec<String>,
    /// Header names, in lower case, that go upstream beside those of content negotiation; `*` is all that may.
    pub request_headers: Vec<String>,
    pub redirects: Redirects,
    /// The name of the files that list checksums of their directory.
    pub checksums: Option<String>,
    /// Whether what no checksum file lists is refused.
    pub checksums_required: bool,
}

/// What becomes of an upstream's redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// Clients get it, and it is kept like any other answer.
    Pass,
    /// Clients get what is at its end.
    Follow,
}

const REDIRECTS: [(&str, Redirects); 2] = [("pass", Redirects::Pass), ("follow", Redirects::Follow)];

/// Methods that never pass: the first two are between a client and a proxy.
const NO_METHODS: [&str; 2] = ["CONNECT", "TRACE"];

/// Headers that never pass, since they are credentials for us.
const NO_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

// === impl Files ===

impl Default for Files {
    fn default() -> Self {
        Self {
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            request_headers: Vec::new(),
            redirects: Redirects::Pass,
            checksums: None,
            checksums_required: false,
        }
    }
}

impl Files {
    /// How long what a server says of freshness is believed: as good as always.
    pub(super) const MAX_TTL: Duration = Duration::from_secs(365 * 86_400);

    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let read = Self {
            methods: section.list("methods", self.methods, read_method),
            request_headers: section.list("request_headers", self.request_headers, read_header),
            redirects: section.value("redirects", self.redirects),
            checksums: section.value_with("checksums", self.checksums, read_optional(read_file_name)),
            checksums_required: section.value("checksums_required", self.checksums_required),
        };
        if read.methods.is_empty() && !section.is_mistaken("methods") {
            section.complain("methods", "must name one at least");
        }
        if read.checksums_required && read.checksums.is_none() && !section.is_mistaken("checksums") {
            section.complain("checksums_required", "needs the key checksums");
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { methods, request_headers, redirects, checksums, checksums_required } = self;
        out.text("methods", &print_list(methods));
        out.text("request_headers", &print_list(request_headers));
        out.key("redirects", redirects);
        out.key("checksums", checksums);
        out.key("checksums_required", checksums_required);
    }
}

// === impl Redirects ===

impl Setting for Redirects {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &REDIRECTS)
    }

    fn print(&self) -> String {
        let (word, _) = REDIRECTS.iter().find(|(_, choice)| choice == self).expect("every choice has its word");
        quote(word)
    }
}

// === Readers ===

/// Reads a method. Source: RFC 9110 §9.1; they are told apart by case.
fn read_method(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if text.is_empty() || !text.bytes().all(plain) || NO_METHODS.contains(&text) {
        return Err(format!("must be a method such as \"PUT\", not {}", quote(text)));
    }
    Ok(text.to_owned())
}

fn read_header(node: &Node) -> Result<String, String> {
    let text = text_of(node)?.to_ascii_lowercase();
    if NO_HEADERS.contains(&text.as_str()) {
        return Err(format!("must not be {}, which is for this server alone", quote(&text)));
    }
    let is_name = http::HeaderName::from_bytes(text.as_bytes()).is_ok();
    if text == "*" || is_name { Ok(text) } else { Err(format!("must be a header name or \"*\", not {}", quote(&text))) }
}

fn read_file_name(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if matches!(text, "" | "." | "..") || !text.bytes().all(plain) {
        return Err(format!("must be a file name such as \"SHASUMS256.txt\", not {}", quote(text)));
    }
    Ok(text.to_owned())
}
