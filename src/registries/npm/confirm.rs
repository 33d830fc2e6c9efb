//! Second factors: what is asked a code for, and taking it. One place for all requests, after who asks is known and before
//! anything is done. Source: contract npm §2.2, §8.3.
//!
//! Who has a second factor shows a code to change the account, and to write to packages if its owner wants that; a token
//! that was made for automation never. Who shows a password in place of a token logs in with every request, and needs a
//! code each time.

use super::Npm;
use super::accounts::{address, one_time_password};
use super::error::{Challenge, Error};
use super::routes::{Account, Action, Sharing};
use crate::base::http::Request;
use crate::overlay::Identity;
use crate::overlay::factors::Mode;
use crate::registries::gate::Visitor;

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
pub enum Code {
    Shown,
    Taken,
}

impl Npm {
    /// Asks for a code, if this needs one.
    ///
    /// # Errors
    /// [`Error::Challenge`], [`Error::TooManyAttempts`], or the overlay's.
    pub(super) async fn confirm(
        &self,
        request: &Request<'_>,
        (visitor, action): (&Visitor, &Action),
        wanted: Code,
    ) -> Result<(), Error> {
        let Some(identity) = visitor.identity.as_deref().filter(|identity| needs_code(identity, weight(action))) else {
            return Ok(());
        };
        let code = one_time_password(request).ok_or(Error::Challenge(Challenge::Code))?;
        match &identity.user {
            Some(user) if wanted == Code::Taken => {
                Ok(self.gate.overlay().take_code(user, &code, address(request)).await?)
            }
            _ => Ok(()),
        }
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
        Action::Account(Account::EditProfile | Account::EditUser { .. }) => Weight::Changes,
        Action::Account(Account::IssueToken | Account::IssueBoundToken) => Weight::Changes,
        _ => Weight::Nothing,
    }
}
