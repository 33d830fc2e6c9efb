//! Hex, read side: signed documents, tarballs, documentation, keys, builds of Hex itself. Contract: hex §1–3, §6, §7.4.
//!
//! `ROOT` is the mount, or `repos/NAME` below it for a repository that lives beside it.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET ROOT/names`, `ROOT/versions` | mirrored, byte for byte | the repository's signature; of this repository |
//! | `GET ROOT/packages/{name}` | the same | the same; of this name, each release once and with its checksums |
//! | `GET ROOT/policies/{name}` | the same | the same; of this name |
//! | `GET ROOT/tarballs/{name}-{version}.tar` | store, or upstream as it comes | outer checksum of the package's document; the inner one as well |
//! | `GET ROOT/docs/{name}-{version}.tar.gz` | mirrored | none exists: whole, well-formed, keeps to itself |
//! | `GET ROOT/public_key` | ourselves | pinned by the operator, or by its fingerprint when it is first fetched |
//! | `GET installs/{list}`, `.signed` | mirrored, asked for each time, both of one moment | nothing of ours: it is a list, or a signature |
//! | `GET installs/{elixir}/{build}` | mirrored | its SHA-512 in the list |
//! | `GET registry.ets.gz`, `.signed` | mirrored | the repository's signature, from the file beside it or a header |
//! | `api/…` | passed through, where the mount has an API; by default what reads, and what gets tokens | nothing is kept |
//!
//! What lies below `repos/` is private: it is served where the mount says so, to whom the repository itself lets in
//! ([`private`]).
//!
//! What clients get is what was signed: a document is served as upstream's very bytes, never printed again and never
//! under a `Content-Encoding`.
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler and the label in the
//! log; [`sources`] names the resource: its key, its one place at the upstream, and what [`vouch`] says must hold before
//! it is kept; [`error`] is the one place where a fault becomes a status.

mod artifacts;
mod clients;
mod documents;
pub mod error;
mod first_seen;
mod installs;
mod keyring;
pub mod keys;
pub mod name;
mod passthrough;
mod private;
pub mod proofs;
mod registry_v1;
mod replicate;
mod replies;
pub mod routes;
#[cfg(test)]
mod samples;
pub mod sources;
mod vouch;
pub mod wire;

use std::sync::{Arc, OnceLock};

use self::error::{Error, Shape};
use self::installs::Pairs;
use self::keyring::Keyring;
use self::keys::{Pin, PublicKey};
use self::name::RepositoryName;
use self::passthrough::Api;
use self::private::Doors;
use self::proofs::Trusted;
use self::routes::{Action, Root};
use self::sources::Sources;
use self::wire::Package;
use super::blocks::Blocks;
use super::desk::Desk;
use super::memo::Memo;
use super::missed::Missed;
use super::shelf::Shelf;
use super::{Opened, Opening, Place, Registry, SetUp};
use crate::base::clock::Clock;
use crate::base::http::{Outcome, Reply, Request};
use crate::base::secret::{SafeUrl, Secret};
use crate::config::{self, Listen};
use crate::mirror::Mirror;

/// The public repository. Source: contract hex, head.
const REPOSITORY: &str = "https://repo.hex.pm/";

/// Packages remembered as they were read, in bytes as they are written.
const PACKAGES: usize = 16 << 20;

/// One Hex mount.
pub struct Hex {
    /// The one that is mirrored for everybody.
    repository: Repository,
    /// Where the HTTP API is; none where nothing is passed through.
    api: Option<Api>,
    /// Where private repositories are served.
    doors: Option<Doors>,
}

/// One repository of a mount.
pub struct Repository {
    mirror: Mirror,
    sources: Sources,
    name: RepositoryName,
    keyring: Arc<Keyring>,
    /// Whose word is taken, once the key is there.
    trusted: OnceLock<Arc<Trusted>>,
    /// By the digests of their proved documents.
    packages: Arc<Memo<Arc<Package>>>,
    /// Versions that no document has.
    missed: Arc<Missed>,
    pairs: Arc<Pairs>,
    blocks: Blocks,
}

impl Registry for config::Hex {
    fn check(&self) -> Result<(), String> {
        let named = RepositoryName::parse(&self.repository).map_err(|error| error.to_string());
        named.and_then(|_| pin(self).map(drop).map_err(|error| error.to_string()))
    }

    fn default_upstream(&self, _mount: &config::Mount, _listen: &Listen) -> config::Upstream {
        config::Upstream::open(SafeUrl::parse(REPOSITORY).expect("a URL that a test reads"))
    }

    fn default_upstream_in_words(&self) -> &'static str {
        REPOSITORY
    }

    fn set_up(&self, place: &Place<'_>) -> Vec<SetUp> {
        clients::set_up(self, place)
    }

    fn open(&self, opening: Opening<'_>) -> Opened {
        let blocks = Blocks::new(&opening);
        let upstream = opening.upstreams.default;
        let api = opening.mount.passthrough.then(|| Api::of(self, &upstream)).flatten();
        let (sources, clock) = (Sources::new(Shelf::new(opening.mount), upstream), Clock::default());
        let pin = pin(self).expect("a mount is checked before it is opened");
        let repository = Repository {
            mirror: opening.mirror,
            keyring: Arc::new(Keyring::new(pin, sources.clone())),
            trusted: OnceLock::new(),
            sources,
            name: RepositoryName::parse(&self.repository).expect("a mount is checked before it is opened"),
            packages: Arc::new(Memo::new(PACKAGES)),
            missed: Arc::new(Missed::new(clock.clone(), opening.mount.negative_ttl)),
            pairs: Arc::new(Pairs::new(clock.clone())),
            blocks,
        };
        Opened::synced(Hex {
            repository,
            api: api.map(|api| api.at_most(opening.max_request_bytes)),
            doors: self.private.then(|| Doors::new(clock)),
        })
    }
}

