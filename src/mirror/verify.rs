//! Runs the proofs. What is proved is decided by the dialect, which hands small values in; that they are run, and
//! before anything is kept, is decided here.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use http::HeaderMap;

use crate::base::chain::Chain;
use crate::base::digest::{Hashed, Hasher, Integrity};
use crate::base::fs::Slice;

/// The kind of proof that a release is what it was when it was first proved.
pub const FIRST_SEEN: &str = "first-seen";

/// A file is read into memory for its proofs up to this many bytes.
const LONGEST_READ: u64 = 64 * 1024 * 1024;

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

    /// Tells what was proved, for the index; or why it does not hold. Blocks.
    ///
    /// # Errors
    /// One sentence, for the operator.
    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String>;
}

/// What a proof over a whole body may look at.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The headers that are kept beside the body, where something in them vouches for it.
    pub headers: Option<&'a HeaderMap>,
    body: Whole<'a>,
}

/// A whole body, wherever it lies.
#[derive(Clone, Copy)]
enum Whole<'a> {
    Memory(&'a [u8]),
    /// However long: nobody is to have all of it in memory unasked.
    File(&'a Slice),
}

/// A proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} does not hold: {detail}")]
pub struct Broken {
    pub kind: &'static str,
    pub detail: String,
}

/// A proof made of a function.
struct Check<F> {
    kind: &'static str,
    hold: F,
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

/// Runs the proofs over a whole body, and returns what was proved. Blocks.
///
/// # Errors
/// The first that does not hold.
pub fn content(proofs: &[Proof], evidence: &Evidence<'_>) -> Result<Vec<String>, Broken> {
    proofs
        .iter()
        .filter_map(|proof| match proof {
            Proof::Content(content) => Some(content),
            Proof::Length(_) | Proof::Digest(_) | Proof::Statement(_) => None,
        })
        .map(|content| content.hold(evidence).map_err(|detail| Broken { kind: content.kind(), detail }))
        .collect()
}

/// Tells whether a proof needs the whole body.
pub fn needs_body(proofs: &[Proof]) -> bool {
    proofs.iter().any(|proof| matches!(proof, Proof::Content(_)))
}

/// Tells whether a digest vouches for the bytes.
pub fn has_digest(proofs: &[Proof]) -> bool {
    proofs.iter().any(|proof| matches!(proof, Proof::Digest(_)))
}

/// Runs every proof over a body in memory, and returns what was proved.
///
/// # Errors
/// The first that does not hold.
#[cfg(test)]
pub fn all(proofs: &[Proof], evidence: &Evidence<'_>) -> Result<Vec<String>, Broken> {
    let mut proved = before(proofs)?;
    let mut hasher = hasher(proofs);
    hasher.update(&evidence.bytes().expect("a body in memory"));
    proved.extend(hashed(proofs, &hasher.finish())?);
    proved.extend(content(proofs, evidence)?);
    Ok(proved)
}

// === impl Proof ===

impl Proof {
    /// Builds a proof that is judged already: what was proved, or why it does not hold.
    pub fn judged(kind: &'static str, verdict: Result<String, String>) -> Self {
        Self::Statement(Arc::new(Check { kind, hold: move || verdict.clone() }))
    }

    /// Builds a proof over a whole body, which `hold` judges as [`Content::hold`] does.
    pub fn content(
        kind: &'static str,
        hold: impl Fn(&Evidence<'_>) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        Self::Content(Arc::new(Check { kind, hold }))
    }

    /// Builds a proof over all bytes of a body that is short by nature; `proved` names what is proved by it.
    pub fn bytes<E: Into<Box<dyn Error>>>(
        kind: &'static str,
        proved: &'static str,
        hold: impl Fn(&[u8]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::content(kind, move |evidence| match hold(&evidence.bytes()?) {
            Ok(()) => Ok(proved.to_owned()),
            Err(error) => Err(Chain(&*error.into()).to_string()),
        })
    }
}

impl<F: Fn() -> Result<String, String> + Send + Sync> Statement for Check<F> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn hold(&self) -> Result<String, String> {
        (self.hold)()
    }
}

impl<F: Fn(&Evidence<'_>) -> Result<String, String> + Send + Sync> Content for Check<F> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        (self.hold)(evidence)
    }
}

// === impl Evidence ===

impl<'a> Evidence<'a> {
    /// A body in memory.
    pub fn of(body: &'a [u8]) -> Self {
        Self { headers: None, body: Whole::Memory(body) }
    }

    /// A body in a file.
    pub fn of_file(body: &'a Slice) -> Self {
        Self { headers: None, body: Whole::File(body) }
    }

    /// The same body, and the headers that are kept beside it.
    pub fn beside(self, headers: Option<&'a HeaderMap>) -> Self {
        Self { headers, ..self }
    }

    /// Returns a reader of the body, which holds little of it at once.
    pub fn reader(&self) -> Box<dyn BufRead + 'a> {
        match self.body {
            Whole::Memory(bytes) => Box::new(bytes),
            Whole::File(slice) => Box::new(slice.clone().reader()),
        }
    }

    /// Returns all of the body, in memory: for bodies that are short by nature.
    ///
    /// # Errors
    /// One sentence: it lies in a file and is longer than [`LONGEST_READ`], or cannot be read.
    pub fn bytes(&self) -> Result<Cow<'a, [u8]>, String> {
        match self.body {
            Whole::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Whole::File(slice) if slice.length > LONGEST_READ => Err(format!("it is longer than {LONGEST_READ} bytes")),
            Whole::File(slice) => match slice.read_all() {
                Ok(bytes) => Ok(Cow::Owned(bytes.into())),
                Err(error) => Err(format!("it cannot be read: {error}")),
            },
        }
    }
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
    use crate::base::fs::Temp;

    fn is_json() -> Proof {
        Proof::content("document", |evidence| {
            let read = serde_json::from_reader::<_, serde::de::IgnoredAny>(evidence.reader());
            read.map(|_| "json".into()).map_err(|error| error.to_string())
        })
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
        let proof = |says| [Proof::judged("signature", says)];
        assert_eq!(before(&proof(Ok("signed".into()))).unwrap(), ["signed"]);
        let broken = before(&proof(Err("forged".into()))).unwrap_err();
        assert_eq!(broken.to_string(), "signature does not hold: forged");
    }

    #[test]
    fn what_lies_behind_a_broken_proof_is_told() {
        #[derive(Debug, thiserror::Error)]
        #[error("it cannot be read")]
        struct Unread(#[source] std::io::Error);
        let proofs = [Proof::bytes("document", "read", |_| Err(Unread(std::io::Error::other("cut short"))))];
        assert_eq!(content(&proofs, &Evidence::of(b"")).unwrap_err().detail, "it cannot be read: cut short");
    }

    #[test]
    fn content_is_judged_as_a_whole() {
        let proofs = [is_json()];
        assert!(needs_body(&proofs));
        assert_eq!(content(&proofs, &Evidence::of(b"{}")).unwrap(), ["json"]);
        assert_eq!(content(&proofs, &Evidence::of(b"<html>")).unwrap_err().kind, "document");
    }

    #[test]
    fn bytes_are_judged_by_a_function() {
        let proofs = [Proof::bytes("document", "text", |body| str::from_utf8(body).map(drop))];
        assert_eq!(all(&proofs, &Evidence::of(b"text")).unwrap(), ["text"]);
        assert_eq!(all(&proofs, &Evidence::of(b"\xff")).unwrap_err().kind, "document");
    }

    #[test]
    fn a_body_in_a_file_is_read_piece_by_piece_and_whole_only_up_to_a_limit() {
        let temp = Temp::in_memory().unwrap();
        temp.write_all(b"[1,2,3]").unwrap();
        let file = temp.slice(7);
        let evidence = Evidence::of_file(&file);
        assert_eq!(content(&[is_json()], &evidence).unwrap(), ["json"]);
        assert_eq!(&evidence.bytes().unwrap()[..], b"[1,2,3]");
        temp.write_all(&vec![b' '; LONGEST_READ as usize]).unwrap();
        let file = temp.slice(7 + LONGEST_READ);
        let evidence = Evidence::of_file(&file);
        assert_eq!(content(&[is_json()], &evidence).unwrap(), ["json"]);
        assert_eq!(evidence.bytes().unwrap_err(), "it is longer than 67108864 bytes");
    }
}
