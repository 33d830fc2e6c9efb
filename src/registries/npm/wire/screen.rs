//! A packument without some of its versions: neither among the versions nor in `time`, and named with the reason in
//! `blockVersions`. Where `latest` is one of them, what stands of it at the top goes too, and that of the version that
//! becomes `latest` takes its place. What is left stands as it stood. Source: contract npm §4.1, §4.2.3, §13.1.

use std::borrow::Cow;

use super::scan::{Scanner, Span, Text};
use super::{Error, is_hoisted, latest, print_string};
use crate::registries::npm::name::LATEST;

/// Where the cnpm dialect says which versions are blocked, and why.
const BLOCKED: &str = "blockVersions";

/// Times that are no version's. Source: contract npm §4.1.
const OF_THE_PACKAGE: [&str; 3] = ["created", "modified", "unpublished"];

/// What is read of a document on the way through it.
#[derive(Default)]
struct Screened<'a> {
    /// The members of the document, in its order.
    members: Vec<Member>,
    /// The manifests that are left.
    versions: Vec<(Cow<'a, str>, Span)>,
    /// What `latest` names.
    latest: Option<Cow<'a, str>>,
    /// Members of `blockVersions`, printed.
    blocked: Vec<String>,
}

/// A member of the document.
struct Member {
    /// From its key to the end of its value.
    span: Span,
    kind: Kind,
}

/// What becomes of a member.
enum Kind {
    /// It stands as it stood.
    Whole,
    /// It tells of the version that is `latest`.
    Hoisted,
    /// An object, of which these members are left.
    Part { whole: Span, kept: Vec<Span>, names_blocked: bool },
}

/// Copies a document without the versions that have a `reason`.
///
/// Holds the document a second time.
///
/// # Errors
/// [`Error::TooLong`], [`Error::NotUtf8`], [`Error::NotJson`], [`Error::TooDeep`].
pub fn screen<'r>(document: &[u8], reason: impl Fn(&str) -> Option<&'r str>) -> Result<Vec<u8>, Error> {
    let mut scanner = Scanner::new(document)?;
    let mut screened = Screened::default();
    scanner.object(|scanner, key| {
        let kind = screened.visit(scanner, &key.decode(), &reason)?;
        screened.members.push(Member { span: scanner.since(key.span), kind });
        Ok(())
    })?;
    scanner.finish()?;
    screened.print(scanner.text())
}

/// Moves past an object, and tells which of its members are kept.
fn part<'a>(
    scanner: &mut Scanner<'a>,
    names_blocked: bool,
    mut is_kept: impl FnMut(&Text<'a>, Span) -> bool,
) -> Result<Kind, Error> {
    let mut kept = Vec::new();
    let whole = scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if is_kept(&key, value) {
            kept.push(Span { start: key.span.start, end: value.end });
        }
        Ok(())
    })?;
    Ok(Kind::Part { whole, kept, names_blocked })
}

