//! Lock trees, as older clients send them to be audited: what other upstreams' packages they name is taken out.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::registries::npm::name::PackageName;

/// What stands for a package that was taken out, as long as others lie below it; a number follows.
const STAND_IN: &str = "heliostat-private-";

/// A lock tree.
pub struct Tree(Map<String, Value>);

/// Takes packages out of a tree.
struct Stripper<'a> {
    /// Names that are ours, whatever their scope.
    own: &'a HashSet<String>,
    /// What text must not hold: `@acme/`, and the same as it stands in a URL.
    marks: Vec<String>,
    stand_ins: usize,
}

// === impl Tree ===

impl Tree {
    /// Reads a tree; `None` when the body is none.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    /// Returns all names in it that may be a package's.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        names.extend(self.0.get("name").and_then(Value::as_str).map(str::to_owned));
        self.0.iter().for_each(|(member, value)| collect(member, value, &mut names));
        names.retain(|name| PackageName::parse(name).is_ok());
        names
    }

    /// Prints the tree so that nothing in it names a package of these scopes, or of ours. Packages below one that is taken
    /// out stay, below a name that says nothing. `None`: it cannot be printed.
    pub fn without(mut self, scopes: &[String], own: &HashSet<String>) -> Option<Vec<u8>> {
        let marks = scopes.iter().map(|scope| scope.to_ascii_lowercase()).flat_map(|scope| {
            let escaped = scope.replacen('@', "%40", 1);
            [format!("{scope}/"), format!("{scope}%2f"), format!("{escaped}/"), format!("{escaped}%2f")]
        });
        if self.0.get("name").and_then(Value::as_str).is_some_and(|name| own.contains(name)) {
            self.0.remove("name");
        }
        let mut stripper = Stripper { own, marks: marks.collect(), stand_ins: 0 };
        serde_json::to_vec(&stripper.node(self.0)).ok()
    }
}

/// Collects the names of packages in a member: its own members, where those are packages, and what is written of versions.
fn collect(member: &str, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(named(text).map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| collect("", item, names)),
        Value::Object(members) => {
            if matches!(member, "dependencies" | "requires") {
                names.extend(members.keys().cloned());
            }
            members.iter().for_each(|(member, value)| collect(member, value, names));
        }
        _ => {}
    }
}

/// Returns the package that a text is about: `left@1.0.0`, `npm:left@1.0.0`, `npm:left`.
fn named(text: &str) -> Option<&str> {
    let (text, is_alias) = text.strip_prefix("npm:").map_or((text, false), |alias| (alias, true));
    match text.rfind('@') {
        Some(at) if at > 0 => Some(&text[..at]),
        _ => is_alias.then_some(text),
    }
}

// === impl Stripper ===

