//! What changes a package: publish, deprecate, unpublish, tags, owners, stars. A body is turned into edits that the overlay
//! makes all or none of. Source: contract npm §7.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use self::sent::{Likes, Reason, few, few_of, reason};
use self::tags::{check_few, check_tag};
use super::error::Error;
use super::merge::JSON;
use super::name::{LATEST, PackageName, Version};
use super::own::is_there;
use super::publish::manifest::with_deprecated;
use super::routes::Write;
use super::wire;
use super::{Npm, rev};
use crate::base::http::Reply;
use crate::overlay::packages::{Change, Edit, Package, Release, When};
use crate::overlay::rights::Action;
use crate::overlay::users::{UserId, UserName};
use crate::registries::bodies;
use crate::registries::gate::Visitor;
use crate::registries::members::Members;

pub mod publishing;
mod sent;
pub mod tags;

/// Who may publish, in npm's own word.
pub const OWNER: &str = "full";

/// Most owners that a document names.
const MAX_OWNERS: usize = 100;

/// What a body is.
enum Sent {
    /// A tarball is in it: it is read again, and proved, in its turn.
    Publication,
    Change(Document),
}

/// A body that changes what is there. What it is about is told by what it has.
#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "few")]
    versions: Option<BTreeMap<String, Described>>,
    #[serde(rename = "dist-tags", default, deserialize_with = "few")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "few_of")]
    maintainers: Option<Vec<Maintainer>>,
    #[serde(default, deserialize_with = "few")]
    users: Option<BTreeMap<String, Likes>>,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default, deserialize_with = "reason")]
    deprecated: Option<Reason>,
}

#[derive(Deserialize)]
struct Maintainer {
    name: String,
}

/// What a document leaves of a package.
struct Left {
    versions: BTreeMap<String, Described>,
    tags: BTreeMap<String, String>,
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
            Write::Document { name, expected } => self.write(visitor, name, *expected, body).await,
            Write::Tag { name, tag } => self.tag(visitor, name, tag, &body).await,
            Write::Tags { name, replaces } => self.set_tags(visitor, name, *replaces, &body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// `PUT /{name}`, with or without `/-rev/{rev}`. Source: contract npm §7.1 to §7.4, §7.6.
    async fn write(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        expected: Option<u64>,
        body: Bytes,
    ) -> Result<Reply, Error> {
        let sent = body.clone();
        let Sent::Change(document) = bodies::apart(move || Sent::read(&sent)).await? else {
            return self.publish(visitor, name, expected, body).await;
        };
        let held = self.held(visitor, name).await?;
        match (expected, document) {
            (None, Document { versions: None, users: Some(users), .. }) => {
                let me = self.gate.user(visitor)?.name.as_str();
                let likes = users.get(me).is_some_and(|Likes(likes)| *likes);
                self.like(visitor, &held, likes).await
            }
            (None, Document { versions: Some(versions), .. }) => self.deprecate(visitor, &held, &versions).await,
            (Some(_), Document { versions: Some(versions), tags, .. }) => {
                self.keep_only(visitor, &held, expected, Left { versions, tags: tags.unwrap_or_default() }).await
            }
            (Some(_), Document { maintainers: Some(owners), .. }) => {
                self.hand_over(visitor, &held, expected, &owners).await
            }
            _ => Err(Error::Unprocessable("_attachments is empty".into())),
        }
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
            if let Some(reason) = reason.and_then(Reason::text)
                && let Some(manifest) = with_deprecated(&release.manifest, reason)?
            {
                manifests.push((&release.version, manifest, Some(reason).filter(|reason| !reason.is_empty())));
            }
        }
        let edits: Vec<Edit<'_>> = manifests
            .iter()
            .map(|(version, manifest, reason)| Edit::Deprecate { version, variant: "", manifest, reason: *reason })
            .collect();
        self.let_change_something(held, &edits)?;
        self.change(visitor, Change { by_owner, edits: &edits, ..self.change_of(&held.name, "deprecate") }).await
    }

