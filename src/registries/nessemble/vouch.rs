//! What must hold before anything of nessemble's is kept, as proofs that the engine runs.

use std::sync::Arc;

use http::HeaderValue;

use super::name::{Title, Version};
use super::proofs::{self, Promised};
use super::wire::{self, Package};
use crate::base::digest::{Algorithm, Promise};
use crate::mirror::verify::{Content, Evidence, Proof};
use crate::registries::replies::entity_tag;

/// A page of the list must parse. Nothing but its shape can be proved: it carries no digest (contract nessemble §7).
pub struct IsPage;

/// A package's document must parse, and be of its package; of its version too, where one was asked for.
pub struct IsPackage(pub Title, pub Option<Version>);

/// A part of the reference must be text.
pub struct IsText;

/// An archive must be whole, have its three files, and be of its package and version.
pub struct IsArchive(pub Title, pub Version);

/// An archive must have the digest that its document names, or where that names none, its own head.
pub struct IsVouchedFor {
    package: String,
    shasum: Option<String>,
}

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

impl Content for IsVouchedFor {
    fn kind(&self) -> &'static str {
        "digest"
    }

    /// What the document names was hashed on the way; here the head is heard.
    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let header = evidence.headers.and_then(proofs::find_integrity);
        let promised = proofs::promised(self.shasum.as_deref(), header).map_err(|error| error.to_string())?;
        let Promised { promise, header_differs } = promised;
        if header_differs {
            tracing::warn!(package = self.package, header, "X-Integrity is not of the archive that was asked for");
        }
        let told = match (&self.shasum, header) {
            (None, _) => "x-integrity",
            (Some(_), Some(_)) if !header_differs => "shasum, x-integrity",
            (Some(_), _) => "shasum",
        };
        let held = proofs::check_digest(&evidence.bytes()?, &promise);
        held.map(|()| told.to_owned()).map_err(|error| error.to_string())
    }
}

/// Collects what vouches for the archive of the version that a document is of: its digest, its files, and what it says
/// that it is. Source: contract nessemble §7.
pub fn vouch(package: &Package) -> Vouched {
    let Package { title, version, shasum, .. } = package;
    let promise = shasum.as_deref().and_then(|shasum| Promise::from_hex(Algorithm::Sha1, shasum).ok());
    let mut proofs: Vec<_> = promise.map(|promise| Proof::Digest(promise.into())).into_iter().collect();
    let package = format!("{title} {version}");
    proofs.push(Proof::Content(Arc::new(IsVouchedFor { package, shasum: shasum.clone() })));
    proofs.push(Proof::Content(Arc::new(IsArchive(title.clone(), version.clone()))));
    let etag = shasum.as_ref().and_then(|shasum| entity_tag(format_args!("sha1-{shasum}")));
    Vouched { proofs, etag }
}
