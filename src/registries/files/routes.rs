//! Method and path → what is asked, parsed once. The place decides the resource, its key and its proofs alike, so that
//! no spelling of a path can walk around one of them.

use ::http::Method;

use super::error::Error;
use crate::config::Files as Rules;
use crate::registries::blocks::Subject;
use crate::registries::desk::Named;

/// No path of ours is longer in its one spelling, query included, in bytes.
const MAX_PLACE: usize = 4096;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Anything in the tree.
    File(Place),
    /// A file of checksums.
    Sums(Place),
    /// A method that only the upstream can answer.
    Forward(Place),
}

/// A place in a tree. Two spellings of one path are one place (RFC 3986 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Below the tree, percent-encoded, without a leading slash.
    pub path: String,
    /// As it came, without `?`; empty when there is none.
    pub query: String,
}

/// Understands a request. `path` is still percent-encoded and starts below the mount; `query` has no `?`.
///
/// # Errors
/// [`Error::BadRequest`]: bad escapes, control characters, dot segments, empty segments, slashes and backslashes in
/// disguise. [`Error::MethodNotAllowed`]: a method that the mount does not take.
pub fn parse(method: &Method, path: &str, query: &str, rules: &Rules) -> Result<Action, Error> {
    let place = Place::parse(path, query)?;
    if !rules.methods.iter().any(|allowed| allowed == method.as_str()) {
        return Err(Error::MethodNotAllowed { allow: rules.methods.join(", ").into() });
    }
    Ok(match *method {
        Method::GET | Method::HEAD if Some(place.name()) == rules.checksums.as_deref() => Action::Sums(place),
        Method::GET | Method::HEAD => Action::File(place),
        _ => Action::Forward(place),
    })
}

// === impl Place ===

impl Place {
    /// Reads a path and a query.
    ///
    /// # Errors
    /// [`Error::BadRequest`].
    pub fn parse(path: &str, query: &str) -> Result<Self, Error> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let segments: Result<Vec<String>, Error> = path.split('/').map(read_segment).collect();
        let segments = segments?;
        // The last one is empty for a directory.
        if segments.split_last().is_some_and(|(_, rest)| rest.iter().any(String::is_empty)) {
            return Err(Error::bad_request("the path has an empty segment"));
        }
        if query.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(Error::bad_request("the query has a control character"));
        }
        let place = Self { path: segments.join("/"), query: query.to_owned() };
        // Not before: of two spellings of one path, one may be three times as long.
        if place.path.len() + place.query.len() > MAX_PLACE {
            return Err(Error::bad_request("the path is too long"));
        }
        Ok(place)
    }

    /// Returns the last segment: empty for a directory.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the place of another file of the same directory.
    pub fn beside(&self, name: &str) -> Self {
        let directory = &self.path[..self.path.len() - self.name().len()];
        Self { path: format!("{directory}{name}"), query: String::new() }
    }

    /// Returns path and query in one, as it is told to people and to the store.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// Reads a segment into its one spelling: what need not be escaped is not, and escapes are in upper case.
///
/// Source: RFC 3986 §2.3, §6.2.2.
fn read_segment(raw: &str) -> Result<String, Error> {
    let (mut segment, mut bytes) = (String::with_capacity(raw.len()), raw.bytes());
    while let Some(byte) = bytes.next() {
        let (byte, escaped) = match byte {
            b'%' => (read_escape(&mut bytes)?, true),
            byte => (byte, false),
        };
        match byte {
            _ if byte.is_ascii_control() => return Err(Error::bad_request("the path has a control character")),
            b'/' | b'\\' => return Err(Error::bad_request("the path has a slash in disguise")),
            // Signs that mean something in a path mean it only as long as they are not escaped.
            _ if is_unreserved(byte) || (!escaped && is_sign(byte)) => segment.push(char::from(byte)),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    if matches!(segment.as_str(), "." | "..") {
        return Err(Error::bad_request("the path has a dot segment"));
    }
    Ok(segment)
}

fn read_escape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, Error> {
    let mut digit =
        || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    match (digit(), digit()) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(Error::bad_request("the path has a malformed escape")),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_sign(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

// === impl Action ===

impl Named for Action {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::File(place) | Self::Sums(place) | Self::Forward(place) => Subject::package(&place.path),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Sums(_) => "checksums",
            Self::Forward(_) => "forward",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { methods: vec!["GET".into(), "HEAD".into(), "PUT".into()], ..Rules::default() }
    }

    fn place(path: &str) -> String {
        Place::parse(path, "").unwrap().path
    }

    #[test]
    fn two_spellings_of_a_path_are_one_place() {
        for (path, expected) in [
            ("/", ""),
            ("/a/b", "a/b"),
            ("/a/b/", "a/b/"),
            ("/%61%2D%7e", "a-~"),
            ("/a%2bb+c", "a%2Bb+c"),
            ("/caf%c3%a9", "caf%C3%A9"),
            ("/café", "caf%C3%A9"),
            ("/a%20b", "a%20b"),
            ("/a:b@c", "a:b@c"),
            ("/...", "..."),
            ("/a%3fb%23c", "a%3Fb%23c"),
        ] {
            assert_eq!(place(path), expected, "{path}");
            assert_eq!(place(&format!("/{expected}")), expected, "{path}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for path in [
            "/..",
            "/../a",
            "/a/./b",
            "/a/..",
            "/%2e%2E/a",
            "/a/%2e",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%0a",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%+1",
            "//a",
            "/a//b",
            "/a\u{7f}",
        ] {
            assert!(Place::parse(path, "").is_err(), "{path}");
        }
        assert!(Place::parse("/a", "b c").is_err());
    }

    #[test]
    fn how_long_a_path_is_does_not_depend_on_its_spelling() {
        for (spelling, longest) in [("x", MAX_PLACE), ("%78", MAX_PLACE), (" ", MAX_PLACE / 3), ("%20", MAX_PLACE / 3)]
        {
            assert!(Place::parse(&spelling.repeat(longest), "").is_ok(), "{spelling:?}");
            assert!(Place::parse(&spelling.repeat(longest + 1), "").is_err(), "{spelling:?}");
        }
        assert!(Place::parse("/a", &"x".repeat(MAX_PLACE)).is_err());
    }

    #[test]
    fn the_query_is_part_of_the_place() {
        let place = Place::parse("/a/b", "x=%41&y").unwrap();
        assert_eq!((place.name(), place.target().as_str()), ("b", "a/b?x=%41&y"));
        assert_eq!(place.beside("SUMS").target(), "a/SUMS");
        assert_eq!(Place::parse("/b", "").unwrap().beside("SUMS").path, "SUMS");
        assert_eq!(Place::parse("/a/", "").unwrap().name(), "");
    }

    #[test]
    fn the_method_decides_who_answers() {
        let rules = Rules { checksums: Some("SUMS".into()), ..rules() };
        let action = |method: &str, path| parse(&method.parse().unwrap(), path, "", &rules).map(|action| action.name());
        assert_eq!(action("GET", "/a").unwrap(), "file");
        assert_eq!(action("HEAD", "/a/SUMS").unwrap(), "checksums");
        assert_eq!(action("PUT", "/a/SUMS").unwrap(), "forward");
        let refused = action("DELETE", "/a").unwrap_err();
        assert!(matches!(refused, Error::MethodNotAllowed { allow } if allow == "GET, HEAD, PUT"));
    }
}