    /// Removes the versions that a document lacks, and points tags where it says. Source: contract npm §7.4.
    async fn keep_only(
        &self,
        visitor: &Visitor,
        held: &Package,
        expected: Option<u64>,
        Left { versions, tags }: Left,
    ) -> Result<Reply, Error> {
        let by_owner = self.let_edit(visitor, Action::Delete, held).await?;
        // Who edits was not shown what is blocked, and does not mean it.
        let barred = self.blocks.of(&held.name).await?;
        let is_meant = |version: &str| !versions.contains_key(version) && barred.find(version).is_none();
        let gone = held.releases.iter().filter(|release| is_there(release) && is_meant(&release.version));
        let mut edits: Vec<Edit<'_>> =
            gone.map(|release| Edit::Unpublish { version: &release.version, variant: None }).collect();
        // Nor that a tag of what is blocked was shown elsewhere.
        let is_shown = |tag: &str| held.tags.get(tag).is_none_or(|version| barred.find(version).is_none());
        // Nor that a tag of upstream's is to be ours.
        let merges = self.gate.merges(&held.name);
        let is_ours = |tag: &str, version: &str| held.tags.contains_key(tag) && find_there(held, version).is_some();
        let moved = tags.iter().filter(|(tag, version)| held.tags.get(*tag) != Some(version));
        let moved = moved.filter(|(tag, version)| is_shown(tag) && (!merges || is_ours(tag, version)));
        moved.clone().try_for_each(|(tag, _)| check_tag(tag))?;
        edits.extend(moved.map(|(tag, version)| Edit::Tag { tag, version, when: When::Always }));
        check_few(held, &edits)?;
        self.let_change_something(held, &edits)?;
        let left = latest_of(held, |version| versions.contains_key(version) || !is_meant(version));
        edits.extend(self.latest_if_absent(&held.name, left));
        self.change(visitor, Change { expected, by_owner, edits: &edits, ..self.change_of(&held.name, "unpublish") })
            .await
    }

    /// Makes others owners. Source: contract npm §7.6.
    async fn hand_over(
        &self,
        visitor: &Visitor,
        held: &Package,
        expected: Option<u64>,
        owners: &[Maintainer],
    ) -> Result<Reply, Error> {
        let by_owner = self.let_edit(visitor, Action::Admin, held).await?;
        if owners.is_empty() {
            return Err(Error::Forbidden("one owner must be left".into()));
        }
        let wanted = self.find_users(owners).await?;
        let mut edits: Vec<Edit<'_>> = wanted.iter().map(|user| Edit::Own { user: *user, level: OWNER }).collect();
        let gone = held.owners.iter().filter(|owner| !wanted.contains(&owner.user));
        edits.extend(gone.map(|owner| Edit::Disown { user: owner.user }));
        self.change(visitor, Change { expected, by_owner, edits: &edits, ..self.change_of(&held.name, "owner") }).await
    }

    /// Finds those whom a document names.
    async fn find_users(&self, owners: &[Maintainer]) -> Result<BTreeSet<UserId>, Error> {
        let named = |owner: &Maintainer| UserName::parse(&owner.name).map(|name| name.folded());
        let named: BTreeSet<String> = owners.iter().map(named).collect::<Result<_, _>>()?;
        if named.len() > MAX_OWNERS {
            return Err(Error::Unprocessable(format!("a package has at most {MAX_OWNERS} maintainers").into()));
        }
        let users = self.gate.overlay().users_by_name(&named).await?;
        match named.iter().find(|name| users.iter().all(|user| user.name.folded() != **name)) {
            Some(name) => Err(Error::not_found(format!("the user {name}"))),
            None => Ok(users.iter().map(|user| user.id).collect()),
        }
    }

