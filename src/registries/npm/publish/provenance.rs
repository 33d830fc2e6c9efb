//! Provenance bundles: what a build says of a tarball, signed by somebody whom the reader of it judges. Pure.
//!
//! A bundle wraps an envelope, that an in-toto statement in base64: of which package version it speaks, by its digest, and
//! what it says of it. Source: contract npm §6.3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Longest bundle, in bytes: they have some 10 KiB.
const MAX_BUNDLE: usize = 4 << 20;

/// What a bundle says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Which kind of statement it is: `https://slsa.dev/provenance/v1`.
    pub predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    name: String,
    digest: Sums,
}

#[derive(Debug, Deserialize)]
struct Sums {
    sha512: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
}

// === impl Statement ===

impl Statement {
    /// Reads the statement of a bundle.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bundle: &str) -> Result<Self, &'static str> {
        if bundle.len() > MAX_BUNDLE {
            return Err("it is longer than 4 MiB");
        }
        let refused = |_| "it is no envelope with a statement";
        let bundle: Bundle = serde_json::from_str(bundle).map_err(refused)?;
        let payload = STANDARD.decode(&bundle.dsse_envelope.payload).map_err(|_| "its statement is no base64")?;
        serde_json::from_slice(&payload).map_err(refused)
    }

    /// Tells whether it speaks of these bytes as this version of this package, and of nothing else.
    pub fn is_about(&self, name: &str, version: &str, sha512: &str) -> bool {
        let about = format!("pkg:npm/{}@{version}", name.replacen('@', "%40", 1));
        let [subject] = self.subject.as_slice() else { return false };
        subject.name == about && subject.digest.sha512.eq_ignore_ascii_case(sha512)
    }
}
