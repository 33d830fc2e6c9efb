//! Two packuments of one name as one: upstream's, and what was published here over it. Ours win, version by version and tag
//! by tag; all else of upstream's stands as it stood, or its signatures would prove nothing. Source: contract npm §4.2.2.

use std::collections::HashSet;
use std::io::{self, Write};

use serde_json::value::RawValue;

use super::{Error, parse_time};
use crate::registries::members::{Members, quote};
use crate::registries::npm::name::LATEST;
use crate::registries::range::Precedence;

/// The members of an object, not read yet.
type Object<'a> = Vec<(String, &'a RawValue)>;

/// The objects of which members of both are served.
const UNITED: [&str; 4] = ["versions", "time", "dist-tags", "users"];

/// A packument that was published here.
struct Ours<'a> {
    versions: Object<'a>,
    times: Object<'a>,
    tags: Object<'a>,
    users: Object<'a>,
    /// What is left of it.
    rest: Members<'a>,
}

/// Prints upstream's packument with ours over it.
///
/// Holds the document a second time.
///
/// # Errors
/// [`Error::NoObject`].
pub fn unite(theirs: &[u8], ours: &[u8]) -> Result<Vec<u8>, Error> {
    let read = |document| serde_json::from_slice::<Members<'_>>(document).map_err(Error::NoObject);
    let mut out = Vec::with_capacity(theirs.len() + ours.len());
    print(read(theirs)?, Ours::of(read(ours)?)?, &mut out)?;
    Ok(out)
}

fn print(theirs: Members<'_>, mut ours: Ours<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut separator = '{';
    let mut lacking: Vec<&str> = UNITED.to_vec();
    for (name, value) in theirs {
        write!(out, "{separator}{}:", quote(&name))?;
        separator = ',';
        if lacking.contains(&&*name) {
            lacking.retain(|united| *united != name);
            ours.print_united(&name, object(value)?, out)?;
        } else {
            out.extend_from_slice(ours.take(&name).unwrap_or(value).get().as_bytes());
        }
    }
    for name in lacking {
        write!(out, "{separator}{}:", quote(name))?;
        separator = ',';
        ours.print_united(name, Object::new(), out)?;
    }
    for (name, value) in ours.left() {
        write!(out, "{separator}{}:{}", quote(&name), value.get())?;
        separator = ',';
    }
    out.push(b'}');
    Ok(())
}

/// Reads an object; what is none has no members.
///
/// # Errors
/// [`Error::NoObject`]: it has a name that is no text.
fn object(value: &RawValue) -> Result<Object<'_>, Error> {
    if !value.get().starts_with('{') {
        return Ok(Object::new());
    }
    let members: Members<'_> = serde_json::from_str(value.get()).map_err(Error::NoObject)?;
    Ok(members.into_iter().collect())
}

fn has(object: &Object<'_>, name: &str) -> bool {
    object.iter().any(|(key, _)| key == name)
}

fn time_at(object: &Object<'_>, name: &str) -> Option<u64> {
    let (_, time) = object.iter().find(|(key, _)| key == name)?;
    parse_time(&serde_json::from_str::<String>(time.get()).ok()?)
}

// === impl Ours ===

impl<'a> Ours<'a> {
    fn of(mut rest: Members<'a>) -> Result<Self, Error> {
        let mut take = |name| Ok::<_, Error>(rest.take_first(name).map(object).transpose()?.unwrap_or_default());
        let (versions, times, tags, users) = (take("versions")?, take("time")?, take("dist-tags")?, take("users")?);
        Ok(Self { versions, times, tags, users, rest })
    }

    /// Tells whether the package is shown by one of our versions.
    fn leads(&self) -> bool {
        has(&self.tags, LATEST)
    }

    /// Tells whose member stands in the document: who writes to a package goes by our revision and our owners.
    fn speaks_for(&self, name: &str) -> bool {
        match name {
            "_id" | "name" => false,
            "_rev" | "maintainers" => true,
            _ => self.leads(),
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        if self.speaks_for(name) { self.rest.take_first(name) } else { None }
    }

    /// Returns what upstream's document has no member for.
    fn left(mut self) -> Object<'a> {
        let rest = std::mem::take(&mut self.rest);
        rest.into_iter().filter(|(name, _)| self.speaks_for(name)).collect()
    }

    fn print_united(&self, name: &str, theirs: Object<'a>, out: &mut Vec<u8>) -> io::Result<()> {
        match name {
            "versions" => {
                let hidden = self.hidden();
                print_both(theirs, &self.versions, |version| hidden.contains(&precedence(version)), out)
            }
            "time" => {
                let times = self.times_beside(&theirs);
                let hidden = self.hidden();
                let is_gone = |key: &str| key == "unpublished" && !self.versions.is_empty();
                print_both(theirs, &times, |key| is_gone(key) || hidden.contains(&precedence(key)), out)
            }
            "dist-tags" => print_both(theirs, &self.tags, |_| false, out),
            _ => print_both(theirs, &self.users, |_| false, out),
        }
    }

    /// Returns what our versions hide. Build metadata makes no other version. Source: contract npm §1.3.
    fn hidden(&self) -> HashSet<&str> {
        self.versions.iter().map(|(version, _)| precedence(version)).collect()
    }

