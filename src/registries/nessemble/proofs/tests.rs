//! One byte less, more or other, and nothing holds.

use super::*;
use crate::mirror::verify::{self, Evidence, Proof};
use crate::registries::nessemble::samples::{archive, gzip, pack, package};
use crate::registries::nessemble::vouch;
use crate::registries::nessemble::wire::{MAX_ARCHIVE, Package};

fn title() -> Title {
    Title::parse("foo").unwrap()
}

fn version() -> Version {
    Version::parse("1.0.1").unwrap()
}

fn prove(proofs: &[Proof], body: &[u8]) -> Result<Vec<String>, verify::Broken> {
    verify::all(proofs, &Evidence::of(body))
}

fn proofs_of(archive: &[u8]) -> Vec<Proof> {
    vouch::archive(&package("foo", "1.0.1", archive)).proofs
}

#[test]
fn a_right_archive_is_proved_by_its_digest_and_files() {
    let archive = archive("foo", "1.0.1", b"LDA #$01\n");
    assert_eq!(prove(&proofs_of(&archive), &archive).unwrap(), ["digest", "shasum", "archive"]);
    let etag = vouch::archive(&package("foo", "1.0.1", &archive)).etag.unwrap();
    assert_eq!(etag, format!("\"sha1-{}\"", shasum(&archive)).as_str());
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    let archive = archive("foo", "1.0.1", b"LDA #$01\n");
    let proofs = proofs_of(&archive);
    for at in 0..archive.len() {
        let mut flipped = archive.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(prove(&proofs, &flipped).unwrap_err().kind, "digest", "byte {at}");
    }
    assert_eq!(prove(&proofs, &archive[..archive.len() - 1]).unwrap_err().kind, "digest");
    assert_eq!(prove(&proofs, &[&archive[..], b"\0"].concat()).unwrap_err().kind, "digest");
}

#[test]
fn a_digest_alone_does_not_make_an_archive() {
    let mut trailing = archive("foo", "1.0.1", b"");
    trailing.extend(archive("foo", "1.0.1", b""));
    let mut cut = archive("foo", "1.0.1", b"");
    cut.truncate(cut.len() - 4);
    for (archive, reason) in [
        (b"<html>".to_vec(), "cannot be"),
        (archive("bar", "1.0.1", b""), "says that it is bar 1.0.1"),
        (archive("foo", "1.0.0", b""), "says that it is foo 1.0.0"),
        (pack(&[("lib.asm", b""), ("README.md", b"")]), "no package.json"),
        (gzip(b"no tar"), "cannot be"),
        (trailing, "goes on after its end"),
        (cut, "cannot be"),
        (vec![0; MAX_ARCHIVE as usize + 1], "longer than 65536"),
    ] {
        let broken = prove(&proofs_of(&archive), &archive).unwrap_err();
        assert!(broken.kind == "archive" && broken.detail.contains(reason), "{broken}, not {reason}");
    }
}

#[test]
fn without_a_shasum_the_head_vouches_and_without_either_nobody_does() {
    let archive = archive("foo", "1.0.1", b"LDA #$01\n");
    let vouched = vouch::archive(&Package { shasum: None, ..package("foo", "1.0.1", b"") });
    assert_eq!(vouched.etag, None);
    let told = |header: Option<&str>| {
        let headers = header.map(|text| HeaderMap::from_iter([(INTEGRITY.parse().unwrap(), text.parse().unwrap())]));
        let held = verify::content(&vouched.proofs, &Evidence::of(&archive).beside(headers.as_ref()));
        held.map_err(|broken: verify::Broken| broken.to_string())
    };
    assert_eq!(told(Some(&shasum(&archive))).unwrap(), ["x-integrity", "archive"]);
    let other = format!("digest does not hold: the archive's SHA-1 is {}", shasum(&archive));
    assert!(told(Some(&shasum(b"2"))).unwrap_err().starts_with(&other));
    for header in [None, Some(" ")] {
        assert_eq!(told(header).unwrap_err(), "digest does not hold: upstream gives no digest of it");
    }
    assert!(told(Some("x")).unwrap_err().contains("a digest that is none"));
}

#[test]
fn a_head_that_speaks_of_another_version_is_passed_over_where_there_is_a_shasum() {
    let archive = archive("foo", "1.0.1", b"");
    let proofs = proofs_of(&archive);
    for (header, told) in [(shasum(&archive), "shasum, x-integrity"), (shasum(b"2"), "shasum")] {
        let headers = HeaderMap::from_iter([(INTEGRITY.parse().unwrap(), header.parse().unwrap())]);
        let held = verify::content(&proofs, &Evidence::of(&archive).beside(Some(&headers)));
        assert_eq!(held.unwrap(), [told, "archive"]);
    }
}

#[test]
fn the_document_vouches_and_the_header_stands_in_for_it() {
    let (one, other) = (shasum(b"1"), shasum(b"2"));
    let told = |shasum: Option<&str>, header: Option<&str>| {
        promised(shasum, header).map(|promised| (promised.promise, promised.header_differs)).ok()
    };
    let promise = |text: &str| Promise::from_hex(Algorithm::Sha1, text).unwrap();
    let (first, second) = (Some(one.as_str()), Some(other.as_str()));
    for (shasum, header, expected) in [
        (first, None, Some((promise(&one), false))),
        (first, first, Some((promise(&one), false))),
        // A server that sends the default version's digest with every version.
        (first, second, Some((promise(&one), true))),
        (first, Some("x"), Some((promise(&one), true))),
        (None, second, Some((promise(&other), false))),
        (None, Some("x"), None),
        (None, None, None),
        (None, Some(" "), None),
        (Some("abc"), first, None),
    ] {
        assert_eq!(told(shasum, header), expected, "{shasum:?} {header:?}");
    }
    assert!(told(first, Some(one.to_uppercase().as_str())).is_some_and(|(_, differs)| !differs));
}

#[test]
fn no_flipped_bit_breaks_the_reader_of_archives() {
    let archive = archive("foo", "1.0.1", &[7; 3_000]);
    for at in 0..archive.len() {
        let mut flipped = archive.clone();
        flipped[at] ^= 0x40;
        // Whether it still opens does not matter here, only that it ends.
        let _ = check_archive(&flipped, &title(), &version());
    }
    assert!(check_archive(&archive, &title(), &version()).is_ok());
}
