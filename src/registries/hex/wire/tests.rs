//! What is malformed, oversized or leads astray is refused, whoever signed it.

use std::io::Read;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use tar::{EntryType, Header};

use super::super::samples::{Parts, Signer, archive, gzip, names, package, version};
use super::*;
use crate::base::digest::{Algorithm, Promise};
use crate::registries::hex::wire::messages::{
    Override, PackageRef, RepositoryPolicy, Restriction, RetirementStatus, VersionsPackage,
};

/// Returns so many zeros, compressed.
fn bomb(length: u64) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::repeat(0).take(length), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

// === Envelopes and messages ===

#[test]
fn uncompressing_stops_at_the_limit() {
    assert_eq!(gunzip(&gzip(b"12345678"), 8).unwrap(), b"12345678");
    assert!(matches!(gunzip(&gzip(b"123456789"), 8), Err(Error::TooLong { limit: 8 })));
    let bomb = bomb(MAX_RESOURCE + 1);
    assert!(bomb.len() < 64 * 1024, "a small body");
    assert!(matches!(parse_signed(&bomb, MAX_RESOURCE), Err(Error::TooLong { limit: MAX_RESOURCE })));
    for body in [&b""[..], b"plain", b"\x1f\x8b", &gzip(b"x")[..12]] {
        assert!(matches!(gunzip(body, 8), Err(Error::Gzip(_))), "{body:?}");
    }
}

