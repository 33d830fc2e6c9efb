//! Where each thing comes from: its place at the upstream, and the resource with its proofs.

use std::sync::Arc;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::error::Error;
use super::first_seen::Releases;
use super::keys::Pin;
use super::name::{PackageName, RepositoryName, Version};
use super::proofs::{Checksums, SIGNATURE_HEADERS, Trusted};
use super::routes::{Action, Root};
use super::vouch::{self, Document};
use super::wire::{Archive, Install};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::mirror::resource::{Release, Resource, Upstream};
use crate::mirror::verify::Proof;
use crate::registries::shelf::Shelf;

/// Documents are compressed files already, which nobody is to compress again on the way. Source: contract hex §1.2.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Names every resource of one mount.
pub struct Sources {
    upstream: Arc<Upstream>,
    shelf: Arc<Shelf>,
    root: Root,
}

/// What a proved document says of one tarball.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    pub checksums: Checksums,
    /// Its publisher may still put other bytes in its place. Source: contract hex §3.5.
    pub may_change: bool,
    /// The key and the digest of the document that says so.
    pub document: Option<(Arc<str>, Digest)>,
}

impl Sources {
    pub fn new(shelf: Shelf, upstream: Arc<Upstream>) -> Self {
        Self { upstream, shelf: Arc::new(shelf), root: Root::Main }
    }

    /// Returns those of a repository beside this one, for who has these credentials there.
    pub fn of_member(&self, name: &RepositoryName, credentials: Secret) -> Self {
        let Upstream { url, id, allow_private, artifact_hosts, .. } = &*self.upstream;
        let upstream = Upstream {
            url: url.clone(),
            id: id.clone(),
            authorization: Some(credentials),
            allow_private: *allow_private,
            artifact_hosts: artifact_hosts.clone(),
        };
        Self { upstream: Arc::new(upstream), shelf: Arc::clone(&self.shelf), root: Root::Named(name.clone()) }
    }

    /// Asks for a package's document.
    pub fn package(&self, name: &PackageName) -> Action {
        Action::Package { root: self.root.clone(), name: name.clone() }
    }

    /// The names of all packages, which each repository has; without proofs.
    pub fn names(&self) -> Result<Resource, Error> {
        let action = Action::Names { root: self.root.clone() };
        let key = self.shelf.key(&self.upstream, &["/knock/", &action.path()]);
        Ok(self.shelf.document(&self.upstream, key, self.url(&action.path())?))
    }

    /// A signed document. One that another key proved is another resource. Source: contract hex §2.4.
    pub fn signed(&self, trusted: &Arc<Trusted>, action: &Action) -> Result<Arc<Resource>, Error> {
        let (document, package) = match action {
            Action::Names { .. } => (Document::Names, String::new()),
            Action::Versions { .. } => (Document::Versions, String::new()),
            Action::Package { name, .. } => (Document::Package(name.clone()), name.to_string()),
            Action::Policy { name, .. } => (Document::Policy(name.clone()), name.to_string()),
            _ => return Err(Error::internal("no signed document")),
        };
        let signer = signer(&trusted.repository, &Pin::Key(trusted.key.clone()));
        let key = self.shelf.key(&self.upstream, &["/signed/", &signer, "/", &action.path()]);
        let chronicle = match action {
            Action::Package { root: Root::Main, name } => {
                Some(Arc::new(Releases::of(&self.shelf.mount, name, trusted)) as Arc<_>)
            }
            _ => None,
        };
        let resource = self.document(key, action, package, vouch::document(trusted, document))?;
        Ok(Arc::new(Resource { chronicle, ..resource }))
    }

