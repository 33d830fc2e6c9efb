use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

/// Packs files into a tarball, as npm does.
fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn tarball() -> Vec<u8> {
    pack(&[("package/package.json", r#"{"name":"@acme/tool","version":"1.0.0"}"#), ("package/index.js", "1")])
}

fn name() -> PackageName {
    PackageName::parse("@acme/tool").unwrap()
}

/// Makes a body around a tarball.
fn body(tarball: &[u8]) -> Value {
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
    let dist = json!({ "integrity": integrity, "shasum": digest::hex(&Sha1::digest(tarball)) });
    let data = STANDARD.encode(tarball);
    let attachment = json!({ "content_type": "application/octet-stream", "data": data, "length": tarball.len() });
    json!({
        "_id": "@acme/tool", "name": "@acme/tool", "access": null, "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": { "name": "@acme/tool", "version": "1.0.0", "dist": dist } },
        "_attachments": { "@acme/tool-1.0.0.tgz": attachment },
    })
}

fn refused(body: &Value) -> String {
    match parse(body.to_string().as_bytes(), &name()) {
        Ok(publication) => panic!("{} was taken: {body}", publication.version),
        Err(error) => error.to_string(),
    }
}

/// Changes a body at a JSON pointer, and says why it is refused then.
fn with(pointer: &str, value: Value) -> String {
    let mut body = body(&tarball());
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    refused(&body)
}

#[test]
fn what_a_client_publishes_is_read_and_proved() {
    let tarball = tarball();
    let mut body = body(&tarball);
    body["access"] = json!("restricted");
    body["readme"] = json!("# tool");
    let text = body.to_string();
    let publication = parse(text.as_bytes(), &name()).unwrap();
    assert_eq!((publication.version.as_str(), publication.tags), ("1.0.0", vec!["latest".into()]));
    assert_eq!(
        (publication.access, publication.readme.map(RawValue::get)),
        (Some(Access::Restricted), Some("\"# tool\""))
    );
    assert_eq!(publication.manifest.get(), body["versions"]["1.0.0"].to_string());
    assert_eq!((publication.tarball.files, publication.tarball.unpacked_bytes), (2, 40));
    assert_eq!(publication.tarball.bytes, tarball);
    assert_eq!(publication.tarball.integrity, body["versions"]["1.0.0"]["dist"]["integrity"]);
    assert_eq!(publication.tarball.shasum, body["versions"]["1.0.0"]["dist"]["shasum"]);
    assert_eq!(publication.bundle, None);
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_reason() {
    const VERSION: &str = "/versions/1.0.0";
    const FILE: &str = "/_attachments/@acme~1tool-1.0.0.tgz";
    for (pointer, value, why) in [
        ("/versions", json!({}), "no versions"),
        ("/versions", json!([]), "no versions"),
        ("/versions", json!({"1.0.0": {}, "2.0.0": {}}), "several versions"),
        ("/name", json!("tool"), "\"tool\""),
        (&format!("{VERSION}/name"), json!("@acme/other"), "@acme/other"),
        (&format!("{VERSION}/version"), json!("1.0.1"), "\"1.0.0\""),
        ("/_attachments", json!({}), "_attachments is empty"),
        ("/_attachments", json!({"other-1.0.0.tgz": {"data": "AAAA"}}), "\"1.0.0\""),
        ("/_attachments", json!({"a.tgz": {"data": "AAAA"}, "b.tgz": {"data": "AAAA"}}), "several attachments"),
        ("/dist-tags", json!({}), "no dist-tags"),
        ("/dist-tags", json!({"latest": "2.0.0"}), "\"latest\""),
        ("/dist-tags", json!({"1.x": "1.0.0"}), "\"1.x\""),
        (&format!("{FILE}/data"), json!("AA-_"), "base64"),
        (&format!("{FILE}/data"), json!("AAA"), "base64"),
        (&format!("{FILE}/length"), json!(1), "length"),
        (&format!("{VERSION}/dist/shasum"), json!("00".repeat(20)), "shasum"),
        (&format!("{VERSION}/dist/integrity"), json!(format!("sha512-{}", STANDARD.encode([0; 64]))), "integrity"),
        (&format!("{VERSION}/dist/integrity"), json!("sha512-AAAA"), "cannot be read"),
    ] {
        let said = with(pointer, value.clone());
        assert!(said.contains(why), "{pointer} = {value}: {said}");
    }
}

#[test]
fn an_empty_attachment_is_no_tarball() {
    let mut text = body(b"");
    text["_attachments"]["@acme/tool-1.0.0.tgz"]["length"] = json!(0);
    assert!(refused(&text).contains("empty"));
}

#[test]
fn a_weaker_hash_beside_the_strong_one_is_held_to_as_well() {
    let mut text = body(&tarball());
    let dist = &mut text["versions"]["1.0.0"]["dist"];
    dist["integrity"] = json!(format!("{} sha1-{}", dist["integrity"].as_str().unwrap(), STANDARD.encode([0; 20])));
    assert!(refused(&text).contains("integrity"));
}

#[test]
fn a_manifest_says_whether_the_tarball_names_what_it_is_installed_with_whatever_its_client_says() {
    let manifest = ("package/package.json", r#"{"name":"@acme/tool","version":"1.0.0"}"#);
    for (path, expected) in [
        ("package/npm-shrinkwrap.json", true),
        ("package/lib/npm-shrinkwrap.json", false),
        ("package/package-lock.json", false),
    ] {
        for claimed in [true, false] {
            let mut text = body(&pack(&[manifest, (path, "{}")]));
            text["versions"]["1.0.0"]["_hasShrinkwrap"] = json!(claimed);
            let text = text.to_string();
            let publication = parse(text.as_bytes(), &name()).unwrap();
            let printed = manifest::print_manifest(&publication, &name(), "{}").unwrap();
            let printed: Value = serde_json::from_slice(&printed).unwrap();
            assert_eq!(printed["_hasShrinkwrap"], expected, "{path}");
        }
    }
}

#[test]
fn a_tarball_without_any_hash_is_given_both() {
    let mut text = body(&tarball());
    let dist = std::mem::take(&mut text["versions"]["1.0.0"]["dist"]);
    let text = text.to_string();
    let publication = parse(text.as_bytes(), &name()).unwrap();
    assert_eq!(
        (publication.tarball.integrity.into(), publication.tarball.shasum.into()),
        (dist["integrity"].clone(), dist["shasum"].clone())
    );
}

#[test]
fn only_a_tarball_of_this_very_package_is_taken() {
    let manifest = r#"{"name":"@acme/tool","version":"1.0.0"}"#;
    let good = ("package/package.json", manifest);
    for (files, why) in [
        (&[("package/index.js", "1")][..], "no package.json"),
        (&[("package/lib/package.json", manifest)], "no package.json"),
        (&[("package/package.json", r#"{"name":"@acme/tool","version":"1.0.1"}"#)], "another name or version"),
        (&[("package/package.json", "{")], "cannot be read"),
        (&[good, ("other/a", "1")], "more than one folder"),
    ] {
        let mut error: &dyn std::error::Error = &parse(body(&pack(files)).to_string().as_bytes(), &name()).unwrap_err();
        while let Some(source) = error.source() {
            error = source;
        }
        assert!(error.to_string().contains(why), "{files:?}: {error}");
    }
    let mut longer = tarball();
    longer.extend_from_slice(b"more");
    for bytes in [longer, tarball()[..100].to_vec(), b"no gzip".to_vec()] {
        assert!(refused(&body(&bytes)).contains("the tarball is refused"));
    }
    assert!(
        parse(
            body(&pack(&[("package/package.json", r#"{"name":"@acme/tool","version":" v1.0.0"}"#)]))
                .to_string()
                .as_bytes(),
            &name()
        )
        .is_ok()
    );
}

#[test]
fn a_bundle_speaks_of_the_tarball_it_is_attached_to() {
    let tarball = tarball();
    let bundle = |name: &str, sha512: &str| {
        let statement =
            json!({ "predicateType": "p", "subject": [{ "name": name, "digest": { "sha512": sha512 } }] }).to_string();
        json!({ "mediaType": "m", "dsseEnvelope": { "payload": STANDARD.encode(statement) } }).to_string()
    };
    let (right, sum) = ("pkg:npm/%40acme/tool@1.0.0", digest::hex(&Sha512::digest(&tarball)));
    for (json, is_taken) in [
        (bundle(right, &sum), true),
        (bundle("pkg:npm/%40acme/tool@1.0.1", &sum), false),
        (bundle(right, &"00".repeat(64)), false),
        ("{}".to_owned(), false),
    ] {
        let mut body = body(&tarball);
        let attached = json!({ "content_type": "application/vnd.dev.sigstore.bundle.v0.3+json", "data": json });
        body["_attachments"]["@acme/tool-1.0.0.sigstore"] = attached;
        let text = body.to_string();
        let found = parse(text.as_bytes(), &name());
        assert_eq!(found.is_ok(), is_taken, "{json}");
        if let Ok(publication) = found {
            assert_eq!(publication.bundle.unwrap().json, json);
        }
    }
}

#[test]
fn a_manifest_is_no_longer_than_a_package_json_may_be() {
    let mut text = body(&tarball());
    text["versions"]["1.0.0"]["keywords"] = json!(["x".repeat(MAX_MANIFEST as usize)]);
    assert!(matches!(parse(text.to_string().as_bytes(), &name()), Err(Error::Long)));
    text["versions"]["1.0.0"]["keywords"] = json!(["x".repeat(MAX_MANIFEST as usize - 1_000)]);
    assert!(parse(text.to_string().as_bytes(), &name()).is_ok());
}

#[test]
fn a_member_that_stands_there_twice_is_not_read() {
    let text = body(&tarball()).to_string();
    let twice = text.replacen(r#""name":"@acme/tool""#, r#""name":"@acme/tool","name":"@acme/tool""#, 1);
    assert!(matches!(parse(twice.as_bytes(), &name()), Err(Error::Repeated(_))));
}