#[test]
fn messages_have_the_numbers_of_the_schema() {
    // Written by hand after hex_core's schema: key bytes are (field << 3) | wire type.
    let release = b"\x0a\x051.0.0\x12\x01i\x1a\x10\x0a\x01d\x12\x02>1\x18\x01\x22\x02ap\x2a\x01r\
        \x22\x05\x08\x02\x12\x01m\x2a\x01o\x30\x07\x30\x09\x3a\x04\x08\x05\x10\x06";
    let bytes = [&[0x0a, release.len() as u8], &release[..], b"\x12\x02nm\x1a\x02re"].concat();
    let package: Package = parse_message(bytes.clone().into()).unwrap();
    assert_eq!((package.name.as_str(), package.repository.as_str()), ("nm", "re"));
    let release = &package.releases[0];
    assert_eq!((&release.inner_checksum[..], release.outer_checksum.as_deref()), (&b"i"[..], Some(&b"o"[..])));
    assert_eq!(release.advisory_indexes, [7, 9]);
    assert_eq!(release.retired, Some(RetirementStatus { reason: 2, message: Some("m".into()) }));
    let dependency = &release.dependencies[0];
    assert_eq!(
        (dependency.optional, dependency.app.as_deref(), dependency.repository.as_deref()),
        (Some(true), Some("ap"), Some("r"))
    );
    assert_eq!(release.published_at.map(|time| (time.seconds, time.nanos)), Some((5, 6)));
    assert_eq!(package.encode_to_vec(), bytes);

    let listed =
        VersionsPackage { name: "n".into(), versions: vec!["1".into()], retired: vec![0, 1], with_advisories: vec![2] };
    assert_eq!(listed.encode_to_vec(), b"\x0a\x01n\x12\x011\x1a\x02\x00\x01\x2a\x01\x02");
    let restriction =
        Restriction { advisory_min_severity: Some(3), retirement_reasons: vec![1, 2], cooldown: Some("7d".into()) };
    let r#ref = PackageRef { package: "p".into(), requirement: Some("> 1".into()) };
    let denied = Override { action: 1, r#ref, advisory_id: None, retirement_reason: None, comment: None };
    let entry = RepositoryPolicy { repository: "h".into(), restriction: Some(restriction), overrides: vec![denied] };
    let made = Policy {
        repository: "a".into(),
        name: "b".into(),
        description: None,
        visibility: 1,
        repositories: vec![entry],
    };
    let expected = b"\x0a\x01a\x12\x01b\x20\x01\x2a\x1d\x0a\x01h\x12\x0a\x08\x03\x12\x02\x01\x02\x1a\x027d\
        \x1a\x0c\x08\x01\x12\x08\x0a\x01p\x12\x03> 1";
    assert_eq!(made.encode_to_vec(), expected);
}

#[test]
fn fields_of_a_later_schema_are_passed_over_within_the_payload() {
    let bytes = [&names("hexpm", &["jason"]).encode_to_vec()[..], b"\x9a\x06\x03new"].concat();
    assert_eq!(parse_message::<Names>(bytes.into()).unwrap(), names("hexpm", &["jason"]));
    let signed = Signer::repository().seal(&package("hexpm", "jason"));
    assert!(parse_signed(&signed, MAX_RESOURCE).unwrap().signature.is_some());
}

#[test]
fn an_envelope_holds_its_two_fields_once_and_nothing_else() {
    let parse = |envelope: &[u8]| parse_signed(&gzip(envelope), MAX_RESOURCE);
    assert_eq!(parse(b"\x0a\x01p\x12\x01s").unwrap().payload, "p");
    for surplus in [&b"\x0a\x01p\x12\x01s\x18\x00"[..], b"\x0a\x01p\x0a\x01q", b"\x0a\x81\x00p"] {
        assert!(matches!(parse(surplus), Err(Error::Surplus)), "{surplus:?}");
    }
    // What is missing is as long as an unknown field.
    for empty in [&b"\x18\x00"[..], b"\x12\x01s\x18\x00", b"\x0a\x00", b""] {
        assert!(matches!(parse(empty), Err(Error::NoPayload)), "{empty:?}");
    }
}

#[test]
fn text_in_the_header_of_the_compressed_form_is_refused() {
    let plain = Signer::repository().seal(&package("hexpm", "jason"));
    let named = [&plain[..3], &[8], &plain[4..10], b"unsigned\0", &plain[10..]].concat();
    assert_eq!(gunzip(&named, MAX_RESOURCE).unwrap(), gunzip(&plain, MAX_RESOURCE).unwrap());
    assert!(matches!(parse_signed(&named, MAX_RESOURCE), Err(Error::Flags)));
}

// === Tarballs ===

fn refused(parts: &Parts) -> Error {
    Tarball::parse(&parts.pack()).unwrap_err()
}

#[test]
fn a_tarball_is_read_in_any_order_and_with_strangers_in_it() {
    let good = Parts::of("jason", "1.0.0");
    let mut shuffled = good.clone();
    shuffled.entries.reverse();
    shuffled.entries.insert(1, ("EXTRA", b"passed over".to_vec()));
    for parts in [&good, &shuffled] {
        let body = parts.pack();
        let tarball = Tarball::parse(&body).unwrap();
        assert_eq!((tarball.inner_checksum(), tarball.checksum), (good.inner, good.inner));
        assert!(tarball.metadata.starts_with(b"{<<\"name\">>,<<\"jason\">>}."));
        assert_eq!(gunzip(&tarball.contents, 1 << 20).unwrap().len() % 512, 0);
    }
}

#[test]
fn of_two_entries_the_later_counts() {
    let mut twice = Parts::of("jason", "1.0.0");
    twice.entries.insert(0, ("VERSION", b"9".to_vec()));
    assert!(Tarball::parse(&twice.pack()).is_ok());
    twice.entries.push(("VERSION", b"9".to_vec()));
    assert!(matches!(refused(&twice), Error::BadEntry("VERSION")));
}

#[test]
fn a_tarball_without_one_of_its_parts_or_with_a_wrong_one_is_refused() {
    let good = Parts::of("jason", "1.0.0");
    for name in ["VERSION", "CHECKSUM", "metadata.config", "contents.tar.gz"] {
        assert!(matches!(refused(&good.clone().without(name)), Error::NoEntry(missing) if missing == name));
    }
    for (name, bytes) in [
        ("VERSION", b"4".to_vec()),
        ("VERSION", b"3\n".to_vec()),
        ("VERSION", vec![]),
        ("CHECKSUM", b"abc".to_vec()),
        ("CHECKSUM", vec![0xff; 64]),
    ] {
        assert!(matches!(refused(&good.clone().with(name, bytes)), Error::BadEntry(bad) if bad == name), "{name}");
    }
    for (name, length) in [("VERSION", 33), ("CHECKSUM", 129), ("metadata.config", 1024 * 1024 + 1)] {
        let refused = refused(&good.clone().with(name, vec![b' '; length]));
        assert!(matches!(refused, Error::Archive(untar::Error::Member(_))), "{name}: {refused}");
    }
}

#[test]
fn what_is_no_tar_of_four_files_is_refused() {
    let body = Parts::of("jason", "1.0.0").pack();
    for end in (0..body.len() - 1024).step_by(64) {
        assert!(Tarball::parse(&body[..end]).is_err(), "cut at {end}");
    }
    let mut broken = body.clone();
    broken[0] ^= 1;
    assert!(matches!(Tarball::parse(&broken), Err(Error::Archive(untar::Error::Read(_)))));
    for body in [&b"<html>"[..], &[0; 1024], &gzip(&body), &[0xff; 2048]] {
        assert!(Tarball::parse(body).is_err());
    }
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "VERSION", "/etc/passwd").unwrap();
    assert!(matches!(Tarball::parse(&builder.into_inner().unwrap()), Err(Error::Archive(untar::Error::Member(_)))));
    let many: Vec<(&str, Vec<u8>)> = (0..MAX_MEMBERS + 1).map(|_| ("x", Vec::new())).collect();
    assert!(matches!(Tarball::parse(&archive(&many)), Err(Error::Archive(untar::Error::Members(_)))));
}

