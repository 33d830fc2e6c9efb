//! A full npm registry for tests, on [`FakeUpstream`]. Source: contract npm §4-6, 10.1, 11, 18.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::packages::{Package, Release, Signing, Style, iso};
use super::random::{fingerprint, hex};
use super::resource::{Resource, Seen};
use super::signing::Key;
use super::upstream::FakeUpstream;

/// The media type of the abbreviated form.
pub const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
/// What npm's installer sends to get it.
pub const ABBREVIATED_ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/// What a registry has, and what it lacks.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    pub signatures: bool,
    /// ETag, Last-Modified and Cache-Control on documents.
    pub validators: bool,
    /// Has an abbreviated form and looks at `Accept`.
    pub abbreviated: bool,
    /// Only what the least registries have: `latest` alone, no maintainers, revision, readme, search or audit.
    pub reduced: bool,
    /// Freshness of documents, in seconds.
    pub max_age: u32,
}

/// The registry. Dropping it stops its server.
pub struct FakeRegistry {
    pub upstream: FakeUpstream,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    switches: Switches,
    key: Key,
    catalog: Mutex<Catalog>,
}

#[derive(Default)]
struct Catalog {
    packages: BTreeMap<String, Package>,
    /// Package name → advisory.
    advisories: BTreeMap<String, Value>,
    retired: Vec<Value>,
    /// The names of what was changed, the oldest first: their places are their numbers, from 1 on.
    changes: Vec<String>,
}

// === impl Switches ===

impl Default for Switches {
    fn default() -> Self {
        Self { signatures: true, validators: true, abbreviated: true, reduced: false, max_age: 300 }
    }
}

impl Switches {
    pub fn reduced() -> Self {
        Self { signatures: false, validators: false, abbreviated: false, reduced: true, max_age: 0 }
    }
}

// === impl FakeRegistry ===

impl FakeRegistry {
    pub fn start() -> Self {
        Self::start_with(Switches::default())
    }

    pub fn start_with(switches: Switches) -> Self {
        let upstream = FakeUpstream::start();
        let url = upstream.url();
        Self::start_at(upstream, url, switches)
    }

    /// Makes a registry of a server, which calls itself by this URL.
    pub fn start_at(upstream: FakeUpstream, url: String, switches: Switches) -> Self {
        let key = Key::from_seed("the key of the fake registry");
        let shared = Arc::new(Shared { url, switches, key, catalog: Mutex::default() });
        let theirs = shared.clone();
        upstream.answer_with(Arc::new(move |seen| theirs.answer(seen)));
        Self { upstream, shared }
    }

    pub fn url(&self) -> &str {
        &self.shared.url
    }

    pub fn key(&self) -> &Key {
        &self.shared.key
    }

    /// Lists a further key, which signs nothing here.
    pub fn retire(&self, key: &Key) {
        self.shared.catalog().retired.push(key.entry());
    }

    /// Makes a package available, or replaces it by this state of it.
    pub fn publish(&self, package: &Package) {
        for release in &package.releases {
            let path = package.tarball_path(release);
            if path.starts_with('/') {
                self.upstream.put(&path, Resource::artifact(release.tarball.clone()));
            }
        }
        self.put_document(&package.name, self.resource(package));
        self.shared.catalog().changes.push(package.name.clone());
        self.shared.catalog().packages.insert(package.name.clone(), package.clone());
    }

    /// Makes one release of this name available, ready to be fetched.
    pub fn publish_plain(&self, name: &str) -> Package {
        let package = Package::with_versions(name, &["1.0.0"]);
        self.publish(&package);
        package
    }

    /// Takes a package away, tarballs too.
    pub fn withdraw(&self, package: &Package) {
        package.releases.iter().for_each(|release| self.upstream.remove(&package.tarball_path(release)));
        self.upstream.remove(&document_path(&package.name));
        self.shared.catalog().changes.push(package.name.clone());
        self.shared.catalog().packages.remove(&package.name);
    }

    /// Makes a document of about `size` bytes with `versions` versions, of which the last has a tarball.
    pub fn publish_big(&self, name: &str, size: usize, versions: usize) -> Package {
        let padding = size / versions;
        let mut package = Package::new(name);
        for index in 0..versions {
            let mut release = Release::new(&format!("1.0.{index}")).signature(Signing::Missing);
            if index + 1 < versions {
                // Only the sums of what nobody fetches are needed.
                release.tarball = Bytes::from_static(b"nothing");
                release.integrity = fake_integrity(index);
            }
            release.more = padding_members(index, padding.saturating_sub(600));
            package = package.with(release);
        }
        self.publish(&package);
        package
    }

