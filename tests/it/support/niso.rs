//! A small niso registry for tests, on [`FakeUpstream`]. Source: contract niso §1 to §5, §8.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::random::{Random, hex};
use super::resource::{Resource, Seen};
use super::upstream::FakeUpstream;

/// Bytes that a zstd reader passes over, to bring an archive to a length: a number, a length, and as much of anything.
/// Source: RFC 8878 §3.1.2.
const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// Which of its interfaces a registry speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    #[default]
    Present,
    /// Arrays in wrappers, `sha256` for `checksum`, `latest` for `latest_version`, times with zones.
    Former,
}

/// The registry. Dropping it stops its server.
pub struct FakeNiso {
    pub upstream: FakeUpstream,
    generation: Generation,
    apps: Arc<Mutex<BTreeMap<String, App>>>,
}

/// A package: its builds in the order of publishing, and its tags.
#[derive(Clone, Debug)]
pub struct App {
    pub name: String,
    pub builds: Vec<Build>,
    pub tags: Vec<(String, String)>,
    /// Of its documents.
    pub cache_control: String,
}

/// One archive of one version.
#[derive(Clone, Debug)]
pub struct Build {
    pub version: String,
    pub arch: String,
    pub archive: Bytes,
    /// What the list of versions says of it; `None`: nothing.
    pub checksum: Option<String>,
}

// === impl FakeNiso ===

impl FakeNiso {
    pub fn start(generation: Generation) -> Self {
        let (upstream, apps) = (FakeUpstream::start(), Arc::new(Mutex::new(BTreeMap::new())));
        let catalog = Arc::clone(&apps);
        let list = move |seen: &Seen| (seen.path == "/v1/packages").then(|| list(&lock(&catalog), generation));
        upstream.answer_with(Arc::new(list));
        Self { upstream, generation, apps }
    }

    /// Makes a package available, in place of what had its name.
    pub fn publish(&self, app: &App) {
        let document = |path: &str, rows: Vec<Value>| {
            let body = self.wrap(path, rows).to_string();
            let path = format!("/v1/packages/{}/{path}", app.name);
            self.upstream.put(&path, Resource::new("application/json", body).cache_control(&app.cache_control));
        };
        document("versions", app.builds.iter().map(|build| self.row(&app.name, build)).collect());
        document("tags", app.tags.iter().map(|(tag, version)| json!({"tag": tag, "version": version})).collect());
        for build in &app.builds {
            self.upstream.put(&app.path(build), Resource::artifact(build.archive.clone()));
            // What a mirror must never ask for: upstream's own word on what is latest.
            let lie = Resource::artifact(Bytes::from_static(b"never to be asked for"));
            self.upstream.put(&format!("/v1/packages/{}/latest/{}", app.name, build.arch), lie);
        }
        lock(&self.apps).insert(app.name.clone(), app.clone());
    }

    fn wrap(&self, name: &str, rows: Vec<Value>) -> Value {
        match self.generation {
            Generation::Present => Value::Array(rows),
            Generation::Former => json!({ name: rows }),
        }
    }

    fn row(&self, name: &str, build: &Build) -> Value {
        let mut row = json!({
            "name": name, "version": build.version, "arch": build.arch, "size": build.archive.len(),
            "uploaded_at": "2024-03-01T12:30:45", "download_count": 7, "extra": {"b": 1, "a": [2]},
        });
        let sum = match self.generation {
            Generation::Present => "checksum",
            Generation::Former => {
                row["uploaded_at"] = json!("2024-03-01T12:30:45.000Z");
                "sha256"
            }
        };
        if let Some(checksum) = &build.checksum {
            row[sum] = json!(checksum);
        }
        row
    }
}

fn lock(apps: &Mutex<BTreeMap<String, App>>) -> MutexGuard<'_, BTreeMap<String, App>> {
    apps.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers with all packages, whatever part of them is asked for.
fn list(apps: &BTreeMap<String, App>, generation: Generation) -> Resource {
    let row = |app: &App| {
        let newest = app.builds.last().map(|build| build.version.as_str());
        let name = match generation {
            Generation::Present => "latest_version",
            Generation::Former => "latest",
        };
        json!({"name": app.name, name: newest, "description": "Made for a test", "download_count": 7})
    };
    let rows = Value::Array(apps.values().map(row).collect());
    let body = match generation {
        Generation::Present => rows,
        Generation::Former => json!({ "packages": rows }),
    };
    Resource::new("application/json", body.to_string()).cache_control("public, max-age=300")
}

// === impl App ===

impl App {
    pub fn new(name: &str) -> Self {
        let cache_control = "public, max-age=300".to_owned();
        Self { name: name.to_owned(), builds: Vec::new(), tags: Vec::new(), cache_control }
    }

    /// Adds a build of `size` bytes.
    pub fn with(self, version: &str, arch: &str, size: usize) -> Self {
        let archive: Bytes = pack(&self.name, version, arch, size).into();
        let checksum = Some(hex(&Sha256::digest(&archive)));
        self.with_build(Build { version: version.to_owned(), arch: arch.to_owned(), archive, checksum })
    }

    /// Adds a build that is longer by so many bytes that no reader looks at.
    pub fn with_padding(self, version: &str, arch: &str, padding: u32) -> Self {
        let archive: Bytes = pad(pack(&self.name, version, arch, 2_000), padding).into();
        let checksum = Some(hex(&Sha256::digest(&archive)));
        self.with_build(Build { version: version.to_owned(), arch: arch.to_owned(), archive, checksum })
    }

