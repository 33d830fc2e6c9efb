//! Every key here guards nothing, and every repository is made on the spot.

use flate2::read::GzDecoder;
use prost::Message;
use std::io::Read;

use super::super::samples::{
    EXFMT, Parts, Signer, gzip, names, package, package_name, policy, policy_name, version, versions,
};
use super::*;
use crate::base::digest::{Hasher, Integrity, hex};
use crate::registries::hex::wire::Signed;
use crate::registries::hex::wire::messages::{Dependency, SecurityAdvisory, Timestamp};

fn trusted() -> std::sync::Arc<Trusted> {
    Signer::repository().trusted_for("hexpm")
}

fn prove(body: &[u8], name: &str) -> Result<Package, Error> {
    trusted().package(body, &package_name(name))
}

/// Tells whether a tarball is the one that was promised, as the engine judges it.
fn is_promised(checksums: &Checksums, body: &[u8]) -> bool {
    let mut hasher = Hasher::new(Some(&Integrity::from(checksums.promise())));
    hasher.update(body);
    hasher.finish().promise_holds == Some(true)
}

#[test]
fn a_signed_document_is_proved_and_read() {
    let signer = Signer::repository();
    let mut made = package("hexpm", "jason");
    made.releases[0].dependencies =
        vec![Dependency { package: "decimal".into(), requirement: "~> 1.0".into(), ..Dependency::default() }];
    made.releases[0].advisory_indexes = vec![0];
    made.releases[1].published_at = Some(Timestamp { seconds: 1_700_000_000, nanos: 5 });
    made.advisories = vec![SecurityAdvisory { id: "A-1".into(), cvss_score: Some(7.5), ..SecurityAdvisory::default() }];
    assert_eq!(prove(&signer.seal(&made), "jason").unwrap(), made);

    let listed = names("hexpm", &["jason", "plug"]);
    assert_eq!(trusted().names(&signer.seal(&listed)).unwrap(), listed);
    let listed = versions("hexpm", &[("jason", &["1.0.0", "1.1.0-rc.1"])]);
    assert_eq!(trusted().versions(&signer.seal(&listed)).unwrap(), listed);
    let ruled = policy("hexpm", "block");
    assert_eq!(trusted().policy(&signer.seal(&ruled), &policy_name("block")).unwrap(), ruled);
    let empty = Package { releases: Vec::new(), ..package("hexpm", "jason") };
    assert_eq!(prove(&signer.seal(&empty), "jason").unwrap(), empty);
}

