//! Keys of mounts that mirror a Hex repository.

use std::path::PathBuf;

use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{quote, read_base_url, read_optional, text_of};
use crate::base::secret::SafeUrl;

/// Keys of Hex mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex {
    /// The name that the repository signs its documents for.
    pub repository: String,
    /// The key that it signs with; without one and without a fingerprint it is `hexpm`, whose key is built in.
    pub public_key: Option<PublicKey>,
    /// What the key is known by that the repository itself is asked for: `SHA256:` and base64.
    pub fingerprint: Option<String>,
    /// The HTTP API that belongs to the repository, ending in `/`.
    pub api: Option<SafeUrl>,
    /// Whether the API may be asked for more than GET and HEAD.
    pub api_writes: bool,
    /// Whether repositories beside this one are served to whom they let in.
    pub private: bool,
}

/// A PEM file and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub file: PathBuf,
    pub pem: Vec<u8>,
}

/// The public repository.
const HEXPM: &str = "hexpm";

/// Longest name of a repository, in characters.
const LONGEST_REPOSITORY: usize = 255;

/// What a fingerprint starts with, and how long the base64 of a SHA-256 is without padding.
const SHA256: &str = "SHA256:";
const SHA256_LENGTH: usize = 43;

// === impl Hex ===

impl Default for Hex {
    fn default() -> Self {
        Self {
            repository: HEXPM.to_owned(),
            public_key: None,
            fingerprint: None,
            api: None,
            api_writes: false,
            private: false,
        }
    }
}

impl Hex {
    /// Tells whether this is the public repository.
    pub fn is_hexpm(&self) -> bool {
        self.repository == HEXPM
    }

    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let read = Self {
            repository: section.value_with("repository", self.repository, read_repository),
            public_key: PublicKey::read(section),
            fingerprint: section.value_with("fingerprint", self.fingerprint, read_optional(read_fingerprint)),
            api: section.value_with("api", self.api, read_optional(read_base_url)),
            api_writes: section.value("api_writes", self.api_writes),
            private: section.value("private", self.private),
        };
        let is_mistaken = ["repository", "public_key", "fingerprint"].iter().any(|key| section.is_mistaken(key));
        match (&read.public_key, &read.fingerprint) {
            _ if is_mistaken => {}
            (Some(_), Some(_)) => section.complain("fingerprint", "must not stand beside public_key"),
            (None, None) if !read.is_hexpm() => {
                let repository = quote(&read.repository);
                section.complain("public_key", format!("is missing: nothing of {repository} can be proved without"));
            }
            _ => {}
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { repository, public_key, fingerprint, api, api_writes, private } = self;
        out.key("repository", repository);
        out.key("public_key", &public_key.as_ref().map(|key| key.file.clone()));
        out.key("fingerprint", fingerprint);
        out.key("api", api);
        out.key("api_writes", api_writes);
        out.key("private", private);
    }
}

// === impl PublicKey ===

impl PublicKey {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let file: PathBuf = section.value::<Option<PathBuf>>("public_key", None)?;
        let pem = section.load_pem("public_key", &file, "PUBLIC KEY");
        Some(Self { file, pem })
    }
}

// === Readers ===

/// Reads a repository's name. Source: contract hex §5.2.
fn read_repository(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if !(1..=LONGEST_REPOSITORY).contains(&text.len()) || !text.bytes().all(plain) {
        return Err(format!("must be lower-case letters, digits, \"-\" or \"_\", not {}", quote(text)));
    }
    Ok(text.to_owned())
}

fn read_fingerprint(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match text.strip_prefix(SHA256) {
        Some(rest) if rest.len() == SHA256_LENGTH && rest.bytes().all(plain) => Ok(text.to_owned()),
        _ => Err(format!("must be \"{SHA256}\" and {SHA256_LENGTH} characters of base64, not {}", quote(text))),
    }
}
