//! Builds that packages host elsewhere: where they are is worked out from the `binary` member of each version, by
//! platforms, architectures and whatever else its templates name. Nobody has seen them yet. Pure.
//!
//! ```text
//! "binary": {"module_name": "node_sqlite3", "host": "https://builds.example/sqlite3", "remote_path": "./v{version}/",
//!            "package_name": "napi-v{napi_build_version}-{platform}-{arch}.tar.gz", "napi_versions": [3, 6]}
//! ```
//!
//! Source: node-pre-gyp's README, "the binary property", and its `lib/util/versioning.js`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::listing::{Found, Listing, MAX_ENTRIES, Malformed, place_of, read_date};

/// What builds are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    pub platforms: Vec<String>,
    pub architectures: Vec<String>,
    /// On Linux.
    pub libcs: Vec<String>,
    /// Numbers of node's ABI.
    pub abis: Vec<u32>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    versions: BTreeMap<String, Manifest>,
    #[serde(default)]
    time: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    binary: Value,
}

/// What a version says of its builds.
struct Builds<'a> {
    host: Url,
    remote_path: &'a str,
    file: &'a str,
    napi: Vec<u64>,
    /// What templates name, whatever the build is for.
    fixed: Vec<(&'static str, String)>,
}

/// What one build is for; empty where no template tells.
struct Target {
    platform: String,
    architecture: String,
    libc: String,
    abi: String,
    napi: String,
    label: String,
}

/// The file of a version that says nothing of it.
const FILE: &str = "{module_name}-v{version}-{node_abi}-{platform}-{arch}.tar.gz";

/// Reads a package's document into a listing, and returns how many of its versions have builds. `root` is the URL of the
/// tree that those lie in.
///
/// # Errors
/// It is no document of a package.
pub fn parse(json: &[u8], targets: &Targets, root: &Url, listing: &mut Listing) -> Result<usize, Malformed> {
    let document: Document =
        serde_json::from_slice(json).map_err(|error| Malformed::of("document of a package", error))?;
    let mut count = 0;
    for (number, manifest) in &document.versions {
        let Some(builds) = Builds::read(number, &manifest.binary) else { continue };
        let date = read_date(document.time.get(number).and_then(Value::as_str).unwrap_or_default());
        count += usize::from(builds.add(targets, &date, root, listing));
    }
    Ok(count)
}

// === impl Builds ===

impl<'a> Builds<'a> {
    fn read(number: &str, binary: &'a Value) -> Option<Self> {
        let text = |name: &str| binary.get(name).and_then(Value::as_str);
        let mut host = Url::parse(text("host")?).ok()?;
        if !host.path().ends_with('/') {
            host.set_path(&format!("{}/", host.path()));
        }
        let read = semver::Version::parse(number).ok()?;
        let module = text("module_name")?;
        let fixed = vec![
            ("module_name", module.to_owned()),
            ("name", module.to_owned()),
            ("version", number.to_owned()),
            ("major", read.major.to_string()),
            ("minor", read.minor.to_string()),
            ("patch", read.patch.to_string()),
            ("prerelease", read.pre.to_string()),
            ("build", read.build.to_string()),
            ("configuration", "Release".to_owned()),
            ("toolset", String::new()),
        ];
        let napi = binary.get("napi_versions").and_then(Value::as_array);
        let napi = napi.map(|numbers| numbers.iter().filter_map(Value::as_u64).collect()).unwrap_or_default();
        let file = text("package_name").unwrap_or(FILE);
        Some(Self { host, remote_path: text("remote_path").unwrap_or_default(), file, napi, fixed })
    }