    /// Reports every version of a package as vulnerable.
    pub fn advise(&self, name: &str) {
        let advisory = json!({
            "id": 1_000_001, "url": "https://registry.example/advisories/1", "title": "Made for a test",
            "severity": "high", "vulnerable_versions": "*", "cwe": ["CWE-1"],
            "cvss": {"score": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
        });
        self.shared.catalog().advisories.insert(name.to_owned(), advisory);
    }

    /// Returns the full document as it is served.
    pub fn document(&self, package: &Package) -> String {
        package.print_full(&self.shared.style())
    }

    pub fn abbreviated(&self, package: &Package) -> String {
        package.print_abbreviated(&self.shared.style())
    }

    pub fn manifest(&self, package: &Package, version: &str) -> String {
        package.print_manifest(package.release(version), &self.shared.style())
    }

    fn put_document(&self, name: &str, resource: Resource) {
        self.upstream.put(&document_path(name), resource);
    }

    fn resource(&self, package: &Package) -> Resource {
        let full = self.shared.form(package, "application/json", self.document(package));
        if !self.shared.switches.abbreviated {
            return full;
        }
        let short = self.shared.form(package, ABBREVIATED, self.abbreviated(package));
        Resource { variants: vec![(ABBREVIATED.to_owned(), Arc::new(short))], ..full }
    }
}

// === impl Shared ===

impl Shared {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn style(&self) -> Style<'_> {
        let key = self.switches.signatures.then_some(&self.key);
        Style { url: &self.url, key, reduced: self.switches.reduced }
    }

    fn form(&self, package: &Package, media: &str, text: String) -> Resource {
        let tag = format!("W/\"{}\"", fingerprint(text.as_bytes()));
        let resource = Resource::new(media, text).gzipped();
        if !self.switches.validators {
            return resource;
        }
        let age = format!("public, max-age={}", self.switches.max_age);
        let age = package.cache_control.clone().unwrap_or(age);
        resource.etag(&tag).last_modified(package.modified()).cache_control(&age)
    }

    /// Answers all that is no document and no tarball.
    fn answer(&self, seen: &Seen) -> Option<Resource> {
        let reads = seen.method == "GET" || seen.method == "HEAD";
        let reply = match seen.path.as_str() {
            "/" if reads => {
                let catalog = self.catalog();
                let (count, head) = (catalog.packages.len(), catalog.changes.len());
                json!({"db_name": "registry", "doc_count": count, "update_seq": head})
            }
            "/_changes" if reads => self.changes(seen),
            "/-/ping" if reads => json!({}),
            "/-/npm/v1/keys" if reads && self.switches.signatures => self.keys(),
            "/-/v1/search" if reads && !self.switches.reduced => self.search(seen),
            "/-/npm/v1/security/advisories/bulk" if self.audits(seen) => self.bulk(seen)?,
            "/-/npm/v1/security/audits" | "/-/npm/v1/security/audits/quick" if self.audits(seen) => quick(),
            path if reads => return self.about_package(path),
            _ => return None,
        };
        Some(json_resource(&reply))
    }

    fn audits(&self, seen: &Seen) -> bool {
        seen.method == "POST" && !self.switches.reduced
    }

    fn keys(&self) -> Value {
        let mut keys = vec![self.key.entry()];
        keys.extend(self.catalog().retired.iter().cloned());
        json!({ "keys": keys })
    }

    /// Answers dist-tags, attestations and single versions.
    fn about_package(&self, path: &str) -> Option<Resource> {
        let catalog = self.catalog();
        if let Some(name) = path.strip_prefix("/-/package/").and_then(|rest| rest.strip_suffix("/dist-tags")) {
            let tags: BTreeMap<_, _> = catalog.packages.get(name)?.tags.iter().cloned().collect();
            return Some(json_resource(&json!(tags)));
        }
        if let Some(subject) = path.strip_prefix("/-/npm/v1/attestations/") {
            let (name, version) = subject.rsplit_once('@')?;
            return attestations(catalog.packages.get(name)?, version);
        }
        let (name, spec) = path.strip_prefix('/')?.rsplit_once('/')?;
        let package = catalog.packages.get(name)?;
        let version = package.tagged(spec).unwrap_or(spec);
        let release = package.releases.iter().find(|release| release.version == version)?;
        Some(Resource::new("application/json", package.print_manifest(release, &self.style())))
    }

