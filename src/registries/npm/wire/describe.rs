//! What documents say besides where bytes are: what a version needs of others, what of it may change after it was published,
//! and whose the package is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Error;
use super::scan::Scanner;
use crate::base::digest::Digest;

/// What a version needs of another package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub name: String,
    /// As it is written: a range, a tag, an alias, a URL.
    pub spec: String,
    pub kind: DependencyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    Needed,
    /// It may fail to be installed.
    Optional,
    /// It is to be there beside the version.
    Peer,
}

/// What is compared of a version that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of what its tarball is promised to be.
    pub bytes: u64,
    /// Of all else but for where it is, what vouches for it, and why it is not to be used: a mirror says that in its own words.
    pub rest: u64,
    /// Why it is not to be used.
    pub deprecated: Option<String>,
    /// What it says it runs on.
    pub engine: Option<String>,
}

/// Somebody whose the package is, in both forms that registries write.
#[derive(Deserialize)]
#[serde(untagged)]
enum Person {
    Record { name: String },
    Line(String),
}

/// Finds what a version needs of other packages, given the bytes of its manifest: what every client installs with it.
///
/// A member that is no object needs nothing, as clients read it; a peer that may be missing is not needed.
///
/// # Errors
/// What [`Scanner`] refuses.
pub fn find_dependencies(manifest: &[u8]) -> Result<Vec<Dependency>, Error> {
    let (mut needed, mut optional, mut peers, mut peers_told) = Default::default();
    visit(manifest, |key, value| match key {
        "dependencies" => needed = names(value),
        "optionalDependencies" => optional = names(value),
        "peerDependencies" => peers = names(value),
        "peerDependenciesMeta" => peers_told = names(value),
        _ => {}
    })?;
    let is_optional = |name: &str| peers_told.get(name).is_some_and(|told: &Value| told["optional"] == true);
    peers.retain(|name, _| !is_optional(name));
    // Registries write what is optional among what is needed, too.
    needed.retain(|name, _| !optional.contains_key(name));
    let all = [(needed, DependencyKind::Needed), (optional, DependencyKind::Optional), (peers, DependencyKind::Peer)];
    let written = all.into_iter().flat_map(|(names, kind)| names.into_iter().map(move |named| (named, kind)));
    Ok(written
        .filter_map(|((name, spec), kind)| Some(Dependency { name, spec: spec.as_str()?.to_owned(), kind }))
        .collect())
}

/// Takes what is compared of a version, given the bytes of its manifest. The order of members does not count.
///
/// # Errors
/// What [`Scanner`] refuses.
pub fn fingerprint(manifest: &[u8]) -> Result<Fingerprint, Error> {
    let mut members = Vec::new();
    let (mut bytes, mut deprecated, mut engine) = (0, None, None);
    visit(manifest, |key, value| match key {
        "dist" => bytes = promise(value),
        "deprecated" => deprecated = reason(value),
        _ => {
            if key == "engines" {
                engine = names(value).remove("node").and_then(|node| Some(node.as_str()?.to_owned()));
            }
            members.push((key.to_owned(), value.to_owned()));
        }
    })?;
    members.sort_unstable();
    let told = members.iter().map(|(key, value)| format!("{}:{key}{}:{value}", key.len(), value.len()));
    Ok(Fingerprint { bytes, rest: short(&told.collect::<String>()), deprecated, engine })
}

/// Finds whose a package is, given its whole document.
///
/// # Errors
/// What [`Scanner`] refuses.
pub fn maintainers(document: &[u8]) -> Result<Vec<String>, Error> {
    let mut maintainers = Vec::new();
    visit(document, |key, value| {
        if key == "maintainers" {
            let people: Vec<Person> = serde_json::from_str(value).unwrap_or_default();
            maintainers = people.into_iter().map(Person::name).collect();
        }
    })?;
    Ok(maintainers)
}

/// Shows each member of an object, its value as it is written.
fn visit(object: &[u8], mut see: impl FnMut(&str, &str)) -> Result<(), Error> {
    let mut scanner = Scanner::new(object)?;
    let text = scanner.text();
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        see(&key.decode(), &text[value.range()]);
        Ok(())
    })?;
    scanner.finish()
}

/// Reads an object; of two members of one name the latter counts, as for clients.
fn names(value: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(value).unwrap_or_default()
}

/// Reads what `deprecated` says: registries write an empty text where it was taken back, and some write yes or no.
fn reason(value: &str) -> Option<String> {
    match serde_json::from_str(value) {
        Ok(Value::String(reason)) => Some(reason).filter(|reason| !reason.is_empty()),
        Ok(Value::Bool(true)) => Some("deprecated".to_owned()),
        _ => None,
    }
}

/// Marks what a tarball is promised to be: by what the oldest say too, since registries add stronger hashes later.
fn promise(dist: &str) -> u64 {
    let dist = names(dist);
    let text = |member: &str| dist.get(member).and_then(Value::as_str).map(Cow::Borrowed);
    text("shasum").or_else(|| text("integrity")).map_or(0, |promised| short(&promised))
}

