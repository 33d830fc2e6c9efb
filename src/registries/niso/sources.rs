//! Where each thing comes from: the upstream that a namespace belongs to, and the resource with its proofs.

use std::sync::Arc;

use super::error::Error;
use super::first_seen::Releases;
use super::name::{Arch, PackageName, Slash, Version};
use super::replies::SIGNATURE;
use super::vouch;
use super::wire::Row;
use crate::base::digest::Digest;
use crate::base::secret::SafeUrl;
use crate::mirror::resource::{Release, Resource, Upstream};
use crate::mirror::verify::Proof;
use crate::registries::Upstreams;
use crate::registries::shelf::Shelf;

/// What documents are asked for as.
const JSON: &str = "application/json";

/// Names every resource of one mount.
pub struct Sources {
    upstreams: Upstreams,
    pub shelf: Shelf,
    /// How upstreams want the slash of a name.
    slash: Slash,
}

impl Sources {
    pub fn new(shelf: Shelf, upstreams: Upstreams, slash: Slash) -> Self {
        Self { upstreams, shelf, slash }
    }

    /// Returns the upstream that serves a package.
    pub fn upstream(&self, name: &PackageName) -> &Arc<Upstream> {
        self.upstreams.of_scope(name.namespace())
    }

    /// Returns the upstream that serves a scope, or what has none.
    pub fn upstream_of(&self, scope: Option<&str>) -> &Arc<Upstream> {
        self.upstreams.of_scope(scope)
    }

