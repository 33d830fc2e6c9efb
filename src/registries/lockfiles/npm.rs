//! `package-lock.json` and `npm-shrinkwrap.json`: by paths since npm 7, as a tree before. Source: npm's documentation of
//! package-lock.json, "lockfileVersion".

use serde_json::{Map, Value};

use super::{Releases, add, split};

pub fn read(text: &str) -> Result<Releases, serde_json::Error> {
    let lockfile: Value = serde_json::from_str(text)?;
    let mut releases = Releases::new();
    match lockfile.get("packages").and_then(Value::as_object) {
        Some(packages) => read_paths(packages, &mut releases),
        None => read_tree(&lockfile, &mut releases),
    }
    Ok(releases)
}

fn read_paths(packages: &Map<String, Value>, releases: &mut Releases) {
    for (path, package) in packages {
        // The project itself, and its workspaces, lie elsewhere.
        let Some((_, folder)) = path.rsplit_once("node_modules/") else { continue };
        let name = text(package, "name").unwrap_or(folder);
        if !is(package, "link") && !is(package, "inBundle") && is_from_registry(package) {
            add(releases, name, text(package, "version").unwrap_or_default());
        }
    }
}

/// Reads the tree of npm 6 and older.
fn read_tree(parent: &Value, releases: &mut Releases) {
    for (name, package) in parent.get("dependencies").and_then(Value::as_object).into_iter().flatten() {
        let version = text(package, "version").unwrap_or_default();
        if !is(package, "bundled") && is_from_registry(package) {
            let alias = version.strip_prefix("npm:").and_then(split);
            let (name, version) = alias.unwrap_or((name, version));
            add(releases, name, version);
        }
        read_tree(package, releases);
    }
}

fn text<'a>(package: &'a Value, member: &str) -> Option<&'a str> {
    package.get(member).and_then(Value::as_str)
}

fn is(package: &Value, member: &str) -> bool {
    package.get(member) == Some(&Value::Bool(true))
}

/// Tells whether a package was fetched from a registry. Tarballs of others lie where no registry has any.
fn is_from_registry(package: &Value) -> bool {
    text(package, "resolved").is_none_or(|url| {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        is_web && (url.contains("/-/") || url.contains("/download/"))
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const MODERN: &str = r#"{"name":"p","lockfileVersion":3,"requires":true,"packages":{
        "":{"name":"p","version":"1.0.0","dependencies":{"left-pad":"^1"}},
        "node_modules/left-pad":{"version":"1.3.0","resolved":"https://registry.example/left-pad/-/left-pad-1.3.0.tgz"},
        "node_modules/@s/n":{"version":"2.0.0-rc.1"},
        "node_modules/@s/n/node_modules/left-pad":{"version":"1.1.0","dev":true,"optional":true},
        "node_modules/alias":{"name":"real","version":"4.2.3"},
        "node_modules/bundled":{"version":"9.0.0","inBundle":true},
        "node_modules/workspace":{"resolved":"packages/workspace","link":true},
        "packages/workspace":{"version":"0.0.1"},
        "node_modules/sources":{"version":"1.0.0","resolved":"git+ssh://git@host.example/x.git#0123"},
        "node_modules/folder":{"version":"1.0.0","resolved":"file:../folder"},
        "node_modules/elsewhere":{"version":"1.0.0","resolved":"https://host.example/archive/v1.0.0.tar.gz"},
        "node_modules/none":{}}}"#;

    pub const OLD: &str = r#"{"name":"p","version":"1.0.0","lockfileVersion":1,"dependencies":{
        "left-pad":{"version":"1.3.0","resolved":"https://registry.example/left-pad/download/left-pad-1.3.0.tgz",
            "requires":{"x":"*"},"dependencies":{"@s/n":{"version":"2.0.0"},"left-pad":{"version":"1.1.0"}}},
        "alias":{"version":"npm:@s/real@4.2.3"},"bundled":{"version":"9.0.0","bundled":true},
        "sources":{"version":"github:joe/x#0123","from":"github:joe/x"},"folder":{"version":"file:../x"}}}"#;

    fn printed(text: &str) -> Vec<String> {
        let releases = read(text).unwrap();
        releases.iter().flat_map(|(name, all)| all.iter().map(move |version| format!("{name}@{version}"))).collect()
    }

    #[test]
    fn every_version_tells_what_came_from_a_registry() {
        assert_eq!(printed(MODERN), ["@s/n@2.0.0-rc.1", "left-pad@1.1.0", "left-pad@1.3.0", "real@4.2.3"]);
        assert_eq!(printed(OLD), ["@s/n@2.0.0", "@s/real@4.2.3", "left-pad@1.1.0", "left-pad@1.3.0"]);
        // The second version has both, of which the first is right.
        let both = MODERN
            .replace("\"lockfileVersion\":3", "\"lockfileVersion\":2,\"dependencies\":{\"x\":{\"version\":\"1.0.0\"}}");
        assert_eq!(printed(&both), printed(MODERN));
        assert_eq!(printed(r#"{"packages":[],"dependencies":7}"#), Vec::<String>::new());
    }
}
