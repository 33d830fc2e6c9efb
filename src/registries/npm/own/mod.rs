//! Packages that were published here: printed as a registry would have them, and served like upstream's. Their names are
//! never asked upstream, but for those that the mount merges. Source: contract npm §4.2.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use super::error::{Error, of_mirror};
use super::merge::JSON;
use super::name::{LATEST, PackageName, Version};
use super::publish::manifest::with_told;
use super::publish::provenance::Statement;
use super::registries::OWN;
use super::replies::NO_CACHE;
use super::signing::Signer;
use super::wire::is_hoisted;
use super::write::publishing::BUNDLE;
use super::{Npm, rev};
use crate::base::clock::millis;
use crate::base::digest::Digest;
use crate::base::http::{Body, Reply};
use crate::mirror::Prepared;
use crate::mirror::own::{Failed, Own};
use crate::mirror::prepare::Shape;
use crate::overlay::Overlay;
use crate::overlay::blobs::Blob;
use crate::overlay::packages::{Edition, Package, Place, Release};
use crate::registries::bodies;
use crate::registries::members::quote;
use crate::registries::replies::{self};
use crate::registries::times::print_millis;

mod held;

/// What the overlay calls the tarball of a release.
pub const TARBALL: &str = "archive";

/// Counted up when documents of ours are printed in another way: those that an older program has prepared are no longer
/// served.
const PRINT_VERSION: u32 = 3;

/// Whose the versions at a name are.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    Upstreams,
    Ours(Edition),
    /// Ours are served with upstream's.
    Both(Edition),
}

impl Npm {
    /// Tells whose the versions at a name are.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the name is kept for us, and nothing was published. Else the overlay's.
    pub(super) async fn whose(&self, name: &PackageName) -> Result<Whose, Error> {
        match self.gate.holds(name.as_str()).await? {
            Some(edition) if self.gate.merges(name.as_str()) => Ok(Whose::Both(edition)),
            Some(edition) => Ok(Whose::Ours(edition)),
            None if self.gate.keeps(name.as_str()) => Err(Error::not_found(name.as_str())),
            None => Ok(Whose::Upstreams),
        }
    }

    /// Returns a package of ours, as it is now.
    pub(super) async fn own_package(&self, name: &PackageName) -> Result<Package, Error> {
        self.gate.package(name.as_str()).await?.ok_or_else(|| Error::not_found(name.as_str()))
    }

    /// Prints the document of a package of ours in the forms that `shape` makes of it.
    pub(super) async fn print_own(&self, name: &PackageName, shape: Arc<dyn Shape>) -> Result<Prepared, Error> {
        let package = self.own_package(name).await?;
        // It may have changed since its state was looked up.
        let key = self.own_key(name, package.edition);
        let prepared = self.mirror.own(self.own(name, &key), &shape, self.printed(package)).await;
        prepared.map_err(|failed| told(failed, name.as_str()))
    }

    /// Prints the document of a package of ours, its versions signed if the mount signs.
    pub(super) async fn printed(&self, package: Package) -> Result<Bytes, Error> {
        let (signer, shown) = (self.signer().await?, beside_latest(self.gate.overlay(), &package).await?);
        bodies::apart(move || print(&package, shown.as_deref(), signer.as_deref())).await
    }

