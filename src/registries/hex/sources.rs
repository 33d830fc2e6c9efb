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
use super::wire::{Archive, Install, List, MAX_LISTING, MAX_RESOURCE};
use crate::base::digest::{Digest, Promise};
use crate::base::secret::{SafeUrl, Secret};
use crate::mirror::resource::{Redirects, Release, Resource, Rules, Upstream};
use crate::mirror::verify::Proof;
use crate::registries::shelf::Shelf;

/// Documents are compressed files already, which nobody is to compress again on the way. Source: contract hex §1.2.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Longest tarball, and documentation, in bytes: what the public server takes at most. Source: contract hex §3.3.
const MAX_TARBALL: u64 = 20 << 20;
/// Longest build of Hex or rebar3, in bytes; they have less than 2 MiB.
const MAX_BUILD: u64 = 32 << 20;
/// Longest list of builds, in bytes; the longest has a few hundred KiB.
const MAX_LIST: u64 = 4 << 20;
/// Longest key and signature, in bytes.
const MAX_SMALL: u64 = 64 << 10;

/// Names every resource of one mount.
#[derive(Clone)]
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

    /// Whom to ask for the names of all packages, which each repository has, where, and how long they may be, in bytes.
    pub fn door(&self) -> Result<(&Upstream, url::Url, u64), Error> {
        let url = self.url(&Action::Names { root: self.root.clone() }.path())?;
        Ok((&self.upstream, url, self.shelf.max_document_bytes.min(MAX_LISTING)))
    }

    /// Whether the operator's own credentials open the upstream: then what it gives is not for everybody's caches.
    pub fn is_closed(&self) -> bool {
        self.upstream.authorization.is_some()
    }

    /// Names the upstream in a log, without credentials.
    pub fn name_upstream(&self) -> String {
        SafeUrl::from(self.upstream.url.clone()).to_string()
    }

    /// How long documents are trusted.
    pub fn rules(&self) -> &Rules {
        &self.shelf.rules
    }

    /// Returns the key of a signed document.
    pub fn signed_key(&self, trusted: &Trusted, action: &Action) -> String {
        self.shelf.key(&self.upstream, &["/signed/", &signer(trusted), "/", &action.path()])
    }

    /// A signed document. One that another key proved is another resource. Source: contract hex §2.4.
    pub fn signed(&self, trusted: &Arc<Trusted>, action: &Action) -> Result<Arc<Resource>, Error> {
        let (document, package, longest) = match action {
            Action::Names { .. } => (Document::Names, String::new(), MAX_LISTING),
            Action::Versions { .. } => (Document::Versions, String::new(), MAX_LISTING),
            Action::Package { name, .. } => {
                (Document::Package(name.clone()), self.root.package(name.as_str()).into_owned(), MAX_RESOURCE)
            }
            Action::Policy { name, .. } => {
                (Document::Policy(name.clone()), self.root.package(name.as_str()).into_owned(), MAX_RESOURCE)
            }
            _ => return Err(Error::internal("no signed document")),
        };
        let key = self.signed_key(trusted, action);
        let chronicle = match action {
            Action::Package { root: Root::Main, name } => {
                Some(Arc::new(Releases::of(&self.shelf.mount, name, trusted)) as Arc<_>)
            }
            _ => None,
        };
        let resource = self.document(key, action, vouch::document(trusted, document))?.at_most(longest);
        Ok(Arc::new(Resource { package, chronicle, ..resource }))
    }

    /// Returns the key of a tarball.
    pub fn tarball_key(&self, name: &PackageName, version: &Version, checksums: &Checksums) -> String {
        let (sum, path) = (checksums.outer.to_hex(), self.tarball_path(name, version));
        self.shelf.key(&self.upstream, &["/tarball/", &sum, "/", &path])
    }

    /// A tarball that a proved document promises. Other bytes under another checksum are another resource.
    ///
    /// Source: contract hex §2.4, §3.5.
    pub fn tarball(&self, name: &PackageName, version: &Version, promised: &Promised) -> Result<Arc<Resource>, Error> {
        let (key, path) = (self.tarball_key(name, version, &promised.checksums), self.tarball_path(name, version));
        let artifact = self.shelf.artifact(&self.upstream, key, self.url(&path)?).at_most(MAX_TARBALL);
        let vouched = vouch::tarball(&promised.checksums);
        Ok(Arc::new(Resource {
            package: self.root.package(name.as_str()).into_owned(),
            is_private: self.is_private(),
            etag: vouched.etag,
            proofs: vouched.proofs,
            // What is private may always be replaced. Source: contract hex §3.5.
            release: (!self.is_private()).then(|| Release {
                name: Releases::name(&self.shelf.mount, name, version),
                testimony: None,
                document: promised.document.clone(),
                is_provisional: promised.may_change,
            }),
            ..artifact
        }))
    }

    /// A package's documentation, which nothing vouches for but where it comes from: the upstream itself. Source: contract
    /// hex §2.4.
    pub fn docs(&self, name: &PackageName, version: &Version) -> Result<Arc<Resource>, Error> {
        let action = Action::Docs { root: self.root.clone(), name: name.clone(), version: version.clone() };
        let key = self.shelf.key(&self.upstream, &["/docs/", &action.path()]);
        let document = self.document(key, &action, vouch::docs())?.at_most(MAX_TARBALL);
        Ok(Arc::new(Resource {
            package: self.root.package(name.as_str()).into_owned(),
            redirects: Redirects::FollowAtHome,
            ..document
        }))
    }

    /// The repository's key, which is believed only if it is the pinned one: what has that fingerprint never changes.
    ///
    /// Source: contract hex §2.1.
    pub fn public_key(&self, pin: &Pin) -> Result<Arc<Resource>, Error> {
        let path = Action::PublicKey { root: self.root.clone() }.path();
        let key = self.shelf.key(&self.upstream, &["/public_key/", &pin.fingerprint().to_hex()]);
        let artifact = self.shelf.artifact(&self.upstream, key, self.url(&path)?).at_most(MAX_SMALL);
        Ok(Arc::new(Resource { proofs: vouch::public_key(pin.clone()), ..artifact }))
    }

    /// A list of builds. Source: contract hex §1.4.
    pub fn build_list(&self, list: List) -> Result<Arc<Resource>, Error> {
        let action = Action::Install(Install::List(list));
        let key = self.shelf.key(&self.upstream, &["/installs/", &action.path()]);
        Ok(Arc::new(self.document(key, &action, vouch::build_list())?.at_most(MAX_LIST)))
    }

    /// The signature of one state of a list: that of another state is another resource. Source: contract hex §1.4.
    pub fn list_signature(&self, list: List, state: &Digest) -> Result<Arc<Resource>, Error> {
        let action = Action::Install(Install::Signature(list));
        let key = self.shelf.key(&self.upstream, &["/installs/", &action.path(), "/", &state.to_hex()]);
        Ok(Arc::new(self.document(key, &action, vouch::signature())?.at_most(MAX_SMALL)))
    }

    /// A build that its list has, with what the list says of it. Source: contract hex §1.4.
    pub fn archive(&self, archive: &Archive, promise: Promise) -> Result<Arc<Resource>, Error> {
        let path = Action::Install(Install::Archive(archive.clone())).path();
        let sum = promise.to_hex();
        let key = self.shelf.key(&self.upstream, &["/build/", &sum, "/", &path]);
        let artifact = self.shelf.artifact(&self.upstream, key, self.url(&path)?).at_most(MAX_BUILD);
        let vouched = vouch::build(promise);
        Ok(Arc::new(Resource { etag: vouched.etag, proofs: vouched.proofs, ..artifact }))
    }

    /// The old registry, with the signature that came as a file, if one did; one in a header is kept beside it.
    ///
    /// Source: contract hex §1.5.
    pub fn table(&self, trusted: &Arc<Trusted>, signature: Option<Vec<u8>>) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(&self.upstream, &["/table/", &signer(trusted)]);
        let document = self.document(key, &Action::RegistryV1, vouch::registry_v1(trusted, signature))?;
        Ok(Arc::new(Resource { keeps: SIGNATURE_HEADERS, ..document }))
    }

    pub fn table_signature(&self) -> Result<Arc<Resource>, Error> {
        let key = self.shelf.key(&self.upstream, &["/table_signature"]);
        Ok(Arc::new(self.document(key, &Action::RegistryV1Signature, vouch::signature())?.at_most(MAX_SMALL)))
    }

    fn document(&self, key: String, action: &Action, proofs: Vec<Proof>) -> Result<Resource, Error> {
        let document = self.shelf.document(&self.upstream, key, self.url(&action.path())?);
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, IDENTITY)]);
        Ok(Resource { headers, proofs, is_private: self.is_private(), ..document })
    }

    fn tarball_path(&self, name: &PackageName, version: &Version) -> String {
        Action::Tarball { root: self.root.clone(), name: name.clone(), version: version.clone() }.path()
    }

    fn is_private(&self) -> bool {
        self.root != Root::Main
    }

    fn url(&self, path: &str) -> Result<url::Url, Error> {
        self.upstream.join(path).map_err(|_| Error::internal("a path that is no URL"))
    }
}

