//! Second factors: what is asked a code for, and taking it. One place for all requests, after who asks is known and before
//! anything is done. Source: contract npm §2.2, §8.3.
//!
//! Who has a second factor shows a code to change the account, and to write to packages if its owner wants that; a token
//! that was made for automation never. Who shows a password in place of a token logs in with every request, and needs a
//! code each time.

use std::borrow::Cow;

use bytes::Bytes;

use crate::base::http::Request;
use crate::overlay::Identity;
use crate::overlay::factors::Mode;
use crate::overlay::packages::SecondFactor;
use crate::registries::gate::{Sight, Visitor};
use crate::registries::npm::Npm;
use crate::registries::npm::accounts::{address, one_time_password};
use crate::registries::npm::error::{Challenge, Error};
use crate::registries::npm::name::PackageName;
use crate::registries::npm::orgs::teams::Given;
use crate::registries::npm::routes::{Account, Action, Block, Discover, Hook, Orgs, Sharing, Stars};

/// What a request is, to a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Nothing,
    /// It writes to a package.
    Writes,
    /// It changes the account.
    Changes,
}

/// Whether the code is used up, or only must be there: each counts once, and a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    Present,
    /// With the body, where there is one.
    Taken(Option<&'a Bytes>),
}

impl Npm {
    /// Asks for a code, if this needs one.
    ///
    /// # Errors
    /// [`Error::Challenge`], [`Error::TooManyAttempts`], or the overlay's.
    pub(in crate::registries::npm) async fn confirm(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        action: &Action,
        wanted: Code<'_>,
    ) -> Result<(), Error> {
        let Some(identity) = visitor.identity.as_deref() else { return Ok(()) };
        let package = written(action, wanted);
        let package_asks = async || match &package {
            Some(package) => self.package_asks(visitor, identity, package).await,
            None => Ok(false),
        };
        if !needs_code(identity, weight(action)) && !package_asks().await? {
            return Ok(());
        }
        let code = one_time_password(request).ok_or(Error::Challenge(Challenge::Code))?;
        match &identity.user {
            Some(user) if matches!(wanted, Code::Taken(_)) => {
                Ok(self.gate.overlay().take_code(user, &code, address(request)).await?)
            }
            _ => Ok(()),
        }
    }
}

impl Npm {
    /// Tells whether a package that is written to wants a code itself, whatever its writer's account does.
    ///
    /// # Errors
    /// [`Error::Forbidden`]: there is no second factor that could show one. Or the overlay's.
    async fn package_asks(&self, visitor: &Visitor, identity: &Identity, name: &PackageName) -> Result<bool, Error> {
        // Who does not see a package is not told what it asks for.
        if !matches!(self.gate.look(visitor, name.as_str()).await?, Sight::Package { .. }) {
            return Ok(false);
        }
        let asks = self.gate.package(name.as_str()).await?.map(|package| package.second_factor).unwrap_or_default();
        let is_automation = identity.token.as_ref().is_some_and(|token| token.is_automation);
        match asks {
            SecondFactor::Never => Ok(false),
            SecondFactor::People if is_automation => Ok(false),
            _ if identity.user.as_ref().is_some_and(|user| user.factor.is_some()) => Ok(true),
            _ => Err(Error::Forbidden(format!("{name} is written to with a second factor, and you have none").into())),
        }
    }
}

/// Returns the package that is written to; where its name stands in the body, it is known with that.
fn written<'a>(action: &'a Action, wanted: Code<'_>) -> Option<Cow<'a, PackageName>> {
    match (action, wanted) {
        (Action::Write(write), _) => Some(Cow::Borrowed(write.package())),
        (Action::Sharing(sharing), _) if weight(action) == Weight::Writes => Some(Cow::Borrowed(sharing.package())),
        // A body that cannot be read is refused by who does what it says.
        (Action::Orgs(Orgs::Grant(_) | Orgs::Revoke(_)), Code::Taken(Some(body))) => {
            let given: Given = serde_json::from_slice(body).ok()?;
            PackageName::parse(&given.package).ok().map(Cow::Owned)
        }
        _ => None,
    }
}

fn needs_code(identity: &Identity, weight: Weight) -> bool {
    let Some(mode) = identity.user.as_ref().and_then(|user| user.factor) else { return false };
    match &identity.token {
        None => true,
        Some(token) if token.is_automation => false,
        Some(_) => weight == Weight::Changes || weight == Weight::Writes && mode == Mode::Writes,
    }
}

fn weight(action: &Action) -> Weight {
    match action {
        Action::Write(_) => Weight::Writes,
        Action::Sharing(Sharing::AddOwner { .. } | Sharing::RemoveOwner { .. } | Sharing::SetAccess { .. }) => {
            Weight::Writes
        }
        Action::Orgs(orgs) if !orgs.is_read() => Weight::Writes,
        Action::Stars(Stars::Set { .. } | Stars::SetOne { .. }) => Weight::Writes,
        Action::ProxyCache(asked) if !asked.is_read() => Weight::Writes,
        Action::Hook(Hook::Add | Hook::Edit { .. } | Hook::Remove { .. }) => Weight::Writes,
        Action::Block(Block::Put { .. } | Block::Remove { .. }) => Weight::Writes,
        Action::Discover(Discover::SetListed { .. }) => Weight::Writes,
        Action::Registries(asked) if !asked.is_read() => Weight::Writes,
        Action::Account(Account::EditProfile | Account::EditUser { .. }) => Weight::Changes,
        Action::Account(Account::IssueToken | Account::IssueBoundToken) => Weight::Changes,
        _ => Weight::Nothing,
    }
}