    pub fn with_build(mut self, build: Build) -> Self {
        self.builds.push(build);
        self
    }

    pub fn tag(mut self, tag: &str, version: &str) -> Self {
        self.tags.push((tag.to_owned(), version.to_owned()));
        self
    }

    pub fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = value.to_owned();
        self
    }

    /// Returns the decoded path of an archive, at the registry and at a mirror of it.
    pub fn path(&self, build: &Build) -> String {
        format!("/v1/packages/{}/{}/{}", self.name, build.version, build.arch)
    }
}

/// Packs an archive of exactly `size` bytes, which must be at least 2,000: its manifest, a program, and their sums.
fn pack(name: &str, version: &str, arch: &str, size: usize) -> Vec<u8> {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\ndescription = \"Made for a test\"\n\n[labels]\narch = \"{arch}\"\n"
    );
    let seed = name
        .bytes()
        .chain(version.bytes())
        .chain(arch.bytes())
        .fold(7_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    // What does not compress grows by a little.
    let rest = 1_550 + size / 100;
    let program = Random::new(seed).bytes(size.checked_sub(rest).expect("room for the manifest and the sums"));
    let sums: String = [("manifest.toml", manifest.as_bytes()), ("bin/app", &program)]
        .iter()
        .map(|(path, bytes)| format!("{}  {path}\n", hex(&Sha256::digest(bytes))))
        .collect();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in
        [("manifest.toml", manifest.as_bytes()), ("checksums.sha256", sums.as_bytes()), ("bin/app", &program)]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).expect("a vector takes all bytes");
    }
    let tar = tar.into_inner().expect("a vector takes all bytes");
    let archive = zstd::encode_all(&tar[..], 3).expect("bytes can be compressed");
    let padding = size.checked_sub(archive.len() + 8).expect("a size that holds these files");
    pad(archive, padding as u32)
}

fn pad(mut archive: Vec<u8>, padding: u32) -> Vec<u8> {
    archive.extend(SKIPPED);
    archive.extend(padding.to_le_bytes());
    archive.resize(archive.len() + padding as usize, b'.');
    archive
}

#[cfg(test)]
mod tests {
    use heliostat::registries::niso::name::{Arch, PackageName, Version};
    use heliostat::registries::niso::{proofs, wire};

    use super::*;
    use crate::support::http::{Ask, ask};

    async fn get(registry: &FakeNiso, path: &str) -> crate::support::http::Answer {
        ask(registry.upstream.address(), &Ask::get(path)).await
    }

    #[tokio::test]
    async fn both_generations_say_the_same_to_the_mirror() {
        let name = PackageName::parse("@acme/app").unwrap();
        let app =
            App::new("@acme/app").with("1.0.0", "x86_64", 3_000).with("1.1.0", "x86_64", 4_000).tag("old", "1.0.0");
        for generation in [Generation::Present, Generation::Former] {
            let registry = FakeNiso::start(generation);
            registry.publish(&app.clone().cache_control("no-cache"));
            let versions = get(&registry, "/v1/packages/@acme%2Fapp/versions").await;
            assert_eq!(versions.header("cache-control"), Some("no-cache"));
            let parsed = wire::parse_versions(&versions.body, &name).unwrap();
            assert_eq!(parsed.rows[0].checksum.map(|sum| sum.to_hex()), app.builds[1].checksum, "{generation:?}");
            let tags = get(&registry, "/v1/packages/@acme/app/tags").await;
            let old = wire::parse_tags(&tags.body).unwrap();
            let tag = heliostat::registries::niso::name::Tag::parse("old").unwrap();
            assert_eq!(old.version(&tag), Some(&Version::parse("1.0.0").unwrap()));
            let list = get(&registry, "/v1/packages").await;
            let latest = wire::parse_list(&list.body).unwrap()[0].latest_version.clone();
            assert_eq!(latest, Some(Version::parse("1.1.0").unwrap()));
        }
    }

    #[tokio::test]
    async fn archives_are_of_their_size_and_prove() {
        let registry = FakeNiso::start(Generation::default());
        let app = App::new("app").with("1.0.0", "x86_64", 20_000).with("1.0.0", "arm64", 2_000);
        registry.publish(&app);
        let (name, version) = (PackageName::parse("app").unwrap(), Version::parse("1.0.0").unwrap());
        for build in &app.builds {
            let answer = get(&registry, &app.path(build)).await;
            assert!(answer.is(&build.archive) && Arch::parse(&build.arch).is_ok());
            let checked = proofs::check_archive(&answer.body[..], &name, &version, &wire::Limits::default());
            assert!(checked.unwrap().has_sums);
        }
        assert_eq!((app.builds[0].archive.len(), app.builds[1].archive.len()), (20_000, 2_000));
        let latest = get(&registry, "/v1/packages/app/latest/x86_64").await;
        assert!(!latest.is(&app.builds[0].archive));
        let without = Build { checksum: None, ..app.builds[0].clone() };
        registry.publish(&App::new("app").with_build(without));
        let versions = get(&registry, "/v1/packages/app/versions").await;
        assert!(wire::parse_versions(&versions.body, &name).unwrap().rows[0].checksum.is_none());
    }
}
