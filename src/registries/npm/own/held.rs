//! Packages of ours, as who asks finds them, and what it may do to them.

use crate::overlay::packages::Package;
use crate::overlay::rights::Action;
use crate::overlay::users::UserId;
use crate::registries::blocks::Subject;
use crate::registries::gate::{Act, Sight, Visitor};
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::lists::screened::is_open;
use crate::registries::npm::name::PackageName;

impl Npm {
    /// Returns a package of ours that a visitor sees; what is mirrored is not written to.
    pub(in crate::registries::npm) async fn held(
        &self,
        visitor: &Visitor,
        name: &PackageName,
    ) -> Result<Package, Error> {
        let missing = || self.gate.missing(visitor, name.as_str());
        match self.gate.look(visitor, name.as_str()).await? {
            Sight::Package { .. } => {
                self.blocks.check(Subject::package(name.as_str())).await?;
                self.gate.package(name.as_str()).await?.ok_or_else(missing)
            }
            Sight::Nothing => Err(missing()),
            Sight::Elsewhere => {
                let reason =
                    format!("{name} is mirrored: its operator may purge or block it, and nobody writes to it here");
                Err(Error::Forbidden(reason.into()))
            }
        }
    }

    /// Returns a package of ours that a visitor sees, to tell it of what only ours have.
    pub(in crate::registries::npm) async fn ours(
        &self,
        visitor: &Visitor,
        name: &PackageName,
    ) -> Result<Package, Error> {
        match self.gate.look(visitor, name.as_str()).await? {
            Sight::Elsewhere => {
                Err(Error::not_found(format!("{name}, which is mirrored, among what is published here")))
            }
            Sight::Package { .. } | Sight::Nothing => self.held(visitor, name).await,
        }
    }

    /// Leaves the names of packages that a visitor sees, and of which something may be had.
    pub(in crate::registries::npm) async fn visible_names(
        &self,
        visitor: &Visitor,
        names: Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let screen = self.blocks.screen().await?;
        let mut visible = Vec::new();
        for name in names {
            if self.gate.sees(visitor, &name).await? && is_open(&self.gate, &screen, &name).await? {
                visible.push(name);
            }
        }
        Ok(visible)
    }

    /// Lets a visitor act on a package that is there: see [`Gate::let_act`].
    ///
    /// [`Gate::let_act`]: crate::registries::gate::Gate::let_act
    pub(in crate::registries::npm) async fn let_edit(
        &self,
        visitor: &Visitor,
        action: Action,
        held: &Package,
    ) -> Result<Option<UserId>, Error> {
        self.gate.let_act(visitor, Act { action, name: &held.name, package: Some(held) }).await
    }

    /// Returns who is to see a package from a publish on, if that is others than before: not for its publishers to say.
    pub(in crate::registries::npm) async fn let_restrict(
        &self,
        visitor: &Visitor,
        held: Option<&Package>,
        wanted: Option<bool>,
    ) -> Result<Option<bool>, Error> {
        let is_restricted = held.is_some_and(|held| held.is_restricted);
        let changed = wanted.filter(|wanted| *wanted != is_restricted);
        if let (Some(_), Some(held)) = (changed, held) {
            self.let_edit(visitor, Action::Admin, held).await?;
        }
        Ok(changed)
    }
}
