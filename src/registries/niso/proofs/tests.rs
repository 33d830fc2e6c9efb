//! One byte less, more or other, and nothing holds.

use super::*;
use crate::mirror::verify::{self, Evidence, Proof};
use crate::registries::niso::samples::{MANIFEST, app, noise, pack};
use crate::registries::niso::vouch;

const NAME: &str = "@acme/app";
const VERSION: &str = "1.1.0";

fn name() -> PackageName {
    PackageName::parse(NAME).unwrap()
}

fn version() -> Version {
    Version::parse(VERSION).unwrap()
}

/// Prints the versions of a package with one archive.
fn document(archive: &[u8]) -> String {
    let (size, checksum) = (archive.len(), Digest::of(archive));
    format!(r#"[{{"name":"{NAME}","version":"{VERSION}","arch":"x86_64","size":{size},"checksum":"{checksum}"}}]"#)
}

fn prove(proofs: &[Proof], body: &[u8]) -> Result<Vec<String>, verify::Broken> {
    verify::all(proofs, &Evidence::of(body))
}

fn proofs_of(document: &str) -> Vec<Proof> {
    let versions = wire::parse_versions(document.as_bytes(), &name()).unwrap();
    vouch::archive(&name(), &versions.rows[0]).proofs
}

fn checked(archive: &[u8]) -> Result<Archive, Error> {
    check_archive(archive, &name(), &version(), &Limits::default())
}

#[test]
fn a_right_archive_is_proved_by_its_digest_length_and_sums() {
    let archive = app(b"\x7fELF");
    assert_eq!(prove(&proofs_of(&document(&archive)), &archive).unwrap(), ["digest", "length", "archive, sums"]);
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    let archive = app(&noise(300));
    let proofs = proofs_of(&document(&archive));
    for at in 0..archive.len() {
        let mut flipped = archive.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(prove(&proofs, &flipped).unwrap_err().kind, "digest", "byte {at}");
    }
    assert_eq!(prove(&proofs, &archive[..archive.len() - 1]).unwrap_err().kind, "digest");
    assert_eq!(prove(&proofs, &[&archive[..], b"\0"].concat()).unwrap_err().kind, "digest");
    let of_other_length = document(&archive).replace(&format!("\"size\":{}", archive.len()), "\"size\":7");
    assert_eq!(prove(&proofs_of(&of_other_length), &archive).unwrap_err().kind, "length");
}

#[test]
fn a_digest_alone_does_not_make_an_archive() {
    for (archive, reason) in [
        (b"<html>".to_vec(), "zstd"),
        (pack(&[("bin/app", b"x")]), "manifest.toml"),
        (pack(&[("manifest.toml", MANIFEST.replace("1.1.0", "1.1.1").as_bytes())]), "says that it is @acme/app 1.1.1"),
        (pack(&[("manifest.toml", MANIFEST.replace("@acme", "@evil").as_bytes())]), "says that it is @evil/app 1.1.0"),
    ] {
        let broken = prove(&proofs_of(&document(&archive)), &archive).unwrap_err();
        assert!(broken.kind == "archive" && broken.detail.contains(reason), "{broken}");
    }
}

#[test]
fn an_archive_without_a_checksum_is_refused_before_it_is_asked_for() {
    for document in [
        format!(r#"[{{"version":"{VERSION}","arch":"x86_64","size":7}}]"#),
        format!(r#"[{{"version":"{VERSION}","arch":"x86_64","checksum":"a1b2c3"}}]"#),
    ] {
        let broken = verify::before(&proofs_of(&document)).unwrap_err();
        assert_eq!(broken.to_string(), "digest does not hold: upstream gives no checksum of it");
    }
}

#[test]
fn a_chunk_is_proved_by_its_name() {
    let chunk = noise(20_000);
    let vouched = vouch::chunk(&Digest::of(&chunk));
    assert_eq!(prove(&vouched.proofs, &chunk).unwrap(), ["digest"]);
    assert_eq!(vouched.etag.unwrap(), format!("\"sha256-{}\"", Digest::of(&chunk)).as_str());
    for at in [0, 10_000, 19_999] {
        let mut flipped = chunk.clone();
        flipped[at] ^= 1;
        assert_eq!(prove(&vouched.proofs, &flipped).unwrap_err().kind, "digest", "byte {at}");
    }
}

#[test]
fn chunks_are_cut_of_the_promised_archive_only() {
    let archive = app(&noise(400_000));
    let digest = Digest::of(&archive);
    assert!(cut_proved(&archive[..], &digest).unwrap().len() > 1);
    let mut flipped = archive.clone();
    flipped[200_000] ^= 1;
    for other in [&flipped[..], &archive[..archive.len() - 1]] {
        assert!(matches!(cut_proved(other, &digest), Err(Error::Digest { .. })));
    }
}

#[test]
fn no_flipped_bit_breaks_the_reader_of_archives() {
    let archive = app(&noise(2_000));
    for at in (0..archive.len()).step_by(3) {
        let mut flipped = archive.clone();
        flipped[at] ^= 0x40;
        // Whether it still opens does not matter here, only that it ends.
        let _ = checked(&flipped);
    }
    assert!(checked(&archive).is_ok());
}
