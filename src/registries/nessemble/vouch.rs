//! What must hold before anything of nessemble's is kept, as proofs that the engine runs.

use std::sync::Arc;

use http::HeaderValue;

use super::name::{Title, Version};
use super::proofs::{self, Route};
use super::wire::{self, Package};
use crate::mirror::verify::{Content, Evidence, Proof, Statement};

/// A page of the list must parse. Nothing but its shape can be proved: it carries no digest (contract nessemble §7).
pub struct IsPage;

/// A package's document must parse, and be of its package; of its version too, where one was asked for.
pub struct IsPackage(pub Title, pub Option<Version>);

/// A part of the reference must be text.
pub struct IsText;

/// An archive must be whole, have its three files, and be of its package and version.
pub struct IsArchive(pub Title, pub Version);

/// An archive that nobody vouches for, known before a byte of it is asked for.
struct Unvouched(String);

/// The proofs of one archive, and the entity tag it is served under.
pub struct Vouched {
    pub proofs: Vec<Proof>,
    pub etag: Option<HeaderValue>,
}

impl Content for IsPage {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        wire::parse_page(&evidence.bytes()?).map(|_| "list".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsPackage {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let Self(title, version) = self;
        let parsed = wire::parse_package(&evidence.bytes()?, title, version.as_ref());
        parsed.map(|_| "package".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsText {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        str::from_utf8(&evidence.bytes()?).map(|_| "text".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsArchive {
    fn kind(&self) -> &'static str {
        "archive"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let checked = proofs::check_archive(&evidence.bytes()?, &self.0, &self.1);
        checked.map(|_| "archive".to_owned()).map_err(|error| error.to_string())
    }
}

impl Statement for Unvouched {
    fn kind(&self) -> &'static str {
        "digest"
    }

    fn hold(&self) -> Result<String, String> {
        Err(self.0.clone())
    }
}

/// Collects what vouches for the archive of the version that a document is of: its digest, its files, and what it says
/// that it is. Source: contract nessemble §7.
pub fn vouch(package: &Package) -> Vouched {
    let shasum = package.shasum.as_deref();
    match proofs::promised(shasum, None, Route::Versioned) {
        Ok(promised) => Vouched {
            proofs: vec![
                Proof::Digest(promised.promise.into()),
                Proof::Content(Arc::new(IsArchive(package.title.clone(), package.version.clone()))),
            ],
            etag: shasum.and_then(|shasum| HeaderValue::try_from(format!("\"sha1-{shasum}\"")).ok()),
        },
        Err(error) => Vouched { proofs: vec![Proof::Statement(Arc::new(Unvouched(error.to_string())))], etag: None },
    }
}
