//! Where each thing comes from, and the resource with its proofs. URLs are made here, never taken from an upstream's
//! links (contract nessemble §7).

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Error;
use super::first_seen::Releases;
use super::name::{Title, Version};
use super::proofs::INTEGRITY;
use super::vouch;
use super::wire::{MAX_ARCHIVE, Package};
use crate::base::digest::Digest;
use crate::base::secret::SafeUrl;
use crate::mirror::resource::{Expires, Release, Resource, Upstream};
use crate::registries::Upstreams;
use crate::registries::shelf::Shelf;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const ARCHIVE: &str = "application/tar+gzip";

/// Packages asked for at once: upstreams allow few requests a minute.
const PER_PAGE: u64 = 1_000;
/// Pages followed; a list that goes on after that is not believed.
pub const MAX_PAGES: u64 = 100;

/// All that stands in a path for more than itself.
const NOT_IN_SEGMENTS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Names every resource of one mount.
pub struct Sources {
    upstreams: Upstreams,
    pub shelf: Shelf,
}

impl Sources {
    pub fn new(shelf: Shelf, upstreams: Upstreams) -> Self {
        Self { upstreams, shelf }
    }

    /// Returns the upstream: titles have no scopes, so that there is one for all.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstreams.default
    }

    /// Names the upstream in a log, without credentials.
    pub fn name_upstream(&self) -> String {
        SafeUrl::from(self.upstream().url.clone()).to_string()
    }

    /// One page of the list, from 1 on. Source: contract nessemble §5.1, §8.
    pub fn page(&self, number: u64) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(self.upstream(), &["/list/", &number.to_string()]);
        let path = format!("?page={number}&per_page={PER_PAGE}");
        Ok(Arc::new(Resource { proofs: vouch::page(), ..self.document(key, &path, JSON)? }))
    }

    /// The document of a package, or of one version of it. Source: contract nessemble §5.4.
    pub fn package(&self, title: &Title, version: Option<&Version>) -> Result<Arc<Resource>, Error> {
        let key = match version {
            None => self.shelf.key(self.upstream(), &["/package/", title.as_str()]),
            Some(version) => self.shelf.key(self.upstream(), &["/version/", title.as_str(), "/", version.as_str()]),
        };
        let document = self.document(key, &package_path(title, version), JSON)?;
        Ok(Arc::new(Resource {
            package: title.to_string(),
            proofs: vouch::package(title, version),
            chronicle: Some(Arc::new(Releases::of(&self.shelf.mount, title, version))),
            ..document
        }))
    }

    pub fn archive_key(&self, title: &Title, version: &Version) -> String {
        self.shelf.key(self.upstream(), &["/archive/", title.as_str(), "/", version.as_str()])
    }

    /// The archive of the version that a document is of, with what that vouches for, and the document's key and digest.
    /// Source: contract nessemble §7.
    pub fn archive(&self, package: &Package, document: Option<(Arc<str>, Digest)>) -> Result<Arc<Resource>, Error> {
        let Package { title, version, .. } = package;
        let key = self.archive_key(title, version);
        let url = self.url(&format!("{}/data", package_path(title, Some(version))))?;
        let vouched = vouch::archive(package);
        Ok(Arc::new(Resource {
            package: title.to_string(),
            accept: Some(ARCHIVE),
            keeps: &[INTEGRITY],
            etag: vouched.etag,
            proofs: vouched.proofs,
            release: Some(Release {
                name: Releases::name(&self.shelf.mount, title, version),
                testimony: package.shasum.clone(),
                document,
                is_provisional: false,
            }),
            max_bytes: MAX_ARCHIVE,
            ..self.shelf.artifact(self.upstream(), key, url)
        }))
    }

    /// A part of the reference. Source: contract nessemble §5.7.
    pub fn reference(&self, path: &[String]) -> Result<Arc<Resource>, Error> {
        let encoded: String = path.iter().fold("reference".to_owned(), |path, term| path + "/" + &segment(term));
        let key = self.shelf.key(self.upstream(), &["/", &encoded]);
        Ok(Arc::new(Resource { proofs: vouch::reference(), ..self.document(key, &encoded, TEXT)? }))
    }

    fn document(&self, key: String, path: &str, accept: &'static str) -> Result<Resource, Error> {
        let document = self.shelf.document(self.upstream(), key, self.url(path)?);
        // Source: contract nessemble §3, §7: seconds since 1970, or -1.
        Ok(Resource { accept: Some(accept), expires: Expires::OnlyDates, ..document })
    }

    fn url(&self, path: &str) -> Result<url::Url, Error> {
        self.upstream().join(path).map_err(|_| Error::internal("a path that is no URL"))
    }
}

