//! A full Hex repository for tests, on [`FakeUpstream`]: signed documents, tarballs, documentation, its key, the old
//! registry, builds of Hex, and organizations behind a key. Source: contract hex §1-3.
//!
//! Messages are written field by field, so that what reads them is not what wrote them.

mod packages;
mod protobuf;
mod signing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha512};

pub use self::packages::{Package, Release};
pub use self::signing::{Key, PinnedKey};

use self::protobuf::{bytes, message, number, text};
use super::random::{fingerprint, hex};
use super::resource::{Resource, Seen, gzip};
use super::upstream::FakeUpstream;

/// What every document and tarball is served as: what the compressed ones hold is no business of HTTP.
const OCTETS: &str = "application/octet-stream";
/// Freshness of documents, in seconds.
const MAX_AGE: u32 = 300;

/// The repository. Dropping it stops its server.
pub struct FakeHex {
    pub upstream: FakeUpstream,
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    key: Key,
    catalog: Mutex<Catalog>,
}

#[derive(Default)]
struct Catalog {
    packages: BTreeMap<String, Package>,
    organizations: BTreeMap<String, Organization>,
    /// Rows of `installs/hex-1.x.csv`.
    builds: String,
}

/// A repository beside the public one, below `repos/NAME`.
struct Organization {
    /// What `Authorization` must hold.
    secret: String,
    packages: BTreeMap<String, Package>,
    /// Path from `repos/NAME/` → what is there.
    resources: BTreeMap<String, Resource>,
}

// === impl FakeHex ===

impl FakeHex {
    /// Starts the repository `hexpm`, with the key of the tests.
    pub fn start() -> Self {
        Self::start_as("hexpm", Key::repository())
    }

    pub fn start_as(name: &str, key: Key) -> Self {
        let upstream = FakeUpstream::start();
        let shared = Arc::new(Shared { name: name.to_owned(), key, catalog: Mutex::default() });
        let theirs = Arc::clone(&shared);
        upstream.answer_with(Arc::new(move |seen| theirs.answer(seen)));
        let fake = Self { upstream, shared };
        fake.upstream.put("/public_key", Resource::new("text/plain", fake.key().to_pem()));
        fake.relist();
        fake
    }

    pub fn key(&self) -> &Key {
        &self.shared.key
    }

    /// Makes a package available, or replaces it by this state of it.
    pub fn publish(&self, package: &Package) {
        for (path, resource) in self.shared.resources(&self.shared.name, package) {
            self.upstream.put(&format!("/{path}"), resource);
        }
        self.shared.catalog().packages.insert(package.name.clone(), package.clone());
        self.relist();
    }

    /// Makes one release of this name available, ready to be fetched.
    pub fn publish_plain(&self, name: &str) -> Package {
        let package = Package::with_versions(name, &["1.0.0"]);
        self.publish(&package);
        package
    }

    /// Takes a package away, tarballs too.
    pub fn withdraw(&self, package: &Package) {
        for (path, _) in self.shared.resources(&self.shared.name, package) {
            self.upstream.remove(&format!("/{path}"));
        }
        self.shared.catalog().packages.remove(&package.name);
        self.relist();
    }

    /// Makes a package available in an organization, to who sends `secret`.
    pub fn publish_privately(&self, organization: &str, secret: &str, package: &Package) {
        let resources = self.shared.resources(organization, package);
        let mut catalog = self.shared.catalog();
        let new = || Organization { secret: secret.to_owned(), packages: BTreeMap::new(), resources: BTreeMap::new() };
        let place = catalog.organizations.entry(organization.to_owned()).or_insert_with(new);
        place.packages.insert(package.name.clone(), package.clone());
        place.resources.extend(resources);
        place.resources.extend(self.shared.listings(organization, &place.packages));
    }

    /// Puts a resource into an organization that has been published to.
    pub fn put_privately(&self, organization: &str, path: &str, resource: Resource) {
        let mut catalog = self.shared.catalog();
        let place = catalog.organizations.get_mut(organization).expect("an organization");
        place.resources.insert(path.to_owned(), resource);
    }

    /// Makes a policy available that denies a whole package of this repository.
    pub fn deny(&self, policy: &str, package: &str) {
        let entry = [text(1, &self.shared.name), message(3, &[number(1, 1), message(2, &[text(1, package)])])];
        let payload = [text(1, &self.shared.name), text(2, policy), number(4, 1), message(5, &entry)].concat();
        self.upstream.put(&format!("/policies/{policy}"), document(self.seal(&payload)));
    }

    /// Makes documentation available.
    pub fn document(&self, package: &str, version: &str, files: &[(&str, &[u8])]) -> Bytes {
        let docs = Bytes::from(gzip(&packages::archive(files)));
        let resource = Resource::artifact(docs.clone()).cache_control("public, max-age=86400");
        self.upstream.put(&format!("/docs/{package}-{version}.tar.gz"), resource);
        docs
    }

