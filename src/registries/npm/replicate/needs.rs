//! What versions need of other packages, in words that a registry understands.

use crate::registries::npm::name::{PackageName, Spec};
use crate::registries::npm::wire::Dependency;
use crate::registries::replica::Need;

/// What stands before an alias.
const ALIAS: &str = "npm:";

/// Where a dependency is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Registry(Need),
    /// Not at a registry, or nowhere at all: at a server of sources, in the same tree.
    Elsewhere,
}

/// Reads where a dependency is to be had.
///
/// Source: npm's `npm-package-arg`.
pub fn read(dependency: &Dependency) -> Source {
    let (name, spec) = match dependency.spec.trim().strip_prefix(ALIAS) {
        None => (dependency.name.as_str(), dependency.spec.trim()),
        Some(alias) => split_alias(alias),
    };
    let is_name = PackageName::parse(name).is_ok();
    let is_spec = spec.is_empty() || Spec::parse(spec).is_ok();
    if !is_name || !is_spec || points_elsewhere(spec) {
        return Source::Elsewhere;
    }
    Source::Registry(Need { package: name.to_owned(), spec: spec.to_owned() })
}

/// Splits `name@spec`, where the name may have a scope.
fn split_alias(alias: &str) -> (&str, &str) {
    let scoped = usize::from(alias.starts_with('@'));
    alias[scoped..].split_once('@').map_or((alias, ""), |(name, spec)| (&alias[..scoped + name.len()], spec))
}

/// Tells whether a text that reads as a tag is the path of a directory.
fn points_elsewhere(spec: &str) -> bool {
    spec.starts_with(['.', '~']) && Spec::parse(spec).is_ok_and(|spec| matches!(spec, Spec::Tag(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::wire::DependencyKind;

    fn found(name: &str, spec: &str) -> Option<String> {
        let dependency = Dependency { name: name.to_owned(), spec: spec.to_owned(), kind: DependencyKind::Needed };
        match read(&dependency) {
            Source::Registry(need) => Some(format!("{} {}", need.package, need.spec)),
            Source::Elsewhere => None,
        }
    }

    #[test]
    fn what_is_at_a_registry_is_needed_by_its_own_name() {
        for (spec, expected) in [
            ("^1.0.0", "b ^1.0.0"),
            ("", "b "),
            (" 1 || 2 ", "b 1 || 2"),
            ("latest", "b latest"),
            ("~1.2", "b ~1.2"),
            ("npm:c@^1", "c ^1"),
            ("npm:c", "c "),
            ("npm:@s/c@1.x", "@s/c 1.x"),
            ("npm:@s/c", "@s/c "),
        ] {
            assert_eq!(found("b", spec).as_deref(), Some(expected), "{spec}");
        }
        assert_eq!(found("@s/b", "1").as_deref(), Some("@s/b 1"));
    }

    #[test]
    fn what_is_elsewhere_is_not_asked_for() {
        for spec in [
            "git://host.example/b.git",
            "git+ssh://git@host.example/b.git#semver:^1",
            "github:joe/b",
            "joe/b",
            "http://host.example/b.tgz",
            "file:../b",
            "link:../b",
            "workspace:^",
            "workspace:*",
            "./b",
            "../b",
            "~/b",
            ".",
            "patch:b@npm%3A1#x",
            "catalog:",
            "npm:c@joe/c",
            "npm:",
            "npm:_c@1",
            "a b",
        ] {
            assert_eq!(found("b", spec), None, "{spec}");
        }
        assert_eq!(found("_b", "1"), None);
        assert_eq!(found("node_modules", "1"), None);
    }
}
