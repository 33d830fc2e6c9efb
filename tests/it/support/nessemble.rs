//! A small nessemble registry for tests, on [`FakeUpstream`], with the reference server's own faults on order.
//! Source: contract nessemble §5, §7.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::Digest;

use super::random::{Random, hex};
use super::resource::{Resource, Seen};
use super::upstream::FakeUpstream;

/// What a registry does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// `X-Integrity` is the oldest version's, whichever is sent.
    OldIntegrity,
    /// `shasum` is the oldest version's, whichever is told of.
    OldShasum,
    /// Documents have no `shasum`.
    NoShasum,
    /// `versions` is called `version` too, and the author is an object.
    Twice,
}

/// The registry. Dropping it stops its server.
pub struct FakeNessemble {
    pub upstream: FakeUpstream,
    url: String,
    oddity: Oddity,
    libraries: Arc<Mutex<BTreeMap<String, Library>>>,
}

/// A package and its versions, the oldest first.
#[derive(Clone, Debug)]
pub struct Library {
    pub title: String,
    pub tags: Vec<String>,
    pub versions: Vec<Release>,
    /// Of its documents.
    pub cache_control: String,
}

/// One version.
#[derive(Clone, Debug)]
pub struct Release {
    pub version: String,
    pub archive: Bytes,
}

// === impl FakeNessemble ===

impl FakeNessemble {
    pub fn start(oddity: Oddity) -> Self {
        let (upstream, libraries) = (FakeUpstream::start(), Arc::new(Mutex::new(BTreeMap::new())));
        let (catalog, url) = (Arc::clone(&libraries), upstream.url());
        let page = move |seen: &Seen| (seen.path == "/").then(|| page(&lock(&catalog), seen, &url));
        upstream.answer_with(Arc::new(page));
        Self { url: upstream.url(), upstream, oddity, libraries }
    }

    /// Makes a package available, in place of what had its title.
    pub fn publish(&self, library: &Library) {
        let own = format!("/package/{}", library.title);
        // The reference shows what its database comes upon first: the oldest.
        self.put(library, &library.versions[0], &own);
        for release in &library.versions {
            self.put(library, release, &format!("{own}/{}", release.version));
        }
        lock(&self.libraries).insert(library.title.clone(), library.clone());
    }

    /// Puts a part of the reference.
    pub fn explain(&self, path: &str, text: &str) {
        self.upstream.put(path, Resource::new("text/plain", text.to_owned()).cache_control("max-age=3600"));
    }

    fn put(&self, library: &Library, release: &Release, path: &str) {
        let document = self.document(library, release, path);
        let document = Resource::new("application/json", document).cache_control(&library.cache_control);
        // An integer, which caches must not take for a date.
        self.upstream.put(path, document.header("Expires", "1700003600").header("X-RateLimit-Remaining", "29"));
        self.explain(&format!("{path}/README"), &readme(&library.title));
        let oldest = if self.oddity == Oddity::OldIntegrity { &library.versions[0] } else { release };
        let mut data = Resource::artifact(release.archive.clone()).header("X-Integrity", &oldest.shasum());
        data.content_type = "application/tar+gzip".to_owned();
        self.upstream.put(&format!("{path}/data"), data);
    }