#[test]
fn a_header_that_lies_about_its_size_does_no_harm() {
    for size in [1 << 20, u64::MAX, u64::MAX - 511, 1 << 62] {
        let mut header = Header::new_gnu();
        header.set_path("VERSION").unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_cksum();
        let body = [header.as_bytes().as_slice(), &[b'3'; 512]].concat();
        assert!(Tarball::parse(&body).is_err(), "{size}");
        assert!(check_docs(&gzip(&body)).is_err(), "{size}");
    }
}

// === Documentation ===

/// Packs one entry, with a path and link that the builder itself would refuse.
fn docs(kind: EntryType, path: &str, link: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    gzip(&[header.as_bytes().as_slice(), &[0; 1024]].concat())
}

/// Packs a file behind an extended header.
fn extended(kind: EntryType, text: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("extended").unwrap();
    header.set_entry_type(kind);
    header.set_size(text.len() as u64);
    header.set_cksum();
    let mut padded = text.to_vec();
    padded.resize(text.len().next_multiple_of(512), 0);
    let file = archive(&[("short", b"x".to_vec())]);
    gzip(&[header.as_bytes().as_slice(), &padded, &file].concat())
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let body = format!(" {key}={value}\n");
    let length = (body.len()..).find(|length| length.to_string().len() + body.len() == *length).unwrap();
    extended(EntryType::XHeader, format!("{length}{body}").as_bytes())
}

#[test]
fn whole_documentation_is_taken() {
    let long = format!("assets/{}/{}.js", "d".repeat(90), "f".repeat(90));
    let files = [("index.html", b"<html>".to_vec()), ("a/b/c.html", vec![7; 5_000]), (&long, vec![])];
    check_docs(&gzip(&archive(&files))).unwrap();
    check_docs(&docs(EntryType::Directory, "./assets/", "")).unwrap();
    check_docs(&docs(EntryType::Symlink, "a/b/link", "../../index.html")).unwrap();
    check_docs(&docs(EntryType::Link, "a/b/link", "index.html")).unwrap();
    check_docs(&pax("path", &"long/".repeat(60))).unwrap();
    check_docs(&pax("mtime", "1.5")).unwrap();
}

#[test]
fn documentation_that_leads_out_of_its_directory_is_refused() {
    for path in ["/etc/passwd", "../x", "a/../x", "..", ""] {
        let checked = check_docs(&docs(EntryType::Regular, path, ""));
        assert!(matches!(checked, Err(Error::Archive(untar::Error::Path(_)))), "{path:?}: {checked:?}");
    }
    for (kind, link) in [(EntryType::Symlink, "../../x"), (EntryType::Symlink, "/etc"), (EntryType::Link, "../x")] {
        let checked = check_docs(&docs(kind, "a/link", link));
        assert!(matches!(checked, Err(Error::Archive(untar::Error::Member(_)))), "{kind:?} to {link}");
    }
    for body in [pax("path", "../x"), extended(EntryType::GNULongName, b"../x\0")] {
        assert!(matches!(check_docs(&body), Err(Error::Archive(untar::Error::Path(_)))));
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse] {
        assert!(matches!(check_docs(&docs(kind, "x", "")), Err(Error::Archive(untar::Error::Kind(_)))), "{kind:?}");
    }
}

#[test]
fn documentation_has_its_bounds() {
    assert!(matches!(check_docs(&bomb(129 * 1024 * 1024)), Err(Error::Archive(untar::Error::Bytes(_)))));
    let many: Vec<(&str, Vec<u8>)> = (0..MAX_MEMBERS + 1).map(|_| ("x", Vec::new())).collect();
    assert!(matches!(check_docs(&gzip(&archive(&many))), Err(Error::Archive(untar::Error::Members(_)))));
    assert!(matches!(
        check_docs(&extended(EntryType::GNULongName, &[b'a'; 65_537])),
        Err(Error::Archive(untar::Error::LongPath))
    ));
    assert!(matches!(
        check_docs(&extended(EntryType::XHeader, &[b'a'; 65_537])),
        Err(Error::Archive(untar::Error::LongPath))
    ));
}