#[test]
fn every_flipped_bit_of_a_signed_document_is_refused() {
    let signer = Signer::repository();
    let mut real = Vec::new();
    GzDecoder::new(EXFMT).read_to_end(&mut real).unwrap();
    let hexpm = Trusted { key: PublicKey::hexpm(), ..Trusted::clone(&trusted()) };
    for (trusted, name, envelope) in
        [(&*trusted(), "jason", signer.envelope(&package("hexpm", "jason"))), (&hexpm, "exfmt", real)]
    {
        let name = package_name(name);
        assert!(trusted.package(&gzip(&envelope), &name).is_ok());
        for at in 0..envelope.len() {
            for bit in 0..8 {
                let mut broken = envelope.clone();
                broken[at] ^= 1 << bit;
                assert!(trusted.package(&gzip(&broken), &name).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_compressed_form_is_refused_or_changes_nothing() {
    let sealed = Signer::repository().seal(&package("hexpm", "jason"));
    let good = wire::parse_signed(&sealed, MAX_RESOURCE).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut broken = sealed.clone();
            broken[at] ^= 1 << bit;
            if prove(&broken, "jason").is_ok() {
                // gzip's own remarks (when it was packed, how hard, where), and the bits that fill up the last byte.
                assert!((4..10).contains(&at) || at == sealed.len() - 9, "bit {bit} of byte {at}");
                assert_eq!(wire::parse_signed(&broken, MAX_RESOURCE).unwrap(), good);
            }
        }
    }
}

#[test]
fn every_cut_of_a_document_is_refused() {
    let signer = Signer::repository();
    let (sealed, envelope) = (signer.seal(&package("hexpm", "jason")), signer.envelope(&package("hexpm", "jason")));
    for end in 0..sealed.len() {
        assert!(prove(&sealed[..end], "jason").is_err(), "cut at {end}");
    }
    for end in 0..envelope.len() {
        assert!(prove(&gzip(&envelope[..end]), "jason").is_err(), "cut at {end}");
    }
    assert!(prove(&envelope, "jason").is_err(), "not compressed");
}

#[test]
fn only_the_repositorys_own_key_signs() {
    let (signer, stranger) = (Signer::repository(), Signer::stranger());
    let made = package("hexpm", "jason");
    assert!(matches!(prove(&stranger.seal(&made), "jason"), Err(Error::Signature)));
    let payload = made.encode_to_vec();
    let with = |signature: Option<Vec<u8>>| {
        let signed = Signed { payload: payload.clone().into(), signature: signature.map(Into::into) };
        prove(&gzip(&signed.encode_to_vec()), "jason")
    };
    assert!(with(Some(signer.sign(&payload))).is_ok());
    assert!(matches!(with(None), Err(Error::Unsigned)));
    let other = signer.sign(&package("hexpm", "plug").encode_to_vec());
    for signature in
        [vec![], vec![0; 256], vec![0xff; 256], other, signer.sign(&payload)[1..].to_vec(), payload.clone()]
    {
        assert!(matches!(with(Some(signature)), Err(Error::Signature)));
    }
}

#[test]
fn an_envelope_holds_nothing_beside_what_is_signed() {
    let signer = Signer::repository();
    let envelope = signer.envelope(&package("hexpm", "jason"));
    let stowaway = Signed { payload: b"x".to_vec().into(), signature: None }.encode_to_vec();
    // A field of no schema, the same field twice, another payload before or behind.
    for broken in [
        [&envelope[..], &[0x1a, 1, 0]].concat(),
        [&envelope[..], &[0x20, 1]].concat(),
        [&envelope[..], &envelope[..]].concat(),
        [&stowaway[..], &envelope[..]].concat(),
        [&envelope[..], &stowaway[..]].concat(),
    ] {
        assert!(prove(&gzip(&broken), "jason").is_err());
    }
    let sealed = gzip(&envelope);
    for broken in [[&sealed[..], &[0]].concat(), [&sealed[..], &sealed[..]].concat()] {
        assert!(matches!(prove(&broken, "jason"), Err(Error::Unreadable(wire::Error::Trailing))));
    }
}

#[test]
fn another_packages_document_does_not_stand_in() {
    let signer = Signer::repository();
    let of = |repository, name| signer.seal(&package(repository, name));
    assert!(matches!(prove(&of("hexpm", "plug"), "jason"), Err(Error::WrongName { found }) if found == "plug"));
    assert!(matches!(prove(&of("hexpm", "Jason"), "jason"), Err(Error::WrongName { .. })));
    assert!(matches!(prove(&of("hexpm", ""), "jason"), Err(Error::WrongName { .. })));
    assert!(matches!(prove(&of("acme", "jason"), "jason"), Err(Error::WrongRepository { found }) if found == "acme"));
    assert!(matches!(prove(&of("", "jason"), "jason"), Err(Error::WrongRepository { .. })));

    let acme = signer.trusted_for("acme");
    assert!(acme.package(&of("acme", "jason"), &package_name("jason")).is_ok());
    assert!(matches!(acme.names(&signer.seal(&names("hexpm", &["jason"]))), Err(Error::WrongRepository { .. })));
    let listed = signer.seal(&versions("hexpm", &[("jason", &["1.0.0"])]));
    assert!(matches!(acme.versions(&listed), Err(Error::WrongRepository { .. })));
    let ruled = signer.seal(&policy("hexpm", "block"));
    assert!(matches!(acme.policy(&ruled, &policy_name("block")), Err(Error::WrongRepository { .. })));
    assert!(matches!(trusted().policy(&ruled, &policy_name("other")), Err(Error::WrongName { .. })));
}

#[test]
fn a_document_of_one_kind_does_not_stand_in_for_another() {
    // A package, a policy and a repository of one name, so that no name gives them away.
    let (signer, name) = (Signer::repository(), "hexpm");
    let kinds = ["names", "versions", "package", "policy"];
    let sealed = [
        signer.seal(&names(name, &["jason", "hexpm"])),
        signer.seal(&versions(name, &[("jason", &["1.0.0"]), ("hexpm", &["0.1.0", "0.2.0"])])),
        signer.seal(&package(name, name)),
        signer.seal(&policy(name, name)),
    ];
    for (made, body) in kinds.iter().zip(&sealed) {
        let trusted = trusted();
        let held = [
            trusted.names(body).is_ok(),
            trusted.versions(body).is_ok(),
            trusted.package(body, &package_name(name)).is_ok(),
            trusted.policy(body, &policy_name(name)).is_ok(),
        ];
        for (asked, held) in kinds.iter().zip(held) {
            assert_eq!(held, asked == made, "{made} as {asked}");
        }
    }
}

#[test]
fn a_release_without_both_checksums_or_twice_is_refused() {
    let signer = Signer::repository();
    let spoiled = |spoil: &dyn Fn(&mut Release)| {
        let mut made = package("hexpm", "jason");
        spoil(&mut made.releases[1]);
        prove(&signer.seal(&made), "jason")
    };
    let refused = spoiled(&|release| release.outer_checksum = None);
    assert!(matches!(refused, Err(Error::NoChecksum { version }) if version == "1.1.0-rc.1"));
    for length in [0, 31, 33] {
        let refused = spoiled(&|release| release.outer_checksum = Some(vec![0; length].into()));
        assert!(matches!(refused, Err(Error::NoChecksum { .. })), "{length}");
        let refused = spoiled(&|release| release.inner_checksum = vec![0; length].into());
        assert!(matches!(refused, Err(Error::NoChecksum { .. })), "{length}");
    }
    let refused = spoiled(&|release| release.version = "1.0.0".into());
    assert!(matches!(refused, Err(Error::Repeated { version }) if version == "1.0.0"));
}

#[test]
fn signed_nonsense_is_refused_without_harm() {
    let signer = Signer::repository();
    let sealed = |payload: Vec<u8>| {
        let signature = Some(signer.sign(&payload).into());
        gzip(&Signed { payload: payload.into(), signature }.encode_to_vec())
    };
    let deep = |tag: u8| vec![tag; 100_000];
    for payload in [
        vec![],
        vec![0],
        vec![0xff; 64],
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0x12, 2, 0xff, 0xfe],
        b"<html>".to_vec(),
        deep(0x0b),
        deep(0x7b),
        deep(0x0a),
    ] {
        let body = sealed(payload.clone());
        assert!(prove(&body, "jason").is_err() && trusted().names(&body).is_err(), "{payload:.20?}");
        assert!(trusted().versions(&body).is_err() && trusted().policy(&body, &policy_name("block")).is_err());
    }
    for plain in [vec![], deep(0x0b), deep(0x0a), b"<html>".to_vec()] {
        assert!(prove(&gzip(&plain), "jason").is_err());
    }
}

#[test]
fn a_tarball_is_the_one_that_was_signed() {
    let signer = Signer::repository();
    let made = prove(&signer.seal(&package("hexpm", "jason")), "jason").unwrap();
    let promised = Checksums::find(&made, &version("1.0.0")).unwrap();
    let body = Parts::of("jason", "1.0.0").pack();
    assert!(is_promised(&promised, &body));
    tarball(&body, &promised.inner).unwrap();
    for (name, other) in [("jason", "1.1.0-rc.1"), ("plug", "1.0.0")] {
        let swapped = Parts::of(name, other).pack();
        assert!(!is_promised(&promised, &swapped), "{name} {other}");
        assert!(matches!(tarball(&swapped, &promised.inner), Err(Error::Inner)));
    }
    for at in 0..body.len() {
        let mut broken = body.clone();
        broken[at] ^= 0x20;
        assert!(!is_promised(&promised, &broken), "byte {at}");
    }
    assert!(!is_promised(&promised, &body[..body.len() - 1]));
    assert_eq!(Checksums::find(&made, &version("1.1.0")), None);
}

#[test]
fn a_wrong_tarball_that_was_signed_by_mistake_is_found() {
    let good = Parts::of("jason", "1.0.0");
    for (spoiled, signed) in [
        (good.clone().with("CHECKSUM", "0".repeat(64)), good.inner),
        (good.clone().with("metadata.config", "{}."), good.inner),
        (good.clone().with("contents.tar.gz", gzip(b"other")), good.inner),
        (good.clone(), Digest::of(b"other")),
    ] {
        assert!(matches!(tarball(&spoiled.pack(), &signed), Err(Error::Inner)));
    }
    let lower = good.clone().with("CHECKSUM", good.inner.to_hex());
    tarball(&lower.pack(), &good.inner).unwrap();
}

#[test]
fn the_old_registry_is_proved_by_its_signature() {
    let (signer, body) = (Signer::repository(), b"a table of Erlang's".to_vec());
    let signature = hex(&signer.sign(&body));
    for text in [signature.clone(), format!("{signature}\n"), signature.to_uppercase()] {
        trusted().registry_v1(&body, text.as_bytes()).unwrap();
    }
    for at in 0..body.len() {
        let mut broken = body.clone();
        broken[at] ^= 1;
        assert!(trusted().registry_v1(&broken, signature.as_bytes()).is_err(), "byte {at}");
    }
    for at in 0..signature.len() {
        let mut broken = signature.clone().into_bytes();
        broken[at] = if broken[at] == b'0' { b'1' } else { b'0' };
        assert!(trusted().registry_v1(&body, &broken).is_err(), "digit {at}");
    }
    let stranger = hex(&Signer::stranger().sign(&body));
    let long = signature.repeat(10);
    for text in ["", "zz", &signature[1..], &signature[2..], &stranger, &long, "é"] {
        assert!(matches!(trusted().registry_v1(&body, text.as_bytes()), Err(Error::Signature)), "{text:.20}");
    }
}

#[test]
fn the_old_registrys_signature_may_come_in_a_header() {
    let found = |names: &[&'static str]| {
        let headers: HeaderMap = names.iter().map(|name| (name.parse().unwrap(), name.parse().unwrap())).collect();
        find_signature(&headers).map(<[u8]>::to_vec)
    };
    assert_eq!(found(&["etag"]), None);
    for (names, expected) in [
        (&["x-hex-signature"][..], "x-hex-signature"),
        (&["x-amz-meta-signature"], "x-amz-meta-signature"),
        (&["x-amz-meta-signature", "x-hex-signature"], "x-hex-signature"),
    ] {
        assert_eq!(found(names), Some(expected.into()));
    }
}
