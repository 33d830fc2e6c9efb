//! What the targets share: how an input is cut into what is asked, and what must hold of everything that came through.

pub mod archives;
pub mod asked;

use heliostat::mirror::Upstream;
use serde_json::value::RawValue;

pub use asked::Asked;

/// Cuts an input at its first NUL: two documents in one.
pub fn cut(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// Holds that bytes are one JSON value, and returns it.
///
/// # Panics
/// They are none.
pub fn json(bytes: &[u8]) -> &RawValue {
    match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => panic!("no JSON: {error}: {}", String::from_utf8_lossy(bytes)),
    }
}

/// Holds that a name that stands in keys has no part that leads elsewhere, and nothing escaped in it.
///
/// # Panics
/// It has.
pub fn assert_plain(name: &str) {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    assert!(name.split('/').all(is_plain), "{name:?} leads elsewhere");
    assert!(!name.contains(['\\', '%', '?', '#']) && !name.chars().any(char::is_control), "{name:?} hides something");
}

/// Holds that a path, printed for an upstream, is where it says, below the upstream and nowhere else.
///
/// # Panics
/// It is not.
pub fn assert_below(path: &str) {
    let upstream = Upstream {
        url: "https://registry.example/base/".parse().expect("a constant is a URL"),
        id: String::new(),
        authorization: None,
        allow_private: false,
        artifact_hosts: Vec::new(),
    };
    let url = upstream.join(path).expect("a path that is printed is one of a URL");
    assert_eq!(url.as_str(), format!("https://registry.example/base/{path}"));
}

/// Escapes a text for one segment of a path: all of it that need not stand there as it is.
pub fn segment(text: &str) -> String {
    let escape = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
