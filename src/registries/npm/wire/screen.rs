//! A packument without some of its versions: neither among the versions nor in `time`, and named with the reason in
//! `blockVersions`. What is left stands as it stood. Source: contract npm §4.2.3, §13.1.

use super::Error;
use super::print::print_string;
use super::scan::{Scanner, Span, Text};

/// Where the cnpm dialect says which versions are blocked, and why.
const BLOCKED: &str = "blockVersions";

/// Times that are no version's. Source: contract npm §4.1.
const OF_THE_PACKAGE: [&str; 3] = ["created", "modified", "unpublished"];

/// An object of a document of which some members are to go.
struct Part {
    whole: Span,
    kept: Vec<Span>,
    /// Whether it is where blocked versions are named.
    names_blocked: bool,
}

/// Copies a document without the versions that have a `reason`.
///
/// Holds the document a second time.
///
/// # Errors
/// [`Error::TooLong`], [`Error::NotUtf8`], [`Error::NotJson`], [`Error::TooDeep`].
pub fn screen<'r>(document: &[u8], reason: impl Fn(&str) -> Option<&'r str>) -> Result<Vec<u8>, Error> {
    let mut scanner = Scanner::new(document)?;
    let (mut parts, mut blocked) = (Vec::new(), Vec::new());
    let whole = scanner.object(|scanner, key| match &*key.decode() {
        "versions" if scanner.peek() == Some(b'{') => {
            let mut note = |key: &Text<'_>| match reason(&key.decode()) {
                Some(reason) => {
                    blocked.push(format!("{}:{}", print_string(&key.decode()), print_string(reason)));
                    false
                }
                None => true,
            };
            parts.push(part(scanner, &mut note)?);
            Ok(())
        }
        "time" if scanner.peek() == Some(b'{') => {
            // A range covers whatever is no version, and these are none.
            let is_kept = |key: &str| OF_THE_PACKAGE.contains(&key) || reason(key).is_none();
            parts.push(part(scanner, &mut |key| is_kept(&key.decode()))?);
            Ok(())
        }
        BLOCKED => {
            parts.push(named_by_upstream(scanner, &mut |key| reason(&key.decode()).is_none())?);
            Ok(())
        }
        _ => scanner.value().map(drop),
    })?;
    scanner.finish()?;
    Ok(print(scanner.text(), whole, &parts, &blocked))
}

/// Moves past an object, and tells which of its members are kept.
fn part<'a>(scanner: &mut Scanner<'a>, is_kept: &mut dyn FnMut(&Text<'a>) -> bool) -> Result<Part, Error> {
    let mut kept = Vec::new();
    let whole = scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if is_kept(&key) {
            kept.push(Span { start: key.span.start, end: value.end });
        }
        Ok(())
    })?;
    Ok(Part { whole, kept, names_blocked: false })
}

/// Moves past what upstream names as blocked: ours come beside it.
fn named_by_upstream<'a>(scanner: &mut Scanner<'a>, is_kept: &mut dyn FnMut(&Text<'a>) -> bool) -> Result<Part, Error> {
    if scanner.peek() == Some(b'{') {
        return Ok(Part { names_blocked: true, ..part(scanner, is_kept)? });
    }
    Ok(Part { whole: scanner.value()?, kept: Vec::new(), names_blocked: true })
}

fn print(text: &str, whole: Span, parts: &[Part], blocked: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + blocked.iter().map(|line| line.len() + 1).sum::<usize>() + 32);
    let mut from = whole.start as usize + 1;
    out.extend_from_slice(&text.as_bytes()[..from]);
    if !parts.iter().any(|part| part.names_blocked) {
        // A document has its name at least, so that a comma at the end is right.
        out.extend_from_slice(format!("\"{BLOCKED}\":{{{}}},", blocked.join(",")).as_bytes());
    }
    for part in parts {
        out.extend_from_slice(&text.as_bytes()[from..part.whole.start as usize]);
        let ours = blocked.iter().filter(|_| part.names_blocked).map(String::as_str);
        let members: Vec<_> = part.kept.iter().map(|member| &text[member.range()]).chain(ours).collect();
        out.extend_from_slice(format!("{{{}}}", members.join(",")).as_bytes());
        from = part.whole.end as usize;
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"name":"x","versions":{"1.0.0":{"dist":{}},"1.0.1" : {"a":"}"},"2.0.0":{}},
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
