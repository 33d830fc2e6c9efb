//! What must hold before anything of npm's is kept, as proofs that the engine runs.

use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use http::HeaderValue;

use super::name::{PackageName, Version};
use super::proofs::{self, Decision, KeySet, Verdict};
use super::wire::{self, Dist};
use crate::config::Signatures;
use crate::mirror::verify::{Content, Evidence, Proof, Statement};
use crate::registries::replies::entity_tag;

/// A version's `dist` that is longer than this vouches for nothing: what vouches for a release is remembered for good.
const LONGEST: usize = 64 * 1024;

/// How the index says that a signature was proved; the key follows.
pub const SIGNED: &str = "signed by ";

/// A document must parse, be of its package, and describe its versions. Source: design, table of proofs.
pub struct IsPackument(pub PackageName);

/// What upstream says of one version alone must parse, be of that version, and say what vouches for it.
pub struct IsManifest(pub PackageName, pub Version);

/// A key set must parse. Source: contract npm §6.2.
pub struct IsKeySet;

/// Attestations must be JSON: their own signatures are for the client to judge. Source: contract npm §6.3.
pub struct IsJson;

/// A tarball that nobody vouches for must be a gzip file to its end: no page of HTML, and not cut short.
pub struct IsGzip;

/// One version, as its document describes it.
pub struct Release<'a> {
    pub name: &'a PackageName,
    pub version: &'a Version,
    pub dist: &'a Dist,
    /// The same, as it is written in the document.
    pub written: &'a str,
    /// In milliseconds since 1970, if the document says so.
    pub published: Option<u64>,
}

/// The proofs of one tarball, and the entity tag it is served under.
pub struct Vouched {
    pub proofs: Vec<Proof>,
    pub etag: Option<HeaderValue>,
}

/// Something about a release that is judged already.
struct Judged {
    kind: &'static str,
    verdict: Result<String, String>,
}

impl Content for IsPackument {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        wire::check(&evidence.bytes()?, &self.0).map(|_| "packument".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsManifest {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let held = wire::check_manifest(&evidence.bytes()?, &self.0, &self.1);
        held.map(|()| "manifest".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsKeySet {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        KeySet::parse(&evidence.bytes()?).map(|_| "keys".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsJson {
    fn kind(&self) -> &'static str {
        "document"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&evidence.bytes()?);
        parsed.map(|_| "json".to_owned()).map_err(|error| error.to_string())
    }
}

impl Content for IsGzip {
    fn kind(&self) -> &'static str {
        "well-formed"
    }

    fn hold(&self, evidence: &Evidence<'_>) -> Result<String, String> {
        let read = std::io::copy(&mut MultiGzDecoder::new(evidence.reader()), &mut std::io::sink());
        read.map(|_| "no digest: well-formed".to_owned()).map_err(|error| error.to_string())
    }
}

impl Statement for Judged {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn hold(&self) -> Result<String, String> {
        self.verdict.clone()
    }
}

/// Collects what vouches for a release: its digest, and its registry's signature as far as `mode` asks for one. A
/// release with neither `integrity` nor `shasum` has no digest to prove: it must at least be a whole gzip file, and its
/// first bytes are held to.
///
/// Source: contract npm §6.1, §6.2.
pub fn vouch(release: &Release<'_>, keys: &KeySet, mode: Signatures) -> Vouched {
    let mut proofs = match proofs::promised(release.dist) {
        _ if release.written.len() > LONGEST => vec![judged("digest", Err("its dist is too long".to_owned()))],
        Ok(Some(integrity)) => vec![Proof::Digest(integrity)],
        Ok(None) => vec![Proof::Content(Arc::new(IsGzip))],
        Err(reason) => vec![judged("digest", Err(reason.to_string()))],
    };
    if mode != Signatures::Off {
        proofs.push(judged("signature", judge(release, keys, mode)));
    }
    Vouched { proofs, etag: etag(release.dist) }
}

/// Tells whether more than this could be known of a release: its time of publication, or a signature.
pub fn is_settled(release: &Release<'_>, keys: &KeySet, mode: Signatures) -> bool {
    let judge = || proofs::judge(keys, release.name, release.version, release.dist, release.published);
    mode == Signatures::Off || matches!(judge(), Verdict::Valid { .. } | Verdict::Bad | Verdict::NoKeys)
}

fn judged(kind: &'static str, verdict: Result<String, String>) -> Proof {
    Proof::Statement(Arc::new(Judged { kind, verdict }))
}

fn judge(release: &Release<'_>, keys: &KeySet, mode: Signatures) -> Result<String, String> {
    let verdict = proofs::judge(keys, release.name, release.version, release.dist, release.published);
    match proofs::decide(mode, &verdict) {
        Decision::Refuse(reason) => Err(reason.to_owned()),
        Decision::Pass => Ok(match verdict {
            Verdict::Valid { keyid } => format!("{SIGNED}{keyid}"),
            Verdict::Missing | Verdict::UnknownKey | Verdict::Expired | Verdict::Bad | Verdict::NoKeys => {
                "no signature".to_owned()
            }
        }),
    }
}

/// A strong entity tag: the integrity value itself. Source: contract npm §5.3.
fn etag(dist: &Dist) -> Option<HeaderValue> {
    let value = dist.integrity.as_deref().or(dist.shasum.as_deref())?;
    entity_tag(value)
}