    /// Prints a document in the order of its names, as the reference does; `version` may be there twice.
    fn document(&self, library: &Library, release: &Release, path: &str) -> String {
        let times = library.versions.iter().map(|release| (release.version.clone(), json!("2024-03-01T12:30:45.000Z")));
        let times = Value::Object(times.collect::<Map<_, _>>());
        let oldest = if self.oddity == Oddity::OldShasum { &library.versions[0] } else { release };
        let (author, versions) = match self.oddity {
            Oddity::Twice => (json!({"name": "joe", "email": "joe@registry.example"}), "version"),
            Oddity::None | Oddity::OldIntegrity | Oddity::OldShasum | Oddity::NoShasum => (json!("joe"), "versions"),
        };
        let mut start = json!({
            "author": author, "date": "2024-03-01T12:30:45.000Z", "description": "Made for a test", "license": "MIT",
            "readme": format!("{}{path}/README", self.url), "resource": format!("{}{path}/data", self.url),
            "shasum": oldest.shasum(), "tags": library.tags, "title": library.title, "version": release.version,
        });
        if self.oddity == Oddity::NoShasum {
            start.as_object_mut().expect("an object").remove("shasum");
        }
        let start = start.to_string();
        format!(r#"{},"{versions}":{times}}}"#, start.trim_end_matches('}'))
    }
}

fn lock(libraries: &Mutex<BTreeMap<String, Library>>) -> MutexGuard<'_, BTreeMap<String, Library>> {
    libraries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers with one page of the list, whose `total` counts versions, as the reference does.
fn page(libraries: &BTreeMap<String, Library>, seen: &Seen, url: &str) -> Resource {
    let query: BTreeMap<_, _> = seen.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name, otherwise| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (page, size): (usize, usize) = (number("page", 1), number("per_page", 10));
    let listed = libraries.values().skip((page - 1) * size).take(size).map(|library| {
        let own = format!("{url}/package/{}", library.title);
        json!({"title": library.title, "description": "Made for a test", "tags": library.tags, "url": own})
    });
    let next = (page * size < libraries.len()).then(|| format!("{url}/?page={}&per_page={size}", page + 1));
    let total: usize = libraries.values().map(|library| library.versions.len()).sum();
    let pagination = json!({"page": page, "per_page": size, "total": total, "prev": null, "next": next});
    let body = json!({"packages": listed.collect::<Vec<_>>(), "pagination": pagination});
    Resource::new("application/json", body.to_string()).cache_control("max-age=3600")
}

// === impl Library ===

impl Library {
    pub fn new(title: &str) -> Self {
        let cache_control = "max-age=3600".to_owned();
        Self { title: title.to_owned(), tags: vec!["test".to_owned()], versions: Vec::new(), cache_control }
    }

    /// Adds a version whose archive has `size` bytes, as it is installed by the old client.
    pub fn with(mut self, version: &str, size: usize) -> Self {
        let archive = pack(&self.title, version, size).into();
        self.versions.push(Release { version: version.to_owned(), archive });
        self
    }

    pub fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = value.to_owned();
        self
    }
}

impl Release {
    pub fn shasum(&self) -> String {
        hex(&Sha1::digest(&self.archive))
    }
}

/// Returns what the README of a package says.
pub fn readme(title: &str) -> String {
    format!("# {title}\n\nMade for a test.\n")
}

/// Packs an archive of exactly `size` bytes, which must be from 1,000 to 35,000: unpacked, it is about twice as long, and
/// the old client takes 65,536. The code takes what room there is, and the name within the gzip header the rest.
fn pack(title: &str, version: &str, size: usize) -> Vec<u8> {
    let package = json!({
        "title": title, "description": "Made for a test", "version": version, "author": "joe", "license": "MIT",
        "tags": ["test"],
    });
    let (package, readme) = (package.to_string(), readme(title));
    let seed = title.bytes().chain(version.bytes()).fold(7_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    // Text, since the old client cannot read blocks that are stored as they are.
    let code = hex(&Random::new(seed).bytes(size));
    let packed = |length: usize, padding: usize| {
        let files = [("lib.asm", &code[..length]), ("package.json", &package), ("README.md", &readme)];
        gzip(&format!("{title}{}.tar", "x".repeat(padding)), &archive(&files))
    };
    let (mut fits, mut too_long) = (0, code.len());
    while too_long - fits > 1 {
        let middle = fits.midpoint(too_long);
        if packed(middle, 0).len() <= size { fits = middle } else { too_long = middle }
    }
    let padding = size.checked_sub(packed(fits, 0).len()).expect("a size that holds these files");
    packed(fits, padding)
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_bytes()).expect("a vector takes all bytes");
    }
    tar.into_inner().expect("a vector takes all bytes")
}

/// Compresses under the header that the old client installs from: a name, and no NUL before its end.
///
/// Source: contract nessemble §6.1.
fn gzip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let builder = GzBuilder::new().filename(name).mtime(0x0101_0101).operating_system(255);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