impl Stripper<'_> {
    /// Strips the tree itself, or a package in it.
    fn node(&mut self, node: Map<String, Value>) -> Value {
        let strip = |(name, value): (String, Value)| match value {
            Value::Object(packages) if name == "dependencies" => Some((name, self.packages(packages))),
            Value::Object(mut needed) if name == "requires" => {
                needed.retain(|name, _| !self.own.contains(name));
                Some((name, self.value(Value::Object(needed))?))
            }
            value => Some((name, self.value(value)?)),
        };
        Value::Object(node.into_iter().filter_map(strip).collect())
    }

    fn packages(&mut self, packages: Map<String, Value>) -> Value {
        let mut kept = Map::new();
        for (name, package) in packages {
            let Value::Object(package) = package else { continue };
            // An alias has the name of what it stands for in its version.
            let is_named = self.is_marked(&name)
                || self.own.contains(&name)
                || package.get("version").is_some_and(|version| self.names(version));
            if !is_named {
                kept.insert(name, self.node(package));
            } else if let Some(below) = self.below(package) {
                self.stand_ins += 1;
                let stand_in =
                    Map::from_iter([("version".to_owned(), "0.0.0".into()), ("dependencies".to_owned(), below)]);
                kept.insert(format!("{STAND_IN}{}", self.stand_ins), Value::Object(stand_in));
            }
        }
        Value::Object(kept)
    }

    /// Returns what lies below a package that is taken out, stripped; `None` when that is nothing.
    fn below(&mut self, mut package: Map<String, Value>) -> Option<Value> {
        let Some(Value::Object(below)) = package.remove("dependencies") else { return None };
        let below = self.packages(below);
        below.as_object().is_some_and(|below| !below.is_empty()).then_some(below)
    }

    /// Strips anything else; `None` when nothing is left of it.
    fn value(&self, value: Value) -> Option<Value> {
        match value {
            Value::String(text) => (!self.is_about_one(&text)).then_some(Value::String(text)),
            Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(|item| self.value(item)).collect())),
            Value::Object(members) => {
                let unmarked = members.into_iter().filter(|(name, _)| !self.is_marked(name));
                let kept = unmarked.filter_map(|(name, value)| Some((name, self.value(value)?)));
                Some(Value::Object(kept.collect()))
            }
            plain => Some(plain),
        }
    }

    fn names(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|text| self.is_about_one(text))
    }

    /// Tells whether a text is about a package that is taken out.
    fn is_about_one(&self, text: &str) -> bool {
        self.is_marked(text) || named(text).is_some_and(|name| self.own.contains(name))
    }

    fn is_marked(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.marks.iter().any(|mark| text.contains(mark))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stripped(tree: &Value) -> Value {
        let (scopes, own) = (["@acme".to_owned(), "@Corp".to_owned()], HashSet::from(["ours".to_owned()]));
        let tree = Tree::parse(tree.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&tree.without(&scopes, &own).unwrap()).unwrap()
    }

    #[test]
    fn every_name_in_a_tree_is_told() {
        let inner = json!({"version": "npm:inner@1.0.0", "resolved": "https://host.example/@s/x/-/x@1.tgz"});
        let tree = json!({
            "name": "app", "version": "1.0.0", "install": ["left@1.0.0", "@s/n@2.0.0"], "requires": {"a": "npm:b"},
            "dependencies": {"c": {"version": "1.0.0", "requires": {"d": "1"}, "dependencies": {"alias": inner}}, "A B": {}},
        });
        let names = Tree::parse(tree.to_string().as_bytes()).unwrap().names();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["@s/n", "a", "alias", "app", "b", "c", "d", "inner", "left"]);
    }

    #[test]
    fn what_is_ours_is_taken_out_wherever_it_is_named() {
        let tree = json!({
            "name": "ours", "version": "1.0.0", "install": ["ours@1.0.0", "left@1.0.0"],
            "requires": {"alias": "npm:ours@1", "left": "1"},
            "dependencies": {"alias": {"version": "npm:ours@1.0.0"}, "left": {"version": "1.0.0", "requires": {"ours": "1"}}},
        });
        let left = json!({"version": "1.0.0", "requires": {}});
        let expected = json!({
            "version": "1.0.0", "install": ["left@1.0.0"], "requires": {"left": "1"}, "dependencies": {"left": left},
        });
        assert_eq!(stripped(&tree), expected);
    }

    #[test]
    fn packages_of_other_upstreams_are_taken_out_wherever_they_are_named() {
        let tree = json!({
            "name": "@acme/app", "version": "1.0.0", "metadata": {"node_version": "v20", "note": ["@corp/x", 1, null]},
            "install": ["left@1.0.0", "@acme/tool@1.0.0"], "remove": ["@CORP/x@1.0.0"],
            "requires": {"@acme/tool": "^1.0.0", "left": "^1.0.0", "alias": "npm:@acme/tool@1", "ours": "1"},
            "dependencies": {
                "@acme/tool": {"version": "1.0.0", "resolved": "https://corp.example/@acme%2ftool.tgz", "integrity": "x"},
                "@acme-not/other": {"version": "1.0.0", "requires": true, "dev": true},
                "alias": {"version": "npm:@acme/tool@1.0.0"},
                "left": {
                    "version": "1.0.0",
                    "resolved": "https://corp.example/left/%40corp%2Fx.tgz",
                    "requires": {"right": "1", "@corp/x": "1"},
                    "dependencies": {"@corp/x": {"version": "1.0.0"}, "right": {"version": "2.0.0"}},
                },
                "odd": 7, "ours": {"version": "1.0.0"},
            },
        });
        let expected = json!({
            "version": "1.0.0", "metadata": {"node_version": "v20", "note": [1, null]},
            "install": ["left@1.0.0"], "remove": [], "requires": {"left": "^1.0.0"},
            "dependencies": {
                "@acme-not/other": {"version": "1.0.0", "requires": true, "dev": true},
                "left": {"version": "1.0.0", "requires": {"right": "1"}, "dependencies": {"right": {"version": "2.0.0"}}},
            },
        });
        assert_eq!(stripped(&tree), expected);
    }

    #[test]
    fn what_lies_below_one_that_is_taken_out_is_still_asked_about() {
        let inner = json!({"version": "3.0.0", "dependencies": {"deep": {"version": "4.0.0"}}});
        let outer = json!({"version": "1.0.0", "requires": {"left": "2"}, "dependencies": {"left": {"version": "2.0.0"}, "@corp/x": inner}});
        let tree = json!({"dependencies": {"@acme/tool": outer, "@acme/leaf": {"version": "1.0.0"}}});
        let deep = json!({"version": "0.0.0", "dependencies": {"deep": {"version": "4.0.0"}}});
        let below = json!({"left": {"version": "2.0.0"}, "heliostat-private-1": deep});
        let expected = json!({"dependencies": {"heliostat-private-2": {"version": "0.0.0", "dependencies": below}}});
        assert_eq!(stripped(&tree), expected);
    }

    #[test]
    fn what_is_no_tree_is_none() {
        for body in ["", "[]", "7", "{", "\"@acme/x\""] {
            assert!(Tree::parse(body.as_bytes()).is_none(), "{body}");
        }
        let deep = format!("{}{}", "{\"dependencies\":{\"a\":".repeat(100), "}".repeat(200));
        assert!(Tree::parse(deep.as_bytes()).is_none());
    }
}
