//! What a change makes of a package: a state and edits in, effects and events out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Edit, EventKind, NewRelease, News, Replaces, SecondFactor, When};
use crate::overlay::error::Error;
use crate::overlay::teams::{Permission, TeamId};
use crate::overlay::users::UserId;

/// What is decided by. A default one is that of a package that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::overlay) struct State {
    pub(in crate::overlay) id: Option<u64>,
    pub(in crate::overlay) revision: u64,
    pub(in crate::overlay) stamp: u64,
    /// Version and variant.
    pub(in crate::overlay) living: BTreeSet<(String, String)>,
    pub(in crate::overlay) removed: BTreeSet<(String, String)>,
    pub(in crate::overlay) tags: BTreeMap<String, String>,
    pub(in crate::overlay) owners: BTreeMap<UserId, String>,
    pub(in crate::overlay) teams: BTreeMap<TeamId, Permission>,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub(in crate::overlay) enum Effect<'a> {
    Put(&'a NewRelease<'a>),
    Manifest { version: &'a str, variant: &'a str, manifest: &'a [u8] },
    Remove { version: String, variant: String },
    Tag { tag: String, version: String },
    Untag { tag: String },
    Own { user: UserId, level: &'a str },
    Disown { user: UserId },
    Star { user: UserId },
    Unstar { user: UserId },
    Document { version: &'a str, variant: &'a str, document: &'a [u8] },
    Restrict(bool),
    Bind { team: TeamId, permission: Permission },
    Unbind { team: TeamId },
    Ask(SecondFactor),
}

/// A change on its way through.
struct Decision<'a> {
    state: State,
    effects: Vec<Effect<'a>>,
    events: Vec<News>,
}

impl Effect<'_> {
    /// Tells whether it may change who sees the package.
    pub(in crate::overlay) fn moves_audience(&self) -> bool {
        matches!(self, Self::Restrict(_) | Self::Bind { .. } | Self::Unbind { .. })
    }
}

/// Decides what a change does. No effect: it is all so already.
///
/// # Errors
/// Why it must not be: see [`super::super::Overlay::change_package`].
pub(super) fn decide<'a>(state: State, change: &Change<'a>) -> Result<(Vec<Effect<'a>>, Vec<News>), Error> {
    if change.expected.is_some_and(|expected| expected != state.revision) {
        return Err(Error::Stale { held: state.revision });
    }
    if change.by_owner.is_some_and(|user| state.id.is_some() && !state.owners.contains_key(&user)) {
        return Err(Error::NotOwner);
    }
    let mut decision = Decision { state, effects: Vec::new(), events: Vec::new() };
    for edit in change.edits {
        decision.edit(edit)?;
    }
    Ok((decision.effects, decision.events))
}