    /// Returns what is said of time by ours: of versions of ours, and the last change of both.
    fn times_beside(&self, theirs: &Object<'_>) -> Object<'a> {
        let is_later = time_at(&self.times, "modified") > time_at(theirs, "modified");
        let is_said = |key: &str| match key {
            "unpublished" => false,
            "modified" => is_later,
            key => has(&self.versions, key) || !has(theirs, key),
        };
        self.times.iter().filter(|(key, _)| is_said(key)).cloned().collect()
    }
}

/// Returns a version as far as it tells versions apart; what is none is left as it is.
fn precedence(version: &str) -> &str {
    match Precedence::parse(version) {
        Some(_) => version.split('+').next().unwrap_or(version),
        None => version,
    }
}

fn print_both(
    theirs: Object<'_>,
    ours: &Object<'_>,
    is_hidden: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let names: HashSet<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
    let theirs = theirs.iter().filter(|(name, _)| !names.contains(name.as_str()) && !is_hidden(name));
    let mut separator = '{';
    for (name, value) in theirs.chain(ours) {
        write!(out, "{separator}{}:{}", quote(name), value.get())?;
        separator = ',';
    }
    out.extend_from_slice(if separator == '{' { b"{}" } else { b"}" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const THEIRS: &str = r#"{"_id":"x","_rev":"9-f","name":"x","dist-tags":{"latest":"1.1.0","next":"2.0.0-rc.1"},
        "versions":{"1.0.0":{"dist":{"n":1.50}},"1.1.0":{"by":"them"},"2.0.0-rc.1":{}},
        "time":{"created":"2020-01-01T00:00:00Z","modified":"2020-06-01T00:00:00Z","1.0.0":"a","1.1.0":"b"},
        "maintainers":[{"name":"them"}],"readme":"theirs","users":{"ann":true},"own":1}"#;

    fn united(ours: &Value) -> Value {
        serde_json::from_slice(&unite(THEIRS.as_bytes(), ours.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn ours_win_and_the_rest_of_upstreams_stands() {
        let ours = json!({
            "_id": "x", "_rev": "1-a", "name": "x", "readme": "ours", "license": "MIT",
            "dist-tags": { "latest": "1.1.0", "acme": "1.1.1-acme" },
            "versions": { "1.1.0": { "by": "us" }, "1.1.1-acme": {} },
            "time": { "created": "2024-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z", "1.1.0": "c",
                "1.1.1-acme": "d", "0.9.0": "gone" },
            "maintainers": [{ "name": "joe" }], "users": { "joe": true },
        });
        let expected = json!({
            "_id": "x", "_rev": "1-a", "name": "x", "readme": "ours", "license": "MIT", "own": 1,
            "dist-tags": { "latest": "1.1.0", "next": "2.0.0-rc.1", "acme": "1.1.1-acme" },
            "versions": { "1.0.0": { "dist": { "n": 1.50 } }, "2.0.0-rc.1": {}, "1.1.0": { "by": "us" }, "1.1.1-acme": {} },
            "time": { "created": "2020-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z", "1.0.0": "a", "1.1.0": "c",
                "1.1.1-acme": "d", "0.9.0": "gone" },
            "maintainers": [{ "name": "joe" }], "users": { "ann": true, "joe": true },
        });
        assert_eq!(united(&ours), expected);
        let printed = unite(THEIRS.as_bytes(), ours.to_string().as_bytes()).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains(r#""1.0.0":{"dist":{"n":1.50}}"#), "numbers as upstream wrote them: {printed}");
    }

    #[test]
    fn who_does_not_lead_says_less() {
        let ours = json!({
            "_rev": "1-a", "readme": "ours", "license": "MIT", "dist-tags": { "acme": "1.1.0+acme" },
            "versions": { "1.1.0+acme": {} }, "time": { "modified": "2019-01-01T00:00:00Z", "1.1.0+acme": "d" },
        });
        let united = united(&ours);
        assert_eq!((&united["readme"], &united["license"]), (&json!("theirs"), &Value::Null));
        assert_eq!(united["dist-tags"]["latest"], "1.1.0", "upstream's, for the forms to mend");
        assert_eq!(
            united["versions"],
            json!({ "1.0.0": { "dist": { "n": 1.5 } }, "2.0.0-rc.1": {}, "1.1.0+acme": {} })
        );
        assert_eq!(united["time"]["modified"], "2020-06-01T00:00:00Z");
        assert_eq!(united["time"].get("1.1.0"), None, "hidden by one that is the same");
        assert_eq!(united["_rev"], "1-a");
    }

    #[test]
    fn what_upstream_lacks_or_took_back_is_ours() {
        let gone = br#"{"name":"x","time":{"unpublished":{"name":"x"},"1.0.0":"a"}}"#;
        let ours =
            br#"{"_rev":"1-a","name":"x","dist-tags":{"latest":"3.0.0"},"versions":{"3.0.0":{}},"time":{"3.0.0":"c"}}"#;
        let united: Value = serde_json::from_slice(&unite(gone, ours).unwrap()).unwrap();
        let expected = json!({
            "name": "x", "_rev": "1-a", "dist-tags": { "latest": "3.0.0" }, "versions": { "3.0.0": {} }, "users": {},
            "time": { "1.0.0": "a", "3.0.0": "c" },
        });
        assert_eq!(united, expected);
        let removed = br#"{"name":"x","dist-tags":{},"versions":{},"time":{"1.0.0":"b","unpublished":{}}}"#;
        let untouched: Value = serde_json::from_slice(&unite(THEIRS.as_bytes(), removed).unwrap()).unwrap();
        let theirs: Value = serde_json::from_str(THEIRS).unwrap();
        assert_eq!(untouched, theirs, "who has taken all back says nothing");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for wrong in ["", "[]", "{", "1"] {
            assert!(matches!(unite(wrong.as_bytes(), b"{}"), Err(Error::NoObject(_))), "{wrong}");
        }
        let unread = br#"{"name":"x","versions":{"\ud800":{}}}"#;
        assert!(unite(unread, b"{}").is_err(), "nothing of it is left out");
    }
}
