//! Reads the lockfiles of every client, each as far as the tests need it: who is locked, to which bytes, from where.

use serde_json::Value;

/// Says what a lockfile holds on one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// The package's own name, also where it is installed under an alias.
    pub name: String,
    pub version: String,
    /// The digest in the client's own notation.
    pub integrity: Option<String>,
    /// The URL the bytes come from, where the client writes one.
    pub url: Option<String>,
}

/// Reads a `package-lock.json`, lockfile version 3: `packages` by path, `""` being the project itself.
pub fn npm(text: &str) -> Vec<Locked> {
    let lockfile: Value = serde_json::from_str(text).expect("package-lock.json is JSON");
    let packages = lockfile["packages"].as_object().expect("package-lock.json has packages");
    let installed = packages.iter().filter(|(path, _)| !path.is_empty());
    let locked = installed.map(|(path, package)| {
        let folder = path.rsplit("node_modules/").next().expect("a split has a last part");
        Locked {
            name: member(package, "name").unwrap_or_else(|| folder.to_owned()),
            version: member(package, "version").expect("a locked package has a version"),
            integrity: member(package, "integrity"),
            url: member(package, "resolved"),
        }
    });
    locked.collect()
}

/// Reads a `pnpm-lock.yaml`, version 9: below `packages:`, `  name@version:` and `    resolution: {integrity: …}`.
pub fn pnpm(text: &str) -> Vec<Locked> {
    let packages = text.lines().skip_while(|line| *line != "packages:").skip(1);
    let mut locked: Vec<Locked> = Vec::new();
    for line in packages.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if let Some(resolution) = line.strip_prefix("    resolution: {") {
            let last = locked.last_mut().expect("a resolution stands below its package");
            last.integrity = inline(resolution, "integrity: ");
            last.url = inline(resolution, "tarball: ");
        } else if let Some(key) = line.strip_prefix("  ").filter(|key| !key.starts_with(' ')) {
            locked.push(described(key.trim_end_matches(':').trim_matches('\'')));
        }
    }
    locked
}

/// Reads the `yarn.lock` of Yarn 1: `descriptor, descriptor:` and below it `version`, `resolved` and `integrity`.
pub fn yarn_classic(text: &str) -> Vec<Locked> {
    let mut locked: Vec<Locked> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if !line.starts_with(' ') {
            let descriptor = line.split(", ").next().expect("a split has a first part").trim_matches([':', '"']);
            // An alias: string-width-cjs@npm:string-width@^4.2.0
            locked.push(described(descriptor.split_once("@npm:").map_or(descriptor, |(_, package)| package)));
            continue;
        }
        let last = locked.last_mut().expect("a member stands below its package");
        match line.strip_prefix("  ").and_then(|member| member.split_once(' ')) {
            Some(("version", version)) => last.version = version.trim_matches('"').to_owned(),
            Some(("resolved", url)) => last.url = Some(url.trim_matches('"').to_owned()),
            Some(("integrity", integrity)) => last.integrity = Some(integrity.to_owned()),
            _ => {}
        }
    }
    locked
}

/// Reads the `yarn.lock` of Yarn 4: blocks with `resolution: "name@npm:version"` and `checksum:`, and one for the project.
///
/// A package whose tarball does not lie where Yarn expects it has `::__archiveUrl=` behind the version.
pub fn yarn_berry(text: &str) -> Vec<Locked> {
    let blocks = text.split("\n\n").filter(|block| !block.contains("@workspace:"));
    let locked = blocks.filter_map(|block| {
        let resolution = yaml(block, "resolution")?;
        let (package, url) = resolution
            .split_once("::__archiveUrl=")
            .map_or((&*resolution, None), |(package, url)| (package, Some(url.to_owned())));
        let (name, version) = package.split_once("@npm:").expect("every package comes from the registry");
        Some(Locked { name: name.to_owned(), version: version.to_owned(), integrity: yaml(block, "checksum"), url })
    });
    locked.collect()
}

/// Reads a `bun.lock`: JSON with trailing commas, `packages` = `[name@version, url, manifest, integrity]` by path.
pub fn bun(text: &str) -> Vec<Locked> {
    let lockfile: Value =
        serde_json::from_str(&without_trailing_commas(text)).expect("bun.lock is JSON but for commas");
    let packages = lockfile["packages"].as_object().expect("bun.lock has packages");
    let locked = packages.values().map(|package| {
        let text = |index: usize| package[index].as_str().map(str::to_owned);
        let description = described(&text(0).expect("a locked package has a name"));
        Locked { integrity: text(3), url: text(1), ..description }
    });
    locked.collect()
}

/// Takes `name@version` apart; the name may start with an `@` of its own.
fn described(text: &str) -> Locked {
    let (name, version) = text.rsplit_once('@').unwrap_or_else(|| panic!("no version in {text:?}"));
    Locked { name: name.to_owned(), version: version.to_owned(), integrity: None, url: None }
}

fn member(package: &Value, name: &str) -> Option<String> {
    package[name].as_str().map(str::to_owned)
}

/// Returns one member of YAML's `{integrity: …, tarball: …}`, written behind `name`.
fn inline(resolution: &str, name: &str) -> Option<String> {
    let (_, value) = resolution.split_once(name)?;
    value.split([',', '}']).next().map(str::to_owned)
}

/// Returns one member of a block of Yarn 4's file.
fn yaml(block: &str, name: &str) -> Option<String> {
    let member = block.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name)?.strip_prefix(": "));
    member.map(|value| value.trim_matches('"').to_owned())
}

/// Removes commas that stand before a closing bracket at the end of a list; strings in the file hold no line end.
fn without_trailing_commas(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.trim_start().starts_with(['}', ']']) {
            let before = lines.pop().map(|before| before.trim_end_matches(','));
            lines.extend(before);
        }
        lines.push(line);
    }
    lines.join("\n")
}