/// Says what has happened, for the audit log.
pub(super) fn tell(events: &[News]) -> String {
    let line = |told: &News| {
        let words = [Some(told.kind.as_str()), told.version.as_deref(), told.tag.as_deref()];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    events.iter().map(line).collect::<Vec<_>>().join(", ")
}

// === impl Decision ===

impl<'a> Decision<'a> {
    fn edit(&mut self, edit: &'a Edit<'a>) -> Result<(), Error> {
        match edit {
            Edit::Unlike { version, is_same } => self.judge_like(version, *is_same)?,
            Edit::Publish(new) => self.publish(new)?,
            Edit::Deprecate { version, variant, manifest, reason } => {
                self.find(version, variant)?;
                self.effects.push(Effect::Manifest { version, variant, manifest });
                self.deprecate(version, *reason);
            }
            Edit::Unpublish { version, variant } => self.unpublish(version, *variant)?,
            Edit::UnpublishAll => {
                for version in self.versions() {
                    self.unpublish(&version, None)?;
                }
            }
            Edit::Tag { tag, version, when } => self.tag(tag, version, *when)?,
            Edit::Untag { tag } if self.state.tags.contains_key(*tag) => self.untag(tag),
            Edit::Untag { tag } => return Err(Error::absent("tag", tag)),
            Edit::Own { user, level } => self.own(*user, level),
            Edit::Disown { user } => self.disown(*user)?,
            Edit::Star { user } => {
                self.effects.push(Effect::Star { user: *user });
                self.tell(EventKind::Starred { user: *user }, None, None);
            }
            Edit::Unstar { user } => {
                self.effects.push(Effect::Unstar { user: *user });
                self.tell(EventKind::Unstarred { user: *user }, None, None);
            }
            Edit::Document { version, variant, document } => {
                self.find(version, variant)?;
                self.mark(Effect::Document { version, variant, document });
            }
            Edit::Restrict(is_restricted) => self.mark(Effect::Restrict(*is_restricted)),
            Edit::Bind { team, permission } => self.bind(*team, *permission),
            Edit::Unbind { team } => self.unbind(*team)?,
            Edit::Ask(factor) => self.mark(Effect::Ask(*factor)),
        }
        Ok(())
    }

    /// Refuses what is not the same text, and yet the same version. The same text is for who publishes it to judge.
    fn judge_like(&self, version: &str, is_same: fn(&str, &str) -> bool) -> Result<(), Error> {
        let is_like = |(other, _): &(String, String)| other != version && is_same(other, version);
        if self.state.living.iter().any(is_like) {
            return Err(Error::Published(version.to_owned()));
        }
        if self.state.removed.iter().any(is_like) {
            return Err(Error::Reserved(version.to_owned()));
        }
        Ok(())
    }

    fn publish(&mut self, new: &'a NewRelease<'a>) -> Result<(), Error> {
        let key = (new.version.to_owned(), new.variant.to_owned());
        let is_living = self.state.living.contains(&key);
        if is_living && new.replaces == Replaces::Nothing {
            return Err(Error::Published(key.0));
        }
        if self.state.removed.contains(&key) && new.replaces != Replaces::Anything {
            return Err(Error::Reserved(key.0));
        }
        self.state.removed.remove(&key);
        self.state.living.insert(key);
        self.effects.push(Effect::Put(new));
        let kind = if is_living { EventKind::VersionChanged } else { EventKind::VersionAdded };
        self.tell(kind, Some(new.version), None);
        Ok(())
    }

    fn deprecate(&mut self, version: &str, reason: Option<&str>) {
        let kind = if reason.is_some() { EventKind::VersionDeprecated } else { EventKind::VersionUndeprecated };
        let (version, reason) = (Some(version.to_owned()), reason.map(str::to_owned));
        self.events.push(News { version, reason, ..News::of(kind) });
    }

    fn unpublish(&mut self, version: &str, variant: Option<&str>) -> Result<(), Error> {
        let is_meant = |key: &&(String, String)| key.0 == version && variant.is_none_or(|variant| key.1 == variant);
        let meant: Vec<_> = self.state.living.iter().filter(is_meant).cloned().collect();
        if meant.is_empty() {
            return Err(Error::absent("version", version));
        }
        for key in meant {
            self.state.living.remove(&key);
            self.effects.push(Effect::Remove { version: key.0.clone(), variant: key.1.clone() });
            self.state.removed.insert(key);
        }
        self.tell(EventKind::VersionRemoved, Some(version), None);
        if !self.has(version) {
            let loose = self.state.tags.iter().filter(|(_, at)| *at == version);
            for tag in loose.map(|(tag, _)| tag.clone()).collect::<Vec<_>>() {
                self.untag(&tag);
            }
        }
        if self.state.living.is_empty() {
            self.tell(EventKind::Unpublished, None, None);
        }
        Ok(())
    }

    fn tag(&mut self, tag: &str, version: &str, when: When) -> Result<(), Error> {
        if !self.has(version) {
            return Err(Error::absent("version", version));
        }
        let kind = match self.state.tags.get(tag) {
            Some(held) if held == version || when == When::Absent => return Ok(()),
            Some(_) => EventKind::TagChanged,
            None => EventKind::TagAdded,
        };
        self.state.tags.insert(tag.to_owned(), version.to_owned());
        self.effects.push(Effect::Tag { tag: tag.to_owned(), version: version.to_owned() });
        self.tell(kind, Some(version), Some(tag));
        Ok(())
    }

    fn untag(&mut self, tag: &str) {
        self.state.tags.remove(tag);
        self.effects.push(Effect::Untag { tag: tag.to_owned() });
        self.tell(EventKind::TagRemoved, None, Some(tag));
    }

    fn own(&mut self, user: UserId, level: &'a str) {
        if self.state.owners.insert(user, level.to_owned()).as_deref() != Some(level) {
            self.effects.push(Effect::Own { user, level });
            self.tell(EventKind::OwnerAdded { user }, None, None);
        }
    }

    fn disown(&mut self, user: UserId) -> Result<(), Error> {
        if self.state.owners.remove(&user).is_none() {
            return Err(Error::absent("owner", user));
        }
        if self.state.owners.is_empty() {
            return Err(Error::LastOwner);
        }
        self.effects.push(Effect::Disown { user });
        self.tell(EventKind::OwnerRemoved { user }, None, None);
        Ok(())
    }

    fn bind(&mut self, team: TeamId, permission: Permission) {
        if self.state.teams.insert(team, permission) != Some(permission) {
            self.mark(Effect::Bind { team, permission });
        }
    }

    fn unbind(&mut self, team: TeamId) -> Result<(), Error> {
        self.state.teams.remove(&team).ok_or_else(|| Error::absent("binding to the team", team))?;
        self.mark(Effect::Unbind { team });
        Ok(())
    }

    fn mark(&mut self, effect: Effect<'a>) {
        self.effects.push(effect);
        self.tell(EventKind::PackageChanged, None, None);
    }

    fn tell(&mut self, kind: EventKind, version: Option<&str>, tag: Option<&str>) {
        let (version, tag) = (version.map(str::to_owned), tag.map(str::to_owned));
        self.events.push(News { version, tag, ..News::of(kind) });
    }

    fn find(&self, version: &str, variant: &str) -> Result<(), Error> {
        let key = (version.to_owned(), variant.to_owned());
        if self.state.living.contains(&key) { Ok(()) } else { Err(Error::absent("version", version)) }
    }

    fn has(&self, version: &str) -> bool {
        self.state.living.iter().any(|(living, _)| living == version)
    }

    fn versions(&self) -> BTreeSet<String> {
        self.state.living.iter().map(|(version, _)| version.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