/// Titles and versions stand in a path as they are.
fn package_path(title: &Title, version: Option<&Version>) -> String {
    let version = version.map_or_else(String::new, |version| format!("/{version}"));
    format!("package/{title}{version}")
}

fn segment(term: &str) -> String {
    utf8_percent_encode(term, NOT_IN_SEGMENTS).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::config;
    use crate::registries::nessemble::samples;

    fn sources() -> Sources {
        let upstream = Upstream {
            url: "https://registry.example/registry/".parse().unwrap(),
            id: "id".to_owned(),
            authorization: None,
            allow_private: false,
            artifact_hosts: Vec::new(),
        };
        let mount = config::Mount { name: "nessemble".to_owned(), ..config::Mount::default() };
        Sources::new(Shelf::new(&mount), Upstreams { default: Arc::new(upstream), scopes: HashMap::new() })
    }

    fn title(text: &str) -> Title {
        Title::parse(text).unwrap()
    }

    fn reference(sources: &Sources, path: &[&str]) -> Arc<Resource> {
        sources.reference(&path.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn every_resource_has_its_place_at_the_upstream() {
        let sources = sources();
        let version = Version::parse("1.0.1+b").unwrap();
        let base = "https://registry.example/registry";
        for (want, path) in [
            (sources.page(3).unwrap(), "/?page=3&per_page=1000"),
            (sources.package(&title("foo+x"), None).unwrap(), "/package/foo+x"),
            (sources.package(&title("foo"), Some(&version)).unwrap(), "/package/foo/1.0.1+b"),
            (sources.archive(&samples::package("foo", "1.0.1", b"x"), None).unwrap(), "/package/foo/1.0.1/data"),
            (reference(&sources, &[]), "/reference"),
            (reference(&sources, &["a b", "c?d#e", "é%"]), "/reference/a%20b/c%3Fd%23e/%C3%A9%25"),
        ] {
            assert_eq!(want.url.as_str(), format!("{base}{path}"));
        }
        let archive = sources.archive(&samples::package("foo", "1.0.1", b"x"), None).unwrap();
        let release = archive.release.as_ref().map(|release| release.name.as_str());
        assert_eq!((release, archive.max_bytes), (Some("nessemble/foo@1.0.1"), 65_536));
    }

    #[test]
    fn no_two_resources_share_a_key() {
        let sources = sources();
        let version = Version::parse("1.0.0").unwrap();
        let mut wanted = vec![sources.page(1).unwrap(), sources.page(2).unwrap()];
        for path in [&[][..], &["a"], &["b"], &["a", "b"], &["a%2Fb"], &["A"], &["a", "1.0.0"]] {
            wanted.push(reference(&sources, path));
        }
        for text in ["a", "A", "b", "list", "package", "reference"] {
            wanted.push(sources.package(&title(text), None).unwrap());
            wanted.push(sources.package(&title(text), Some(&version)).unwrap());
            wanted.push(sources.archive(&samples::package(text, "1.0.0", b"x"), None).unwrap());
        }
        let distinct: HashSet<_> = wanted.iter().map(|want| want.key.clone()).collect();
        assert_eq!(distinct.len(), wanted.len());
    }
}