/// Returns the members of a manifest that stand at the top of a document too.
fn hoisted(manifest: &str) -> Result<Vec<&str>, Error> {
    let mut scanner = Scanner::new(manifest.as_bytes())?;
    let mut found = Vec::new();
    if scanner.peek() == Some(b'{') {
        scanner.object(|scanner, key| {
            let value = scanner.value()?;
            if is_hoisted(&key.decode()) {
                found.push(&manifest[key.span.start as usize..value.end as usize]);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

// === impl Screened ===

impl<'a> Screened<'a> {
    fn visit<'r>(
        &mut self,
        scanner: &mut Scanner<'a>,
        name: &str,
        reason: &impl Fn(&str) -> Option<&'r str>,
    ) -> Result<Kind, Error> {
        match (name, scanner.peek()) {
            ("versions", Some(b'{')) => part(scanner, false, |key, manifest| {
                let version = key.decode();
                let reason = reason(&version);
                match reason {
                    Some(reason) => self.blocked.push(format!("{}:{}", print_string(&version), print_string(reason))),
                    None => self.versions.push((version, manifest)),
                }
                reason.is_none()
            }),
            // A range covers whatever is no version, and these are none.
            ("time", Some(b'{')) => part(scanner, false, |key, _| {
                let key = key.decode();
                OF_THE_PACKAGE.contains(&&*key) || reason(&key).is_none()
            }),
            // Ours come beside what upstream names.
            (BLOCKED, Some(b'{')) => part(scanner, true, |key, _| reason(&key.decode()).is_none()),
            (BLOCKED, _) => Ok(Kind::Part { whole: scanner.value()?, kept: Vec::new(), names_blocked: true }),
            ("dist-tags", Some(b'{')) => self.visit_tags(scanner),
            (name, _) => {
                scanner.value()?;
                Ok(if is_hoisted(name) { Kind::Hoisted } else { Kind::Whole })
            }
        }
    }

    fn visit_tags(&mut self, scanner: &mut Scanner<'a>) -> Result<Kind, Error> {
        scanner.object(|scanner, tag| {
            if tag.decode() == LATEST && scanner.peek() == Some(b'"') {
                self.latest = Some(scanner.string()?.decode());
                return Ok(());
            }
            scanner.value().map(drop)
        })?;
        // Tags of what is gone are mended when the forms are made.
        Ok(Kind::Whole)
    }

    /// Returns what is to stand at the top instead of what stands there; `None`: that is right.
    fn moved(&self, text: &'a str) -> Result<Option<Vec<&'a str>>, Error> {
        let is_left = |version: &str| self.versions.iter().any(|(left, _)| left == version);
        if self.latest.as_deref().is_some_and(is_left) {
            return Ok(None);
        }
        let versions: Vec<&str> = self.versions.iter().map(|(version, _)| &**version).collect();
        let shown = latest(&versions);
        let shown = self.versions.iter().find(|(version, _)| Some(&**version) == shown);
        shown.map_or(Ok(Vec::new()), |(_, manifest)| hoisted(&text[manifest.range()])).map(Some)
    }

    fn print(&self, text: &'a str) -> Result<Vec<u8>, Error> {
        let (moved, mut printed) = (self.moved(text)?, Vec::new());
        if !self.members.iter().any(|member| matches!(member.kind, Kind::Part { names_blocked: true, .. })) {
            printed.push(format!("\"{BLOCKED}\":{{{}}}", self.blocked.join(",")).into());
        }
        for Member { span, kind } in &self.members {
            match kind {
                Kind::Hoisted if moved.is_some() => {}
                Kind::Whole | Kind::Hoisted => printed.push(Cow::Borrowed(&text[span.range()])),
                Kind::Part { whole, kept, names_blocked } => {
                    let ours = self.blocked.iter().filter(|_| *names_blocked).map(String::as_str);
                    let members: Vec<&str> = kept.iter().map(|member| &text[member.range()]).chain(ours).collect();
                    let key = &text[span.start as usize..whole.start as usize];
                    printed.push(format!("{key}{{{}}}", members.join(",")).into());
                }
            }
        }
        printed.extend(moved.into_iter().flatten().map(Cow::Borrowed));
        Ok(format!("{{{}}}", printed.join(",")).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"name":"x","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"dist":{}},"1.0.1" : {"a":"}"},"2.0.0":{}},
        "time":{"created":"c","1.0.1":"b","2.0.0":"d"},"blocked":{"1.0.1":1}}"#;

    fn screened(versions: &[&str]) -> serde_json::Value {
        let out = screen(DOCUMENT.as_bytes(), |version| versions.contains(&version).then_some("bad \"one\"")).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn the_times_of_the_package_stay_whatever_is_blocked() {
        let out = screen(DOCUMENT.as_bytes(), |version| (version != "1.0.0").then_some("bad")).unwrap();
        let out: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out["time"], serde_json::json!({ "created": "c" }));
        assert_eq!(out["versions"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn blocked_versions_are_gone_and_the_rest_stands() {
        let expected = serde_json::json!({
            "blockVersions": { "1.0.1": "bad \"one\"" },
            "name": "x",
            "dist-tags": { "latest": "1.0.0" },
            "versions": { "1.0.0": { "dist": {} }, "2.0.0": {} },
            "time": { "created": "c", "2.0.0": "d" },
            "blocked": { "1.0.1": 1 },
        });
        assert_eq!(screened(&["1.0.1"]), expected);
        let none = screened(&["1.0.0", "1.0.1", "2.0.0"]);
        assert_eq!(none["versions"], serde_json::json!({}));
        assert_eq!(none["time"], serde_json::json!({ "created": "c" }));
        assert_eq!(screened(&["9.9.9"])["blockVersions"], serde_json::json!({}));
    }

    #[test]
    fn what_stands_at_the_top_is_of_the_version_that_is_latest() {
        let document = r#"{"name":"x","readme":"of 2","dist-tags":{"old":"1.0.0","latest":"2.0.0"},"license":"evil",
            "versions":{"1.0.0":{"license":"MIT","bin":{},"author":{"name":"joe"}},"1.1.0-rc.1":{"license":"ISC"},
            "2.0.0":{"license":"evil"}},"description" : "of 2","maintainers":[{"name":"joe"}]}"#;
        let top = |barred: &[&str]| {
            let out = screen(document.as_bytes(), |version| barred.contains(&version).then_some("bad")).unwrap();
            let out: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let top = ["readme", "description", "license", "author", "bin"].map(|name| out.get(name).cloned());
            assert_eq!(out["maintainers"], serde_json::json!([{ "name": "joe" }]), "of the package");
            serde_json::json!(top)
        };
        assert_eq!(top(&["1.0.0"]), serde_json::json!(["of 2", "of 2", "evil", null, null]));
        assert_eq!(top(&["2.0.0"]), serde_json::json!([null, null, "MIT", { "name": "joe" }, null]));
        assert_eq!(top(&["1.0.0", "2.0.0"]), serde_json::json!([null, null, "ISC", null, null]));
        assert_eq!(top(&["1.0.0", "1.1.0-rc.1", "2.0.0"]), serde_json::json!([null, null, null, null, null]));
    }

    #[test]
    fn what_upstream_names_as_blocked_stays_beside_ours() {
        for (theirs, expected) in [
            (r#"{"0.1.0":"old","1.0.0":"theirs"}"#, serde_json::json!({ "0.1.0": "old", "1.0.0": "ours" })),
            ("null", serde_json::json!({ "1.0.0": "ours" })),
        ] {
            let document = format!(r#"{{"blockVersions":{theirs},"versions":{{"1.0.0":{{}}}}}}"#);
            let out = screen(document.as_bytes(), |version| (version == "1.0.0").then_some("ours")).unwrap();
            let out: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(out, serde_json::json!({ "blockVersions": expected, "versions": {} }));
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for wrong in ["", "[]", "{", r#"{"versions":{"1":}}"#, "{} x"] {
            assert!(screen(wrong.as_bytes(), |_| None).is_err(), "{wrong}");
        }
    }
}