/// Names in keys who vouches for a document: the key's fingerprint and the repository.
fn signer(trusted: &Trusted) -> String {
    format!("{}/{}", trusted.key.fingerprint().to_hex(), trusted.repository)
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
                (sources.public_key(&Pin::Key(trusted.key.clone())), "public_key"),
                (sources.build_list(List::Hex1), "installs/hex-1.x.csv"),
                (sources.list_signature(List::Hex1, &Digest::of(b"one")), "installs/hex-1.x.csv.signed"),
                (sources.list_signature(List::Hex1, &Digest::of(b"other")), "installs/hex-1.x.csv.signed"),
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
    fn what_lies_beside_the_mirrored_repository_is_private_and_has_names_of_its_own() {
        let (main, (name, version)) = (sources("hex"), jason());
        let member = main.of_member(&RepositoryName::parse("acme").unwrap(), Secret::new("key"));
        let trusted = Signer::repository().trusted_for("acme");
        for (sources, package, is_private) in [(&main, "jason", false), (&member, "acme/jason", true)] {
            let wants = [
                sources.signed(&trusted, &sources.package(&name)),
                sources.tarball(&name, &version, &promised(false)),
                sources.docs(&name, &version),
            ];
            for want in wants.map(Result::unwrap) {
                assert_eq!((want.package.as_str(), want.is_private), (package, is_private), "{}", want.url);
            }
            let names = sources.signed(&trusted, &Action::Names { root: sources.root.clone() }).unwrap();
            assert_eq!(names.is_private, is_private);
        }
    }

    #[test]
    fn everything_is_as_long_as_its_kind_may_be() {
        let (sources, (name, version), trusted) = (sources("hex"), jason(), Signer::repository().trusted_for("hexpm"));
        for (want, longest) in [
            (sources.tarball(&name, &version, &promised(false)), 20 << 20),
            (sources.docs(&name, &version), 20 << 20),
            (sources.signed(&trusted, &sources.package(&name)), 32 << 20),
            (sources.build_list(List::Hex), 4 << 20),
            (sources.public_key(&Pin::Key(trusted.key.clone())), 64 << 10),
            (sources.table_signature(), 64 << 10),
        ] {
            let want = want.unwrap();
            assert_eq!(want.max_bytes, longest, "{}", want.url);
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
