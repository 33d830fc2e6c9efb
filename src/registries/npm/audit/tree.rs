//! Lock trees, as older clients send them to be audited: what other upstreams' packages they name is taken out.

use serde_json::{Map, Value};

/// What stands for a package that was taken out, as long as others lie below it; a number follows.
const STAND_IN: &str = "heliostat-private-";

/// Takes packages out of a tree.
struct Stripper<'a> {
    /// Tells which names are ours, whatever their scope.
    is_own: &'a dyn Fn(&str) -> bool,
    /// What text must not hold: `@acme/`, and the same as it stands in a URL.
    marks: Vec<String>,
    stand_ins: usize,
}

/// Returns a lock tree in which nothing names a package of these scopes, or of ours; `None` when the body is no tree. Packages below
/// one that is taken out stay, below a name that says nothing.
pub fn without(body: &[u8], scopes: &[String], is_own: &dyn Fn(&str) -> bool) -> Option<Vec<u8>> {
    let Value::Object(tree) = serde_json::from_slice(body).ok()? else { return None };
    let marks = scopes.iter().map(|scope| scope.to_ascii_lowercase()).flat_map(|scope| {
        let escaped = scope.replacen('@', "%40", 1);
        [format!("{scope}/"), format!("{scope}%2f"), format!("{escaped}/"), format!("{escaped}%2f")]
    });
    let mut stripper = Stripper { is_own, marks: marks.collect(), stand_ins: 0 };
    serde_json::to_vec(&stripper.node(tree)).ok()
}

// === impl Stripper ===

impl Stripper<'_> {
    /// Strips the tree itself, or a package in it.
    fn node(&mut self, node: Map<String, Value>) -> Value {
        let strip = |(name, value): (String, Value)| match value {
            Value::Object(packages) if name == "dependencies" => Some((name, self.packages(packages))),
            Value::Object(mut needed) if name == "requires" => {
                needed.retain(|name, _| !(self.is_own)(name));
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
                || (self.is_own)(&name)
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
            Value::String(text) => (!self.is_marked(&text)).then_some(Value::String(text)),
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
        value.as_str().is_some_and(|text| self.is_marked(text))
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
        let scopes = ["@acme".to_owned(), "@Corp".to_owned()];
        serde_json::from_slice(&without(tree.to_string().as_bytes(), &scopes, &|name| name == "ours").unwrap()).unwrap()
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
            assert_eq!(without(body.as_bytes(), &["@acme".to_owned()], &|_| false), None, "{body}");
        }
        let deep = format!("{}{}", "{\"dependencies\":{\"a\":".repeat(100), "}".repeat(200));
        assert_eq!(without(deep.as_bytes(), &[], &|_| false), None);
    }
}
