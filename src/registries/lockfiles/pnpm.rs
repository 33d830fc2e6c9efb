//! `pnpm-lock.yaml`: below `packages:` each key is a release, in words that have changed with the versions of the file.
//!
//! | version | key |
//! |---|---|
//! | 9 | `name@1.0.0` |
//! | 6 | `/name@1.0.0(peer@2.0.0)` |
//! | 5 | `/name/1.0.0_peer@2.0.0`, or with the host of another registry before it |

use super::{Releases, add, is_version, split};

pub fn read(text: &str) -> Releases {
    let mut releases = Releases::new();
    let packages = text.lines().skip_while(|line| line.trim_end() != "packages:").skip(1);
    for line in packages.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if let Some((name, version)) = key(line).and_then(parse) {
            add(&mut releases, name, version);
        }
    }
    releases
}

/// Returns the key that a line is of, if it is one of the first level. Long ones have a sign of their own.
fn key(line: &str) -> Option<&str> {
    let key = line.strip_prefix("  ").filter(|key| !key.starts_with(' '))?;
    let key = key.strip_prefix("? ").unwrap_or(key).trim_end();
    // A package that has nothing further to be said of stands alone.
    let key = key.strip_suffix(':').or_else(|| key.strip_suffix(": {}")).unwrap_or(key);
    Some(key.trim_matches(['\'', '"']))
}

fn parse(key: &str) -> Option<(&str, &str)> {
    let key = key.split('(').next().unwrap_or(key);
    let release = split(key.strip_prefix('/').unwrap_or(key));
    let is_name = |name: &str| name.matches('/').count() == usize::from(name.starts_with('@'));
    // In the oldest form, what stands before an `@` is more than a name.
    release.filter(|(name, version)| is_name(name) && is_version(version)).or_else(|| parse_old(key))
}

/// Reads what stands behind the first slash: `name/1.0.0_peer@2.0.0`.
fn parse_old(key: &str) -> Option<(&str, &str)> {
    let (name, version) = key.split_once('/')?.1.rsplit_once('/')?;
    Some((name, version.split('_').next().unwrap_or(version)))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const NINE: &str = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n\nimporters:\n\n  .:\n\
        \x20   dependencies:\n      left-pad:\n        specifier: ^1\n        version: 1.3.0\n\npackages:\n\n\
        \x20 '@s/n@2.0.0-rc.1':\n    resolution: {integrity: sha512-AA==}\n    engines: {node: '>=6'}\n\n\
        \x20 left-pad@1.3.0:\n    resolution: {integrity: sha512-AA==}\n    deprecated: 'use x: y'\n\n\
        \x20 sources@https://host.example/joe/x/tar.gz/0123:\n    resolution: {tarball: https://host.example/x}\n\
        \x20   version: 1.0.0\n\n  folder@file:../folder:\n    resolution: {directory: ../folder}\n\nsnapshots:\n\n\
        \x20 other@1.0.0(left-pad@1.3.0): {}\n";

    const SIX: &str = "lockfileVersion: '6.0'\n\ndependencies:\n  a:\n    version: 1.0.0\n\npackages:\n\n\
        \x20 /@s/n@2.0.0(left-pad@1.3.0)(@s/x@1.0.0):\n    resolution: {integrity: sha512-AA==}\n    dev: false\n\n\
        \x20 /left-pad@1.3.0:\n    resolution: {integrity: sha512-AA==}\n\n  /snake_case@1.0.0:\n    dev: true\n\n\
        \x20 '@host.example/joe/x/0123':\n    resolution: {tarball: https://host.example/x}\n";

    pub const FIVE: &str = "lockfileVersion: 5.4\n\nspecifiers:\n  a: ^1\n\npackages:\n\n\
        \x20 /@s/n/2.0.0_left-pad@1.3.0:\n    resolution: {integrity: sha512-AA==}\n\n\
        \x20 /left-pad/1.3.0:\n    resolution: {integrity: sha512-AA==}\n    dev: false\n\n\
        \x20 /peers/3.0.0_@s+n@2.0.0:\n    dev: false\n\n\
        \x20 /snake_case/1.0.0_peer_1@1.0.0:\n    dev: false\n\n\
        \x20 registry.example/far/1.0.0:\n    dev: false\n\n  github.example/joe/x/0a12:\n    dev: false\n";

    fn printed(text: &str) -> Vec<String> {
        let releases = read(text);
        releases.iter().flat_map(|(name, all)| all.iter().map(move |version| format!("{name}@{version}"))).collect()
    }

    #[test]
    fn every_version_names_its_releases() {
        assert_eq!(printed(NINE), ["@s/n@2.0.0-rc.1", "left-pad@1.3.0"]);
        assert_eq!(printed(SIX), ["@s/n@2.0.0", "left-pad@1.3.0", "snake_case@1.0.0"]);
        assert_eq!(printed(FIVE), ["@s/n@2.0.0", "far@1.0.0", "left-pad@1.3.0", "peers@3.0.0", "snake_case@1.0.0"]);
        assert_eq!(printed("lockfileVersion: '9.0'\n"), Vec::<String>::new());
    }
}
