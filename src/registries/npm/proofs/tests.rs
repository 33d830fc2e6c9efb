//! Every key here is made on the spot; the one published key serves as a known answer for fingerprints.

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use p256::pkcs8::EncodePublicKey;
use serde_json::json;

use super::*;
use crate::base::digest::Hasher;
use crate::registries::npm::wire::Signature;

const INTEGRITY: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
const EMPTY_SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
/// 2021-01-01.
const PUBLISHED: u64 = 1_609_459_200_000;

struct Registry {
    key: SigningKey,
    id: String,
}

impl Registry {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let id = fingerprint(key.verifying_key());
        Self { key, id }
    }

    fn sign(&self, message: &str) -> Signature {
        let signature: Ecdsa = self.key.sign(message.as_bytes());
        Signature { keyid: self.id.clone(), sig: STANDARD.encode(signature.to_der().as_bytes()) }
    }

    fn document(&self, expires: Option<&str>) -> serde_json::Value {
        let der = self.key.verifying_key().to_public_key_der().unwrap();
        let key = STANDARD.encode(der.as_bytes());
        json!({ "expires": expires, "keyid": self.id, "keytype": KEY_TYPE, "scheme": KEY_TYPE, "key": key })
    }
}

fn key_set(keys: &[serde_json::Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn message() -> String {
    format!("@acme/tool@1.0.0:{INTEGRITY}")
}

fn dist(signatures: &[Signature]) -> Dist {
    Dist { integrity: Some(INTEGRITY.to_owned()), signatures: signatures.to_vec(), ..Dist::default() }
}

fn judged(keys: &KeySet, dist: &Dist) -> Verdict {
    judged_as(keys, "@acme/tool", "1.0.0", dist)
}

fn judged_as(keys: &KeySet, name: &str, version: &str, dist: &Dist) -> Verdict {
    judge(keys, &PackageName::parse(name).unwrap(), &Version::parse(version).unwrap(), dist, Some(PUBLISHED))
}

#[test]
fn a_key_id_is_the_fingerprint_of_its_key() {
    let published = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+Ih\
        uteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==";
    let key = VerifyingKey::from_public_key_der(&STANDARD.decode(published).unwrap()).unwrap();
    assert_eq!(fingerprint(&key), "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA");
}

#[test]
fn keys_that_vouch_for_nothing_are_left_out() {
    let signer = Registry::new(1);
    let good = signer.document(None);
    let with = |member: &str, value: serde_json::Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    assert_eq!(key_set(std::slice::from_ref(&good)).0.len(), 1);
    for key in [
        with("keyid", json!(Registry::new(2).id)),
        with("keyid", json!("SHA256:")),
        with("keytype", json!("ed25519")),
        with("key", json!("AAAA")),
        with("key", json!("not base64")),
        with("key", json!(null)),
        json!({}),
        json!(null),
    ] {
        let keys = key_set(&[key.clone(), good.clone()]);
        assert_eq!(keys.0.len(), 1, "{key}");
        assert!(key_set(&[key]).is_empty());
    }
    for document in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        assert!(KeySet::parse(document.as_bytes()).is_err(), "{document}");
    }
}

#[test]
fn a_signature_holds_for_its_name_version_and_integrity_only() {
    let signer = Registry::new(1);
    let keys = key_set(&[signer.document(None)]);
    let signed = dist(&[signer.sign(&message())]);
    assert_eq!(judged(&keys, &signed), Verdict::Valid { keyid: signer.id.clone() });
    assert_eq!(judged_as(&keys, "@acme/tools", "1.0.0", &signed), Verdict::Bad);
    assert_eq!(judged_as(&keys, "@acme/tool", "1.0.1", &signed), Verdict::Bad);
    let other = Dist { integrity: Some(format!("{INTEGRITY} sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=")), ..signed.clone() };
    assert_eq!(judged(&keys, &other), Verdict::Bad);
    let bare = Dist { integrity: None, shasum: Some(EMPTY_SHA1.into()), ..signed };
    assert_eq!(judged(&keys, &bare), Verdict::Bad);
}

#[test]
fn every_flipped_byte_of_what_is_signed_is_refused() {
    let signer = Registry::new(3);
    let keys = key_set(&[signer.document(None)]);
    let signature = signer.sign(&message());
    let key = &keys.0[0];
    assert!(key.verifies(&message(), &signature.sig));
    for at in 0..message().len() {
        for bit in 0..7 {
            let mut broken = message().into_bytes();
            broken[at] ^= 1 << bit;
            assert!(!key.verifies(std::str::from_utf8(&broken).unwrap(), &signature.sig), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let signer = Registry::new(4);
    let keys = key_set(&[signer.document(None)]);
    let good = signer.sign(&message());
    let der = STANDARD.decode(&good.sig).unwrap();
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut broken = der.clone();
            broken[at] ^= 1 << bit;
            let signature = Signature { sig: STANDARD.encode(&broken), ..good.clone() };
            assert_eq!(judged(&keys, &dist(&[signature])), Verdict::Bad, "bit {bit} of byte {at}");
        }
    }
    for at in 0..good.sig.len() {
        let mut text = good.sig.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        let signature = Signature { sig: String::from_utf8(text).unwrap(), ..good.clone() };
        assert_eq!(judged(&keys, &dist(&[signature])), Verdict::Bad, "character {at}");
    }
    for text in ["", "=", "MA==", "MAYCAQACAQA="] {
        let signature = Signature { sig: text.to_owned(), ..good.clone() };
        assert_eq!(judged(&keys, &dist(&[signature])), Verdict::Bad, "{text:?}");
    }
}

#[test]
fn one_valid_signature_of_several_suffices_else_the_worst_counts() {
    let (here, old, away) = (Registry::new(1), Registry::new(2), Registry::new(3));
    let keys = key_set(&[here.document(None), old.document(Some("2020-06-01T00:00:00.000Z"))]);
    let [good, bad] = [message(), "something else".to_owned()].map(|message| here.sign(&message));
    let [expired, unknown] = [&old, &away].map(|signer| signer.sign(&message()));
    let valid = Verdict::Valid { keyid: here.id.clone() };
    for (signatures, expected) in [
        (vec![], Verdict::Missing),
        (vec![&unknown], Verdict::UnknownKey),
        (vec![&expired], Verdict::Expired),
        (vec![&unknown, &expired, &unknown], Verdict::Expired),
        (vec![&bad, &expired, &unknown], Verdict::Bad),
        (vec![&expired, &bad], Verdict::Bad),
        (vec![&bad, &unknown, &good], valid.clone()),
        (vec![&good, &bad], valid),
    ] {
        let signatures: Vec<Signature> = signatures.into_iter().cloned().collect();
        assert_eq!(judged(&keys, &dist(&signatures)), expected);
    }
    assert_eq!(judged(&KeySet::default(), &dist(std::slice::from_ref(&good))), Verdict::NoKeys);
    let flood = vec![unknown; 17].into_iter().chain([good]).collect::<Vec<_>>();
    assert_eq!(judged(&keys, &dist(&flood)), Verdict::UnknownKey, "no more than a few are looked at");
}

#[test]
fn a_key_signs_until_it_expires() {
    let signer = Registry::new(5);
    let signed = dist(&[signer.sign(&message())]);
    let (name, version) = (PackageName::parse("@acme/tool").unwrap(), Version::parse("1.0.0").unwrap());
    for (expires, published, valid) in [
        (None, Some(u64::MAX), true),
        (Some("2021-01-01T00:00:00.001Z"), Some(PUBLISHED), true),
        (Some("2021-01-01T00:00:00.000Z"), Some(PUBLISHED), false),
        (Some("2020-01-01T00:00:00.000Z"), Some(PUBLISHED), false),
        (Some("2020-01-01T00:00:00.000Z"), None, true),
        (Some("2014-01-01T00:00:00.000Z"), None, false),
        (Some("soon"), None, false),
    ] {
        let keys = key_set(&[signer.document(expires)]);
        let expected = if valid { Verdict::Valid { keyid: signer.id.clone() } } else { Verdict::Expired };
        assert_eq!(judge(&keys, &name, &version, &signed, published), expected, "{expires:?} {published:?}");
    }
}

#[test]
fn the_mode_decides_what_a_verdict_means() {
    let passes = |mode| {
        let valid = Verdict::Valid { keyid: "k".into() };
        [valid, Verdict::Missing, Verdict::UnknownKey, Verdict::Expired, Verdict::Bad, Verdict::NoKeys]
            .map(|verdict| decide(mode, &verdict) == Decision::Pass)
    };
    assert_eq!(passes(Signatures::Require), [true, false, false, false, false, false]);
    assert_eq!(passes(Signatures::Verify), [true, true, true, true, false, true]);
    assert_eq!(passes(Signatures::Off), [true; 6]);
}

#[test]
fn the_strongest_hash_is_promised_and_a_broken_one_is_not_replaced() {
    let holds = |integrity: Option<&str>, shasum: Option<&str>| {
        let dist = Dist { integrity: integrity.map(Into::into), shasum: shasum.map(Into::into), ..Dist::default() };
        promised(&dist)
            .map(|promised| promised.map(|promised| Hasher::new(Some(&promised)).finish().promise_holds.unwrap()))
    };
    assert_eq!(holds(Some(INTEGRITY), Some(&"0".repeat(40))).unwrap(), Some(true));
    assert_eq!(holds(None, Some(EMPTY_SHA1)).unwrap(), Some(true));
    assert_eq!(holds(None, Some(&"0".repeat(40))).unwrap(), Some(false));
    assert_eq!(holds(Some(""), Some(EMPTY_SHA1)).unwrap(), Some(true));
    assert_eq!(holds(Some("sha9-AAAA"), Some(EMPTY_SHA1)).unwrap(), Some(true));
    assert_eq!(holds(None, None).unwrap(), None);
    assert_eq!(holds(Some(" "), Some("")).unwrap(), None);
    assert!(matches!(holds(Some("sha512-AAAA"), Some(EMPTY_SHA1)), Err(Error::Integrity(_))));
    assert!(matches!(holds(Some("sha9-AAAA"), None), Err(Error::Integrity(_))));
    assert!(matches!(holds(None, Some("abc")), Err(Error::Shasum(_))));
}