    /// Adds all builds that there may be, and tells whether there are any.
    fn add(&self, targets: &Targets, date: &str, root: &Url, listing: &mut Listing) -> bool {
        let mut is_any = false;
        for target in self.targets(targets).take(MAX_ENTRIES) {
            let value = |name: &str| target.value(name).or_else(|| self.find_fixed(name));
            let (Some(directory), Some(file)) = (fill(self.remote_path, value), fill(self.file, value)) else {
                return is_any;
            };
            let path = tidy(&format!("{directory}/{file}"));
            let url = self.host.join(&format!("./{path}")).ok();
            let Some(place) = url.as_ref().and_then(|url| place_of(url, root)) else {
                listing.left_out += 1;
                continue;
            };
            let found = Found { size: None, date: date.to_owned(), place: place.to_owned(), is_certain: false };
            is_any |= listing.add(&path, found);
        }
        is_any
    }

    fn find_fixed(&self, name: &str) -> Option<&str> {
        self.fixed.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Names what each build is for, as far as the templates tell them apart.
    fn targets<'b>(&'b self, targets: &'b Targets) -> impl Iterator<Item = Target> + 'b {
        let abis = targets.abis.iter().map(|abi| format!("node-v{abi}")).collect();
        let napi: Vec<String> = self.napi.iter().map(u64::to_string).collect();
        let abi_names = if napi.is_empty() { &["node_abi", "node_napi_label"][..] } else { &["node_abi"] };
        let platforms = self.values(&["platform", "target_platform"], targets.platforms.clone());
        let architectures = self.values(&["arch", "target_arch"], targets.architectures.clone());
        let abis = self.values(abi_names, abis);
        let napi = self.values(&["napi_build_version", "napi_version", "node_napi_label"], napi);
        let napi = if napi.is_empty() && !self.names(&["napi_build_version", "napi_version"]) {
            vec![String::new()]
        } else {
            napi
        };
        let target = |platform: &str| {
            let libcs = match platform {
                "" | "linux" => targets.libcs.clone(),
                _ => vec!["unknown".to_owned()],
            };
            Target::all(platform, &[architectures.clone(), self.values(&["libc"], libcs), abis.clone(), napi.clone()])
        };
        let all: Vec<_> = platforms.iter().map(|platform| target(platform)).collect();
        all.into_iter().flatten()
    }

    /// Tells whether one of the templates has one of these names.
    fn names(&self, names: &[&str]) -> bool {
        let has = |name: &&str| [self.remote_path, self.file].iter().any(|text| text.contains(&format!("{{{name}}}")));
        names.iter().any(has)
    }

    /// Returns the values that a name has in turn; one that stands for nothing, where no template has the name.
    fn values(&self, names: &[&str], values: Vec<String>) -> Vec<String> {
        if self.names(names) { values } else { vec![String::new()] }
    }
}

// === impl Target ===

impl Target {
    /// Combines architectures, libcs, ABIs and versions of Node-API.
    fn all(platform: &str, [architectures, libcs, abis, napi]: &[Vec<String>; 4]) -> Vec<Self> {
        let mut all = Vec::new();
        for architecture in architectures {
            for libc in libcs {
                for abi in abis {
                    all.extend(napi.iter().map(|napi| Self {
                        platform: platform.to_owned(),
                        architecture: architecture.clone(),
                        libc: libc.clone(),
                        label: if napi.is_empty() { abi.clone() } else { format!("napi-v{napi}") },
                        abi: abi.clone(),
                        napi: napi.clone(),
                    }));
                }
            }
        }
        all
    }

    fn value(&self, name: &str) -> Option<&str> {
        match name {
            "platform" | "target_platform" => Some(&self.platform),
            "arch" | "target_arch" => Some(&self.architecture),
            "libc" => Some(&self.libc),
            "node_abi" => Some(&self.abi),
            "node_napi_label" => Some(&self.label),
            "napi_build_version" | "napi_version" => Some(&self.napi),
            _ => None,
        }
    }
}

/// Fills a template; `None` where it names what nobody knows.
fn fill<'a>(template: &str, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut pieces = template.split('{');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}')?;
        filled.push_str(value(name)?);
        filled.push_str(rest);
    }
    Some(filled)
}

