//! Dist-tags: one by one, or all at once. Source: contract npm §7.5.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;

use crate::base::http::Reply;
use crate::overlay::packages::{Change, Edit, Package, When};
use crate::overlay::rights::Action;
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::{LATEST, PackageName, Spec};
use crate::registries::npm::own::is_there;

/// Most tags that one write sets.
const MAX_SET: usize = 32;
/// Most tags of a package.
const MAX_TAGS: usize = 1000;

impl Npm {
    /// Sets a dist-tag to the version that the body names.
    pub(in crate::registries::npm) async fn tag(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        tag: &str,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Push, &held).await?;
        check_tag(tag)?;
        let version: String =
            serde_json::from_slice(body).map_err(|_| Error::bad_request("the body is a version, as JSON text"))?;
        check_version(&held, &version)?;
        let edits = [Edit::Tag { tag, version: &version, when: When::Always }];
        check_few(&held, &edits)?;
        self.change(visitor, Change { by_owner, edits: &edits, ..self.change_of(&held.name, "tag") }).await
    }

    /// Sets dist-tags to the versions that the body names; those that it does not name go, if it is to be all, but for the
    /// one that stays.
    pub(in crate::registries::npm) async fn set_tags(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        replaces: bool,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Push, &held).await?;
        let wanted: BTreeMap<String, String> = serde_json::from_slice(body)
            .map_err(|_| Error::bad_request("the body is an object of dist-tags and versions"))?;
        let set = |(tag, version)| Edit::Tag { tag, version, when: When::Always };
        let mut edits: Vec<Edit<'_>> =
            wanted.iter().map(|(tag, version)| (tag.as_str(), version.as_str())).map(set).collect();
        check_few(&held, &edits)?;
        for (tag, version) in &wanted {
            check_tag(tag)?;
            check_version(&held, version)?;
        }
        let goes = |tag: &&String| replaces && *tag != LATEST && !wanted.contains_key(*tag);
        edits.extend(held.tags.keys().filter(goes).map(|tag| Edit::Untag { tag }));
        self.change(visitor, Change { by_owner, edits: &edits, ..self.change_of(&held.name, "tag") }).await
    }

    /// Takes a dist-tag away.
    pub(in crate::registries::npm) async fn untag(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        tag: &str,
    ) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Push, &held).await?;
        if tag == LATEST {
            return Err(Error::Forbidden("latest cannot be taken away".into()));
        }
        let edits = [Edit::Untag { tag }];
        let change = Change { by_owner, edits: &edits, ..self.change_of(&held.name, "untag") };
        let mut reply = self.change(visitor, change).await?;
        reply.status = StatusCode::OK;
        Ok(reply)
    }
}

pub fn check_tag(tag: &str) -> Result<(), Error> {
    match Spec::parse(tag) {
        Ok(Spec::Tag(_)) => Ok(()),
        _ => Err(Error::Unprocessable(format!("{tag:?} is no dist-tag").into())),
    }
}

/// Refuses more tags than one write sets, or a package has: all other writes wait for it.
pub fn check_few(held: &Package, edits: &[Edit<'_>]) -> Result<(), Error> {
    let mut set = Vec::new();
    for edit in edits {
        if let Edit::Tag { tag, version, .. } = edit
            && held.tags.get(*tag).is_none_or(|at| at != version)
        {
            set.push(*tag);
        }
    }
    if set.len() > MAX_SET {
        return Err(Error::Unprocessable(format!("at most {MAX_SET} dist-tags are set at once").into()));
    }
    let added = set.iter().filter(|tag| !held.tags.contains_key(**tag)).count();
    if added > 0 && held.tags.len() + added > MAX_TAGS {
        return Err(Error::Unprocessable(format!("a package has at most {MAX_TAGS} dist-tags").into()));
    }
    Ok(())
}

fn check_version(held: &Package, version: &str) -> Result<(), Error> {
    let is_held = held.releases.iter().any(|release| is_there(release) && release.version == version);
    if is_held { Ok(()) } else { Err(Error::not_found(format!("{}@{version}", held.name))) }
}