    /// Tells what has changed: to who opts in, behind a number, as npm does; to others from a number on, as cnpmcore does.
    /// Source: contract npm §10.3, §12.5.
    fn changes(&self, seen: &Seen) -> Value {
        let query: BTreeMap<_, _> = seen.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name, otherwise| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        let (since, limit): (usize, usize) = (number("since", 0), number("limit", 1000));
        let from = if seen.headers.get("npm-replication-opt-in").is_some() { since + 1 } else { since };
        let catalog = self.catalog();
        let numbered = (1..).zip(&catalog.changes).filter(|(number, _)| *number >= from).take(limit);
        let results: Vec<_> =
            numbered.map(|(seq, id)| json!({"seq": seq, "id": id, "changes": [{"rev": "1-x"}]})).collect();
        let last = results.last().map_or(json!(from.saturating_sub(1)), |last| last["seq"].clone());
        json!({"results": results, "last_seq": last})
    }

    /// Source: contract npm §10.1.
    fn search(&self, seen: &Seen) -> Value {
        let query: BTreeMap<_, _> = seen.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let text = query.get("text").copied().unwrap_or_default();
        let number = |name, otherwise| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        let (from, size): (usize, usize) = (number("from", 0), number("size", 20));
        let catalog = self.catalog();
        let hits: Vec<_> = catalog.packages.values().filter(|package| package.name.contains(text)).collect();
        let objects: Vec<_> = hits.iter().skip(from).take(size).map(|package| hit(package)).collect();
        json!({"objects": objects, "total": hits.len(), "time": "2024-06-01T00:00:00.000Z"})
    }

    /// Source: contract npm §11. Only names that were asked come back.
    fn bulk(&self, seen: &Seen) -> Option<Value> {
        let asked: BTreeMap<String, Value> = serde_json::from_slice(&plain_body(seen)?).ok()?;
        let catalog = self.catalog();
        let known = asked.keys().filter_map(|name| Some((name.clone(), json!([catalog.advisories.get(name)?]))));
        Some(Value::Object(known.collect()))
    }
}

/// Returns the path of a package's document, decoded: what requests are counted by.
pub fn document_path(name: &str) -> String {
    format!("/{name}")
}

fn json_resource(value: &Value) -> Resource {
    Resource::new("application/json", value.to_string())
}

fn plain_body(seen: &Seen) -> Option<Vec<u8>> {
    if !seen.headers.lists("content-encoding", "gzip") {
        return Some(seen.body.clone());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(seen.body.as_slice()).read_to_end(&mut plain).ok()?;
    Some(plain)
}

fn quick() -> Value {
    let none = json!({"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0});
    json!({"actions": [], "advisories": {}, "muted": [], "metadata": {"vulnerabilities": none, "dependencies": 1}})
}

fn hit(package: &Package) -> Value {
    let joe = json!({"username": "joe", "email": "joe@registry.example"});
    json!({
        "package": {
            "name": package.name, "scope": "unscoped", "version": package.latest(), "description": "Made for a test",
            "keywords": package.keywords, "date": iso(package.modified()), "links": {}, "publisher": joe,
            "maintainers": [joe], "license": "MIT",
        },
        "score": {"final": 0.5, "detail": {"quality": 0.5, "popularity": 0.5, "maintenance": 0.5}},
        "searchScore": 1.0, "flags": {}, "updated": iso(package.modified()),
    })
}

/// Source: contract npm §6.3. The bundle has the right shape and subject; nobody could verify its signature.
fn attestations(package: &Package, version: &str) -> Option<Resource> {
    let release = package.releases.iter().find(|release| release.version == version && release.attested)?;
    let digest = hex(&Sha512::digest(&release.tarball));
    let subject = json!([{"name": format!("pkg:npm/{}@{version}", package.name.replacen('@', "%40", 1)),
        "digest": {"sha512": digest}}]);
    let entries: Vec<Value> =
        ["https://github.com/npm/attestation/tree/main/specs/publish/v0.1", "https://slsa.dev/provenance/v1"]
            .iter()
            .map(|kind| {
                let statement =
                    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": kind});
                let payload = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, statement.to_string());
                let envelope =
                    json!({"payload": payload, "payloadType": "application/vnd.in-toto+json", "signatures": []});
                json!({"predicateType": kind, "bundle": {
                "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2", "dsseEnvelope": envelope}})
            })
            .collect();
    Some(json_resource(&json!({ "attestations": entries })))
}

fn fake_integrity(index: usize) -> String {
    let sum = Sha512::digest(index.to_le_bytes());
    format!("sha512-{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum))
}

/// Returns about `size` bytes of members as big manifests have them: long dependency lists.
fn padding_members(index: usize, size: usize) -> String {
    let mut text = String::from(r#","devDependencies":{"#);
    let mut number = 0;
    while text.len() < size {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(text, r#"{comma}"@types/dependency-{number}":"^{index}.{}.0""#, number % 17);
        number += 1;
    }
    text.push('}');
    text
}
