//! Values that must not be seen: both types print as `****`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::digest::Digest;

const MASK: &str = "****";

/// A password, token or header value. Prints as `****`; only [`Secret::reveal`] shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A URL whose user information prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct SafeUrl(Url);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Makes the value of a header that shows a user and password. Source: RFC 7617 §2.
    pub fn basic(username: &[u8], password: &[u8]) -> Self {
        Self(format!("Basic {}", STANDARD.encode([username, b":", password].concat())))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads it as a key of 32 bytes: 64 hex digits, or base64; `None` when it is neither.
    pub fn as_key(&self) -> Option<[u8; 32]> {
        if self.0.len() == 64 {
            return self.0.parse().ok().map(|digits: Digest| *digits.as_bytes());
        }
        STANDARD.decode(&self.0).ok()?.try_into().ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl SafeUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// The parser's, which does not quote the text.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        Url::parse(text).map(Self)
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Returns the value of a header that shows its user and password; `None` where it has neither.
    pub fn basic(&self) -> Option<Secret> {
        let (username, password) = (self.0.username(), self.0.password());
        let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let is_there = !username.is_empty() || password.is_some();
        is_there.then(|| Secret::basic(&decode(username), &decode(password.unwrap_or_default())))
    }
}

impl From<Url> for SafeUrl {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return self.0.fmt(formatter);
        }
        let mut masked = self.0.clone();
        // Both fail only for URLs that cannot have user information, and this one has some.
        let _ = masked.set_username(MASK);
        let _ = masked.set_password(None);
        masked.fmt(formatter)
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'de> Deserialize<'de> for SafeUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_as_stars() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "**** ****");
    }

    #[test]
    fn a_key_is_read_from_digits_or_base64() {
        let key = |text: &str| Secret::new(text).as_key();
        assert_eq!(key(&"0A".repeat(32)), Some([10; 32]));
        assert_eq!(key("CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo="), Some([10; 32]));
        for wrong in ["", "hunter2", "CgoKCg==", &"0x".repeat(32), &"0a".repeat(31)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_url_hides_its_user_and_password() {
        let url = SafeUrl::parse("https://joe:pw@registry.example/npm").unwrap();
        assert_eq!(url.to_string(), "https://****@registry.example/npm");
        assert_eq!(format!("{url:?}"), "https://****@registry.example/npm");
    }

    #[test]
    fn a_url_shows_its_user_and_password_as_a_header_would() {
        let basic = |url: &str| Some(SafeUrl::parse(url).unwrap().basic()?.reveal().to_owned());
        assert_eq!(basic("http://j%40e:p%2Fw@proxy.example").as_deref(), Some("Basic akBlOnAvdw=="));
        assert_eq!(basic("http://joe@proxy.example").as_deref(), Some("Basic am9lOg=="));
        assert_eq!(basic("http://proxy.example"), None);
    }

    #[test]
    fn a_plain_url_prints_as_it_is() {
        assert_eq!(SafeUrl::parse("https://registry.example/").unwrap().to_string(), "https://registry.example/");
    }
}
