//! What must hold before anything of npm's is kept, as proofs that the engine runs.

use flate2::bufread::MultiGzDecoder;
use http::HeaderValue;
use serde::de::IgnoredAny;

use super::name::{PackageName, Version};
use super::proofs::{self, Decision, KeySet, Verdict};
use super::wire::{self, Dist};
use crate::base::chain::Chain;
use crate::config::Signatures;
use crate::mirror::verify::{Evidence, Proof};
use crate::registries::replies::entity_tag;
use crate::registries::shelf::Vouched;

/// A version's `dist` that is longer than this vouches for nothing: what vouches for a release is remembered for good.
const MAX_DIST: usize = 64 * 1024;

/// How the index says that a signature was proved; the key follows.
pub const SIGNED: &str = "signed by ";

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

/// A document must parse, be of its package, and describe its versions. Source: design, table of proofs.
pub fn packument(name: &PackageName) -> Vec<Proof> {
    let name = name.clone();
    vec![Proof::bytes("document", "packument", move |body| wire::check(body, &name).map(drop))]
}

/// What upstream says of one version alone must parse, be of that version, and say what vouches for it.
pub fn manifest(name: &PackageName, version: &Version) -> Vec<Proof> {
    let (name, version) = (name.clone(), version.clone());
    vec![Proof::bytes("document", "manifest", move |body| wire::check_manifest(body, &name, &version))]
}

/// A key set must parse. Source: contract npm §6.2.
pub fn keys() -> Vec<Proof> {
    vec![Proof::bytes("document", "keys", |body| KeySet::parse(body).map(drop))]
}

/// Attestations must be JSON: their own signatures are for the client to judge. Source: contract npm §6.3.
pub fn attestations() -> Vec<Proof> {
    vec![Proof::bytes("document", "json", |body| serde_json::from_slice::<IgnoredAny>(body).map(drop))]
}

/// Collects what vouches for a release: its digest, and its registry's signature as far as `mode` asks for one. A
/// release with neither `integrity` nor `shasum` has no digest to prove: it must at least be a whole gzip file, and its
/// first bytes are held to.
///
/// Source: contract npm §6.1, §6.2.
pub fn tarball(release: &Release<'_>, keys: &KeySet, mode: Signatures) -> Vouched {
    let mut proofs = match proofs::promised(release.dist) {
        _ if release.written.len() > MAX_DIST => vec![Proof::judged("digest", Err("its dist is too long".to_owned()))],
        Ok(Some(integrity)) => vec![Proof::Digest(integrity)],
        Ok(None) => vec![Proof::content("well-formed", is_gzip)],
        Err(reason) => vec![Proof::judged("digest", Err(reason.to_string()))],
    };
    if mode != Signatures::Off {
        proofs.push(Proof::judged("signature", judge(release, keys, mode)));
    }
    Vouched { proofs, etag: etag(release.dist) }
}

/// Tells whether more than this could be known of a release: its time of publication, or a signature.
pub fn is_settled(release: &Release<'_>, keys: &KeySet, mode: Signatures) -> bool {
    let judge = || proofs::judge(keys, release.name, release.version, release.dist, release.published);
    mode == Signatures::Off || matches!(judge(), Verdict::Valid { .. } | Verdict::Bad | Verdict::NoKeys)
}

/// A tarball that nobody vouches for must be a gzip file to its end: no page of HTML, and not cut short.
fn is_gzip(evidence: &Evidence<'_>) -> Result<String, String> {
    let read = std::io::copy(&mut MultiGzDecoder::new(evidence.reader()), &mut std::io::sink());
    read.map(|_| "no digest: well-formed".to_owned()).map_err(|error| Chain(&error).to_string())
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
