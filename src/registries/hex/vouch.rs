//! What must hold before anything of Hex's is kept, as proofs that the engine runs.

use std::error::Error;
use std::sync::Arc;

use super::keys::{Pin, PublicKey};
use super::name::{PackageName, PolicyName};
use super::proofs::{self, Checksums, Trusted};
use super::wire;
use crate::base::chain::Chain;
use crate::base::digest::Promise;
use crate::mirror::verify::Proof;
use crate::registries::replies::entity_tag;
use crate::registries::shelf::Vouched;

/// How the index says that a signature was proved; the key's fingerprint follows.
pub const SIGNED: &str = "signed by ";

/// Which of a repository's signed documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Names,
    Versions,
    Package(PackageName),
    Policy(PolicyName),
}

/// A signed document must be signed by its repository's key, and be the one that was asked for. Source: contract hex
/// §2.4.
pub fn document(trusted: &Arc<Trusted>, document: Document) -> Vec<Proof> {
    let trusted = Arc::clone(trusted);
    vec![Proof::content("signature", move |evidence| {
        let body = &evidence.bytes()?;
        let held = match &document {
            Document::Names => trusted.names(body).map(drop),
            Document::Versions => trusted.versions(body).map(drop),
            Document::Package(name) => trusted.package(body, name).map(drop),
            Document::Policy(name) => trusted.policy(body, name).map(drop),
        };
        told(held, signed_by(&trusted.key))
    })]
}

/// A tarball must be what a proved document promises of it. Source: contract hex §2.4.
pub fn tarball(checksums: &Checksums) -> Vouched {
    let inner = checksums.inner;
    let check = move |body: &[u8]| proofs::tarball(body, &inner);
    let proofs =
        vec![Proof::Digest(checksums.promise().into()), Proof::bytes("inner-checksum", "inner checksum", check)];
    Vouched { proofs, etag: entity_tag(checksums.outer) }
}

/// Documentation must be whole and keep to itself: nothing more can be asked of it. Source: contract hex §2.4.
pub fn docs() -> Vec<Proof> {
    vec![Proof::bytes("well-formed", "no digest: well-formed", wire::check_docs)]
}

/// The old registry must be signed, in the file beside it or in a header; each signature that is there must be right.
///
/// Source: contract hex §1.5.
pub fn registry_v1(trusted: &Arc<Trusted>, signature: Option<Vec<u8>>) -> Vec<Proof> {
    let trusted = Arc::clone(trusted);
    vec![Proof::content("signature", move |evidence| {
        let (body, beside) = (evidence.bytes()?, evidence.headers.and_then(proofs::find_signature));
        let signatures: Vec<&[u8]> = signature.as_deref().into_iter().chain(beside).collect();
        if signatures.is_empty() {
            return Err(proofs::Error::Unsigned.to_string());
        }
        let held = signatures.into_iter().try_for_each(|signature| trusted.registry_v1(&body, signature));
        told(held, signed_by(&trusted.key))
    })]
}

/// A key that is fetched to be believed must be the pinned one. Source: contract hex §2.1.
pub fn public_key(pin: Pin) -> Vec<Proof> {
    vec![Proof::content("key", move |evidence| {
        told(pin.admit(&evidence.bytes()?).map(drop), format!("key {}", pin.fingerprint()))
    })]
}

/// A signature whose document is proved by it later must be text of its length.
pub fn signature() -> Vec<Proof> {
    vec![Proof::bytes("well-formed", "well-formed", |body| {
        let is_text = proofs::signature_text(body).is_some_and(|text| !text.is_empty() && text.is_ascii());
        if is_text { Ok(()) } else { Err("it is no signature") }
    })]
}

/// A list of builds must be one that can be read. Source: contract hex §1.4.
pub fn build_list() -> Vec<Proof> {
    vec![Proof::bytes("well-formed", "well-formed", wire::check_list)]
}

/// A build must be what its list promises. Source: contract hex §1.4.
pub fn build(promise: Promise) -> Vouched {
    let etag = entity_tag(promise.to_hex());
    Vouched { proofs: vec![Proof::Digest(promise.into())], etag }
}

fn told(held: Result<(), impl Error + 'static>, proved: String) -> Result<String, String> {
    held.map(|()| proved).map_err(|error| Chain(&error).to_string())
}

