//! A publish on its way: proved as a whole, its bytes kept, its version written. Source: contract npm §7.1.

use bytes::Bytes;
use serde_json::json;

use crate::base::digest::Digest;
use crate::base::http::Reply;
use crate::overlay;
use crate::overlay::blobs::{Blob, Source};
use crate::overlay::packages::{Change, Edit, File, NewRelease, Package, Replaces, When};
use crate::overlay::rights::Action;
use crate::registries::bodies;
use crate::registries::gate::{Act, Visitor};
use crate::registries::members::quote;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::{PackageName, Version};
use crate::registries::npm::own::TARBALL;
use crate::registries::npm::publish::manifest::{print_manifest, readme};
use crate::registries::npm::publish::{self, Publication};
use crate::registries::npm::wire;
use crate::registries::npm::write::OWNER;
use crate::registries::npm::write::tags::check_few;
use crate::registries::range::Precedence;

/// What the overlay calls a provenance bundle.
pub const BUNDLE: &str = "attestations";

/// A publication, as it is kept.
struct Ready {
    version: String,
    manifest: Vec<u8>,
    tags: Vec<Box<str>>,
    /// What stands in the document of the package while this version shows it.
    document: Option<Vec<u8>>,
    is_restricted: Option<bool>,
    parts: Vec<Part>,
}

/// Bytes of a publication.
struct Part {
    /// What the overlay calls them.
    kind: &'static str,
    digest: Digest,
    bytes: Bytes,
}

impl Npm {
    /// `PUT /{name}` with a tarball in it. Source: contract npm §7.1.
    pub(in crate::registries::npm) async fn publish(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        expected: Option<u64>,
        body: Bytes,
    ) -> Result<Reply, Error> {
        let held = self.gate.package(name.as_str()).await?;
        let by_owner = self
            .gate
            .let_act(visitor, Act { action: Action::Push, name: name.as_str(), package: held.as_ref() })
            .await?;
        if held.is_none() {
            self.let_take(name)?;
        }
        let publisher = self.gate.user(visitor)?;
        let by = json!({ "name": publisher.name.as_str(), "email": publisher.email }).to_string();
        let asked = name.clone();
        // What is decoded stands in memory beside what still comes.
        let _turn = self.publishing.acquire().await.map_err(|_| Error::internal("nothing is published any more"))?;
        let ready = bodies::apart(move || make_ready(&body, &asked, &by)).await?;
        self.blocks.of(name.as_str()).await?.check_version(name.as_str(), &ready.version)?;
        judge_new(name, held.as_ref(), &ready)?;
        let is_restricted = self.let_restrict(visitor, held.as_ref(), ready.is_restricted).await?;
        let files = self.keep_files(&ready).await?;
        let release = NewRelease {
            version: &ready.version,
            variant: "",
            manifest: &ready.manifest,
            publisher: Some(publisher.id),
            files,
            replaces: Replaces::Nothing,
        };
        let mut edits = ready.edits(release);
        held.as_ref().map_or(Ok(()), |held| check_few(held, &edits))?;
        edits.extend(self.latest_if_absent(name.as_str(), Some(&ready.version)));
        if held.is_none() {
            edits.push(Edit::Own { user: publisher.id, level: OWNER });
        }
        edits.extend(is_restricted.map(Edit::Restrict));
        let change = Change { expected, by_owner, edits: &edits, ..self.change_of(name.as_str(), "publish") };
        self.change(visitor, change).await
    }

    async fn keep_files(&self, ready: &Ready) -> Result<Vec<File>, Error> {
        let mut files = Vec::new();
        for part in &ready.parts {
            files.push(File { kind: part.kind.to_owned(), blob: self.keep(part).await? });
        }
        Ok(files)
    }

    /// Keeps bytes; once more, where the same bytes were being collected.
    async fn keep(&self, part: &Part) -> Result<Blob, Error> {
        let overlay = self.gate.overlay();
        let source = || Source::Memory(part.bytes.clone());
        match overlay.keep_blob(part.digest, source()).await {
            Err(overlay::Error::Collected(_)) => Ok(overlay.keep_blob(part.digest, source()).await?),
            kept => Ok(kept?),
        }
    }
}

// === impl Ready ===

impl Ready {
    /// Returns what becomes of the package, whoever publishes.
    fn edits<'a>(&'a self, release: NewRelease<'a>) -> Vec<Edit<'a>> {
        let mut edits = vec![Edit::Unlike { version: &self.version, is_same }, Edit::Publish(release)];
        let set = |tag| Edit::Tag { tag, version: &self.version, when: When::Always };
        edits.extend(self.tags.iter().map(|tag| set(tag)));
        let document = self.document.as_deref();
        edits.extend(document.map(|document| Edit::Document { version: &self.version, variant: "", document }));
        edits
    }
}

// === impl Part ===

impl Part {
    fn new(kind: &'static str, bytes: Bytes) -> Self {
        Self { kind, digest: Digest::of(&bytes), bytes }
    }
}

/// Tells whether two versions are one: build metadata makes no other. Source: contract npm §1.3.
fn is_same(one: &str, other: &str) -> bool {
    one == other || Precedence::parse(one) == Precedence::parse(other)
}

/// Refuses what the overlay would refuse, before bytes are kept that no release would have.
fn judge_new(name: &PackageName, held: Option<&Package>, ready: &Ready) -> Result<(), Error> {
    if held.iter().flat_map(|held| &held.releases).any(|release| is_same(&release.version, &ready.version)) {
        return Err(Error::Forbidden(format!("cannot modify pre-existing version {name}@{}", ready.version).into()));
    }
    Ok(())
}

/// Proves a publication and writes its manifest. Blocks.
fn make_ready(body: &[u8], name: &PackageName, publisher: &str) -> Result<Ready, Error> {
    let publication = publish::parse(body, name).map_err(|error| Error::Unprocessable(chain(&error).into()))?;
    let manifest = print_manifest(&publication, name, publisher)?;
    check_readable(&manifest, name, &publication.version)?;
    let readme = readme(&publication);
    let Publication { version, tags, access, tarball, bundle, .. } = publication;
    let mut parts = vec![Part::new(TARBALL, tarball.bytes.into())];
    parts.extend(bundle.map(|bundle| Part::new(BUNDLE, bundle.json.into())));
    Ok(Ready {
        version: version.to_string(),
        manifest,
        tags,
        document: readme.map(|readme| json!({ "readme": readme }).to_string().into_bytes()),
        is_restricted: access.map(|access| access == publish::Access::Restricted),
        parts,
    })
}

/// Refuses a manifest that could be kept and not be served: who reads documents goes less deep than who reads a body.
fn check_readable(manifest: &[u8], name: &PackageName, version: &Version) -> Result<(), Error> {
    let head = format!("{{\"name\":{},\"versions\":{{{}:", quote(name.as_str()), quote(version.as_str()));
    let document = [head.as_bytes(), manifest, b"}}"].concat();
    let checked = wire::check(&document, name);
    checked.map(drop).map_err(|error| Error::Unprocessable(format!("the manifest cannot be served: {error}").into()))
}

/// Prints an error and what lies behind it in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
