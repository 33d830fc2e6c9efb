//! Documents of both generations, whole and broken, and what is printed of them.

use serde_json::{Value, json};

use super::*;
use crate::base::digest::Digest;
use crate::registries::niso::name::{Arch, PackageName, Spec, Tag, Version};
use crate::registries::niso::routes::Filter;
use crate::registries::niso::samples::{MANIFEST, app, noise, pack};

const NEW: &str = include_str!("../fixtures/versions.json");
const OLD: &str = include_str!("../fixtures/versions.old.json");

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn arch(text: &str) -> Arch {
    Arch::parse(text).unwrap()
}

fn parsed(document: &str) -> Versions<'_> {
    parse_versions(document.as_bytes(), &name("@acme/app")).unwrap_or_else(|error| panic!("{error}: {document}"))
}

fn text(print: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Makes a row of `@acme/app` whose checksum is that of its version and architecture.
fn row(version: &str, arch: &str) -> Value {
    let checksum = Digest::of(format!("{version} {arch}").as_bytes()).to_hex();
    json!({"name": "@acme/app", "version": version, "arch": arch, "size": 7, "checksum": checksum})
}

fn rows(rows: &[(&str, &str)]) -> String {
    Value::from(rows.iter().map(|(version, arch)| row(version, arch)).collect::<Vec<_>>()).to_string()
}

// === Versions ===

#[test]
fn both_generations_of_versions_come_out_as_one() {
    let printed = |document| text(|out| print_versions(&parsed(document), out));
    let expected = include_str!("../fixtures/versions.printed.json").replace('\n', "");
    assert_eq!(printed(NEW), expected);
    assert_eq!(printed(OLD), expected.replace(r#","mirror_hint":{"rank":1.50}"#, ""));
    assert_eq!(printed(&printed(NEW)), expected, "what is printed reads as it was");
}

#[test]
fn rows_that_cannot_be_asked_for_or_proved_are_not_listed() {
    for bad in [
        json!({"version": "1.0", "arch": "x86_64", "checksum": Digest::of(b"").to_hex()}),
        json!({"version": "1.0.0", "arch": "a/b", "checksum": Digest::of(b"").to_hex()}),
        json!({"version": "1.0.0", "arch": "manifest", "checksum": Digest::of(b"").to_hex()}),
        json!({"version": "1.0.0", "arch": "x86_64"}),
        json!({"version": "1.0.0", "arch": "x86_64", "checksum": "a1b2c3"}),
        json!({"version": "1.0.0", "arch": "x86_64", "checksum": 7}),
        json!({"version": 1, "arch": "x86_64", "checksum": Digest::of(b"").to_hex()}),
        json!("1.0.0"),
        json!(null),
    ] {
        let document = json!([bad, row("1.1.0", "x86_64")]).to_string();
        let printed = value(&text(|out| print_versions(&parsed(&document), out)));
        assert_eq!(printed.as_array().map(Vec::len), Some(1), "{bad}");
    }
    let unproved = json!([{"version": "1.0.0", "arch": "x86_64", "size": 7}]).to_string();
    assert!(parsed(&unproved).find(&version("1.0.0"), &arch("x86_64")).unwrap().checksum.is_none());
}

#[test]
fn documents_that_can_be_read_in_two_ways_are_refused() {
    let (one, other) = (Digest::of(b"1").to_hex(), Digest::of(b"2").to_hex());
    for document in [
        json!([{"version": "1.0.0", "arch": "a", "checksum": one}, {"version": "1.0.0", "arch": "a", "checksum": other}])
            .to_string(),
        json!([{"version": "1.0.0", "arch": "a", "checksum": one, "sha256": other}]).to_string(),
        json!([{"version": "1.0.0", "arch": "a", "checksum": one, "sha256": "x"}]).to_string(),
        json!([{"version": "1.0.0", "arch": "a", "checksum": one}, {"version": "1.0.0", "arch": "a"}]).to_string(),
        format!(r#"[{{"version":"1.0.0","arch":"a","checksum":"{one}","checksum":"{other}"}}]"#),
        format!(r#"[{{"version":"1.0.0","version":"2.0.0","arch":"a","checksum":"{one}"}}]"#),
        r#"{"versions":[],"versions":[]}"#.to_owned(),
        json!([{"name": "@evil/app", "version": "1.0.0", "arch": "a", "checksum": one}]).to_string(),
        json!([{"name": "", "version": "1.0.0", "arch": "a", "checksum": one}]).to_string(),
    ] {
        assert!(parse_versions(document.as_bytes(), &name("@acme/app")).is_err(), "{document}");
    }
    let twice = json!([row("1.0.0", "a"), row("1.0.0", "a")]).to_string();
    assert_eq!(parsed(&twice).rows.len(), 1, "the same row twice is one");
}

#[test]
fn what_is_no_document_is_refused_and_breaks_nothing() {
    let (deep, deep_object) = ("[".repeat(1_000_000), "{\"versions\":".repeat(100_000));
    for document in ["", "<html>", "{}", "null", "7", "\"x\"", "[1", r#"{"versions":7}"#, &deep, &deep_object] {
        assert!(parse_versions(document.as_bytes(), &name("app")).is_err(), "{}", &document[..document.len().min(40)]);
        assert!(parse_list(document.as_bytes()).is_err());
        assert!(parse_tags(document.as_bytes()).is_err());
    }
    assert!(parse_versions(b"[\"\xff\"]", &name("app")).is_err());
    let closed = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse_versions(closed.as_bytes(), &name("app")).is_ok_and(|versions| versions.rows.is_empty()));
}

// === Latest, tags ===

fn resolved(document: &str, tags: &str, spec: &str, on: Option<&str>) -> Option<String> {
    let (versions, tags) = (parsed(document), parse_tags(tags.as_bytes()).unwrap());
    let row = versions.resolve(&Spec::parse(spec).unwrap(), on.map(arch).as_ref(), &tags)?;
    Some(format!("{} {}", row.version, row.arch))
}

#[test]
fn latest_is_the_newest_release_that_has_the_architecture() {
    let document =
        rows(&[("1.0.0", "x86"), ("1.0.0", "arm"), ("1.2.0", "x86"), ("2.0.0-rc.1", "arm"), ("0.1.0-a", "riscv")]);
    for (tags, on, expected) in [
        ("[]", Some("x86"), Some("1.2.0 x86")),
        ("[]", Some("arm"), Some("1.0.0 arm")),
        ("[]", Some("riscv"), Some("0.1.0-a riscv")),
        ("[]", Some("mips"), None),
        ("[]", None, Some("1.2.0 x86")),
        (r#"[{"tag":"latest","version":"1.0.0"}]"#, Some("x86"), Some("1.0.0 x86")),
        (r#"[{"tag":"latest","version":"1.0.0"}]"#, None, Some("1.0.0 arm")),
        (r#"[{"tag":"latest","version":"1.2.0"}]"#, Some("arm"), Some("1.0.0 arm")),
        (r#"[{"tag":"latest","version":"9.9.9"}]"#, Some("x86"), Some("1.2.0 x86")),
    ] {
        assert_eq!(resolved(&document, tags, "latest", on).as_deref(), expected, "{tags} {on:?}");
    }
    assert_eq!(
        resolved(&rows(&[("1.0.0-a", "x86"), ("1.0.0-b", "x86")]), "[]", "latest", None).unwrap(),
        "1.0.0-b x86"
    );
    assert_eq!(resolved("[]", "[]", "latest", None), None);
}

#[test]
fn a_spec_is_an_exact_version_or_what_a_tag_names() {
    let document = rows(&[("1.0.0", "x86"), ("1.0.0", "arm"), ("2.0.0-rc.1", "x86")]);
    let tags = r#"{"tags":[{"tag":"next","version":"2.0.0-rc.1"},{"tag":"gone","version":"3.0.0"}]}"#;
    for (spec, on, expected) in [
        ("1.0.0", None, Some("1.0.0 arm")),
        ("1.0.0", Some("x86"), Some("1.0.0 x86")),
        ("next", None, Some("2.0.0-rc.1 x86")),
        ("next", Some("arm"), None),
        ("gone", None, None),
        ("unknown", None, None),
        ("3.0.0", None, None),
    ] {
        assert_eq!(resolved(&document, tags, spec, on).as_deref(), expected, "{spec} {on:?}");
    }
}

#[test]
fn tags_are_sorted_and_always_have_latest() {
    let document = rows(&[("1.0.0", "x86"), ("1.2.0", "x86"), ("2.0.0-rc.1", "x86")]);
    let printed = |tags: &str| text(|out| print_tags(&parse_tags(tags.as_bytes()).unwrap(), &parsed(&document), out));
    let tags = r#"[{"tag":"stable","version":"1.0.0","by":"joe"},{"tag":"gone","version":"9.0.0"},
        {"tag":"next","version":"2.0.0-rc.1"},{"tag":"a/b","version":"1.0.0"},{"tag":"1.0.0","version":"1.0.0"}]"#;
    let expected = r#"[{"tag":"latest","version":"1.2.0"},{"tag":"next","version":"2.0.0-rc.1"},"#.to_owned()
        + r#"{"tag":"stable","version":"1.0.0","by":"joe"}]"#;
    assert_eq!(printed(tags), expected);
    assert_eq!(printed(&expected), expected, "what is printed reads as it was");
    assert_eq!(printed(r#"{"tags":[{"tag":"latest","version":"1.0.0"}]}"#), r#"[{"tag":"latest","version":"1.0.0"}]"#);
    assert!(parse_tags(br#"[{"tag":"a","version":"1.0.0"},{"tag":"a","version":"2.0.0"}]"#).is_err());
    assert_eq!(
        parse_tags(br#"[{"tag":"a","version":"1.0.0"}]"#).unwrap().version(&Tag::parse("a").unwrap()),
        Some(&version("1.0.0"))
    );
}

// === List ===

fn listed(packages: &[Package<'_>], filter: &Filter) -> String {
    String::from_utf8(print_list(packages).unwrap().select(filter, |_, _| false)).unwrap()
}

#[test]
fn a_latest_version_that_is_hidden_is_not_told() {
    let document = r#"[{"name":"a","latest_version":"1.0.0"},{"name":"b","latest_version":"2.0.0"},{"name":"c"}]"#;
    let packages = parse_list(document.as_bytes()).unwrap();
    let is_hidden = |name: &PackageName, version: Option<&Version>| match version {
        Some(version) => version.as_str() == "2.0.0",
        None => name.as_str() == "a",
    };
    let told = String::from_utf8(print_list(&packages).unwrap().select(&Filter::default(), is_hidden)).unwrap();
    let rest = r#""description":"","updated_at":null,"download_count":0}"#;
    let expected = ["b", "c"].map(|name| format!(r#"{{"name":"{name}","latest_version":null,{rest}"#));
    assert_eq!(told, format!("[{}]", expected.join(",")));
}

#[test]
fn both_generations_of_the_list_come_out_as_one() {
    let new = r#"[{"name":"zeta","latest_version":"1.0.0","description":"Last","updated_at":"2024-03-01T12:30:45Z",
        "download_count":7,"stars":[1.50]},{"name":"@Acme/App","latest_version":"1.1.0"},{"name":"../x"},{"name":"zeta"},7]"#;
    let old = r#"{"total":2,"packages":[{"name":"zeta","latest":"1.0.0","description":"Last",
        "updated_at":"2024-03-01T13:30:45.9+01:00","download_count":7,"stars":[1.50]},{"name":"@acme/app","latest":"1.1.0"}]}"#;
    let expected =
        r#"[{"name":"@acme/app","latest_version":"1.1.0","description":"","updated_at":null,"download_count":0},"#
            .to_owned()
            + r#"{"name":"zeta","latest_version":"1.0.0","description":"Last","updated_at":"2024-03-01T12:30:45","#
            + r#""download_count":7,"stars":[1.50]}]"#;
    for document in [new, old, &expected] {
        let packages = parse_list(document.as_bytes()).unwrap();
        assert_eq!(listed(&packages, &Filter::default()), expected, "{document}");
    }
}

#[test]
fn a_filter_takes_its_part_of_the_list() {
    let document = json!(["b-api", "a-api", "@x/my-api", "other"].map(|name| json!({"name": name}))).to_string();
    let packages = parse_list(document.as_bytes()).unwrap();
    for (text_wanted, limit, offset, expected) in [
        ("", None, 0, &["@x/my-api", "a-api", "b-api", "other"][..]),
        ("api", None, 0, &["@x/my-api", "a-api", "b-api"]),
        ("api", Some(1), 1, &["a-api"]),
        ("api", Some(0), 0, &[]),
        ("api", None, 99, &[]),
        ("@x/", None, 0, &["@x/my-api"]),
        ("%", None, 0, &[]),
    ] {
        let filter = Filter { text: text_wanted.to_owned(), limit, offset };
        let printed = value(&listed(&packages, &filter));
        let names: Vec<_> = printed.as_array().unwrap().iter().map(|package| &package["name"]).collect();
        assert_eq!(names, expected, "{filter:?}");
    }
}

// === Archives ===

fn opened(archive: &[u8]) -> Result<Archive, Error> {
    open(archive, &Limits::default())
}

#[test]
fn an_archive_gives_its_manifest_as_it_stands() {
    let archive = opened(&app(b"\x7fELF")).unwrap();
    assert_eq!(archive.manifest, MANIFEST.as_bytes());
    assert!(archive.has_sums);
    let package = Manifest { name: "@acme/app".into(), version: "1.1.0".into(), description: "An app".into() };
    assert_eq!(archive.package, package);
    let bare =
        opened(&pack(&[("bin/app", b"x"), ("manifest.toml", b"package = {name='a', version='1.0.0'}")])).unwrap();
    assert_eq!((bare.has_sums, bare.package.description.as_str()), (false, ""));
}

#[test]
fn sums_hold_whatever_order_the_members_come_in() {
    let digest = |body: &[u8]| Digest::of(body).to_hex();
    let with = |sums: &str| {
        let files: [(&str, &[u8]); 4] = [
            ("checksums.sha256", sums.as_bytes()),
            ("bin/app", b"x"),
            ("manifest.toml", MANIFEST.as_bytes()),
            ("signature.ed25519", b"not looked at"),
        ];
        opened(&pack(&files)).map(drop).map_err(|error| error.to_string())
    };
    let manifest = format!("{}  manifest.toml\n", digest(MANIFEST.as_bytes()));
    let right = format!("{manifest}{} *./bin/app\r\n\n{}  signature.ed25519\n", digest(b"x"), digest(b"anything"));
    assert_eq!(with(&right), Ok(()));
    assert_eq!(with(""), Ok(()));
    assert_eq!(with(&manifest), Ok(()), "a file may go without a sum");
    let is_wrong = |sums: &str, reason: &str| {
        let error = with(sums).unwrap_err();
        assert!(error.contains(reason), "{error}");
    };
    is_wrong(&format!("{manifest}{}  bin/app\n", digest(b"y")), "bin/app is not as");
    is_wrong(&format!("{manifest}{}  bin/missing\n", digest(b"x")), "bin/missing is not as");
    is_wrong(&format!("{}  bin/app\n", digest(b"x")), "manifest.toml is not as");
    is_wrong(&format!("{manifest}{} bin/app\n", digest(b"x")), "at line 2");
    is_wrong("abc  manifest.toml\n", "at line 1");
    is_wrong("\u{e9}", "at line 1");
}

#[test]
fn archives_that_are_none_are_refused() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0];
    let whole = app(b"x");
    let mut trailing = whole.clone();
    trailing.extend_from_slice(b"more");
    let twice = pack(&[("manifest.toml", MANIFEST.as_bytes()), ("./manifest.toml", b"[package]")]);
    for (archive, reason) in [
        (&b""[..], "not compressed with zstd"),
        (b"<html>", "not compressed with zstd"),
        (&gzip, "not compressed with zstd"),
        (&whole[..4], "cannot be"),
        (&whole[..whole.len() - 1], "cannot be"),
        (&trailing, "cannot be read"),
        (&zstd::encode_all(&b"no tar"[..], 3).unwrap(), "cannot be read"),
        (&pack(&[("bin/app", b"x")]), "no manifest.toml"),
        (&pack(&[("sub/manifest.toml", MANIFEST.as_bytes())]), "no manifest.toml"),
        (&twice, "there twice"),
        (&pack(&[("manifest.toml", b"\xff")]), "manifest.toml is no UTF-8"),
        (&pack(&[("manifest.toml", b"[package]\nname = 1")]), "manifest.toml cannot be read"),
        (&pack(&[("manifest.toml", b"[package]\nname = 'a'")]), "manifest.toml cannot be read"),
        (&pack(&[("manifest.toml", b"[other]")]), "manifest.toml cannot be read"),
        (&pack(&[("manifest.toml", &vec![b' '; (1 << 20) + 1])]), "longer than"),
        (&pack(&[("manifest.toml", "[".repeat(100_000).as_bytes())]), "manifest.toml cannot be read"),
    ] {
        let error = opened(archive).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, not {reason}");
    }
}

#[test]
fn a_small_archive_that_hides_a_large_one_is_refused() {
    let bomb = pack(&[("manifest.toml", MANIFEST.as_bytes()), ("zeros", &vec![0; 4 << 20])]);
    assert!(bomb.len() < 4_096);
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    assert!(open(&bomb[..], &limits).unwrap_err().to_string().contains("unpacks to more"));
    let paths: Vec<String> = (0..40).map(|index| format!("{}{index}", "p".repeat(90))).collect();
    let files: Vec<(&str, &[u8])> = paths.iter().map(|path| (path.as_str(), &b""[..])).collect();
    let limits = Limits { paths_bytes: 1_000, ..Limits::default() };
    assert!(open(&pack(&files)[..], &limits).unwrap_err().to_string().contains("too long together"));
    let limits = Limits { members: 10, ..Limits::default() };
    assert!(open(&pack(&files)[..], &limits).unwrap_err().to_string().contains("more than 10 members"));
}

// === Chunks ===

#[test]
fn chunks_in_their_order_are_the_archive() {
    for length in [0, 1, 16 << 10, 300_000, 2_000_000] {
        let archive = noise(length);
        let (whole, chunks) = cut(&archive[..]).unwrap();
        assert_eq!(whole, Digest::of(&archive));
        let mut end = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.offset, end, "{length}");
            end += chunk.size;
            let bytes = &archive[chunk.offset as usize..end as usize];
            assert_eq!(chunk.hash, Digest::of(bytes), "{length}");
            let is_last = index + 1 == chunks.len();
            assert!(chunk.size <= 256 << 10 && (is_last || chunk.size >= 16 << 10), "{length}: {chunk:?}");
        }
        assert_eq!(end, length as u64);
    }
}

#[test]
fn archives_are_always_cut_at_the_same_places() {
    let archive = noise(1_000_000);
    let sizes = |archive: &[u8]| cut(archive).unwrap().1.iter().map(|chunk| chunk.size).collect::<Vec<_>>();
    assert_eq!(sizes(&archive), CUTS);
    let mut grown = noise(5_000);
    grown.extend_from_slice(&archive);
    let shared =
        |sizes: &[u64]| sizes.iter().rev().zip(CUTS.iter().rev()).take_while(|(one, other)| one == other).count();
    assert!(shared(&sizes(&grown)) > CUTS.len() / 2, "what is put before moves few cuts");
}

#[test]
fn a_chunk_manifest_adds_up() {
    let archive = noise(200_000);
    let (checksum, chunks) = cut(&archive[..]).unwrap();
    let (name, version, arch) = (name("@acme/app"), version("1.1.0"), arch("x86_64-linux"));
    let whole = Whole { name: &name, version: &version, arch: &arch, checksum: &checksum };
    let printed = value(&text(|out| print_chunks(&whole, &chunks, out)));
    assert_eq!(printed["size"], 200_000);
    assert_eq!(printed["checksum"], checksum.to_hex());
    assert_eq!(
        (&printed["name"], &printed["version"], &printed["arch"]),
        (&json!("@acme/app"), &json!("1.1.0"), &json!("x86_64-linux"))
    );
    let listed: Vec<_> = printed["chunks"].as_array().unwrap().iter().collect();
    let expected: Vec<_> = chunks
        .iter()
        .map(|chunk| json!({"hash": chunk.hash.to_hex(), "offset": chunk.offset, "size": chunk.size}))
        .collect();
    assert_eq!(listed, expected.iter().collect::<Vec<_>>());
}

/// Where [`noise`] of a million bytes is cut.
const CUTS: [u64; 12] =
    [44_750, 219_962, 100_125, 28_400, 91_429, 28_467, 19_017, 114_735, 88_164, 66_867, 152_283, 45_801];
