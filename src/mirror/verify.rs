//! Runs the proofs. What is proved is decided by the dialect, which hands small values in; that they are run, and
//! before anything is kept, is decided here.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::base::digest::{Hashed, Hasher, Integrity};

/// The kind of proof that a release is what it was when it was first proved.
pub const FIRST_SEEN: &str = "first-seen";

/// One thing that must hold before bytes are kept.
#[derive(Clone)]
pub enum Proof {
    /// The body is this long, in bytes.
    Length(u64),
    /// The body has the strongest of these hashes.
    Digest(Integrity),
    /// Something that can be judged before a byte is fetched, such as a signature over a digest.
    Statement(Arc<dyn Statement>),
    /// Something that only the whole body shows.
    Content(Arc<dyn Content>),
}

/// A proof that needs no body.
pub trait Statement: Send + Sync {
    /// Names the kind of proof in logs, metrics and incidents: `signature`.
    fn kind(&self) -> &'static str;

    /// Tells what was proved, for the index; or why it does not hold.
    ///
    /// # Errors
    /// One sentence, for the operator.
    fn hold(&self) -> Result<String, String>;
}

/// A proof over a whole body.
pub trait Content: Send + Sync {
    /// Names the kind of proof in logs, metrics and incidents: `document`.
    fn kind(&self) -> &'static str;

    /// Tells what was proved, for the index; or why it does not hold.
    ///
    /// # Errors
    /// One sentence, for the operator.
    fn hold(&self, body: &[u8]) -> Result<String, String>;

    /// As [`Content::hold`], where what vouches for a document comes in the headers that are kept beside it.
    ///
    /// # Errors
    /// As [`Content::hold`].
    fn hold_beside(&self, _headers: &HeaderMap, body: &[u8]) -> Result<String, String> {
        self.hold(body)
    }
}

/// A proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} does not hold: {detail}")]
pub struct Broken {
    pub kind: &'static str,
    pub detail: String,
}

/// Runs the proofs that need no body, and returns what was proved.
///
/// # Errors
/// The first that does not hold.
pub fn before(proofs: &[Proof]) -> Result<Vec<String>, Broken> {
    proofs
        .iter()
        .filter_map(|proof| match proof {
            Proof::Statement(statement) => Some(statement),
            Proof::Length(_) | Proof::Digest(_) | Proof::Content(_) => None,
        })
        .map(|statement| statement.hold().map_err(|detail| Broken { kind: statement.kind(), detail }))
        .collect()
}

/// Returns the hasher that the proofs over a body's digest need.
pub fn hasher(proofs: &[Proof]) -> Hasher {
    Hasher::new(proofs.iter().find_map(|proof| match proof {
        Proof::Digest(integrity) => Some(integrity),
        Proof::Length(_) | Proof::Statement(_) | Proof::Content(_) => None,
    }))
}

/// Runs the proofs over what was hashed, and returns what was proved.
///
/// # Errors
/// The first that does not hold.
pub fn hashed(proofs: &[Proof], found: &Hashed) -> Result<Vec<String>, Broken> {
    let mut proved = Vec::new();
    for proof in proofs {
        match proof {
            Proof::Length(length) if *length != found.length => {
                return Err(Broken { kind: "length", detail: format!("{} bytes, not {length}", found.length) });
            }
            Proof::Length(_) => proved.push("length".to_owned()),
            Proof::Digest(integrity) if found.promise_holds != Some(true) => {
                return Err(Broken { kind: "digest", detail: format!("the bytes are not those of {integrity:?}") });
            }
            Proof::Digest(_) => proved.push("digest".to_owned()),
            Proof::Statement(_) | Proof::Content(_) => {}
        }
    }
    Ok(proved)
}

/// Runs the proofs over a whole body, and returns what was proved.
///
/// # Errors
/// The first that does not hold.
pub fn content(proofs: &[Proof], body: &[u8]) -> Result<Vec<String>, Broken> {
    content_beside(proofs, &HeaderMap::new(), body)
}

/// Runs the proofs over a whole body and the headers that are kept beside it, and returns what was proved.
///
/// # Errors
/// The first that does not hold.
pub fn content_beside(proofs: &[Proof], headers: &HeaderMap, body: &[u8]) -> Result<Vec<String>, Broken> {
    proofs
        .iter()
        .filter_map(|proof| match proof {
            Proof::Content(content) => Some(content),
            Proof::Length(_) | Proof::Digest(_) | Proof::Statement(_) => None,
        })
        .map(|content| content.hold_beside(headers, body).map_err(|detail| Broken { kind: content.kind(), detail }))
        .collect()
}

/// Tells whether a proof needs the whole body at once.
pub fn needs_body(proofs: &[Proof]) -> bool {
    proofs.iter().any(|proof| matches!(proof, Proof::Content(_)))
}

/// Tells whether a digest vouches for the bytes.
pub fn has_digest(proofs: &[Proof]) -> bool {
    proofs.iter().any(|proof| matches!(proof, Proof::Digest(_)))
}

impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(formatter, "Length({length})"),
            Self::Digest(integrity) => write!(formatter, "Digest({integrity:?})"),
            Self::Statement(statement) => write!(formatter, "Statement({})", statement.kind()),
            Self::Content(content) => write!(formatter, "Content({})", content.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    struct Says(Result<String, String>);

    impl Statement for Says {
        fn kind(&self) -> &'static str {
            "signature"
        }
        fn hold(&self) -> Result<String, String> {
            self.0.clone()
        }
    }

    struct IsJson;

    impl Content for IsJson {
        fn kind(&self) -> &'static str {
            "document"
        }
        fn hold(&self, body: &[u8]) -> Result<String, String> {
            serde_json::from_slice::<serde::de::IgnoredAny>(body).map(|_| "json".into()).map_err(|e| e.to_string())
        }
    }

    fn run(proofs: &[Proof], body: &[u8]) -> Result<Vec<String>, Broken> {
        let mut hasher = hasher(proofs);
        hasher.update(body);
        hashed(proofs, &hasher.finish())
    }

    #[test]
    fn a_body_must_have_the_promised_digest_and_length() {
        let integrity = Integrity::parse(&Digest::of(b"right").to_sri()).unwrap();
        let proofs = [Proof::Length(5), Proof::Digest(integrity)];
        assert_eq!(run(&proofs, b"right").unwrap(), ["length", "digest"]);
        assert_eq!(run(&proofs, b"wrong").unwrap_err().kind, "digest");
        assert_eq!(run(&proofs, b"longer").unwrap_err().kind, "length");
    }

    #[test]
    fn a_statement_is_judged_without_a_body() {
        let proof = |says| [Proof::Statement(Arc::new(Says(says)))];
        assert_eq!(before(&proof(Ok("signed".into()))).unwrap(), ["signed"]);
        let broken = before(&proof(Err("forged".into()))).unwrap_err();
        assert_eq!(broken.to_string(), "signature does not hold: forged");
    }

    #[test]
    fn content_is_judged_as_a_whole() {
        let proofs = [Proof::Content(Arc::new(IsJson))];
        assert!(needs_body(&proofs));
        assert_eq!(content(&proofs, b"{}").unwrap(), ["json"]);
        assert_eq!(content(&proofs, b"<html>").unwrap_err().kind, "document");
    }
}
