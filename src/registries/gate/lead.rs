//! Who may change a namespace: its members, its teams.

use super::judge::may_set_role;
use super::{Gate, Visitor};
use crate::overlay::namespaces::{Namespace, NamespaceName, Role};
use crate::overlay::rights::{Action, NAMESPACES};
use crate::overlay::users::UserId;
use crate::registries::failure::Error;

/// What a member of a namespace is to become; `None`: none any more.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub user: UserId,
    pub role: Option<Role>,
}

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

    /// Lets a visitor give a user another role in a namespace, or take it away.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Forbidden`].
    pub fn let_set_role(&self, visitor: &Visitor, namespace: &Namespace, step: Step) -> Result<(), Error> {
        let by = self.let_lead(visitor, &namespace.name)?;
        let held = namespace.members.values().find(|(member, _)| *member == step.user).map(|(_, role)| *role);
        if may_set_role(by, held, step.role) {
            return Ok(());
        }
        Err(Error::Forbidden(format!("only owners of {} make owners, and end them", namespace.name).into()))
    }
}
