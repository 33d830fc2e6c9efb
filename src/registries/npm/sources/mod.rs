//! Where each thing comes from: the upstream that a scope belongs to, and the resource with its proofs.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::error::Error;
use super::first_seen::Releases;
use super::name::{PackageName, Version};
use super::vouch::{self, Release};
use crate::base::digest::Digest;
use crate::mirror;
use crate::mirror::resource::{Resource, Rules, Upstream};
use crate::registries::Upstreams;
use crate::registries::shelf::{Shelf, Vouched};

pub mod bases;
pub mod discover;

/// The form of a document that all others are made of. Source: contract npm §18.1.
const FULL: &str = "application/json";

/// For how long it is believed what upstream says of one version alone: as long as many clients want one tarball at
/// once. Who wants it later finds the tarball; if it was refused, upstream may know better by then.
const ALONE: Duration = Duration::from_secs(2);

/// Names every resource of one mount.
pub struct Sources {
    upstreams: Upstreams,
    /// The upstreams that stand in the configuration, by what tells them apart.
    configured: Arc<HashSet<String>>,
    pub shelf: Shelf,
    /// Of what upstream says of one version alone.
    alone: Arc<Rules>,
}

impl Sources {
    pub fn new(shelf: Shelf, upstreams: Upstreams) -> Self {
        let alone = Rules { min_ttl: Duration::ZERO, max_ttl: ALONE, ..(*shelf.rules).clone() };
        let configured = upstreams.scopes.values().chain([&upstreams.default]);
        let configured = Arc::new(configured.map(|upstream| upstream.id.clone()).collect());
        Self { upstreams, configured, alone: Arc::new(alone), shelf }
    }

    /// Returns the same resources, from other upstreams.
    pub fn from_others(&self, upstreams: Upstreams) -> Self {
        Self {
            upstreams,
            configured: Arc::clone(&self.configured),
            shelf: self.shelf.clone(),
            alone: Arc::clone(&self.alone),
        }
    }

    /// Returns the upstream that serves a package.
    pub fn upstream(&self, name: &PackageName) -> &Arc<Upstream> {
        self.upstreams.of_scope(name.scope())
    }

    /// Returns the upstream of everything that is no package's.
    pub fn default_upstream(&self) -> &Arc<Upstream> {
        &self.upstreams.default
    }

