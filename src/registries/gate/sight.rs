//! What a visitor is shown of names that are ours, and what it may do to packages: the facts for [`judge`], which decides.

use std::collections::BTreeMap;

use super::judge::{Standing, Verdict, What, judge};
use super::{Gate, Visitor};
use crate::overlay::Identity;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::packages::{Audience, Listed, Package};
use crate::overlay::rights::Action;
use crate::overlay::teams::{Permission, TeamPath};
use crate::overlay::users::{UserId, UserName};
use crate::registries::failure::Error;

/// What a visitor finds at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The name is not ours: an upstream may be asked.
    Elsewhere,
    /// The name is ours, and there is nothing, or nothing that this visitor is to know of.
    Nothing,
    /// A package that was published here.
    Package {
        /// Whether others see nothing there: no cache is to keep it for them.
        is_closed: bool,
    },
}

/// What is to be done to a package.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    pub action: Action,
    pub name: &'a str,
    /// `None`: it is to be made.
    pub package: Option<&'a Package>,
}

impl Gate {
    /// Looks at a name with a visitor's eyes. Asks no database while nothing is written anywhere.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn look(&self, visitor: &Visitor, name: &str) -> Result<Sight, Error> {
        Ok(match self.overlay.holds(&self.mount, name).await? {
            None if self.keeps(name) => Sight::Nothing,
            None => Sight::Elsewhere,
            Some(Listed { audience: None, .. }) => Sight::Package { is_closed: false },
            // What not everybody sees, no token sees that is not meant for it.
            Some(_) if !self.may_pull(visitor, name) => Sight::Nothing,
            Some(Listed { audience: Some(audience), .. }) => {
                let who = self.standing(visitor, name, Some(&audience));
                match judge(Action::Pull, who, What::There(audience.reach)) {
                    Verdict::Above | Verdict::AsOwner => Sight::Package { is_closed: true },
                    Verdict::Refused | Verdict::Hidden => Sight::Nothing,
                }
            }
        })
    }

    fn may_pull(&self, visitor: &Visitor, name: &str) -> bool {
        visitor.identity.as_ref().is_none_or(|identity| identity.allows(Action::Pull, &self.mount, name))
    }

    /// Tells whether there is a package of which a visitor is not to know, whatever its token may do.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn hides(&self, visitor: &Visitor, name: &str) -> Result<bool, Error> {
        let Some(Listed { audience: Some(audience), .. }) = self.overlay.holds(&self.mount, name).await? else {
            return Ok(false);
        };
        let who = self.standing(visitor, name, Some(&audience));
        Ok(matches!(judge(Action::Pull, who, What::There(audience.reach)), Verdict::Refused | Verdict::Hidden))
    }

    /// Tells whether a visitor sees a package that was published here: what lists them leaves out the others.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn sees(&self, visitor: &Visitor, name: &str) -> Result<bool, Error> {
        let is_reader = self.let_read(visitor, name).is_ok();
        Ok(is_reader && matches!(self.look(visitor, name).await?, Sight::Package { .. }))
    }

    /// Tells whether a visitor may hear of what becomes of a name, ours or an upstream's.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn hears(&self, visitor: &Visitor, name: &str) -> Result<bool, Error> {
        let is_reader = self.let_read(visitor, name).is_ok();
        Ok(is_reader && !matches!(self.look(visitor, name).await?, Sight::Nothing))
    }

    /// Returns everybody who may do more with a package than whoever comes along, and what that is.
    ///
    /// # Errors
    /// The overlay's.
    pub async fn collaborators(&self, package: &Package) -> Result<BTreeMap<UserName, Permission>, Error> {
        let audience = package.audience();
        let what = What::There(audience.reach);
        let mut all: BTreeMap<UserName, Standing> = BTreeMap::new();
        for owner in &package.owners {
            all.entry(owner.name.clone()).or_default().is_owner = true;
        }
        if let Some(namespace) = scope(&package.name).and_then(|scope| NamespaceName::parse(scope).ok()) {
            let namespace = self.overlay.namespace(&namespace).await?;
            for (name, (_, role)) in namespace.into_iter().flat_map(|namespace| namespace.members) {
                all.entry(name).or_default().role = Some(role);
            }
        }
        for binding in &package.bindings {
            let path = TeamPath { namespace: &binding.namespace, name: &binding.name };
            let team = self.overlay.team(path).await?;
            for (name, _) in team.into_iter().flat_map(|team| team.members) {
                let standing = all.entry(name).or_default();
                standing.team = standing.team.max(Some(binding.permission));
            }
        }
        let permission = |(name, who)| match (judge(Action::Pull, who, what), judge(Action::Push, who, what)) {
            (_, Verdict::Above | Verdict::AsOwner) => Some((name, Permission::ReadWrite)),
            (Verdict::Above | Verdict::AsOwner, _) => Some((name, Permission::ReadOnly)),
            _ => None,
        };
        Ok(all.into_iter().filter_map(permission).collect())
    }

    /// Returns what a visitor is told who finds nothing at a name of ours: the same whether there is nothing, or nothing
    /// that it is to know of.
    ///
    /// Nobody in particular is asked who it is, if the name's scope is kept for us: npm says "not in this registry" to a
    /// 404 and "log in" to a 401, and who has not logged in may well have to. Elsewhere it is no use to log in, and a 401
    /// would make clients take a typing error for a want of rights. Source: contract npm §9.
    pub fn missing(&self, visitor: &Visitor, name: &str) -> Error {
        if visitor.identity.is_none() && scope(name).is_some() && self.keeps(name) {
            return Error::Unauthorized("you are not logged in: packages of this scope are not shown to everybody");
        }
        Error::not_found(name)
    }

    /// Lets a visitor act on a package: its token must allow it, and what its user is to the package. Returns the owner
    /// that the overlay is to find there at that moment; `None` for who stands above owners.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`], or the overlay's.
    pub async fn let_act(&self, visitor: &Visitor, act: Act<'_>) -> Result<Option<UserId>, Error> {
        let identity = self.known(visitor)?;
        if !identity.allows(act.action, &self.mount, act.name) {
            return Err(Error::Forbidden("this token may not do that".into()));
        }
        let audience = act.package.map(Package::audience);
        let what = match &audience {
            Some(audience) => What::There(audience.reach),
            // What upstream has is not for everybody to publish over.
            None => What::New { is_guarded: self.merges(act.name) || self.guard(act.name).await?.is_some() },
        };
        let who = self.standing(visitor, act.name, audience.as_ref());
        let verdict = judge(act.action, who, what);
        match verdict {
            Verdict::Above => Ok(None),
            Verdict::AsOwner => Ok(identity.user.as_ref().map(|user| user.id)),
            Verdict::Refused | Verdict::Hidden => Err(self.refusal(identity, act, verdict).await?),
        }
    }

    /// Says no. Who is not to know of a package reads what it would read if the name were free, as far as there is a no.
    async fn refusal(&self, identity: &Identity, act: Act<'_>, verdict: Verdict) -> Result<Error, Error> {
        let user = identity.user.as_ref().map_or("this token", |user| user.name.as_str());
        let is_free = act.package.is_none() || verdict == Verdict::Hidden;
        let guard = if is_free { self.guard(act.name).await? } else { None };
        Ok(Error::Forbidden(match guard {
            Some(namespace) => format!("{user} may not publish in {namespace}").into(),
            None if is_free && self.merges(act.name) => {
                format!("{} is mirrored: only admins publish over it first", act.name).into()
            }
            None => format!("{user} is no owner of {}", act.name).into(),
        }))
    }

    /// Returns the namespace that guards a name, if there is one.
    async fn guard(&self, name: &str) -> Result<Option<NamespaceName>, Error> {
        let Some(namespace) = scope(name).and_then(|scope| NamespaceName::parse(scope).ok()) else { return Ok(None) };
        Ok(self.overlay.namespace(&namespace).await?.map(|namespace| namespace.name))
    }

    /// Tells what a visitor is to a package.
    fn standing(&self, visitor: &Visitor, name: &str, audience: Option<&Audience>) -> Standing {
        let Some(identity) = &visitor.identity else { return Standing::default() };
        let user = identity.user.as_ref();
        let team = |audience: &Audience| {
            let mine = audience.teams.iter().filter(|(team, _)| identity.teams.contains(team));
            mine.map(|(_, permission)| *permission).max()
        };
        Standing {
            // A token that is nobody's is an operator's, and does what it has a right to.
            is_admin: user.is_none_or(|user| self.is_admin(user)),
            role: scope(name).and_then(|scope| identity.role(scope)),
            is_owner: user.is_some_and(|user| audience.is_some_and(|audience| audience.owners.contains(&user.id))),
            team: audience.and_then(team),
        }
    }
}

/// Returns the scope of a name, without its `@`.
pub fn scope(name: &str) -> Option<&str> {
    name.strip_prefix('@').and_then(|rest| rest.split_once('/')).map(|(scope, _)| scope)
}