    /// Returns the scopes that have upstreams of their own, sorted.
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<_> = self.upstreams.scopes.keys().map(String::as_str).collect();
        scopes.sort_unstable();
        scopes
    }

    /// Returns the scope of a package, if it has an upstream of its own.
    pub fn scope_of<'a>(&self, name: &'a PackageName) -> Option<&'a str> {
        name.namespace().filter(|scope| self.upstreams.scopes.contains_key(*scope))
    }

    /// Names the upstream that serves a package in a log, without credentials.
    pub fn name_upstream(&self, name: &PackageName) -> String {
        SafeUrl::from(self.upstream(name).url.clone()).to_string()
    }

    /// The list of the default upstream: all of it, whatever part a client wants. Source: contract niso §3.
    pub fn list(&self) -> Result<Arc<Resource>, Error> {
        self.list_of(&self.upstreams.default)
    }

    /// The list of an upstream.
    pub fn list_of(&self, upstream: &Arc<Upstream>) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(upstream, &["/list"]);
        Ok(Arc::new(Resource { proofs: vouch::list(), ..self.document(key, upstream, "v1/packages")? }))
    }

    /// The versions of a package. Source: contract niso §3.
    pub fn versions(&self, name: &PackageName) -> Result<Arc<Resource>, Error> {
        let document = self.of_package(name, "versions", vouch::versions(name))?;
        let chronicle = Arc::new(Releases::of(&self.shelf.mount, name));
        Ok(Arc::new(Resource { chronicle: Some(chronicle), ..document }))
    }

    /// The tags of a package. Source: contract niso §3.
    pub fn tags(&self, name: &PackageName) -> Result<Arc<Resource>, Error> {
        self.of_package(name, "tags", vouch::tags()).map(Arc::new)
    }

    pub fn archive_key(&self, name: &PackageName, version: &Version, arch: &Arch) -> String {
        let parts = ["/archive/", name.as_str(), "/", version.as_str(), "/", arch.as_str()];
        self.shelf.key(self.upstream(name), &parts)
    }

    /// Returns the name and the version that the key of an archive is of.
    pub fn read_archive_key(key: &str) -> Option<(&str, &str)> {
        let (_, place) = key.split_once("/archive/")?;
        let (release, _arch) = place.rsplit_once('/')?;
        release.rsplit_once('/')
    }

    /// Returns what the keys of all archives start with, for every upstream.
    pub fn archives(&self) -> Vec<String> {
        let upstreams = std::iter::once(&self.upstreams.default).chain(self.upstreams.scopes.values());
        let mut prefixes: Vec<_> = upstreams.map(|upstream| self.shelf.key(upstream, &["/archive/"])).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }

    /// An archive, by its exact version, with what its row vouches for, and the key and the digest of the document that
    /// has the row. Source: contract niso §8.
    pub fn archive(
        &self,
        name: &PackageName,
        row: &Row<'_>,
        document: Option<(Arc<str>, Digest)>,
    ) -> Result<Arc<Resource>, Error> {
        let (upstream, Row { version, arch, .. }) = (self.upstream(name), row);
        let key = self.archive_key(name, version, arch);
        let url = self.url(upstream, &self.path(name, &format!("{version}/{arch}")))?;
        let vouched = vouch::archive(name, row);
        Ok(Arc::new(Resource {
            package: name.to_string(),
            keeps: &[SIGNATURE],
            etag: vouched.etag,
            proofs: vouched.proofs,
            release: Some(Release {
                name: Releases::name(&self.shelf.mount, name, version, arch),
                testimony: Some(row.written.to_owned()),
                document,
                is_provisional: false,
            }),
            ..self.shelf.artifact(upstream, key, url)
        }))
    }

    /// A chunk that no archive here has. Source: contract niso §8.
    pub fn chunk(&self, hash: &Digest) -> Result<Arc<Resource>, Error> {
        let upstream = &self.upstreams.default;
        let key = self.shelf.key(upstream, &["/chunk/", &hash.to_hex()]);
        let url = self.url(upstream, &format!("v1/chunks/{hash}"))?;
        let vouched = vouch::chunk(hash);
        Ok(Arc::new(Resource { etag: vouched.etag, proofs: vouched.proofs, ..self.shelf.artifact(upstream, key, url) }))
    }

    fn of_package(&self, name: &PackageName, what: &str, proofs: Vec<Proof>) -> Result<Resource, Error> {
        let upstream = self.upstream(name);
        let key = self.shelf.key(upstream, &["/", what, "/", name.as_str()]);
        let document = self.document(key, upstream, &self.path(name, what))?;
        Ok(Resource { package: name.to_string(), proofs, ..document })
    }

    fn path(&self, name: &PackageName, rest: &str) -> String {
        format!("v1/packages/{}/{rest}", name.in_path(self.slash))
    }

    fn document(&self, key: String, upstream: &Arc<Upstream>, path: &str) -> Result<Resource, Error> {
        let url = self.url(upstream, path)?;
        Ok(Resource { accept: Some(JSON), ..self.shelf.document(upstream, key, url) })
    }

    fn url(&self, upstream: &Upstream, path: &str) -> Result<url::Url, Error> {
        upstream.join(path).map_err(|_| Error::internal("a path that is no URL"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::config;
    use crate::registries::niso::wire;

    fn upstream(id: &str) -> Arc<Upstream> {
        Arc::new(Upstream {
            url: format!("https://{id}.example/niso/").parse().unwrap(),
            id: id.to_owned(),
            authorization: None,
            allow_private: false,
            artifact_hosts: Vec::new(),
        })
    }

    fn sources(slash: Slash) -> Sources {
        let scopes = HashMap::from([("@acme".to_owned(), upstream("acme"))]);
        let upstreams = Upstreams { default: upstream("registry"), scopes };
        let mount = config::Mount { name: "niso".to_owned(), ..config::Mount::default() };
        Sources::new(Shelf::new(&mount), upstreams, slash)
    }

    fn row_of(name: &PackageName, check: impl FnOnce(&Row<'_>)) {
        let document = format!(r#"[{{"version":"1.0.0","arch":"x86_64","checksum":"{}"}}]"#, Digest::of(b"x"));
        check(&wire::parse_versions(document.as_bytes(), name).unwrap().rows[0]);
    }

    #[test]
    fn every_resource_has_its_place_at_the_upstream_of_its_namespace() {
        let (raw, escaped) = (sources(Slash::Raw), sources(Slash::Escaped));
        let (app, other) = (PackageName::parse("@acme/app").unwrap(), PackageName::parse("@else/app").unwrap());
        let url = |want: Result<Arc<Resource>, Error>| want.unwrap().url.to_string();
        assert_eq!(url(raw.versions(&app)), "https://acme.example/niso/v1/packages/@acme/app/versions");
        assert_eq!(url(escaped.versions(&app)), "https://acme.example/niso/v1/packages/@acme%2Fapp/versions");
        assert_eq!(url(raw.tags(&other)), "https://registry.example/niso/v1/packages/@else/app/tags");
        assert_eq!(url(raw.list()), "https://registry.example/niso/v1/packages");
        let hash = Digest::of(b"chunk");
        assert_eq!(url(raw.chunk(&hash)), format!("https://registry.example/niso/v1/chunks/{hash}"));
        row_of(&app, |row| {
            let want = raw.archive(&app, row, None).unwrap();
            assert_eq!(want.url.as_str(), "https://acme.example/niso/v1/packages/@acme/app/1.0.0/x86_64");
            assert_eq!(want.release.as_ref().map(|release| release.name.as_str()), Some("niso/@acme/app@1.0.0/x86_64"));
            assert_eq!(want.proofs.len(), 2);
        });
    }

    #[test]
    fn no_two_resources_share_a_key() {
        let sources = sources(Slash::Raw);
        let names = ["app", "tags", "versions", "list", "chunk", "@a/app", "@acme/app", "@acme/versions"];
        let mut keys = vec![sources.list(), sources.chunk(&Digest::of(b"1")), sources.chunk(&Digest::of(b"2"))];
        for name in names.map(|name| PackageName::parse(name).unwrap()) {
            keys.extend([sources.versions(&name), sources.tags(&name)]);
            row_of(&name, |row| keys.push(sources.archive(&name, row, None)));
        }
        let count = keys.len();
        let distinct: HashSet<_> = keys.into_iter().map(|want| want.unwrap().key.clone()).collect();
        assert_eq!(distinct.len(), count);
    }
}
