//! Who may change a namespace: its members, its teams.

use super::judge::may_set_role;
use super::{Gate, Visitor};
use crate::overlay::namespaces::{Membership, Namespace, NamespaceName, Role};
use crate::overlay::rights::{Action, NAMESPACES};
use crate::overlay::users::UserId;
use crate::registries::failure::Error;

impl Gate {
    /// Lets a visitor change a namespace, which need not be there yet. Returns the role that it does so in: admins of
    /// everything count as owners.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`].
    pub fn let_lead(&self, visitor: &Visitor, namespace: &NamespaceName) -> Result<Role, Error> {
        let identity = self.known(visitor)?;
        if !identity.allows(Action::Admin, NAMESPACES, namespace.as_str()) {
            return Err(Error::Forbidden("this token may not do that".into()));
        }
        let Some(user) = &identity.user else { return Ok(Role::Owner) };
        if self.is_admin(user) {
            return Ok(Role::Owner);
        }
        let role = identity.role(namespace.as_str()).filter(|role| *role >= Role::Admin);
        role.ok_or_else(|| Error::Forbidden(format!("{} is no admin of {namespace}", user.name).into()))
    }

    /// Gives a user another role in a namespace, or takes it away, for a visitor: it must lead the namespace, and what the
    /// user is, and the visitor itself, is looked at when it is written.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`], or the overlay's.
    pub async fn set_role(
        &self,
        visitor: &Visitor,
        namespace: &NamespaceName,
        wanted: Membership,
    ) -> Result<(), Error> {
        let by = self.let_lead(visitor, namespace)?;
        let user = visitor.identity.as_ref().and_then(|identity| identity.user.as_ref());
        let leader = user.filter(|user| !self.is_admin(user)).map(|user| user.id);
        let may = |held: &Namespace| {
            let role = |user: UserId| held.members.values().find(|(member, _)| *member == user).map(|(_, role)| *role);
            match leader {
                None => may_set_role(by, role(wanted.user), wanted.role),
                Some(leader) => {
                    role(leader).is_some_and(|now| may_set_role(by.min(now), role(wanted.user), wanted.role))
                }
            }
        };
        Ok(self.overlay.set_role(namespace, wanted, may, &self.actor(visitor)).await?)
    }
}
