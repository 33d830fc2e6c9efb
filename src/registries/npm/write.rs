//! What changes a package: publish, deprecate, unpublish, tags, owners, stars. A body is turned into edits that the overlay
//! makes all or none of. Source: contract npm §7.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::manifest::{print_manifest, readme, with_deprecated};
use super::merge::JSON;
use super::name::{PackageName, Version};
use super::own::{TARBALL, is_there};
use super::publish::{self, Publication};
use super::routes::Write;
use super::{Npm, rev};
use crate::base::digest::Digest;
use crate::base::http::Reply;
use crate::overlay::blobs::Source;
use crate::overlay::packages::{Change, Edit, File, NewRelease, Package, Replaces, When};
use crate::overlay::rights::Action;
use crate::overlay::users::{UserId, UserName};
use crate::registries::bodies;
use crate::registries::gate::{Act, Visitor};
use crate::registries::members::Members;

/// What the overlay calls a provenance bundle.
const BUNDLE: &str = "attestations";
/// Who may publish, in npm's own word.
pub const OWNER: &str = "full";

/// A body that changes what is there. What it is about is told by what it has.
#[derive(Deserialize)]
struct Document {
    versions: Option<BTreeMap<String, Described>>,
    #[serde(rename = "dist-tags")]
    tags: Option<BTreeMap<String, String>>,
    maintainers: Option<Vec<Maintainer>>,
    users: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Described {
    deprecated: Option<Value>,
}

#[derive(Deserialize)]
struct Maintainer {
    name: String,
}

/// A publication, as it is kept.
struct Ready {
    version: String,
    manifest: Vec<u8>,
    tags: Vec<Box<str>>,
    document: Option<Vec<u8>>,
    is_restricted: Option<bool>,
    tarball: Bytes,
    bundle: Option<Bytes>,
}

impl Npm {
    /// Does what needs no body.
    pub(super) async fn answer_write(&self, visitor: &Visitor, write: &Write) -> Result<Reply, Error> {
        match write {
            Write::Unpublish { name } => self.unpublish(visitor, name).await,
            Write::RemoveTarball { name, version } => self.remove_tarball(visitor, name, version).await,
            Write::Untag { name, tag } => self.untag(visitor, name, tag).await,
            Write::Document { .. } | Write::Tag { .. } | Write::Tags { .. } => {
                Err(Error::internal("a write without its body"))
            }
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_write_body(
        &self,
        visitor: &Visitor,
        write: &Write,
        body: Bytes,
    ) -> Result<Reply, Error> {
        match write {
            Write::Document { name, expected } => self.write(visitor, (name, *expected), body).await,
            Write::Tag { name, tag } => self.tag(visitor, (name, tag), &body).await,
            Write::Tags { name, replaces } => self.set_tags(visitor, (name, *replaces), &body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// `PUT /{name}`, with or without `/-rev/{rev}`. Source: contract npm §7.1 to §7.4, §7.6.
    async fn write(
        &self,
        visitor: &Visitor,
        (name, expected): (&PackageName, Option<u64>),
        body: Bytes,
    ) -> Result<Reply, Error> {
        if has_attachments(&body)? {
            let held = self.gate.package(name.as_str()).await?;
            return self.publish(visitor, (name, held), body).await;
        }
        let document: Document = serde_json::from_slice(&body)
            .map_err(|_| Error::Unprocessable("the body is no document of a package".into()))?;
        let held = self.held(visitor, name).await?;
        match (expected, document) {
            (None, Document { versions: None, users: Some(users), .. }) => {
                let me = self.gate.user(visitor)?.name.as_str();
                let likes = users.get(me).is_some_and(|likes| *likes != Value::Bool(false));
                self.like(visitor, &held, likes).await
            }
            (None, Document { versions: Some(versions), .. }) => self.deprecate(visitor, &held, &versions).await,
            (Some(_), Document { versions: Some(versions), tags, .. }) => {
                self.keep_only(visitor, (&held, expected), (&versions, &tags.unwrap_or_default())).await
            }
            (Some(_), Document { maintainers: Some(owners), .. }) => {
                self.hand_over(visitor, (&held, expected), &owners).await
            }
            _ => Err(Error::Unprocessable("_attachments is empty".into())),
        }
    }

    async fn publish(
        &self,
        visitor: &Visitor,
        (name, held): (&PackageName, Option<Package>),
        body: Bytes,
    ) -> Result<Reply, Error> {
        let by_owner = self
            .gate
            .let_act(visitor, Act { action: Action::Push, name: name.as_str(), package: held.as_ref() })
            .await?;
        if held.is_none() && !self.gate.keeps(name.as_str()) {
            return Err(Error::Forbidden(format!("{name} is not among the names that are published here").into()));
        }
        let publisher = self.gate.user(visitor)?;
        let by = json!({ "name": publisher.name.as_str(), "email": publisher.email }).to_string();
        let asked = name.clone();
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
        let mut edits = vec![Edit::Publish(release)];
        let set = |tag, when| Edit::Tag { tag, version: &ready.version, when };
        edits.extend(ready.tags.iter().map(|tag| set(tag, When::Always)));
        edits.push(set("latest", When::Absent));
        if held.is_none() {
            edits.push(Edit::Own { user: publisher.id, level: OWNER });
        }
        edits.extend(ready.document.as_deref().map(Edit::Document));
        edits.extend(is_restricted.map(Edit::Restrict));
        self.change(visitor, name.as_str(), (None, by_owner, "publish"), &edits).await
    }

    async fn keep_files(&self, ready: &Ready) -> Result<Vec<File>, Error> {
        let mut files = Vec::new();
        for (kind, bytes) in [(TARBALL, Some(&ready.tarball)), (BUNDLE, ready.bundle.as_ref())] {
            let Some(bytes) = bytes else { continue };
            let blob = self.gate.overlay().keep_blob(Digest::of(bytes), Source::Memory(bytes.clone())).await?;
            files.push(File { kind: kind.to_owned(), blob });
        }
        Ok(files)
    }

    /// Applies what differs of `deprecated`, and nothing else. Source: contract npm §7.2.
    async fn deprecate(
        &self,
        visitor: &Visitor,
        held: &Package,
        wanted: &BTreeMap<String, Described>,
    ) -> Result<Reply, Error> {
        if wanted.values().all(|described| described.deprecated.is_none()) {
            return Err(Error::Unprocessable("_attachments is empty".into()));
        }
        let by_owner = self.let_edit(visitor, Action::Push, held).await?;
        let mut manifests = Vec::new();
        for release in held.releases.iter().filter(|release| is_there(release)) {
            let reason = wanted.get(&release.version).and_then(|described| described.deprecated.as_ref());
            if let Some(reason) = reason.and_then(Value::as_str) {
                manifests.push((&release.version, with_deprecated(&release.manifest, reason)?));
            }
        }
        let edit = |(version, manifest): &(&String, Vec<u8>)| (version.to_string(), manifest.clone());
        let manifests: Vec<(String, Vec<u8>)> = manifests.iter().map(edit).collect();
        let edits: Vec<Edit<'_>> =
            manifests.iter().map(|(version, manifest)| Edit::Manifest { version, variant: "", manifest }).collect();
        self.change(visitor, &held.name, (None, by_owner, "deprecate"), &edits).await
    }

    /// Removes the versions that a document lacks, and points tags where it says. Source: contract npm §7.4.
    async fn keep_only(
        &self,
        visitor: &Visitor,
        (held, expected): (&Package, Option<u64>),
        (versions, tags): (&BTreeMap<String, Described>, &BTreeMap<String, String>),
    ) -> Result<Reply, Error> {
        let by_owner = self.let_edit(visitor, Action::Delete, held).await?;
        // Who edits was not shown what is blocked, and does not mean it.
        let barred = self.blocks.of(&held.name).await?;
        let is_meant = |version: &str| !versions.contains_key(version) && barred.find(version).is_none();
        let gone = held.releases.iter().filter(|release| is_there(release) && is_meant(&release.version));
        let mut edits: Vec<Edit<'_>> =
            gone.map(|release| Edit::Unpublish { version: &release.version, variant: None }).collect();
        let moved = tags.iter().filter(|(tag, version)| held.tags.get(*tag) != Some(version));
        edits.extend(moved.map(|(tag, version)| Edit::Tag { tag, version, when: When::Always }));
        self.change(visitor, &held.name, (expected, by_owner, "unpublish"), &edits).await
    }

    /// Makes others owners. Source: contract npm §7.6.
    async fn hand_over(
        &self,
        visitor: &Visitor,
        (held, expected): (&Package, Option<u64>),
        owners: &[Maintainer],
    ) -> Result<Reply, Error> {
        let by_owner = self.let_edit(visitor, Action::Admin, held).await?;
        if owners.is_empty() {
            return Err(Error::Forbidden("one owner must be left".into()));
        }
        let mut wanted: Vec<UserId> = Vec::new();
        for owner in owners {
            let name = UserName::parse(&owner.name)?;
            let user = self.gate.overlay().user(&name).await?;
            wanted.push(user.ok_or_else(|| Error::not_found(format!("the user {name}")))?.id);
        }
        let mut edits: Vec<Edit<'_>> = wanted.iter().map(|user| Edit::Own { user: *user, level: OWNER }).collect();
        let gone = held.owners.iter().filter(|owner| !wanted.contains(&owner.user));
        edits.extend(gone.map(|owner| Edit::Disown { user: owner.user }));
        self.change(visitor, &held.name, (expected, by_owner, "owner"), &edits).await
    }

    /// `DELETE /{name}/-rev/{rev}`. Source: contract npm §7.4.
    async fn unpublish(&self, visitor: &Visitor, name: &PackageName) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Delete, &held).await?;
        self.change(visitor, name.as_str(), (None, by_owner, "unpublish"), &[Edit::UnpublishAll]).await
    }

    /// `DELETE` of a tarball, which is the end of an unpublish that has done its work already. Source: contract npm §7.4.
    async fn remove_tarball(&self, visitor: &Visitor, name: &PackageName, version: &Version) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Delete, &held).await?;
        let is_held = held.releases.iter().any(|release| is_there(release) && release.version == version.as_str());
        let edit = Edit::Unpublish { version: version.as_str(), variant: None };
        let edits = if is_held { vec![edit] } else { Vec::new() };
        let mut reply = self.change(visitor, name.as_str(), (None, by_owner, "unpublish"), &edits).await?;
        reply.status = StatusCode::OK;
        Ok(reply)
    }

    pub(super) async fn change(
        &self,
        visitor: &Visitor,
        package: &str,
        (expected, by_owner, verb): (Option<u64>, Option<UserId>, &'static str),
        edits: &[Edit<'_>],
    ) -> Result<Reply, Error> {
        let change = Change { mount: self.gate.mount(), package, expected, by_owner, verb, edits };
        let changed = self.gate.overlay().change_package(&change, &self.gate.actor(visitor)).await?;
        let rev = rev(changed.revision, package);
        let body = json!({ "ok": true, "id": package, "rev": rev, "success": true });
        let mut reply = Reply::bytes(StatusCode::CREATED, JSON, body.to_string());
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(reply)
    }
}

/// Tells a publish from an edit.
fn has_attachments(body: &[u8]) -> Result<bool, Error> {
    let mut members: Members<'_> =
        serde_json::from_slice(body).map_err(|_| Error::Unprocessable("the body is no JSON object".into()))?;
    let attachments = members.take("_attachments").map_err(|error| Error::Unprocessable(error.to_string().into()))?;
    Ok(attachments.and_then(Members::of).is_some_and(|attachments| attachments.into_iter().next().is_some()))
}

/// Refuses what the overlay would refuse, before bytes are kept that no release would have.
fn judge_new(name: &PackageName, held: Option<&Package>, ready: &Ready) -> Result<(), Error> {
    if held.iter().flat_map(|held| &held.releases).any(|release| release.version == ready.version) {
        return Err(Error::Forbidden(format!("cannot modify pre-existing version {name}@{}", ready.version).into()));
    }
    Ok(())
}

/// Proves a publication and writes its manifest. Blocks.
fn make_ready(body: &[u8], name: &PackageName, publisher: &str) -> Result<Ready, Error> {
    let publication = publish::parse(body, name).map_err(|error| Error::Unprocessable(chain(&error).into()))?;
    let manifest = print_manifest(&publication, name, publisher)?;
    let readme = readme(&publication);
    let Publication { version, tags, access, tarball, bundle, .. } = publication;
    Ok(Ready {
        version: version.to_string(),
        manifest,
        tags,
        document: readme.map(|readme| json!({ "readme": readme }).to_string().into_bytes()),
        is_restricted: access.map(|access| access == publish::Access::Restricted),
        tarball: tarball.bytes.into(),
        bundle: bundle.map(|bundle| bundle.json.into()),
    })
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