    /// A tarball that a proved document promises. Other bytes under another checksum are another resource.
    ///
    /// Source: contract hex §2.4, §3.5.
    pub fn tarball(&self, name: &PackageName, version: &Version, promised: &Promised) -> Result<Arc<Resource>, Error> {
        let action = Action::Tarball { root: self.root.clone(), name: name.clone(), version: version.clone() };
        let sum = promised.checksums.outer.to_hex();
        let key = self.shelf.key(&self.upstream, &["/tarball/", &sum, "/", &action.path()]);
        Ok(Arc::new(Resource {
            package: name.to_string(),
            etag: HeaderValue::try_from(format!("\"{sum}\"")).ok(),
            proofs: vouch::tarball(&promised.checksums),
            // What is private may always be replaced. Source: contract hex §3.5.
            release: (self.root == Root::Main).then(|| Release {
                name: Releases::name(&self.shelf.mount, name, version),
                testimony: None,
                document: promised.document.clone(),
                is_provisional: promised.may_change,
            }),
            ..self.shelf.artifact(&self.upstream, key, self.url(&action.path())?)
        }))
    }

    /// A package's documentation, which nothing vouches for.
    pub fn docs(&self, name: &PackageName, version: &Version) -> Result<Arc<Resource>, Error> {
        let action = Action::Docs { root: self.root.clone(), name: name.clone(), version: version.clone() };
        let key = self.shelf.key(&self.upstream, &["/docs/", &action.path()]);
        self.document(key, &action, name.to_string(), vouch::docs()).map(Arc::new)
    }

    /// The repository's key, which is believed only if it is the pinned one. Source: contract hex §2.1.
    pub fn public_key(&self, repository: &RepositoryName, pin: &Pin) -> Result<Arc<Resource>, Error> {
        let action = Action::PublicKey { root: self.root.clone() };
        let key = self.shelf.key(&self.upstream, &["/public_key/", &signer(repository, pin)]);
        self.document(key, &action, String::new(), vouch::public_key(pin.clone())).map(Arc::new)
    }

    /// A list of builds, or its signature. Source: contract hex §1.4.
    pub fn install_list(&self, install: &Install) -> Result<Arc<Resource>, Error> {
        let action = Action::Install(install.clone());
        let proofs = match install {
            Install::List(_) => vouch::build_list(),
            Install::Signature(_) => vouch::signature(),
            Install::Archive(_) => return Err(Error::internal("no list of builds")),
        };
        let key = self.shelf.key(&self.upstream, &["/installs/", &action.path()]);
        self.document(key, &action, String::new(), proofs).map(Arc::new)
    }

    /// A build that its list has, with what the list says of it. Source: contract hex §1.4.
    pub fn archive(&self, archive: &Archive, proofs: Vec<Proof>) -> Result<Arc<Resource>, Error> {
        let path = Action::Install(Install::Archive(archive.clone())).path();
        let sum = Digest::of(format!("{proofs:?}").as_bytes()).to_hex();
        let key = self.shelf.key(&self.upstream, &["/build/", &sum, "/", &path]);
        let etag = HeaderValue::try_from(format!("\"{sum}\"")).ok();
        Ok(Arc::new(Resource { etag, proofs, ..self.shelf.artifact(&self.upstream, key, self.url(&path)?) }))
    }

    /// The old registry, with the signature that came as a file, if one did; one in a header is kept beside it.
    ///
    /// Source: contract hex §1.5.
    pub fn table(&self, trusted: &Arc<Trusted>, signature: Option<Vec<u8>>) -> Result<Arc<Resource>, Error> {
        let signer = signer(&trusted.repository, &Pin::Key(trusted.key.clone()));
        let key = self.shelf.key(&self.upstream, &["/table/", &signer]);
        let proofs = vouch::registry_v1(trusted, signature);
        let document = self.document(key, &Action::RegistryV1, String::new(), proofs)?;
        Ok(Arc::new(Resource { keeps: SIGNATURE_HEADERS, ..document }))
    }