fn signed_by(key: &PublicKey) -> String {
    format!("{SIGNED}{}", key.fingerprint())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::samples::{Parts, Signer, archive as pack, gzip, names, package, policy, version, versions};
    use super::super::wire::Install;
    use super::*;
    use crate::base::digest::hex;
    use crate::mirror::verify::{self, Evidence};

    /// Returns what was proved, or which kind does not hold.
    fn run(proofs: &[Proof], body: &[u8]) -> Result<Vec<String>, &'static str> {
        verify::all(proofs, &Evidence::of(body)).map_err(|broken| broken.kind)
    }

    #[test]
    fn every_signed_document_is_held_to_its_own_kind() {
        let signer = Signer::repository();
        let trusted = signer.trusted_for("hexpm");
        let jason = || PackageName::parse("jason").unwrap();
        let block = || PolicyName::parse("block").unwrap();
        let proved = vec![format!("signed by {}", signer.public_key().fingerprint())];
        for (wanted, body) in [
            (Document::Names, signer.seal(&names("hexpm", &["jason"]))),
            (Document::Versions, signer.seal(&versions("hexpm", &[("jason", &["1.0.0"])]))),
            (Document::Package(jason()), signer.seal(&package("hexpm", "jason"))),
            (Document::Policy(block()), signer.seal(&policy("hexpm", "block"))),
        ] {
            assert_eq!(run(&document(&trusted, wanted.clone()), &body), Ok(proved.clone()), "{wanted:?}");
            for other in [Document::Names, Document::Versions, Document::Package(jason()), Document::Policy(block())] {
                let held = run(&document(&trusted, other.clone()), &body).is_ok();
                assert_eq!(held, other == wanted, "{wanted:?} as {other:?}");
            }
            let strangers = Signer::stranger().trusted_for("hexpm");
            assert_eq!(run(&document(&strangers, wanted), &body), Err("signature"));
        }
    }

    #[test]
    fn a_tarball_is_held_to_both_checksums() {
        let (good, other) = (Parts::of("jason", "1.0.0"), Parts::of("jason", "1.0.1"));
        let checksums = good.release("1.0.0").checksums().unwrap();
        assert_eq!(run(&tarball(&checksums).proofs, &good.pack()).unwrap(), ["digest", "inner checksum"]);
        assert_eq!(run(&tarball(&checksums).proofs, &other.pack()), Err("digest"));
        let mistaken = Checksums { inner: other.inner, ..checksums };
        assert_eq!(run(&tarball(&mistaken).proofs, &good.pack()), Err("inner-checksum"));
    }

    #[test]
    fn documentation_is_told_to_be_unproven() {
        let body = gzip(&pack(&[("index.html", b"<html>".to_vec())]));
        assert_eq!(run(&docs(), &body).unwrap(), ["no digest: well-formed"]);
        assert_eq!(run(&docs(), b"<html>"), Err("well-formed"));
    }

    #[test]
    fn old_registries_keys_and_lists_are_held_to_what_is_pinned() {
        let (signer, stranger, body) = (Signer::repository(), Signer::stranger(), b"body".to_vec());
        let trusted = signer.trusted_for("hexpm");
        let signature = hex(&signer.sign(&body)).into_bytes();
        assert!(run(&registry_v1(&trusted, Some(signature.clone())), &body).is_ok());
        assert_eq!(run(&registry_v1(&trusted, Some(signature.clone())), b"other"), Err("signature"));

        let beside = |held: Option<Vec<u8>>, header: &[u8]| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-amz-meta-signature"),
                http::HeaderValue::from_bytes(header).unwrap(),
            )]);
            verify::content(&registry_v1(&trusted, held), &Evidence::of(&body).beside(Some(&headers))).is_ok()
        };
        assert!(beside(None, &signature) && beside(Some(signature.clone()), &signature));
        assert!(
            !beside(Some(signature.clone()), b"00") && !beside(None, b"00") && !beside(Some(b"00".into()), &signature)
        );
        assert_eq!(run(&registry_v1(&trusted, None), &body), Err("signature"), "signed by nobody");

        let pin = Pin::Fingerprint(signer.public_key().fingerprint());
        assert!(run(&public_key(pin.clone()), signer.public_key().to_pem().as_bytes()).is_ok());
        assert_eq!(run(&public_key(pin), stranger.public_key().to_pem().as_bytes()), Err("key"));
    }

    #[test]
    fn a_list_of_builds_and_a_signature_can_be_read() {
        let sum = "0".repeat(128);
        for (list, held) in [
            (String::new(), true),
            (format!("2.0.6,{sum},1.14.0,1.15.0\n"), true),
            (format!("2.0.6,{sum}\n"), false),
            (format!("2.0,{sum},1.14.0\n"), false),
            ("2.0.6,zz,1.14.0\n".to_owned(), false),
            ("<html>".to_owned(), false),
        ] {
            assert_eq!(run(&build_list(), list.as_bytes()).is_ok(), held, "{list}");
        }
        assert!(run(&signature(), b"c2lnbmF0dXJl\n").is_ok());
        for text in [&b""[..], b"\n", &[b'a'; 5000], &[0xff]] {
            assert_eq!(run(&signature(), text), Err("well-formed"));
        }
    }

    #[test]
    fn a_build_is_held_to_its_list() {
        let Some(Install::Archive(archive)) = Install::parse(&["1.14.0", "hex-2.0.6.ez"]) else { panic!("no build") };
        assert_eq!((&archive.version, &archive.elixir), (&version("2.0.6"), &version("1.14.0")));
        let sum = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                   47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        let list = format!("2.0.6,{sum},1.14.0\n");
        let sum_of = |list: &str| wire::find_sum(list.as_bytes(), &archive);
        let Vouched { proofs, .. } = build(sum_of(&list).unwrap().unwrap());
        assert_eq!(run(&proofs, b"").unwrap(), ["digest"]);
        assert_eq!(run(&proofs, b"x"), Err("digest"));
        assert!(sum_of("").unwrap().is_none());
        assert!(sum_of("2.0.6,zz,1.14.0").is_err());
    }
}