#[test]
fn documentation_that_is_not_whole_is_refused() {
    let body = gzip(&archive(&[("index.html", (0..20_000u32).flat_map(u32::to_le_bytes).collect())]));
    check_docs(&body).unwrap();
    for end in (0..body.len()).step_by(97).chain([body.len() - 1]) {
        assert!(check_docs(&body[..end]).is_err(), "cut at {end}");
    }
    for at in (10..body.len()).step_by(61) {
        let mut broken = body.clone();
        broken[at] ^= 0x10;
        assert!(check_docs(&broken).is_err(), "byte {at}");
    }
    assert!(matches!(check_docs(&[&body[..], b"more"].concat()), Err(Error::Trailing)));
    let cut = archive(&[("index.html", vec![7; 5_000])])[..2_000].to_vec();
    for body in [gzip(b""), gzip(b"<html>"), gzip(&[0; 1024]), gzip(&cut), b"<html>".to_vec(), Vec::new()] {
        assert!(check_docs(&body).is_err());
    }
}

// === Builds ===

fn archive_of(elixir: &str, file: &str) -> Archive {
    match Install::parse(&[elixir, file]) {
        Some(Install::Archive(archive)) => archive,
        other => panic!("{elixir}/{file}: {other:?}"),
    }
}

#[test]
fn every_build_has_its_list_and_one_path() {
    for (elixir, file, list) in [
        ("1.14.0", "hex-2.0.6.ez", List::Hex1),
        ("1.14.0", "rebar3-3.19.0", List::Rebar3),
        ("1.0.0", "rebar-2.6.2", List::Rebar1),
        ("1.19.0", "hex-2.5.1-otp-28.ez", List::Hex),
        ("1.19.0-rc.1", "rebar3-3.25.1-otp-27.3", List::Rebar),
    ] {
        let archive = archive_of(elixir, file);
        assert_eq!((archive.list, &archive.elixir), (list, &version(elixir)));
        assert_eq!(Install::Archive(archive).path(), format!("{elixir}/{file}"));
    }
    for segments in [
        &["1.14.0", "hex-2.0.6"][..],
        &["1.14.0", "hex.ez"],
        &["1.14.0", "hex-2.0.ez"],
        &["1.14", "hex-2.0.6.ez"],
        &["1.14.0", "rebar-2.6.2-otp-28"],
        &["1.14.0", "mix-2.0.6.ez"],
        &["1.19.0", "hex-2.5.1-otp-.ez"],
        &["1.19.0", "hex-2.5.1-otp-x.ez"],
        &["1.19.0", "hex-2.5.1-otp-12345678901234567.ez"],
        &["1.19.0", "hex.csv"],
        &["hex.csv.signed"],
        &["list.csv"],
        &[],
    ] {
        assert_eq!(Install::parse(segments), None, "{segments:?}");
    }
}

#[test]
fn a_build_is_found_by_version_elixir_and_otp() {
    let sum = |digit: &str| digit.repeat(128);
    let old = format!("2.0.5,{},1.14.0\n2.0.6,{},1.13.0,1.14.0\r\n2.0.6,{},1.15.0\n", sum("1"), sum("2"), sum("3"));
    let new = format!("2.5.1,{},1.19.0,27\n2.5.1,{},1.19.0,28\n", sum("4"), sum("5"));
    let found = |list: &str, elixir, file| find_sum(list.as_bytes(), &archive_of(elixir, file)).unwrap();
    let promised = |digit: &str| Some(Promise::from_hex(Algorithm::Sha512, &sum(digit)).unwrap());
    for (elixir, file, digit) in
        [("1.14.0", "hex-2.0.5.ez", "1"), ("1.14.0", "hex-2.0.6.ez", "2"), ("1.15.0", "hex-2.0.6.ez", "3")]
    {
        assert_eq!(found(&old, elixir, file), promised(digit), "{elixir} {file}");
    }
    assert_eq!(found(&new, "1.19.0", "hex-2.5.1-otp-28.ez"), promised("5"));
    for (list, elixir, file) in [
        (&old, "1.16.0", "hex-2.0.6.ez"),
        (&old, "1.14.0", "hex-2.0.7.ez"),
        (&new, "1.19.0", "hex-2.5.1-otp-29.ez"),
        (&new, "1.18.0", "hex-2.5.1-otp-28.ez"),
        (&String::new(), "1.14.0", "hex-2.0.6.ez"),
    ] {
        assert_eq!(found(list, elixir, file), None, "{elixir} {file}");
    }
    for list in ["2.0.6,abc,1.14.0", "2.0.6,,1.14.0"] {
        assert!(matches!(find_sum(list.as_bytes(), &archive_of("1.14.0", "hex-2.0.6.ez")), Err(Error::NoList)));
    }
    assert!(matches!(find_sum(b"\xff", &archive_of("1.14.0", "hex-2.0.6.ez")), Err(Error::NoList)));
}