    /// Makes the old registry available, and its signature in a file.
    pub fn publish_v1(&self, table: &[u8]) {
        let body = gzip(table);
        let signature = hex(&self.key().sign(&body));
        self.upstream.put("/registry.ets.gz", document(body));
        self.upstream.put("/registry.ets.gz.signed", Resource::new("text/plain", signature));
    }

    /// Makes a build of Hex available, and adds it to the signed list.
    pub fn publish_build(&self, version: &str, elixir: &str, archive: &[u8]) {
        let row = format!("{version},{},{elixir}\n", hex(&Sha512::digest(archive)));
        let list = {
            let mut catalog = self.shared.catalog();
            catalog.builds.push_str(&row);
            catalog.builds.clone()
        };
        self.upstream.put(&format!("/installs/{elixir}/hex-{version}.ez"), Resource::artifact(archive.to_vec()));
        let signature = self.key().sign_in_base64(list.as_bytes());
        self.upstream.put("/installs/hex-1.x.csv.signed", Resource::new("text/plain", signature));
        self.upstream.put("/installs/hex-1.x.csv", Resource::new("text/csv", list));
    }

    /// Returns a package's document as it is served.
    pub fn package_document(&self, package: &Package) -> Bytes {
        self.seal(&package.payload(&self.shared.name)).into()
    }

    /// Signs and compresses a payload, whatever it is.
    pub fn seal(&self, payload: &[u8]) -> Vec<u8> {
        seal(&self.shared.key, payload)
    }

    /// Prints the lists anew.
    fn relist(&self) {
        let packages = self.shared.catalog().packages.clone();
        for (path, resource) in self.shared.listings(&self.shared.name, &packages) {
            self.upstream.put(&format!("/{path}"), resource);
        }
    }
}

// === impl Shared ===

impl Shared {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what a repository has of a package, by path.
    fn resources(&self, repository: &str, package: &Package) -> Vec<(String, Resource)> {
        let body = seal(&self.key, &package.payload(repository));
        let mut resources = vec![(format!("packages/{}", package.name), document(body))];
        for release in &package.releases {
            let tarball = Resource::artifact(release.tarball.clone()).cache_control("public, max-age=604800");
            resources.push((format!("tarballs/{}-{}.tar", package.name, release.version), tarball));
        }
        resources
    }

    /// Returns a repository's lists, by path.
    fn listings(&self, repository: &str, packages: &BTreeMap<String, Package>) -> [(String, Resource); 2] {
        let names = packages
            .values()
            .map(|package| message(1, &[text(1, &package.name), message(3, &[number(1, 1), number(2, 0)])]));
        let versions = packages.values().filter(|package| !package.releases.is_empty()).map(|package| {
            let versions = package.releases.iter().map(|release| text(2, &release.version));
            let retired = package.releases.iter().enumerate().filter(|(_, release)| release.retired.is_some());
            let retired: Vec<u8> = retired.flat_map(|(index, _)| protobuf::varint(index as u64)).collect();
            let fields: Vec<Vec<u8>> = [text(1, &package.name)].into_iter().chain(versions).collect();
            message(1, &[fields.concat(), if retired.is_empty() { retired } else { bytes(3, &retired) }])
        });
        let sealed =
            |packages: Vec<Vec<u8>>| document(seal(&self.key, &[packages.concat(), text(2, repository)].concat()));
        [("names".to_owned(), sealed(names.collect())), ("versions".to_owned(), sealed(versions.collect()))]
    }

    /// Answers what lies in an organization: to its members alone.
    fn answer(&self, seen: &Seen) -> Option<Resource> {
        let (organization, path) = seen.path.strip_prefix("/repos/")?.split_once('/')?;
        let catalog = self.catalog();
        let organization = catalog.organizations.get(organization)?;
        if seen.headers.get("authorization") != Some(&organization.secret) {
            return Some(Resource::new("text/plain", "not authorized").status(401));
        }
        let mut resource = organization.resources.get(path).cloned()?;
        resource.cache_control = resource.cache_control.map(|value| value.replace("public", "private"));
        Some(resource)
    }
}

fn seal(key: &Key, payload: &[u8]) -> Vec<u8> {
    gzip(&[bytes(1, payload), bytes(2, &key.sign(payload))].concat())
}

fn document(body: Vec<u8>) -> Resource {
    let tag = format!("\"{}\"", fingerprint(&body));
    let mut resource = Resource::new(OCTETS, body).etag(&tag).cache_control(&format!("public, max-age={MAX_AGE}"));
    resource.ranges = true;
    resource
}

#[cfg(test)]
mod tests;