    /// Returns the tarball of a version of ours, and its digest; `None`: it is for upstream to have.
    ///
    /// # Errors
    /// [`Error::NotFound`]: nobody else has such a version. Else the overlay's.
    pub(super) async fn find_own_tarball(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<(Digest, Body)>, Error> {
        match self.whose(name).await? {
            Whose::Upstreams => Ok(None),
            Whose::Both(edition) => self.own_bytes(name, version, edition).await,
            Whose::Ours(edition) => {
                let own = self.own_bytes(name, version, edition).await?;
                own.map(Some).ok_or_else(|| Error::not_found(format!("{name}@{version}")))
            }
        }
    }

    async fn own_bytes(
        &self,
        name: &PackageName,
        version: &Version,
        edition: Edition,
    ) -> Result<Option<(Digest, Body)>, Error> {
        let Some(blob) = self.own_blob(name, version, TARBALL, edition).await? else { return Ok(None) };
        let body = match self.gate.overlay().open_blob(&blob)? {
            Some(slice) => Body::File(slice),
            None => self.fetch_own(name, &blob).await?,
        };
        Ok(Some((blob.digest, body)))
    }

    /// Returns what was attached to a version when it was published; `None` where that was nothing.
    pub(super) async fn own_attestations(
        &self,
        name: &PackageName,
        version: &Version,
        edition: Edition,
    ) -> Result<Option<Reply>, Error> {
        let Some(blob) = self.own_blob(name, version, BUNDLE, edition).await? else { return Ok(None) };
        let bundle = self.gate.overlay().read_blob(&blob).await?;
        let unreadable = || Error::internal("a bundle of ours that cannot be read");
        let bundle = std::str::from_utf8(&bundle).map_err(|_| unreadable())?;
        let statement = Statement::parse(bundle).map_err(|_| unreadable())?;
        let kind = quote(&statement.predicate_type);
        let body = format!("{{\"attestations\":[{{\"predicateType\":{kind},\"bundle\":{bundle}}}]}}");
        let mut reply = replies::tagged(JSON, body);
        reply.set(CACHE_CONTROL, NO_CACHE);
        Ok(Some(reply))
    }

    /// Tells whether a version was published here, and is there.
    pub(super) async fn has_own(&self, name: &PackageName, version: &Version, edition: Edition) -> Result<bool, Error> {
        Ok(self.own_blob(name, version, TARBALL, edition).await?.is_some())
    }

    /// Finds bytes of a version, which are remembered for each state of its package.
    async fn own_blob(
        &self,
        name: &PackageName,
        version: &Version,
        kind: &str,
        edition: Edition,
    ) -> Result<Option<Blob>, Error> {
        let mark = Digest::of(format!("{}/{version}/{kind}", self.own_key(name, edition)).as_bytes());
        if let Some(known) = self.tarballs.find(&mark) {
            return Ok(known);
        }
        let release =
            Place { mount: self.gate.mount(), package: name.as_str(), version: version.as_str(), variant: "" };
        let file = self.gate.overlay().file(release, kind).await?;
        Ok(self.tarballs.keep(mark, file.map(|file| file.blob), 1))
    }

    /// Returns published bytes that lie elsewhere, by way of the cache.
    async fn fetch_own(&self, name: &PackageName, blob: &Blob) -> Result<Body, Error> {
        let key = format!("{}@/own/blob/{}", self.sources.shelf.mount, blob.digest);
        let overlay = self.gate.overlay();
        let pieces = stream::once(overlay.stream_blob(blob, 0..blob.size)).try_flatten();
        let body = self.mirror.own_artifact(self.own(name, &key), blob.digest, pieces).await;
        body.map_err(|failed| told(failed, name.as_str()))
    }

    pub(super) fn own<'a>(&'a self, name: &'a PackageName, key: &'a str) -> Own<'a> {
        Own { key, mount: &self.sources.shelf.mount, package: name.as_str() }
    }

    /// Names one state of a document of ours in the cache. No upstream's identifier is empty, so no key of theirs is this.
    pub(super) fn own_key(&self, name: &PackageName, edition: Edition) -> String {
        format!("{}@/own/{name}@{}", self.sources.shelf.mount, self.own_state(edition))
    }

    /// Names one state of what is printed of ours: it is another one where it is signed.
    pub(super) fn own_state(&self, Edition { revision, stamp }: Edition) -> String {
        let signed = if self.signs { "+" } else { "" };
        format!("{revision}-{stamp:x}-{PRINT_VERSION}{signed}")
    }
}

/// Tells why something of ours cannot be served.
pub fn told<E: Into<Error>>(failed: Failed<E>, what: &str) -> Error {
    match failed {
        Failed::Engine(error) => of_mirror(error, what),
        Failed::Print(error) => error.into(),
    }
}

/// Tells whether a release was not removed.
pub fn is_there(release: &Release) -> bool {
    release.removed_at.is_none()
}