    /// Returns the upstreams that scopes have of their own; one of several scopes comes several times.
    pub fn scoped_upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.scopes.values()
    }

    /// Returns the upstream of this id, among those that scopes have of their own.
    pub fn named_upstream(&self, id: &str) -> Option<Arc<Upstream>> {
        self.scoped_upstreams().find(|upstream| upstream.id == id).cloned()
    }

    /// Returns the scopes whose packages do not come from the default upstream, each with its `@`.
    pub fn scopes(&self) -> Vec<String> {
        self.upstreams.scopes.keys().cloned().collect()
    }

    /// Names whose releases those of a package are: the mount's, or those of an upstream that was named at run time, as in
    /// `npm:0a1b2c3d-7`. What another had under a name before says nothing of what this one has.
    fn namespace(&self, name: &PackageName) -> Cow<'_, str> {
        let upstream = self.upstream(name);
        if self.configured.contains(&upstream.id) {
            Cow::Borrowed(&self.shelf.mount)
        } else {
            Cow::Owned(format!("{}:{}", self.shelf.mount, upstream.id))
        }
    }

    pub fn packument_key(&self, name: &PackageName) -> String {
        self.shelf.key(self.upstream(name), &["/packument/", name.as_str()])
    }

    pub fn tarball_key(&self, name: &PackageName, version: &Version) -> String {
        self.shelf.key(self.upstream(name), &["/tarball/", name.as_str(), "/", version.as_str()])
    }

    /// The full document of a package. Source: contract npm §4, §18.1.
    pub fn packument(&self, name: &PackageName) -> Result<Arc<Resource>, Error> {
        let upstream = self.upstream(name);
        Ok(Arc::new(Resource {
            package: name.to_string(),
            proofs: vouch::packument(name),
            chronicle: Some(Arc::new(Releases::of(&self.namespace(name), name))),
            ..self.document(self.packument_key(name), upstream, &name.escaped())?
        }))
    }

    /// What upstream says of one version alone. Source: contract npm §5.2.
    pub fn manifest(&self, name: &PackageName, version: &Version) -> Result<Arc<Resource>, Error> {
        let upstream = self.upstream(name);
        let key = self.shelf.key(upstream, &["/manifest/", name.as_str(), "/", version.as_str()]);
        Ok(Arc::new(Resource {
            package: name.to_string(),
            proofs: vouch::manifest(name, version),
            rules: Arc::clone(&self.alone),
            ..self.document(key, upstream, &format!("{}/{version}", name.escaped()))?
        }))
    }

    /// A tarball, with what its document vouches for, and that document's key and digest. Source: contract npm §5.3, §6.
    pub fn tarball(
        &self,
        release: &Release<'_>,
        vouched: Vouched,
        document: Option<(Arc<str>, Digest)>,
    ) -> Result<Arc<Resource>, Error> {
        let Release { name, version, dist, .. } = *release;
        let missing = || Error::not_found(format!("the tarball of {name}@{version}"));
        let url = dist.tarball.as_deref().ok_or_else(missing)?;
        let testimony = Some(release.written.to_owned());
        let upstream = self.upstream(name);
        let key = self.tarball_key(name, version);
        Ok(Arc::new(Resource {
            package: name.to_string(),
            etag: vouched.etag,
            proofs: vouched.proofs,
            release: Some(mirror::Release {
                name: Releases::name(&self.namespace(name), name, version),
                testimony,
                document,
                is_provisional: false,
            }),
            ..self.shelf.artifact(upstream, key, tarball_url(upstream, url)?)
        }))
    }

    /// The keys that an upstream signs releases with. Source: contract npm §6.2.
    pub fn keys(&self, upstream: &Arc<Upstream>) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(upstream, &["/keys"]);
        Ok(Arc::new(Resource { proofs: vouch::keys(), ..self.document(key, upstream, "-/npm/v1/keys")? }))
    }

    /// The attestations of one version. Source: contract npm §6.3.
    pub fn attestations(&self, name: &PackageName, version: &Version) -> Result<Arc<Resource>, Error> {
        let upstream = self.upstream(name);
        let key = self.shelf.key(upstream, &["/attestations/", name.as_str(), "/", version.as_str()]);
        let path = format!("-/npm/v1/attestations/{}@{version}", name.escaped());
        Ok(Arc::new(Resource {
            package: name.to_string(),
            proofs: vouch::attestations(),
            ..self.document(key, upstream, &path)?
        }))
    }

    fn document(&self, key: String, upstream: &Arc<Upstream>, path: &str) -> Result<Resource, Error> {
        let url = upstream.join(path).map_err(|_| Error::internal("a path that is no URL"))?;
        Ok(Resource { accept: Some(FULL), ..self.shelf.document(upstream, key, url) })
    }
}

/// Returns where a tarball is fetched from: the URL that its document names if the host belongs to the mount, else the
/// same path at the upstream, since aliases and mirrors hand out the URLs of the registry they copy.
fn tarball_url(upstream: &Upstream, named: &str) -> Result<Url, Error> {
    let url = upstream.url.join(named).map_err(|_| Error::internal("a tarball URL that is none"))?;
    if upstream.may_hold_artifact(&url) {
        return Ok(url);
    }
    upstream.join(url.path().trim_start_matches('/')).map_err(|_| Error::internal("a tarball path that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tarballs_are_fetched_from_hosts_of_the_mount_only() {
        let upstream = Upstream {
            url: "https://registry.example/npm/".parse().unwrap(),
            id: String::new(),
            authorization: None,
            allow_private: false,
            artifact_hosts: vec!["files.example".into()],
        };
        for (named, expected) in [
            ("https://registry.example/npm/a/-/a-1.0.0.tgz", "https://registry.example/npm/a/-/a-1.0.0.tgz"),
            ("https://files.example/a-1.0.0.tgz", "https://files.example/a-1.0.0.tgz"),
            ("https://other.example/a/-/a-1.0.0.tgz", "https://registry.example/npm/a/-/a-1.0.0.tgz"),
            ("http://169.254.169.254/latest/meta-data", "https://registry.example/npm/latest/meta-data"),
            ("/npm/a/-/a-1.0.0.tgz", "https://registry.example/npm/a/-/a-1.0.0.tgz"),
        ] {
            assert_eq!(tarball_url(&upstream, named).unwrap().as_str(), expected);
        }
    }
}