impl Desk for Hex {
    type Action = Action;
    type Visitor = ();

    fn mirror(&self) -> &Mirror {
        &self.repository.mirror
    }

    fn blocks(&self) -> &Blocks {
        &self.repository.blocks
    }

    fn parse(&self, request: &Request<'_>) -> Result<Action, Error> {
        routes::parse(request.method, request.path, request.query)
    }

    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply {
        error::reply(error, request.id, Shape::of(request.path, request.headers))
    }

    /// Anybody may read.
    async fn admit(&self, _request: &Request<'_>, _action: &Action) -> Result<(), Error> {
        Ok(())
    }

    async fn answer(&self, request: &Request<'_>, action: &Action, _visitor: &()) -> Result<Outcome, Error> {
        match action {
            Action::Api { target } => Ok(Outcome::Forward(self.pass_through(request, target).await?)),
            action => Ok(self.read(request, action).await?.into()),
        }
    }
}

impl Hex {
    async fn read(&self, request: &Request<'_>, action: &Action) -> Result<Reply, Error> {
        let Some(Root::Named(name)) = action.root() else { return self.read_open(request, action).await };
        let mut reply = self.enter(request, name).await?.read(self, request, action).await?;
        replies::hide(&mut reply, action);
        Ok(reply)
    }

    /// Reads the mirrored repository, which clients need no credentials for; what only ours open is for no other cache.
    async fn read_open(&self, request: &Request<'_>, action: &Action) -> Result<Reply, Error> {
        let read = self.repository.read(request, action).await;
        // A client's credentials would be of no use there.
        let mut reply = read.map_err(|error| match error {
            Error::Unauthorized(_) => Error::Forbidden("upstream does not take the credentials of this mirror".into()),
            error => error,
        })?;
        if self.repository.sources.is_closed() {
            replies::keep_private(&mut reply, action);
        }
        Ok(reply)
    }
}

impl Repository {
    /// Returns a repository beside this one, for who has these credentials there. It signs with the same key.
    fn of_member(&self, name: &RepositoryName, credentials: Secret) -> Self {
        Self {
            mirror: self.mirror.clone(),
            sources: self.sources.of_member(name, credentials),
            name: name.clone(),
            keyring: Arc::clone(&self.keyring),
            trusted: OnceLock::new(),
            packages: Arc::clone(&self.packages),
            missed: Arc::clone(&self.missed),
            pairs: Arc::clone(&self.pairs),
            blocks: self.blocks.clone(),
        }
    }

    async fn read(&self, request: &Request<'_>, action: &Action) -> Result<Reply, Error> {
        match action {
            Action::Names { .. } | Action::Versions { .. } | Action::Package { .. } | Action::Policy { .. } => {
                self.signed(request, action).await
            }
            Action::Tarball { name, version, .. } => self.tarball(request, name, version).await,
            Action::Docs { name, version, .. } => self.docs(request, name, version).await,
            Action::PublicKey { .. } => self.public_key().await,
            Action::Install(install) => self.install(request, install).await,
            Action::RegistryV1 => self.table(request).await,
            Action::RegistryV1Signature => self.table_signature(request).await,
            Action::Api { .. } => Err(Error::internal("the API is no part of a repository")),
        }
    }
}

/// Returns whose word is taken: the operator's choice, else the public repository's.
fn pin(keys: &config::Hex) -> Result<Pin, keys::Error> {
    match (&keys.public_key, &keys.fingerprint) {
        (Some(key), _) => PublicKey::parse(&key.pem).map(Pin::Key),
        (None, Some(fingerprint)) => fingerprint.parse().map(Pin::Fingerprint),
        (None, None) => Ok(Pin::Key(PublicKey::hexpm())),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::samples::{EXFMT, Signer, package_name};
    use super::*;
    use crate::base::digest::hex;

    #[test]
    fn the_public_repository_is_the_default_upstream() {
        let upstream = config::Hex::default().default_upstream(&config::Mount::default(), &Listen::default());
        assert_eq!(upstream.url.as_url().as_str(), REPOSITORY);
        assert!(!upstream.allow_private);
    }

    #[test]
    fn a_document_of_hex_pm_is_proved_by_its_key_and_read_to_the_last_field() {
        let hexpm = Trusted { repository: RepositoryName::parse("hexpm").unwrap(), key: PublicKey::hexpm() };
        let package = hexpm.package(EXFMT, &package_name("exfmt")).unwrap();
        let last = package.releases.last().unwrap();
        assert_eq!((package.releases.len(), last.version.as_str()), (10, "0.5.0"));
        let outer = hex(last.outer_checksum.as_ref().unwrap());
        assert_eq!(outer, "97569ddada83f077c6d8caf0411139e454fc3bcff6311615342f338bbe095f6d");
        let payload = wire::parse_signed(EXFMT, 4096).unwrap().payload;
        assert_eq!(package.encode_to_vec(), payload, "a field that the messages do not know would be lost");
    }

    #[test]
    fn only_a_mount_whose_key_can_be_read_is_opened() {
        let key = |pem: &str| Some(config::PublicKey { file: "key.pem".into(), pem: pem.as_bytes().to_vec() });
        let check = |public_key| config::Hex { public_key, ..Default::default() }.check();
        assert_eq!(check(None), Ok(()));
        assert_eq!(check(key(&Signer::repository().public_key().to_pem())), Ok(()));
        let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert_eq!(check(key(broken)), Err("this is no RSA key".to_owned()));
        let fingerprint = Some(format!("SHA256:{}", "/".repeat(43)));
        assert!(config::Hex { fingerprint, ..Default::default() }.check().is_err(), "the last bits are no base64");
    }
}