/// Returns what is kept beside the manifest of the version that shows a package: its readme.
pub async fn beside_latest(overlay: &Overlay, package: &Package) -> Result<Option<Vec<u8>>, Error> {
    let Some(version) = package.tags.get(LATEST) else { return Ok(None) };
    let release = Place { mount: &package.mount, package: &package.name, version, variant: "" };
    Ok(overlay.document(release).await?)
}

/// Prints the whole document, with what is kept beside the version that shows it, its versions signed. Source: contract npm
/// §4.1.
pub fn print(package: &Package, shown: Option<&[u8]>, signer: Option<&Signer>) -> Result<Bytes, Error> {
    let unreadable = |_| Error::internal("a manifest of ours that cannot be read");
    let there: Vec<&Release> = package.releases.iter().filter(|release| is_there(release)).collect();
    let versions = print_versions(package, &there, signer)?;
    let latest = package.tags.get(LATEST).and_then(|tag| there.iter().find(|release| release.version == *tag));
    let latest: Map<String, Value> = match latest {
        Some(release) => serde_json::from_slice(&release.manifest).map_err(unreadable)?,
        None => Map::new(),
    };
    let mut document = Map::new();
    document.insert("_id".to_owned(), json!(package.name));
    document.insert("_rev".to_owned(), json!(rev(package.edition.revision, &package.name)));
    document.insert("name".to_owned(), json!(package.name));
    document.insert("dist-tags".to_owned(), json!(package.tags));
    document.insert("time".to_owned(), times(package, there.is_empty()));
    document.insert("maintainers".to_owned(), json!(owners(package)));
    document.insert("users".to_owned(), stars(package));
    document.insert("_attachments".to_owned(), json!({}));
    document.insert("_source_registry_name".to_owned(), json!(OWN));
    if let Some(shown) = shown {
        let shown: Map<String, Value> = serde_json::from_slice(shown).map_err(unreadable)?;
        document.extend(shown);
    }
    document.extend(latest.into_iter().filter(|(name, _)| is_hoisted(name)));
    let head = Value::Object(document).to_string();
    Ok(format!("{},\"versions\":{versions}}}", head.strip_suffix('}').unwrap_or_default()).into())
}

/// Prints the manifests of versions: as they were written, but for what tells of their publish. Source: contract npm §7.1.
fn print_versions(package: &Package, there: &[&Release], signer: Option<&Signer>) -> Result<String, Error> {
    let maintainers = json!(owners(package));
    let mut versions = String::new();
    for release in there {
        let told = format!(
            "\"maintainers\":{maintainers},\"publish_time\":{},\"_cnpmcore_publish_time\":{},\
             \"_source_registry_name\":{}",
            millis(release.published_at),
            quote(&print_millis(release.published_at)),
            quote(OWN),
        );
        let mut manifest = with_told(&release.manifest, &told)?;
        if let Some(signer) = signer {
            manifest = signer.sign(&package.name, &release.version, &manifest)?;
        }
        let comma = if versions.is_empty() { "" } else { "," };
        versions.push_str(&format!("{comma}{}:{manifest}", quote(&release.version)));
    }
    Ok(format!("{{{versions}}}"))
}

fn times(package: &Package, is_gone: bool) -> Value {
    let mut times = Map::new();
    times.insert("created".to_owned(), json!(print_millis(package.created_at)));
    times.insert("modified".to_owned(), json!(print_millis(package.modified_at)));
    times.extend(
        package.releases.iter().map(|release| (release.version.clone(), json!(print_millis(release.published_at)))),
    );
    if is_gone {
        let versions: Vec<&str> = package.releases.iter().map(|release| release.version.as_str()).collect();
        let unpublished = json!({
            "name": package.name,
            "time": print_millis(package.modified_at),
            // They went with their versions.
            "tags": package.tags,
            "maintainers": owners(package),
            "versions": versions,
        });
        times.insert("unpublished".to_owned(), unpublished);
    }
    Value::Object(times)
}

fn owners(package: &Package) -> Vec<Value> {
    package.owners.iter().map(|owner| json!({ "name": owner.name.as_str(), "email": owner.email })).collect()
}

fn stars(package: &Package) -> Value {
    package.stars.iter().map(|user| (user.to_string(), Value::Bool(true))).collect::<Map<_, _>>().into()
}