    pub fn table_signature(&self) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(&self.upstream, &["/table_signature"]);
        self.document(key, &Action::RegistryV1Signature, String::new(), vouch::signature()).map(Arc::new)
    }

    fn document(&self, key: String, action: &Action, package: String, proofs: Vec<Proof>) -> Result<Resource, Error> {
        let document = self.shelf.document(&self.upstream, key, self.url(&action.path())?);
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, IDENTITY)]);
        Ok(Resource { package, headers, proofs, ..document })
    }

    fn url(&self, path: &str) -> Result<url::Url, Error> {
        self.upstream.join(path).map_err(|_| Error::internal("a path that is no URL"))
    }
}

/// Names in keys who vouches for a document: the key's fingerprint and the repository.
fn signer(repository: &RepositoryName, pin: &Pin) -> String {
    format!("{}/{repository}", Digest::of(pin.fingerprint().to_string().as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::samples::{Parts, Signer};
    use super::*;
    use crate::config::{self, Dialect};

    fn sources(mount: &str) -> Sources {
        let config =
            config::Mount { name: mount.to_owned(), ..config::Mount::of(Dialect::Hex(config::Hex::default())) };
        let url: url::Url = "https://repo.example/hex/".parse().unwrap();
        let upstream = Upstream {
            id: Upstream::id_of(&url),
            url,
            authorization: None,
            allow_private: false,
            artifact_hosts: Vec::new(),
        };
        Sources::new(Shelf::new(&config), Arc::new(upstream))
    }

    fn jason() -> (PackageName, Version) {
        (PackageName::parse("jason").unwrap(), Version::parse("1.0.0").unwrap())
    }

    fn promised(may_change: bool) -> Promised {
        let checksums = Parts::of("jason", "1.0.0").release("1.0.0").checksums().unwrap();
        Promised { checksums, may_change, document: None }
    }

    #[test]
    fn every_resource_has_its_place_and_a_key_of_its_own() {
        let ((name, version), trusted) = (jason(), Signer::repository().trusted_for("hexpm"));
        let strangers = Signer::stranger().trusted_for("hexpm");
        let others = Signer::repository().trusted_for("acme");
        let package = Action::Package { root: Root::Main, name: name.clone() };
        let list = |path: &[&str]| Install::parse(path).unwrap();
        let mut keys = HashSet::new();
        for mount in ["hex", "hex-2"] {
            let sources = sources(mount);
            for (want, path) in [
                (sources.signed(&trusted, &Action::Names { root: Root::Main }), "names"),
                (sources.signed(&trusted, &package), "packages/jason"),
                (sources.signed(&strangers, &package), "packages/jason"),
                (sources.signed(&others, &package), "packages/jason"),
                (sources.tarball(&name, &version, &promised(false)), "tarballs/jason-1.0.0.tar"),
                (sources.docs(&name, &version), "docs/jason-1.0.0.tar.gz"),
                (sources.public_key(&trusted.repository, &Pin::Key(trusted.key.clone())), "public_key"),
                (sources.install_list(&list(&["hex-1.x.csv"])), "installs/hex-1.x.csv"),
                (sources.install_list(&list(&["hex-1.x.csv.signed"])), "installs/hex-1.x.csv.signed"),
                (sources.table(&trusted, None), "registry.ets.gz"),
                (sources.table_signature(), "registry.ets.gz.signed"),
            ] {
                let want = want.unwrap();
                assert_eq!(want.url.as_str(), format!("https://repo.example/hex/{path}"));
                assert!(keys.insert(want.key.clone()), "one key for two: {}", want.key);
                assert!(!want.proofs.is_empty(), "{path}");
            }
        }
    }

    #[test]
    fn a_release_is_remembered_once_it_can_no_longer_change() {
        let (sources, (name, version)) = (sources("hex"), jason());
        for may_change in [false, true] {
            let want = sources.tarball(&name, &version, &promised(may_change)).unwrap();
            let release = want.release.as_ref().unwrap();
            assert_eq!((release.name.as_str(), release.is_provisional), ("hex/jason@1.0.0", may_change));
        }
    }
}
