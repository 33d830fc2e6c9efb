//! Hex's signed documents: what a key's owner signs is one kind of document or none, of the repository and the name that
//! were asked for; and of what is signed no byte can be changed.
#![no_main]

use std::sync::LazyLock;

use heliostat::registries::hex::keys::PublicKey;
use heliostat::registries::hex::name::{PackageName, PolicyName, RepositoryName};
use heliostat::registries::hex::proofs::{Checksums, Trusted};
use heliostat::registries::hex::wire::{MAX_RESOURCE, Signed, parse_signed};
use heliostat_fuzz::archives::gzip;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA512};

static SIGNER: LazyLock<KeyPair> = LazyLock::new(|| {
    let key = include_bytes!("../../../src/registries/hex/fixtures/repository.pk8");
    KeyPair::from_pkcs8(key).expect("the fixture is a key")
});

/// What bytes were taken for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    names: bool,
    versions: bool,
    package: bool,
    policy: bool,
    has_packages: bool,
}

fuzz_target!(|input: &[u8]| {
    check_envelope(input);
    let Some(([low, high, mask], payload)) = input.split_first_chunk() else { return };
    let mut envelope = seal(payload);
    let [ours, theirs] = ["hexpm", "acme"].map(trusted);
    let taken = take(&ours, &envelope);
    let kinds = [taken.names || taken.versions, taken.package, taken.policy];
    assert!(kinds.into_iter().filter(|is_one| *is_one).count() <= 1, "one document stands in for another: {taken:?}");
    assert!(!(taken.names && taken.versions && taken.has_packages), "one list stands in for the other");
    if kinds != [false; 3] {
        assert_eq!(take(&theirs, &envelope), Taken::default(), "of another repository");
    }
    let at = usize::from(u16::from_le_bytes([*low, *high])) % envelope.len();
    envelope[at] ^= mask;
    if *mask != 0 {
        assert_eq!(take(&ours, &envelope), Taken::default(), "byte {at} of the envelope was changed");
    }
});

/// Holds that of an envelope nothing is passed over: there are two fields, in whatever order, and no third.
fn check_envelope(envelope: &[u8]) {
    let Ok(Signed { payload, signature }) = parse_signed(&gzip(envelope), MAX_RESOURCE) else { return };
    let payload = Signed { payload, signature: None }.encode_to_vec();
    let signature = signature.map(|signature| {
        // An empty payload is written as well.
        Signed { payload: Default::default(), signature: Some(signature) }.encode_to_vec().split_off(2)
    });
    let signature = signature.unwrap_or_default();
    let orders = [[&*payload, &*signature].concat(), [&*signature, &*payload].concat()];
    assert!(orders.iter().any(|order| order == envelope), "something else is in the envelope");
}

fn take(trusted: &Trusted, envelope: &[u8]) -> Taken {
    let body = gzip(envelope);
    let (name, policy) = (PackageName::parse("tool"), PolicyName::parse("tool"));
    let (name, policy) = (name.expect("a name"), policy.expect("a name"));
    let mut taken = Taken::default();
    if let Ok(names) = trusted.names(&body) {
        assert_eq!(names.repository, trusted.repository.as_str());
        assert!(names.packages.iter().all(|package| PackageName::parse(&package.name).is_ok()));
        (taken.names, taken.has_packages) = (true, !names.packages.is_empty());
    }
    if let Ok(versions) = trusted.versions(&body) {
        assert_eq!(versions.repository, trusted.repository.as_str());
        assert!(versions.packages.iter().all(|package| PackageName::parse(&package.name).is_ok()));
        (taken.versions, taken.has_packages) = (true, !versions.packages.is_empty());
    }
    if let Ok(package) = trusted.package(&body, &name) {
        assert_eq!((package.repository.as_str(), package.name.as_str()), (trusted.repository.as_str(), "tool"));
        let all: Option<Vec<Checksums>> = package.releases.iter().map(|release| release.checksums()).collect();
        assert_eq!(all.map(|all| all.len()), Some(package.releases.len()), "a release without checksums");
        taken.package = true;
    }
    if let Ok(found) = trusted.policy(&body, &policy) {
        assert_eq!((found.repository.as_str(), found.name.as_str()), (trusted.repository.as_str(), "tool"));
        taken.policy = true;
    }
    taken
}

fn trusted(repository: &str) -> Trusted {
    static KEY: LazyLock<PublicKey> = LazyLock::new(|| {
        let key = pem(SIGNER.public_key().as_ref());
        PublicKey::parse(key.as_bytes()).expect("the fixture has a public key")
    });
    Trusted { repository: RepositoryName::parse(repository).expect("a constant is a name"), key: KEY.clone() }
}

fn pem(key: &[u8]) -> String {
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
    format!("-----BEGIN RSA PUBLIC KEY-----\n{key}\n-----END RSA PUBLIC KEY-----\n")
}

/// Returns a payload's envelope, signed by the repository.
fn seal(payload: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; SIGNER.public().modulus_len()];
    let signed = SIGNER.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), payload, &mut signature);
    signed.expect("there is room for the signature");
    Signed { payload: payload.to_vec().into(), signature: Some(signature.into()) }.encode_to_vec()
}
