//! Forms are compared with the original byte by byte where the fixtures are known, and value by value with a parser's
//! reading where documents are made up at random.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

const BASE: &str = "http://127.0.0.1:4870/npm";
const TOOL: &str = include_str!("../fixtures/tool.json");

struct Forms {
    full: String,
    abbreviated: String,
    index: Vec<u8>,
    summary: Summary,
}

fn prepared(document: &str, name: &str) -> Result<Forms, Error> {
    let name = PackageName::parse(name).unwrap();
    let (mut full, mut abbreviated, mut index) = (Vec::new(), Vec::new(), Vec::new());
    let sinks = Sinks { full: &mut full, abbreviated: &mut abbreviated, index: &mut index };
    let summary = prepare(document.as_bytes(), &name, BASE, sinks)?;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ok(Forms { full: text(full), abbreviated: text(abbreviated), index, summary })
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn slice(text: &str, range: &Range<u64>) -> Value {
    value(&text[range.start as usize..range.end as usize])
}

/// Wraps one version's members into a document.
fn with_version(members: &str) -> String {
    format!(r#"{{"name":"n","dist-tags":{{"latest":"1.0.0"}},"versions":{{"1.0.0":{{{members}}}}}}}"#)
}

#[test]
fn the_full_form_is_the_original_but_for_its_links() {
    let expected = TOOL
        .replace(r#""tarball": "https://registry.example/tool/"#, &format!(r#""tarball": "{BASE}/tool/"#))
        .replace(r"https:\/\/registry.example\/tool\/-\/tool-1.1.0.tgz", &format!("{BASE}/tool/-/tool-1.1.0.tgz"))
        .replace("https://files.example/odd-name.tgz", &format!("{BASE}/tool/-/tool-2.0.0-rc.1.tgz"));
    assert_eq!(prepared(TOOL, "tool").unwrap().full, expected);
}

#[test]
fn the_abbreviated_form_keeps_what_installers_need() {
    let expected = include_str!("../fixtures/tool.abbreviated.json");
    let expected = expected.replace("\n\"1", "\"1").replace("\n\"2", "\"2").replace("\n},\"modified", "},\"modified");
    assert_eq!(prepared(TOOL, "tool").unwrap().abbreviated, expected.trim_end());
}

#[test]
fn the_index_finds_every_version_in_every_form() {
    let forms = prepared(TOOL, "tool").unwrap();
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        let line = find_version(&forms.index, version).unwrap();
        // 1e400 is more than a value parser takes, so both are compared as text.
        let text = &TOOL[line.original.start as usize..line.original.end as usize];
        assert!(text.starts_with('{') && text.ends_with('}') && text.contains(&format!("\"{version}\"")), "{text}");
        let full = &forms.full[line.full.start as usize..line.full.end as usize];
        assert!(
            full.starts_with('{') && full.ends_with('}') && full.contains(&format!("tool-{version}.tgz")),
            "{full}"
        );
        assert_eq!(slice(&forms.abbreviated, &line.abbreviated)["version"], version);
    }
    let line = find_version(&forms.index, "1.1.0").unwrap();
    let manifest = &TOOL.as_bytes()[line.original.start as usize..line.original.end as usize];
    let dist = parse_dist(find_dist(manifest).unwrap()).unwrap();
    assert_eq!(dist.tarball.as_deref(), Some("https://registry.example/tool/-/tool-1.1.0.tgz"));
    assert_eq!(find_version(&forms.index, "1.0.0").unwrap().published, Some(1_577_836_800_000));
    assert_eq!(find_version(&forms.index, "1.1.0").unwrap().published, Some(1_609_459_200_123));
    assert_eq!(find_version(&forms.index, "2.0.0-rc.1").unwrap().published, None);
    assert_eq!(tags(&forms.index).collect::<Vec<_>>(), [("latest", "1.1.0"), ("next", "2.0.0-rc.1")]);
    assert_eq!(versions(&forms.index).count(), 3);
    assert_eq!(forms.summary, Summary { versions: 3, modified: Some(1_709_251_200_000), is_unpublished: false });
}

#[test]
fn a_scoped_package_has_its_name_unescaped_in_links() {
    let document = include_str!("../fixtures/scoped.json");
    let forms = prepared(document, "@acme/tool").unwrap();
    let expected = document.replace("https://registry.example/npm/", &format!("{BASE}/"));
    assert_eq!(forms.full, expected);
    let dist = &value(&forms.abbreviated)["versions"]["1.0.0"]["dist"];
    assert_eq!(dist["tarball"], format!("{BASE}/@acme/tool/-/tool-1.0.0.tgz"));
    assert_eq!(dist["attestations"]["url"], format!("{BASE}/-/npm/v1/attestations/@acme%2ftool@1.0.0"));
    assert_eq!(forms.summary.modified, None);
}

#[test]
fn what_is_unpublished_still_has_what_clients_read() {
    let forms = prepared(include_str!("../fixtures/unpublished.json"), "ghost").unwrap();
    let full = value(&forms.full);
    assert_eq!((&full["versions"], &full["dist-tags"]), (&json!({}), &json!({})));
    assert_eq!(full["time"]["unpublished"]["name"], "joe");
    let modified = "2020-06-01T00:00:00.000Z";
    let expected = json!({ "name": "ghost", "dist-tags": {}, "versions": {}, "modified": modified });
    assert_eq!(value(&forms.abbreviated), expected);
    assert_eq!(forms.index, b"");
    assert!(forms.summary.is_unpublished);
}

#[test]
fn bare_and_broken_documents_of_real_upstreams_are_served() {
    for (document, latest) in [
        (r#"{"name":"n","versions":{}}"#, None),
        (r#"{"versions":{"1.0.0":{"dist":{}}},"name":"n"}"#, Some("1.0.0")),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{}}},"dist-tags":null,"time":null}"#, Some("1.0.0")),
        (
            r#"{"name":"n","dist-tags":{"latest":"9.9.9"},"versions":{"1.0.0":{"dist":{}}},"time":{"1.0.0":7}}"#,
            Some("1.0.0"),
        ),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{}}},"dist-tags":{"latest":"9.9.9"}}"#, Some("1.0.0")),
        (r#"{"name":"n","dist-tags":{"latest":null},"versions":{"1.0.0":{"dist":{"tarball":null}}}}"#, Some("1.0.0")),
        (r#"{"name":"n","modified":"2020-01-01T00:00:00Z","dist-tags":{},"versions":{}}"#, None),
    ] {
        let forms = prepared(document, "n").unwrap_or_else(|error| panic!("{error}: {document}"));
        for form in [&forms.full, &forms.abbreviated] {
            assert_eq!(
                value(form)["dist-tags"].as_object().unwrap().get("latest").and_then(Value::as_str),
                latest,
                "{form}"
            );
        }
        assert_eq!(find_tag(&forms.index, "latest"), latest, "{document}");
    }
}

#[test]
fn links_never_lead_elsewhere_and_never_break_the_json() {
    let rewritten = |document: &str, base: &str| {
        let name = PackageName::parse("n").unwrap();
        let (mut full, mut rest) = (Vec::new(), (Vec::new(), Vec::new()));
        let sinks = Sinks { full: &mut full, abbreviated: &mut rest.0, index: &mut rest.1 };
        prepare(document.as_bytes(), &name, base, sinks).unwrap();
        value(std::str::from_utf8(&full).unwrap())
    };
    let hostile = with_version(r#""dist":{"tarball":"https://x.example"}"#).replace("1.0.0", r#"../..\/x?y\""#);
    let versions = rewritten(&hostile, BASE);
    let dist = &versions["versions"]["../../x?y\""]["dist"];
    assert_eq!(dist["tarball"], format!("{BASE}/n/-/n-..%2F..%2Fx%3Fy%22.tgz"));
    let odd = with_version(r#""dist":{"attestations":{"url":"https://x.example/a"},"tarball":"x"}"#);
    let dist = &rewritten(&odd, "http://a\"b\\c")["versions"]["1.0.0"]["dist"];
    assert_eq!(dist["tarball"], "http://a\"b\\c/n/-/n-1.0.0.tgz");
    assert_eq!(dist["attestations"]["url"], "http://a\"b\\c/-/npm/v1/attestations/n@1.0.0");
}

#[test]
fn versions_that_are_none_are_passed_on_but_cannot_be_asked_for() {
    let document = r#"{"name":"n","dist-tags":{"latest":"1.0.0","bad\t":"1.0.0","v":"v1"},
        "versions":{"v1":{"dist":{}},"1.0.0":{"dist":{}},"a\nb":{"dist":{}}}}"#;
    let forms = prepared(document, "n").unwrap();
    assert_eq!(forms.full, document);
    assert_eq!(versions(&forms.index).map(|line| line.version).collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(tags(&forms.index).collect::<Vec<_>>(), [("latest", "1.0.0")]);
}

#[test]
fn installing_scripts_are_told_of() {
    for (members, expected) in [
        (r#""dist":{},"scripts":{"install":"x"}"#, json!(true)),
        (r#""scripts":{"preinst\u0061ll":"x"},"dist":{}"#, json!(true)),
        (r#""dist":{},"hasInstallScript":true"#, json!(true)),
        (r#""dist":{},"hasInstallScript":false,"scripts":{"postinstall":""}"#, json!(true)),
        (r#""dist":{},"hasInstallScript":false,"scripts":{"prepublish":"x"}"#, Value::Null),
        (r#""dist":{},"scripts":["install"]"#, Value::Null),
    ] {
        let forms = prepared(&with_version(members), "n").unwrap();
        assert_eq!(value(&forms.abbreviated)["versions"]["1.0.0"]["hasInstallScript"], expected, "{members}");
    }
}

#[test]
fn what_is_no_packument_of_that_name_is_refused() {
    for (document, reason) in [
        ("", "no packument in JSON, at byte 0"),
        ("<!DOCTYPE html><html>", "no packument in JSON, at byte 0"),
        ("[]", "no packument in JSON, at byte 0"),
        (r#"{"name":"n","versions":{}} x"#, "no packument in JSON, at byte 27"),
        (r#"{"name":"n","versions":{},}"#, "no packument in JSON"),
        (r#"{"versions":{}}"#, "has no name"),
        (r#"{"name":1,"versions":{}}"#, "has no name"),
        (r#"{"name":"m","versions":{}}"#, "another package, \"m\""),
        (r#"{"name":"N","versions":{}}"#, "another package, \"N\""),
        (r#"{"name":"n"}"#, "has no versions"),
        (r#"{"name":"n","versions":[]}"#, "has no versions"),
        (r#"{"name":"n","versions":null,"time":{"unpublished":{}}}"#, "has no versions"),
        (r#"{"name":"n","versions":{"1.0.0":null}}"#, "version \"1.0.0\" has no dist"),
        (r#"{"name":"n","versions":{"1.0.0":{}}}"#, "version \"1.0.0\" has no dist"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":[]}}}"#, "version \"1.0.0\" has no dist"),
        (r#"{"name":"n","name":"n","versions":{}}"#, "\"name\" twice"),
        (r#"{"name":"n","n\u0061me":"m","versions":{}}"#, "\"name\" twice"),
        (r#"{"name":"n","versions":{},"ver\u0073ions":{}}"#, "\"versions\" twice"),
        (r#"{"name":"n","dist-tags":{},"dist-tags":{},"versions":{}}"#, "\"dist-tags\" twice"),
        (r#"{"name":"n","dist-tags":{"a":"1","a":"2"},"versions":{}}"#, "\"a\" twice"),
        (r#"{"name":"n","time":{},"time":{},"versions":{}}"#, "\"time\" twice"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{}},"1.0.\u0030":{"dist":{}}}}"#, "\"1.0.0\" twice"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{},"dis\u0074":{}}}}"#, "\"dist\" twice"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{"tarball":"a","tarball":"b"}}}}"#, "\"tarball\" twice"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{"integrity":"a","integrity":"b"}}}}"#, "\"integrity\" twice"),
        (r#"{"name":"n","versions":{"1.0.0":{"dist":{"attestations":{"url":"a","url":"b"}}}}}"#, "\"url\" twice"),
    ] {
        let error = prepared(document, "n").err().unwrap_or_else(|| panic!("{document}")).to_string();
        assert!(error.contains(reason), "{document}: {error}");
        assert!(check(document.as_bytes(), &PackageName::parse("n").unwrap()).is_err(), "{document}");
    }
}

#[test]
fn a_document_that_is_cut_anywhere_is_refused() {
    let name = PackageName::parse("tool").unwrap();
    for length in 0..TOOL.trim_end().len() {
        assert!(check(&TOOL.as_bytes()[..length], &name).is_err(), "cut at {length}");
    }
    assert!(check(TOOL.as_bytes(), &name).is_ok());
}

#[test]
fn whatever_byte_is_broken_the_forms_stay_json() {
    let name = PackageName::parse("tool").unwrap();
    for at in 0..TOOL.len() {
        for byte in [b'"', b'\\', b'{', b'}', b',', b'0', b' ', 0, 0xff, TOOL.as_bytes()[at] ^ 1] {
            let mut document = TOOL.as_bytes().to_vec();
            document[at] = byte;
            let (mut full, mut abbreviated, mut index) = (Vec::new(), Vec::new(), Vec::new());
            let sinks = Sinks { full: &mut full, abbreviated: &mut abbreviated, index: &mut index };
            if prepare(&document, &name, BASE, sinks).is_ok() {
                for form in [&full, &abbreviated] {
                    let raw: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(form);
                    assert!(raw.is_ok(), "byte {at} as {byte:#x}: {}", String::from_utf8_lossy(form));
                }
            }
        }
    }
}

/// Makes numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, choice: &[&'a str]) -> &'a str {
        choice[self.roll(choice.len() as u64) as usize]
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", "", " ", "\n\t", "\r\n  "])
    }

    /// Prints a string with some characters escaped that need not be.
    fn string(&mut self, text: &str) -> String {
        let mut json = String::from("\"");
        for char in text.chars() {
            match self.roll(12) {
                0 if char.is_ascii() => write!(json, "\\u{:04x}", u32::from(char)).unwrap(),
                1 if char == '/' => json.push_str("\\/"),
                _ if char == '"' || char == '\\' => write!(json, "\\{char}").unwrap(),
                _ => json.push(char),
            }
        }
        json + "\""
    }

    /// Prints a value with white space strewn in and members in any order.
    fn print(&mut self, value: &Value) -> String {
        let text = match value {
            Value::Object(members) => {
                let mut parts: Vec<String> = Vec::new();
                for (key, value) in members {
                    let (before, after) = (self.space(), self.space());
                    let part = format!("{before}{}{after}:{}", self.string(key), self.print(value));
                    parts.insert(self.roll(parts.len() as u64 + 1) as usize, part);
                }
                format!("{{{}{}}}", parts.join(","), self.space())
            }
            Value::Array(values) => {
                let parts: Vec<String> = values.iter().map(|value| self.print(value)).collect();
                format!("[{}{}]", parts.join(","), self.space())
            }
            Value::String(text) => self.string(text),
            other => other.to_string(),
        };
        format!("{}{text}{}", self.space(), self.space())
    }

    fn junk(&mut self, depth: u64) -> Value {
        match self.roll(if depth == 0 { 4 } else { 6 }) {
            0 => json!(null),
            1 => json!(self.roll(1_000)),
            2 => json!(self.pick(&["", "é☃😀", "a\"b\\c", "https://registry.example/x.tgz", "{}"])),
            3 => json!(self.roll(2) == 0),
            4 => json!([self.junk(depth - 1), self.junk(depth - 1)]),
            _ => json!({ self.pick(&["dist", "tarball", "versions", "name", "x"]): self.junk(depth - 1) }),
        }
    }

    fn version(&mut self, version: &str) -> Value {
        let mut manifest =
            json!({ "name": "n", "version": version, "junk": self.junk(3), "dependencies": self.junk(2) });
        manifest["dist"] = json!({ "tarball": "https://registry.example/n.tgz", "shasum": "00", "junk": self.junk(2) });
        if self.roll(3) == 0 {
            let url = format!("https://registry.example/-/npm/v1/attestations/n@{version}");
            manifest["dist"]["attestations"] = json!({ "url": url, "junk": self.junk(1) });
        }
        manifest
    }

    fn packument(&mut self) -> Value {
        let mut document =
            json!({ "name": "n", "dist-tags": { "latest": "1.0.0" }, "versions": {}, "readme": self.junk(2) });
        for patch in 0..=self.roll(6) {
            let version = format!("1.0.{patch}");
            document["versions"][&version] = self.version(&version);
        }
        document
    }
}

/// Does to values what the printer does to bytes.
fn relink(mut manifest: Value) -> Value {
    let version = manifest["version"].as_str().unwrap().to_owned();
    manifest["dist"]["tarball"] = json!(format!("{BASE}/n/-/n-{version}.tgz"));
    if let Some(attestations) = manifest["dist"].get_mut("attestations") {
        attestations["url"] = json!(format!("{BASE}/-/npm/v1/attestations/n@{version}"));
    }
    manifest
}

#[test]
fn random_documents_say_the_same_to_a_parser() {
    let mut dice = Dice(42);
    for _ in 0..300 {
        let document = dice.packument();
        let text = dice.print(&document);
        let forms = prepared(&text, "n").unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut expected = document.clone();
        for (version, manifest) in document["versions"].as_object().unwrap() {
            expected["versions"][version] = relink(manifest.clone());
            let line = find_version(&forms.index, version).unwrap();
            assert_eq!(&slice(&text, &line.original), manifest);
            assert_eq!(slice(&forms.full, &line.full), expected["versions"][version]);
            let mut short = expected["versions"][version].clone();
            short.as_object_mut().unwrap().remove("junk");
            assert_eq!(slice(&forms.abbreviated, &line.abbreviated), short);
            assert_eq!(value(&forms.abbreviated)["versions"][version], short);
        }
        assert_eq!(value(&forms.full), expected, "{text}");
    }
}