/// Returns eight bytes of a text's digest.
pub fn short(text: &str) -> u64 {
    let digest = Digest::of(text.as_bytes());
    digest.as_bytes()[..8].iter().fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

// === impl Person ===

impl Person {
    /// Returns the name alone: `Jane <jane@example.com>` is one form of it.
    fn name(self) -> String {
        match self {
            Self::Record { name } => name,
            Self::Line(line) => line.split(['<', '(']).next().unwrap_or_default().trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(manifest: &str) -> Vec<String> {
        let print = |found: &Dependency| format!("{}@{} {:?}", found.name, found.spec, found.kind);
        find_dependencies(manifest.as_bytes()).unwrap().iter().map(print).collect()
    }

    #[test]
    fn what_every_client_installs_is_needed() {
        let manifest = r#"{"name": "a", "dependencies": {"b": "^1", "o": "2"}, "devDependencies": {"d": "1"},
            "optionalDependencies": {"o": "2"}, "peerDependencies": {"p": ">=3", "q": "*"},
            "peerDependenciesMeta": {"q": {"optional": true}, "p": {"optional": false}}}"#;
        assert_eq!(needs(manifest), ["b@^1 Needed", "o@2 Optional", "p@>=3 Peer"]);
    }

    #[test]
    fn what_clients_do_not_read_needs_nothing() {
        for manifest in [
            "{}",
            r#"{"dependencies": []}"#,
            r#"{"dependencies": null, "peerDependencies": "x"}"#,
            r#"{"dependencies": {"b": {"version": "1"}, "c": 1}}"#,
            r#"{"bundleDependencies": ["b"]}"#,
        ] {
            assert_eq!(needs(manifest), [""; 0], "{manifest}");
        }
        assert_eq!(needs(r#"{"dependencies": {"b": "1", "b": "2"}}"#), ["b@2 Needed"]);
        assert_eq!(needs(r#"{"dep\u0065ndencies": {"b": "1"}}"#), ["b@1 Needed"]);
        assert!(find_dependencies(b"[]").is_err() && find_dependencies(b"{\"a\":1").is_err());
    }

    #[test]
    fn a_deprecation_has_a_text() {
        for (written, expected) in [
            (r#""use b""#, Some("use b")),
            (r#""""#, None),
            ("false", None),
            ("null", None),
            ("true", Some("deprecated")),
            ("[]", None),
        ] {
            let manifest = format!(r#"{{"deprecated": {written}}}"#);
            assert_eq!(fingerprint(manifest.as_bytes()).unwrap().deprecated.as_deref(), expected, "{written}");
        }
        assert_eq!(fingerprint(b"{}").unwrap().deprecated, None);
    }

    #[test]
    fn a_fingerprint_changes_with_what_counts_alone() {
        let of = |manifest: &str| fingerprint(manifest.as_bytes()).unwrap();
        let held = of(r#"{"a": 1, "b": {"c": 2}, "dist": {"shasum": "x", "tarball": "http://one.example/t"}}"#);
        for same in [
            r#"{"b": {"c": 2}, "a": 1, "dist": {"shasum": "x", "tarball": "http://two.example/t", "integrity": "y"}}"#,
            r#"{"a": 1, "b": {"c": 2}, "dist": {"shasum": "x", "signatures": []}, "deprecated": ""}"#,
        ] {
            assert_eq!(of(same), held, "{same}");
        }
        let other = of(r#"{"a": 1, "b": {"c": 2}, "dist": {"shasum": "z"}}"#);
        assert_eq!((other.rest, other.bytes == held.bytes), (held.rest, false));
        for changed in [r#"{"a": 1, "b": {"c": 3}}"#, r#"{"a": 1}"#, r#"{"a": 1, "b": {"c": 2}, "d": null}"#, "{}"] {
            assert_ne!(of(changed).rest, held.rest, "{changed}");
        }
        assert_ne!(of(r#"{"ab": 1}"#).rest, of(r#"{"a": 1}"#).rest);
        assert_eq!(of(r#"{"dist": {"integrity": "x"}}"#).bytes, held.bytes, "the weaker hash may be missing");
    }

    #[test]
    fn the_engine_is_that_of_node() {
        let engine = |manifest: &str| fingerprint(manifest.as_bytes()).unwrap().engine;
        assert_eq!(engine(r#"{"engines": {"npm": "1", "node": ">=20"}}"#).as_deref(), Some(">=20"));
        for none in [r#"{"engines": ["node >= 0.4"]}"#, r#"{"engines": {"node": 1}}"#, "{}"] {
            assert_eq!(engine(none), None, "{none}");
        }
    }

    #[test]
    fn maintainers_are_named_in_both_forms() {
        let document = br#"{"maintainers": [{"name": "jane", "email": "j@example.com"}, "joe <joe@example.com>"]}"#;
        assert_eq!(maintainers(document).unwrap(), ["jane", "joe"]);
        assert_eq!(maintainers(br#"{"maintainers": "jane"}"#).unwrap(), [""; 0]);
        assert_eq!(maintainers(b"{}").unwrap(), [""; 0]);
    }
}