#[cfg(test)]
mod tests {
    use heliostat::registries::nessemble::name::{Title, Version};
    use heliostat::registries::nessemble::{proofs, wire};

    use super::*;
    use crate::support::http::{Answer, Ask, ask};

    async fn get(registry: &FakeNessemble, path: &str) -> Answer {
        ask(registry.upstream.address(), &Ask::get(path)).await
    }

    fn foo() -> (Library, Title) {
        let library = Library::new("foo").with("1.0.0", 1_000).with("1.0.1", 20_000).cache_control("no-cache");
        (library, Title::parse("foo").unwrap())
    }

    async fn package(registry: &FakeNessemble, version: &str) -> wire::Package {
        let (asked, title) = (Version::parse(version).unwrap(), Title::parse("foo").unwrap());
        let answer = get(registry, &format!("/package/foo/{version}")).await;
        wire::parse_package(&answer.body, &title, Some(&asked)).unwrap()
    }

    #[tokio::test]
    async fn archives_are_of_their_size_and_prove() {
        let (library, title) = foo();
        let registry = FakeNessemble::start(Oddity::None);
        registry.publish(&library);
        for (release, size) in library.versions.iter().zip([1_000, 20_000]) {
            let data = get(&registry, &format!("/package/foo/{}/data", release.version)).await;
            assert!(data.is(&release.archive) && data.body.len() == size);
            assert_eq!(data.header("x-integrity"), Some(release.shasum().as_str()));
            let version = Version::parse(&release.version).unwrap();
            let archive = proofs::check_archive(&data.body, &title, &version).unwrap();
            assert_eq!(archive.readme, get(&registry, "/package/foo/README").await.body);
            assert_eq!(package(&registry, &release.version).await.shasum, Some(release.shasum()));
        }
        let document = get(&registry, "/package/foo").await;
        assert_eq!(document.header("cache-control"), Some("no-cache"));
        let parsed = wire::parse_package(&document.body, &title, None).unwrap();
        assert_eq!((parsed.version.as_str(), parsed.default_version().as_str()), ("1.0.0", "1.0.1"));
    }

    #[tokio::test]
    async fn the_reference_servers_faults_are_there_on_order() {
        let (library, _) = foo();
        let (old, new) = (library.versions[0].shasum(), library.versions[1].shasum());
        for (oddity, shasum, integrity) in [
            (Oddity::None, Some(&new), &new),
            (Oddity::OldIntegrity, Some(&new), &old),
            (Oddity::OldShasum, Some(&old), &new),
            (Oddity::NoShasum, None, &new),
            (Oddity::Twice, Some(&new), &new),
        ] {
            let registry = FakeNessemble::start(oddity);
            registry.publish(&library);
            let data = get(&registry, "/package/foo/1.0.1/data").await;
            assert_eq!(data.header("x-integrity"), Some(integrity.as_str()), "{oddity:?}");
            let package = package(&registry, "1.0.1").await;
            assert_eq!((package.shasum.as_ref(), package.versions.len()), (shasum, 2), "{oddity:?}");
            assert_eq!(package.author, "joe", "{oddity:?}");
        }
    }

    #[tokio::test]
    async fn the_list_comes_in_pages_and_the_reference_as_text() {
        let registry = FakeNessemble::start(Oddity::None);
        for title in ["a", "b", "c"] {
            registry.publish(&Library::new(title).with("1.0.0", 1_000));
        }
        registry.explain("/reference/registers", "  PPUCTRL\n");
        let mut pages = Vec::new();
        let mut next = Some(1);
        while let Some(number) = next {
            let answer = get(&registry, &format!("/?page={number}&per_page=2")).await;
            let page = wire::parse_page(&answer.body).unwrap();
            next = page.next;
            pages.push(page);
        }
        assert_eq!(pages.len(), 2);
        let titles: Vec<_> = wire::merge(pages).iter().map(|listed| listed.title.to_string()).collect();
        assert_eq!(titles, ["a", "b", "c"]);
        assert_eq!(get(&registry, "/reference/registers").await.text(), "  PPUCTRL\n");
    }
}