/// Takes what means nothing out of a path.
fn tidy(path: &str) -> String {
    path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Targets {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Targets {
            platforms: texts(&["darwin", "linux"]),
            architectures: texts(&["arm64", "x64"]),
            libcs: texts(&["glibc", "musl"]),
            abis: vec![115, 127],
        }
    }

    /// Returns how many versions have builds, and all files with their places.
    fn read(binary: &str) -> (usize, Vec<(String, String)>) {
        let root = "https://builds.example/".parse().unwrap();
        let json = format!(
            "{{\"name\": \"x\", \"time\": {{\"1.2.3-rc.1\": \"2024-03-01T12:30:45.000Z\", \"unpublished\": {{}}}}, \
             \"versions\": {{\"1.2.3-rc.1\": {{\"binary\": {binary}}}, \"0.9.0\": {{}}}}}}"
        );
        let mut listing = Listing::default();
        let count = parse(json.as_bytes(), &targets(), &root, &mut listing).unwrap();
        let files = listing.into_directories().into_iter().flat_map(|(path, entries)| {
            let files = entries.into_iter().filter(|entry| !entry.is_directory);
            files.map(move |entry| {
                assert!(!entry.is_certain && entry.date == "2024-03-01T12:30:45.000Z");
                (format!("{path}{}", entry.name), entry.place)
            })
        });
        (count, files.collect())
    }

    #[test]
    fn builds_are_told_apart_by_what_their_templates_name() {
        let (count, files) = read(
            r#"{"module_name": "tool", "host": "https://builds.example/acme", "remote_path": "./v{version}/",
                "package_name": "napi-v{napi_build_version}-{platform}-{libc}.tgz", "napi_versions": [3, 6]}"#,
        );
        let names: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        let expected =
            ["3-darwin-unknown", "3-linux-glibc", "3-linux-musl", "6-darwin-unknown", "6-linux-glibc", "6-linux-musl"];
        assert_eq!(names, expected.map(|name| format!("v1.2.3-rc.1/napi-v{name}.tgz")));
        assert_eq!((count, files[0].1.as_str()), (1, "acme/v1.2.3-rc.1/napi-v3-darwin-unknown.tgz"));
        let (_, files) = read(r#"{"module_name": "tool", "host": "https://builds.example"}"#);
        assert_eq!((files.len(), files[0].0.as_str()), (8, "tool-v1.2.3-rc.1-node-v115-darwin-arm64.tar.gz"));
        let (_, files) = read(
            r#"{"module_name": "tool", "host": "https://builds.example/", "remote_path": "{major}.{minor}//{toolset}/",
                "package_name": "{node_napi_label}.tgz"}"#,
        );
        let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["1.2/node-v115.tgz", "1.2/node-v127.tgz"]);
    }

    #[test]
    fn what_says_nothing_that_is_understood_has_no_builds() {
        for binary in [
            "null",
            "7",
            "{}",
            r#"{"module_name": "tool"}"#,
            r#"{"module_name": "tool", "host": "builds"}"#,
            r#"{"module_name": "tool", "host": "https://other.example/"}"#,
            r#"{"module_name": "tool", "host": {"staging": "https://builds.example/"}}"#,
            r#"{"module_name": "tool", "host": "https://builds.example/", "package_name": "{unknown}"}"#,
            r#"{"module_name": "tool", "host": "https://builds.example/", "package_name": "{platform"}"#,
            r#"{"module_name": "tool", "host": "https://builds.example/", "package_name": "{napi_version}.tgz"}"#,
            r#"{"module_name": "tool", "host": "https://builds.example/", "remote_path": "../{platform}"}"#,
            r#"{"module_name": "\u0000", "host": "https://builds.example/"}"#,
        ] {
            assert_eq!(read(binary), (0, Vec::new()), "{binary}");
        }
        let root = "https://builds.example/".parse().unwrap();
        for json in ["", "7", "{\"versions\": []}", "{\"versions\": {\"1.0.0\": 7}}"] {
            assert!(parse(json.as_bytes(), &targets(), &root, &mut Listing::default()).is_err(), "{json}");
        }
    }
}