    /// `DELETE /{name}/-rev/{rev}`. Source: contract npm §7.4.
    async fn unpublish(&self, visitor: &Visitor, name: &PackageName) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Delete, &held).await?;
        let edits = [Edit::UnpublishAll];
        self.change(visitor, Change { by_owner, edits: &edits, ..self.change_of(&held.name, "unpublish") }).await
    }

    /// `DELETE` of a tarball, which is the end of an unpublish that has done its work already. Source: contract npm §7.4.
    async fn remove_tarball(&self, visitor: &Visitor, name: &PackageName, version: &Version) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Delete, &held).await?;
        let is_held = find_there(&held, version.as_str()).is_some();
        let mut edits = Vec::new();
        if is_held {
            edits.push(Edit::Unpublish { version: version.as_str(), variant: None });
            let left = latest_of(&held, |other| other != version.as_str());
            edits.extend(self.latest_if_absent(name.as_str(), left));
        }
        if !held.releases.iter().any(|release| release.version == version.as_str()) {
            self.let_change_something(&held, &edits)?;
        }
        let change = Change { by_owner, edits: &edits, ..self.change_of(&held.name, "unpublish") };
        let mut reply = self.change(visitor, change).await?;
        reply.status = StatusCode::OK;
        Ok(reply)
    }

    /// Refuses a wish that only upstream's versions could grant: who is told that it is done would believe it.
    fn let_change_something(&self, held: &Package, edits: &[Edit<'_>]) -> Result<(), Error> {
        if !edits.is_empty() || !self.gate.merges(&held.name) {
            return Ok(());
        }
        let reason =
            format!("no version of {} that was published here is changed by this: others are mirrored", held.name);
        Err(Error::Forbidden(reason.into()))
    }

    /// Has a package be shown by one of its versions while it is by none. One that upstream has too is shown by upstream's.
    pub(super) fn latest_if_absent<'a>(&self, name: &str, version: Option<&'a str>) -> Option<Edit<'a>> {
        let version = version.filter(|_| !self.gate.merges(name))?;
        Some(Edit::Tag { tag: LATEST, version, when: When::Absent })
    }

    /// Returns a change of a package of this mount that does nothing yet, by the word that the audit log has for it.
    pub(super) fn change_of<'a>(&'a self, package: &'a str, verb: &'static str) -> Change<'a> {
        Change { mount: self.gate.mount(), package, expected: None, by_owner: None, verb, edits: &[] }
    }

    /// Makes a change, and answers with what the package is at then.
    pub(super) async fn change(&self, visitor: &Visitor, change: Change<'_>) -> Result<Reply, Error> {
        let package = change.package;
        if self.gate.merges(package)
            && change.edits.iter().any(|edit| matches!(edit, Edit::Restrict(true) | Edit::Bind { .. }))
        {
            return Err(Error::Forbidden(format!("{package} is mirrored too: it cannot be kept from anybody").into()));
        }
        let changed = self.gate.overlay().change_package(&change, &self.gate.actor(visitor)).await?;
        let rev = rev(changed.edition.revision, package);
        let body = json!({ "ok": true, "id": package, "rev": rev, "success": true });
        let mut reply = Reply::bytes(StatusCode::CREATED, JSON, body.to_string());
        reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(reply)
    }
}

/// Returns a version that was not removed.
fn find_there<'a>(held: &'a Package, version: &str) -> Option<&'a Release> {
    held.releases.iter().find(|release| is_there(release) && release.version == version)
}

/// Returns the version that `latest` falls back to where it is taken away: it is there for as long as a version is. Source:
/// contract npm §1.3, §4.2.4.
fn latest_of(held: &Package, is_left: impl Fn(&str) -> bool) -> Option<&str> {
    let left = held.releases.iter().filter(|release| is_there(release) && is_left(&release.version));
    wire::latest(&left.map(|release| release.version.as_str()).collect::<Vec<_>>())
}

// === impl Sent ===

impl Sent {
    /// Tells a publish from an edit. Blocks: npm sends whole documents to edit them.
    fn read(body: &[u8]) -> Result<Self, Error> {
        let mut members: Members<'_> =
            serde_json::from_slice(body).map_err(|_| Error::Unprocessable("the body is no JSON object".into()))?;
        let attachments = members.take("_attachments");
        let attachments = attachments.map_err(|error| Error::Unprocessable(error.to_string().into()))?;
        if attachments.and_then(Members::of).is_some_and(|attachments| attachments.into_iter().next().is_some()) {
            return Ok(Self::Publication);
        }
        let document = serde_json::from_slice(body);
        document.map(Self::Change).map_err(|_| Error::Unprocessable("the body is no document of a package".into()))
    }
}
